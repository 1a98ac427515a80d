from __future__ import annotations

import shutil

import pytest


def test_the_report_is_written_again(shapereg, registered, tmp_path):
    folder, _ = registered
    run = shapereg("report", folder, "-o", tmp_path / "again.html")
    assert run == (0, f"wrote {tmp_path / 'again.html'}\n", "")
    assert (tmp_path / "again.html").read_bytes() == (folder / "report.html").read_bytes()


def test_volumes_that_have_moved_can_be_named(shapereg, registered, sample_files, tmp_path):
    folder = tmp_path / "result"
    shutil.copytree(registered[0], folder)
    (folder / "report.html").unlink()
    moving, fixed = (shutil.copy(file, tmp_path) for file in sample_files)
    assert shapereg("report", folder, "--moving", moving, "--fixed", fixed).code == 0
    assert (folder / "report.html").is_file()
    (folder / "report.html").unlink()
    run = shapereg("report", folder, "--moving", fixed)
    assert run.code == 2
    assert "is not the moving volume that was registered" in run.err
    assert not (folder / "report.html").exists()


def test_the_report_is_written_as_pdf(shapereg, registered, tmp_path):
    run = shapereg("report", registered[0], "-o", tmp_path / "again.pdf")
    assert run == (0, f"wrote {tmp_path / 'again.pdf'}\n", "")
    assert (tmp_path / "again.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["-o", "report.txt"], "an .html or a .pdf file"), (["-o", "none/report.html"], "does not exist")],
)
def test_wrong_words(shapereg, registered, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    run = shapereg("report", registered[0], *words)
    assert (run.code, message in run.err) == (2, True)
    assert shapereg("report", tmp_path).code == 2
    assert not list(tmp_path.iterdir())
