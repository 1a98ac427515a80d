from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from napari_shapereg.quality import jacobian_determinants, regularity
from napari_shapereg.transforms import affine_transform, chain, displacement_transform, write_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume, write_labels

BIN = 1 / 4000


def test_an_affine_map_has_one_determinant(grid):
    values = regularity(affine_transform(np.diag([1.2, 0.5, 1.0]), [3.0, 0.0, 1.0]), grid)
    assert (values.minimum, values.maximum) == (pytest.approx(0.6), pytest.approx(0.6))
    assert values.fraction_folded == 0
    assert values.log_deviation == pytest.approx(0, abs=1e-6)
    assert values.voxels == grid.voxels
    assert values.histogram_counts == (grid.voxels,)
    assert values.percentiles == {percent: pytest.approx(0.6) for percent in (1, 5, 50, 95, 99)}


def test_a_mirror_folds_nothing_and_is_called_one(grid, smooth_map):
    mirror = affine_transform(np.diag([-1.0, 1.0, 1.0]), np.zeros(3))
    values = regularity(mirror, grid)
    assert values.mirrored
    assert values.fraction_folded == 0
    assert values.minimum == pytest.approx(1)
    plain, mirrored = regularity(smooth_map, grid), regularity(chain(smooth_map, mirror), grid)
    assert not plain.mirrored
    assert mirrored.mirrored
    assert mirrored.minimum == pytest.approx(plain.minimum)
    assert mirrored.percentiles == pytest.approx(plain.percentiles, abs=1e-3)


def test_a_fold_within_a_mirror_is_found():
    vectors = np.zeros((12, 12, 12, 3))
    vectors[6, 6, 6, 0] = 5.0
    grid = ImageGrid((12, 12, 12))
    field = displacement_transform(vectors, grid)
    mirror = affine_transform(np.diag([1.0, -1.0, 1.0]), np.zeros(3))
    assert 0 < regularity(field, grid).fraction_folded < 0.1
    assert regularity(chain(field, mirror), grid).fraction_folded == regularity(field, grid).fraction_folded


def test_a_stretch_that_grows_linearly():
    # T = x + x²/200: det = 1 + x/100 inside; one-sided differences at the ends are half a step off.
    grid = ImageGrid((101, 3, 3))
    vectors = np.zeros((*grid.shape, 3))
    vectors[..., 0] = np.arange(101) ** 2 / 200
    values = regularity(displacement_transform(vectors, grid), grid)
    assert values.minimum == pytest.approx(1.005)
    assert values.maximum == pytest.approx(1.995)
    # Each of the 101 columns holds 9 voxels.
    for percent, value in values.percentiles.items():
        assert value == pytest.approx(1 + percent / 100, abs=0.01)
    inner = np.log(1 + np.arange(1, 100) / 100)
    assert values.log_deviation == pytest.approx(np.std([np.log(1.005), *inner, np.log(1.995)]))
    assert sum(values.histogram_counts) == grid.voxels
    np.testing.assert_allclose(np.diff(values.histogram_edges), 0.05)


def test_the_statistics_are_those_of_all_voxels(smooth_map, grid):
    every = np.concatenate(
        [np.repeat(values.ravel(), count) for values, count in jacobian_determinants(smooth_map, grid)]
    )
    values = regularity(smooth_map, grid)
    assert (values.minimum, values.maximum) == (every.min(), every.max())
    assert values.fraction_folded == np.mean(every <= 0)
    positive = np.log(every[every > 0])
    assert values.log_deviation == pytest.approx(positive.std())
    for percent, value in values.percentiles.items():
        assert value == pytest.approx(np.percentile(every, percent, method="inverted_cdf"), abs=BIN)
    counts, _ = np.histogram(every, np.array(values.histogram_edges))
    # Values on an edge, such as the determinant of the affine, fall on either side of it.
    assert (
        np.abs(counts - values.histogram_counts).sum() <= 2 * np.isclose(every % 0.05, 0, atol=1e-9).sum() + 2
    )


def test_values_beyond_the_histogram_are_counted_in_its_last_bin():
    grid = ImageGrid((40, 3, 3))
    vectors = np.zeros((*grid.shape, 3))
    vectors[..., 20:, 0] = 60.0
    vectors[..., 30:, 0] = 0.0
    values = regularity(displacement_transform(vectors, grid), grid)
    assert (values.minimum, values.maximum) == (-29, 31)
    assert values.fraction_folded == pytest.approx(2 / 40)
    assert (values.histogram_edges[0], values.histogram_edges[-1]) == (pytest.approx(-1), pytest.approx(15))
    assert values.histogram_counts[0] == values.histogram_counts[-1] == 2 * 9


def test_the_judge_finds_the_same(tmp_path, judge, smooth_map, grid):
    volume = LabelVolume(np.ones(grid.shape, np.uint8), grid)
    write_labels(volume, tmp_path / "fixed.mha")
    write_transform(smooth_map, tmp_path / "map.h5")
    images = ["--fixed", tmp_path / "fixed.mha", "--moving", tmp_path / "fixed.mha"]
    done = subprocess.run(
        [sys.executable, judge, *map(str, images), "--transform", str(tmp_path / "map.h5")],
        capture_output=True,
        text=True,
        check=True,
    )
    judged = json.loads(done.stdout)["jacobian"]
    values = regularity(smooth_map, grid)
    assert values.minimum == pytest.approx(judged["min"], abs=5.1e-5)  # it prints four digits
    assert values.maximum == pytest.approx(judged["max"], abs=5.1e-5)
    assert values.fraction_folded == judged["fraction_folded"]
    assert values.minimum < 0.7
