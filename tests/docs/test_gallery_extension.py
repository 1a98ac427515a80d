from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def extension(monkeypatch, tmp_path):
    """The extension, for a repository of its own."""
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs/_extensions/gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "docs" / "auto_examples").mkdir(parents=True)
    (tmp_path / "napari_shapereg").mkdir()
    (tmp_path / "docs" / "conf.py").write_text("")
    monkeypatch.setattr(module, "DOCS", tmp_path / "docs")
    return module


def is_kept(extension, checksum):
    """Build once, with a page that has run before."""
    checksum.write_text("of the page")
    extension.forget_old_pages(SimpleNamespace(srcdir=str(extension.DOCS)), None)
    return checksum.is_file()


def test_pages_run_again_when_the_library_changes(extension, tmp_path):
    checksum = tmp_path / "docs" / "auto_examples" / "plot_page.py.md5"
    source = tmp_path / "napari_shapereg" / "room.py"
    source.write_text("before = 1")
    assert not is_kept(extension, checksum)  # nothing is known of the library yet
    assert is_kept(extension, checksum)
    source.write_text("after = 1")
    assert not is_kept(extension, checksum)


def test_the_plugin_is_not_part_of_any_page(extension, tmp_path):
    checksum = tmp_path / "docs" / "auto_examples" / "plot_page.py.md5"
    is_kept(extension, checksum)
    (tmp_path / "napari_shapereg" / "plugin").mkdir()
    (tmp_path / "napari_shapereg" / "plugin" / "widget.py").write_text("")
    assert is_kept(extension, checksum)


def test_every_page_has_its_place(extension):
    files = sorted(path.name for path in (ROOT / "docs/gallery").glob("plot_*.py"))
    assert sorted(files, key=extension.reading_order)
    assert len(files) == len(extension.PAGES)
