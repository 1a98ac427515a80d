from __future__ import annotations

import runpy
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.volumes import knee_pair, known_pair, read_labels, sample_pair, sample_path, samples

REPOSITORY = Path(__file__).resolve().parents[2]


class _Quiet(SimpleHTTPRequestHandler):
    requests: list[str]

    def log_message(self, *_):
        self.requests.append(self.path)


@pytest.fixture
def server(tmp_path):
    """A web server on this machine, its folder, and what was asked of it."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = type("Handler", (_Quiet,), {"requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder, handler.requests
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "make"), [("knees", knee_pair), ("known", known_pair)])
def test_bundled_pairs_are_what_the_formulas_give(name, make):
    for stored, made in zip(sample_pair(name), make(), strict=True):
        np.testing.assert_array_equal(stored.data, made.data)
        # NIfTI headers hold float32.
        np.testing.assert_allclose(stored.grid.corners(), made.grid.corners(), atol=4e-5)
        assert stored.names == {1: "Femoral cartilage", 2: "Tibial cartilage"}
        assert stored.source.is_file()


def test_script_makes_the_same_volumes_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["make.py", str(tmp_path)])
    runpy.run_path(str(REPOSITORY / "sample_volumes" / "make.py"), run_name="__main__")
    made = sorted(file.name for file in tmp_path.iterdir())
    assert made == sorted(file.name for file in (REPOSITORY / "sample_volumes").glob("*.nii.gz"))
    for name in made:
        fresh, stored = read_labels(tmp_path / name), read_labels(sample_path(name))
        np.testing.assert_array_equal(fresh.data, stored.data)
        assert fresh.grid == stored.grid
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_samples_are_small():
    sizes = [file.stat().st_size for file in (REPOSITORY / "sample_volumes").glob("*.nii.gz")]
    assert len(sizes) == 4
    assert sum(sizes) < 300_000


def test_unknown_samples_are_refused():
    with pytest.raises(InputError, match=r"'hip'; there are knees, known, oai"):
        sample_pair("hip")
    with pytest.raises(InputError, match=r"'\.\./pyproject\.toml'; there are knee_a"):
        sample_path("../pyproject.toml")


def test_missing_samples_say_so(monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "__file__", str(tmp_path / "a" / "b" / "samples.py"))
    with pytest.raises(InputError, match=r"knee_a\.nii\.gz is missing .*install"):
        sample_path("knee_a.nii.gz")


def test_oai_pair_is_downloaded_once(server, oai_folder, tmp_path):
    url, folder, requests = server
    for name in samples.OAI_HASHES:
        shutil.copy(oai_folder / name, folder / name)
    for _ in range(2):
        moving, fixed = sample_pair("oai", base_url=url, cache=tmp_path / "cache")
        assert int(moving.mask(1).sum()) == 171_346
        assert int(fixed.mask(1).sum()) == 113_439
        assert moving.names[2] == "Tibial cartilage"
    assert sorted(requests) == ["/OAI_a.nii.gz", "/OAI_b.nii.gz"]


def test_damaged_cache_is_downloaded_again(server, oai_folder, tmp_path):
    url, folder, _ = server
    for name in samples.OAI_HASHES:
        shutil.copy(oai_folder / name, folder / name)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "OAI_a.nii.gz").write_bytes(b"half a file")
    assert sample_pair("oai", base_url=url, cache=cache)[0].labels == (1, 2)


def test_wrong_file_is_refused_and_not_kept(server, tmp_path):
    url, folder, _ = server
    (folder / "OAI_a.nii.gz").write_bytes(b"<html>please log in</html>")
    with pytest.raises(ShapeRegError, match=r"http://127.*OAI_a\.nii\.gz is not the file that it should be"):
        sample_pair("oai", base_url=url, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_file_on_the_server(server, tmp_path):
    url, _, _ = server
    with pytest.raises(ShapeRegError, match=r"cannot be downloaded .*404.* or put the file into"):
        sample_pair("oai", base_url=url, cache=tmp_path / "cache")


def test_no_server_at_all(server, tmp_path):
    with pytest.raises(ShapeRegError, match="check the network"):
        sample_pair("oai", base_url="http://127.0.0.1:9", cache=tmp_path / "cache")
    with pytest.raises(ShapeRegError, match="cannot be downloaded"):
        sample_pair("oai", base_url="http://", cache=tmp_path / "cache")


def test_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(ShapeRegError, match="cannot be downloaded"):
        sample_pair("oai", base_url=server[0], cache=tmp_path / "cache")
