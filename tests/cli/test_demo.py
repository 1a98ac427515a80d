from __future__ import annotations

import struct

import pytest

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
def test_the_sample_knees_are_registered_and_shown(shapereg, tmp_path):
    folder = tmp_path / "demo_output"
    folder.mkdir()
    for name in ("metrics.json", "before_and_after.png"):
        (folder / name).write_text("of an earlier demo")
    run = shapereg("demo", "-o", folder)
    assert run.code == 0
    rows = [line.removeprefix(line[:1]).split() for line in run.out.splitlines()]
    dice = {
        when: [float(row[row.index(when) + 1]) for row in rows if when in row] for when in ("before", "after")
    }
    assert max(dice["before"]) < 0.05
    # Measured: 0.93 for both; a linear map alone reaches 0.5.
    assert min(dice["after"]) > 0.85
    written = [line.removeprefix("wrote ") for line in run.out.splitlines() if line.startswith("wrote ")]
    assert sorted(written) == sorted(str(path) for path in folder.iterdir())
    picture = (folder / "before_and_after.png").read_bytes()
    assert picture.startswith(PNG)
    assert min(struct.unpack(">II", picture[16:24])) > 300


def test_a_folder_of_somebody_else_is_refused(shapereg, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    run = shapereg("demo", "-o", tmp_path)
    assert run.code == 2
    assert "no demo wrote it" in run.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
