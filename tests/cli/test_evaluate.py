from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.volumes import ImageGrid, LabelVolume, write_labels


@pytest.fixture
def shifted(tmp_path):
    """Two cubes of 6 voxels, the second one 2 voxels of 0.5 mm further along x."""
    grid = ImageGrid((20, 12, 12), (0.5, 1.0, 1.0))
    fixed, other = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    fixed[3:9, 3:9, 4:10] = 3
    other[3:9, 3:9, 6:12] = 3
    return [
        write_labels(LabelVolume(data, grid), tmp_path / f"{name}.nii.gz")
        for name, data in (("fixed", fixed), ("other", other))
    ]


def test_two_volumes_as_they_lie(shapereg, shifted):
    printed = json.loads(shapereg("evaluate", *shifted, "--json").out)
    row = printed["labels"]["3"]
    assert row["before"] is None
    assert row["after"]["dice"] == pytest.approx(4 / 6)
    assert row["after"]["hd"] == pytest.approx(1.0)
    assert row["after"]["volume_ratio"] == 1
    assert printed["jacobian"] is None
    lines = shapereg("evaluate", *shifted).out.splitlines()
    assert lines[2].split() == ["3", "0.667", "1.000", f"{row['after']['assd']:.3f}", "1.000", "1.000"]
    assert "Label 3 overlaps poorly" in lines[3]


def test_the_other_side_of_the_body_is_a_concern(shapereg, tmp_path):
    data = np.ones((3, 3, 3), np.uint8)
    files = [
        write_labels(LabelVolume(data, ImageGrid((3, 3, 3), (1, 1, 1), (x, 0, 0))), tmp_path / f"{x}.nii.gz")
        for x in (40, -50)
    ]
    words = "lie on the right of the origin of the scanner's coordinates, the fixed ones on the left"
    assert words in " ".join(shapereg("evaluate", *files).out.split())
    printed = json.loads(shapereg("evaluate", *files, "--json").out)
    assert printed["orientation"] == {"moving_side": "right", "fixed_side": "left", "turn": None}
    assert words in printed["concerns"][0]


def test_through_a_transform(shapereg, shifted, tmp_path):
    scale = sitk.AffineTransform(3)
    scale.SetTranslation([1.0, 0.0, 0.0])
    sitk.WriteTransform(scale, str(tmp_path / "shift.tfm"))
    printed = json.loads(shapereg("evaluate", *shifted, "-t", tmp_path / "shift.tfm", "--json").out)
    row = printed["labels"]["3"]
    assert row["before"]["dice"] == pytest.approx(4 / 6)
    assert row["after"]["dice"] == 1
    assert row["after"]["hd"] == 0
    assert printed["jacobian"]["minimum"] == pytest.approx(1)
    assert printed["inverse_consistency"] is None
    lines = shapereg("evaluate", *shifted, "-t", tmp_path / "shift.tfm").out.splitlines()
    assert [line.split()[:2] for line in lines[2:4]] == [["3", "before"], ["after", "1.000"]]
    assert lines[4].startswith("det J: min 1.000, max 1.00, folded 0.00%")


def test_a_folder_of_register_gives_what_register_measured(shapereg, registered, sample_files):
    folder, _ = registered
    moving, fixed = sample_files
    printed = json.loads(shapereg("evaluate", fixed, moving, "-t", folder, "--json").out)
    written = json.loads((folder / "metrics.json").read_text())
    for label, row in written["labels"].items():
        for when in ("before", "after"):
            ours, theirs = printed["labels"][label][when], row[when]
            assert ours.pop("worst_point") == pytest.approx(theirs.pop("worst_point"))
            assert ours == pytest.approx(theirs)
    assert printed["inverse_consistency"]["mean"] == pytest.approx(written["inverse_consistency"]["mean"])
    assert printed["jacobian"]["minimum"] == pytest.approx(written["jacobian"]["minimum"])
    warped = json.loads(shapereg("evaluate", fixed, folder / "warped_labels.nii.gz", "--json").out)
    assert {label: row["after"]["dice"] for label, row in warped["labels"].items()} == pytest.approx(
        {label: row["after"]["dice"] for label, row in written["labels"].items()}
    )


def test_the_inverse_is_not_taken_for_the_transform(shapereg, registered, sample_files):
    folder, _ = registered
    run = shapereg("evaluate", *sample_files[::-1], "-t", folder / "moving_to_fixed.h5")
    assert run.code == 2
    assert f"give {folder / 'fixed_to_moving.h5'}" in run.err


def test_labels_that_one_volume_lacks_count_as_empty(shapereg, shifted, tmp_path):
    image = sitk.ReadImage(str(shifted[1]))
    sitk.WriteImage(sitk.Cast(image * 2, sitk.sitkUInt8), str(tmp_path / "six.nii.gz"))
    printed = json.loads(shapereg("evaluate", shifted[0], tmp_path / "six.nii.gz", "--json").out)
    assert [row["after"]["dice"] for row in printed["labels"].values()] == [0, 0]
    only = json.loads(shapereg("evaluate", *shifted, "--labels", "3", "--json").out)
    assert list(only["labels"]) == ["3"]


def test_landmarks_are_paired_and_measured(shapereg, shifted, tmp_path):
    sitk.WriteTransform(sitk.TranslationTransform(3, (1.0, 0.0, 0.0)), str(tmp_path / "shift.tfm"))
    (tmp_path / "fixed.csv").write_text("label,x,y,z\nmedial,3,5,5\nlateral,4,5,5\n")
    (tmp_path / "other.csv").write_text("label,x,y,z\nlateral,5,5,5\nmedial,4,5,7\n")
    words = ["evaluate", *shifted, "-t", tmp_path / "shift.tfm"]
    words += ["--landmarks", tmp_path / "fixed.csv", tmp_path / "other.csv"]
    alone = shapereg(*words[:3], *words[5:])
    assert alone.code == 2
    assert "add --transform" in alone.err
    errors = json.loads(shapereg(*words, "--json").out)["landmarks"]
    assert errors["landmarks"]["lateral"] == {"before": pytest.approx(1), "after": pytest.approx(0)}
    assert errors["landmarks"]["medial"] == {"before": pytest.approx(5**0.5), "after": pytest.approx(2)}
    assert ["mean", "1.62", "1.00"] in [line.split() for line in shapereg(*words).out.splitlines()]
    (tmp_path / "other.csv").write_text("label,x,y,z\ncentral,5,5,5\n")
    run = shapereg(*words)
    assert run.code == 2
    assert "only in one set: central, lateral, medial" in run.err
    assert str(tmp_path / "other.csv") in run.err
    (tmp_path / "fixed.csv").write_text("label,x,y,z\nmedial,3,5,5\nmedial,4,5,5\n")
    (tmp_path / "other.csv").write_text("x,y,z\n5,5,5\n4,5,7\n")
    run = shapereg(*words)
    assert run.code == 2
    assert "needs a name of its own" in run.err
    assert str(tmp_path / "fixed.csv") in run.err
