"""Options of `shapereg register` that say what the map may be, and what it is told beside the labels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_shapereg.transforms import read_transform, transform_points


def write_named(path, points):
    rows = [f"{x},{y},{z},{name}" for name, (x, y, z) in points.items()]
    path.write_text("\n".join(["x,y,z,label", *rows]) + "\n")


def test_a_rigid_model_with_landmarks_and_weights(shapereg, boxes, tmp_path):
    here = np.array([[101.0, -57, 13], [104, -50, 20], [108, -60, 18]])
    there = here + np.array([2.0, -1, 3])
    write_named(tmp_path / "here.csv", {name: here[i] for i, name in enumerate("ABC")})
    write_named(tmp_path / "there.csv", {name: there["ABC".index(name)] for name in "CAB"})
    run = shapereg(
        *("register", *boxes, "-o", tmp_path / "out", "--no-report", "--model", "rigid"),
        *("--landmarks", tmp_path / "here.csv", tmp_path / "there.csv", "--landmark-weight", "1000"),
        *("--label-weights", "1:3,2:0.5", "--quiet"),
    )
    assert run.code == 0, run.err
    found = transform_points(read_transform(tmp_path / "out" / "moving_to_fixed.h5"), here)
    # The landmarks ask for a shift of their own and outweigh the labels.
    assert np.abs(found - there).max() < 0.1
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert settings["label_weights"] == {"1": 3.0, "2": 0.5}
    assert settings["model"] == "rigid"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label-weights", "1:2,2"], "weights of labels are like 1:2,2:0.5"),
        (["--label-weights", "1:-2"], "weights of labels are like 1:2,2:0.5"),
        (["--landmarks", "no.csv", "no.csv"], "no.csv: no such file"),
    ],
)
def test_what_cannot_be_used(shapereg, boxes, tmp_path, words, message):
    run = shapereg("register", *boxes, "-o", tmp_path / "out", *words)
    assert run.code == 2
    assert message in run.err
    assert not (tmp_path / "out").exists()
