"""Words in any order: the program ends with its own exit codes, and never with a traceback."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from napari_shapereg.cli import main
from tests.fuzz.conftest import CASES

COMMANDS = ["register", "gradient", "warp", "convert", "evaluate", "report"]
OPTIONS = [
    "-o",
    "--output",
    "-t",
    "--transform",
    "-r",
    "--reference",
    "--initial",
    "--labels",
    "--settings",
    "--preset",
    "--linear",
    "--fidelity",
    "--length",
    "--reach",
    "--pitch",
    "--device",
    "--engine",
    "--save",
    "--json",
    "--quiet",
    "--overwrite",
    "--backward",
    "--kind",
    "--landmarks",
    "--to",
    "--from",
    "--moving",
    "--inverse",
    "--bids",
    "--binning",
    "--displacement",
    "--help",
]
VALUES = [
    "nothing.nii.gz",
    "text.nii.gz",
    "text.h5",
    "text.csv",
    "folder",
    "out.nii.gz",
    "out",
    "1,2",
    "-1",
    "nan",
]
WORDS = st.sampled_from([*OPTIONS, *VALUES]) | st.text(max_size=6).filter(lambda word: "\x00" not in word)


@settings(max_examples=max(100, CASES // 5), suppress_health_check=list(HealthCheck))
@given(command=st.sampled_from(COMMANDS), words=st.lists(WORDS, max_size=7))
def test_any_words_end_well(tmp_path_factory, monkeypatch, capfd, command, words):
    place = tmp_path_factory.getbasetemp() / "words"
    if not place.is_dir():
        (place / "folder").mkdir(parents=True)
        for name in ("text.nii.gz", "text.h5", "text.csv"):
            (place / name).write_text("this is no image\n")
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as end:
        main([command, *words])
    said = capfd.readouterr().err
    assert end.value.code in (None, 0, 2), said
    assert "Traceback" not in said
    assert sorted(path.name for path in place.iterdir()) == ["folder", "text.csv", "text.h5", "text.nii.gz"]
    assert not list((place / "folder").iterdir())
