from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.deformations import AffineMap
from napari_shapereg.errors import InputError
from napari_shapereg.plugin import agreement
from napari_shapereg.plugin.agreement import label_points, measure_agreement, told
from napari_shapereg.plugin.agreement_table import COLUMNS, write_agreement
from napari_shapereg.quality import LandmarkErrors


@pytest.fixture(scope="module")
def shifted(shifted_pair):
    return measure_agreement(shifted_pair)


@pytest.fixture(scope="module")
def unmoved(unmoved_pair):
    return measure_agreement(unmoved_pair)


def test_a_right_shift_agrees_wholly_and_is_regular(shifted):
    assert [row.label for row in shifted.rows] == [1, 2]
    assert [row.title for row in shifted.rows] == ["large", "small"]
    for row in shifted.rows:
        # The balls lie differently between the planes of the grid, 1.5 mm apart.
        assert row.after.dice > 0.85 > row.before.dice
        assert row.jacobian.lowest == pytest.approx(1.0, abs=1e-9)
        assert row.jacobian.highest == pytest.approx(1.0, abs=1e-9)
        assert row.inverse.highest == pytest.approx(0.0, abs=1e-9)
    assert shifted.folding().startswith("Nothing folded")
    assert "Inverse consistency: mean 0.000" in shifted.summary()


def test_the_worst_point_is_the_voxel_that_lies_far_from_all_others(unmoved, unmoved_pair):
    (point,) = unmoved_pair.fixed.grid.to_points([(40, 30, 5)])
    assert unmoved.row(2).after.worst_point == pytest.approx(point.tolist())
    assert unmoved.row(2).after.hd > 10.0


def test_what_the_map_does_to_volume_is_told_for_each_label(make_pair, shifted_pair):
    doubled = measure_agreement(
        make_pair(shifted_pair.moving, shifted_pair.fixed, AffineMap(2 * np.eye(3), np.zeros(3)))
    )
    # moving → fixed doubles lengths, so fixed → moving has det J = 1/8
    assert doubled.row(1).jacobian.median == pytest.approx(0.125)


def test_voxels_that_do_not_come_back_are_told_for_each_label(make_pair, shifted_pair, monkeypatch):
    pair = make_pair(shifted_pair.moving, shifted_pair.fixed)
    monkeypatch.setattr(
        type(pair), "inverse_transform", sitk.TranslationTransform(3, (0.0, 0.3, 0.4)), raising=True
    )
    rows = measure_agreement(pair).rows
    assert [row.inverse.high for row in rows] == pytest.approx([0.5, 0.5])


def test_folds_are_counted_and_placed(make_pair, shifted_pair, make_folding, monkeypatch):
    pair = make_pair(shifted_pair.moving, shifted_pair.fixed)
    grid = pair.fixed.grid
    monkeypatch.setattr(type(pair), "transform", make_folding((21, 18, 18), grid), raising=True)
    found = measure_agreement(pair)
    assert found.folds.total == 1
    np.testing.assert_allclose(found.folds.points, grid.to_points([(20, 18, 18)]))
    assert found.folding().startswith("Folded: 1 voxels")
    assert found.row(1).jacobian.lowest == pytest.approx(-0.5)
    assert found.row(2).jacobian.lowest == pytest.approx(1.0)


def test_a_label_that_the_moving_volume_lacks_has_a_row(make_pair, shifted_pair):
    volume = shifted_pair.moving
    lost = type(volume)(np.where(volume.data == 2, 0, volume.data), volume.grid)
    row = measure_agreement(make_pair(lost, shifted_pair.fixed)).row(2)
    assert row.after.dice == 0.0
    assert row.after.worst_point is None
    texts = {column.heading: column.texts(row) for column in COLUMNS}
    assert texts["HD"] == ("–", "(–)")
    assert texts["Dice"] == ("0.000", "(0.000)")


def test_points_of_a_label_are_its_voxels(volume):
    points = label_points(volume, 3, 1000)
    expected = volume.grid.to_points(np.argwhere(volume.data == 3)[:, ::-1])
    np.testing.assert_allclose(points, expected)
    few = label_points(volume, 3, 5)
    assert len(few) == 5
    assert {tuple(row) for row in few} <= {tuple(row) for row in expected}
    assert label_points(volume, 9, 5).shape == (0, 3)


def test_large_labels_are_followed_in_part(shifted_pair, monkeypatch):
    monkeypatch.setattr(agreement, "MOST_FOLLOWED", 10)
    assert measure_agreement(shifted_pair).row(1).jacobian.median == pytest.approx(1.0)


def test_landmarks_are_told_as_in_the_other_dock(unmoved):
    errors = LandmarkErrors(("1", "2"), (3.0, 5.0), (1.0, 2.0))
    found = replace(unmoved, metrics=replace(unmoved.metrics, landmarks=errors), fitted=False)
    assert "2 landmarks (target registration error): mean 4.00 → 1.50 mm" in found.summary().splitlines()[-1]
    assert told(errors, fitted=True) in replace(found, fitted=True).summary()


def test_the_csv_holds_what_the_dock_shows(unmoved, tmp_path):
    path = write_agreement(unmoved, tmp_path / "table.csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["label"] for row in rows] == ["1", "2", "all"]
    first, second, whole = rows
    after = unmoved.row(1).after
    assert float(first["dice_after"]) == after.dice
    assert float(first["hd95_mm_after"]) == after.hd95
    assert float(first["assd_mm_before"]) == unmoved.row(1).before.assd
    assert first["name"] == "large"
    assert [float(second[f"worst_{axis}_mm"]) for axis in "xyz"] == pytest.approx([40.0, 30.0, 7.5])
    assert float(whole["det_j_min"]) == unmoved.metrics.regularity.minimum
    assert float(whole["folded_fraction"]) == 0.0
    assert whole["dice_after"] == ""


def test_a_table_that_cannot_be_written_says_why(unmoved, tmp_path):
    with pytest.raises(InputError, match="does not exist; create it first"):
        write_agreement(unmoved, tmp_path / "nowhere" / "table.csv")
