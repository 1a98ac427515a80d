"""Words in any order: the program ends with its own exit codes, and never with a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from napari_shapereg.cli import main
from napari_shapereg.transforms import affine_transform, write_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume, write_labels
from tests.fuzz.conftest import CASES

LINES = {
    # (One volume is missing: a whole registration would take too long.)
    "register": ["labels.nii.gz", "nothing.nii.gz", "-o", "out"],
    "gradient": ["labels.nii.gz", "labels.nii.gz", "-o", "arrows.csv"],
    "warp": ["points.csv", "-t", "shift.tfm", "-o", "moved.csv"],
    "convert": ["shift.tfm", "-r", "labels.nii.gz", "-o", "field.nii"],
    "evaluate": ["labels.nii.gz", "labels.nii.gz", "-t", "shift.tfm"],
    "report": ["folder"],
}
"""What works, or nearly so, and is then changed."""
PAIRS = [
    ["-o", "out.nii.gz"],
    ["-t", "shift.tfm"],
    ["-t", "text.h5"],
    ["-r", "labels.nii.gz"],
    ["--moving", "labels.nii.gz"],
    ["--to", "fsl"],
    ["--to", "ras"],
    ["--from", "fsl"],
    ["--bids", "from-a_to-b"],
    ["--initial", "shift.tfm"],
    ["--initial", "text.h5"],
    ["--landmarks", "points.csv", "points.csv"],
    ["--landmarks", "points.csv", "text.csv"],
    ["--landmark-weight", "-1"],
    ["--label-weights", "1:2"],
    ["--label-weights", "1:nan"],
    ["--labels", "1,2"],
    ["--model", "affine"],
    ["--linear", "none"],
    ["--mirror", "always"],
    ["--overlap", "partial"],
    ["--preset", "fast"],
    ["--settings", "text.csv"],
    ["--fidelity", "sinkhorn"],
    ["--length", "nan"],
    ["--exponent", "1"],
    ["--reach", "-1"],
    ["--pitch", "2"],
    ["--device", "cpu"],
    ["--engine", "torch"],
    ["--kind", "labels"],
    ["--interpolation", "linear"],
    ["--binning", "2,2,1"],
    ["--save", "jacobian"],
    *(
        [word]
        for word in (
            "--json",
            "--quiet",
            "--overwrite",
            "--backward",
            "--inverse",
            "--displacement",
            "--shared-labels",
            "--no-report",
            "--pdf",
            "--help",
        )
    ),
]
WORDS = st.sampled_from(["text.nii.gz", "labels.nii.gz", "folder", "-o", "--labels", "-1", "nan", "1,2"]) | (
    st.text(max_size=6).filter(lambda word: "\x00" not in word and "/" not in word)
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 8), st.none() | st.sampled_from(PAIRS) | WORDS.map(lambda word: [word])),
    max_size=4,
)


def changed(line, changes):
    """Return a line with words put in, or one left out where there are none, at places of it."""
    words = list(line)
    for place, new in changes:
        words[place : place + (new is None)] = new or []
    return words


def files(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def given_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "given"
    (folder / "folder").mkdir(parents=True)
    for name in ("text.nii.gz", "text.h5", "text.csv"):
        (folder / name).write_text("this is no image\n")
    data = np.zeros((6, 7, 8), np.uint8)
    data[2:4, 2:5, 2:6], data[4, 2:5, 2:6] = 1, 2
    write_labels(LabelVolume(data, ImageGrid((8, 7, 6), (1.0, 1.5, 2.0))), folder / "labels.nii.gz")
    write_transform(affine_transform(np.eye(3), [1.0, 0.0, -1.0]), folder / "shift.tfm")
    (folder / "points.csv").write_text("x,y,z,label\n2,3,4,a\n5,6,7,b\n")
    return folder


@settings(max_examples=max(100, CASES // 5), suppress_health_check=list(HealthCheck))
@given(command=st.sampled_from(sorted(LINES)), changes=CHANGES)
def test_any_words_end_well(given_files, monkeypatch, capfd, command, changes):
    place = given_files.with_name("place")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(given_files, place)
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as end:
        main([command, *changed(LINES[command], changes)])
    said = capfd.readouterr().err
    assert end.value.code in (None, 0, 2), said
    assert "Traceback" not in said
    if end.value.code == 2:
        assert files(Path()) == files(given_files)


@pytest.mark.parametrize("command", ["gradient", "warp", "convert", "evaluate"])
def test_the_lines_that_are_changed_work(given_files, monkeypatch, tmp_path, command):
    shutil.copytree(given_files, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    with pytest.raises(SystemExit) as end:
        main([command, *LINES[command]])
    assert not end.value.code
