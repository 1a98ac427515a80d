from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.plugin import maps
from napari_shapereg.plugin.folds import folded_voxels
from napari_shapereg.plugin.maps import (
    BENDING,
    DISPLACEMENT,
    LOG_JACOBIAN,
    FittedMap,
    common_box,
    determinants,
    finest_doubled,
    map_grid,
)
from napari_shapereg.quality import jacobian_determinants
from napari_shapereg.transforms import affine_transform, chain, displacement_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume

SHIFT = np.array([3.0, -4.0, 12.0])  # 13 mm long


def fitted(whole, affine=None) -> FittedMap:
    return FittedMap(whole, affine or sitk.AffineTransform(3))


def some_points(grid: ImageGrid) -> np.ndarray:
    corners = grid.corners()
    return np.random.default_rng(5).uniform(corners.min(0), corners.max(0), (50, 3))


def test_a_shift_moves_every_place_by_its_length_and_keeps_all_volumes(grid):
    moved = fitted(affine_transform(np.eye(3), SHIFT))
    # float32 images of coordinates around 100 mm
    np.testing.assert_allclose(DISPLACEMENT.on_grid(moved, grid), 13.0, rtol=1e-6)
    np.testing.assert_allclose(LOG_JACOBIAN.on_grid(moved, grid), 0.0, atol=1e-6)
    points = some_points(grid)
    np.testing.assert_allclose(DISPLACEMENT.at_points(moved, points, 0.2), 13.0)
    np.testing.assert_allclose(LOG_JACOBIAN.at_points(moved, points, 0.2), 0.0, atol=1e-9)


def test_a_scaling_multiplies_volumes_by_its_cube(grid):
    scaled = fitted(affine_transform(1.3 * np.eye(3), SHIFT))
    np.testing.assert_allclose(LOG_JACOBIAN.on_grid(scaled, grid), 3 * np.log(1.3), rtol=1e-5)
    np.testing.assert_allclose(LOG_JACOBIAN.at_points(scaled, some_points(grid), 0.2), 3 * np.log(1.3))


def test_nothing_bends_where_the_map_is_its_own_affine_part(grid):
    straight = affine_transform(np.diag([1.1, 0.9, 1.2]), SHIFT)
    np.testing.assert_allclose(BENDING.on_grid(fitted(straight, straight), grid), 0.0, atol=1e-9)
    np.testing.assert_allclose(
        BENDING.at_points(fitted(straight, straight), some_points(grid), 0.2), 0.0, atol=1e-9
    )


def test_bending_is_what_the_field_adds_to_the_affine_part(grid):
    field = np.zeros((*grid.shape, 3))
    field[..., 1] = 2.5
    straight = affine_transform(np.diag([1.0, 2.0, 1.0]), SHIFT)
    # the field first: the affine part stretches what it adds
    both = fitted(chain(displacement_transform(field, grid), straight), straight)
    np.testing.assert_allclose(BENDING.on_grid(both, grid), 5.0, rtol=1e-6)


def test_determinants_at_voxels_are_those_of_the_whole_grid(grid):
    field = np.random.default_rng(2).normal(scale=0.05, size=(*grid.shape, 3))
    transform = displacement_transform(field, grid)
    whole = np.concatenate(
        [np.repeat(values.ravel(), count) for values, count in jacobian_determinants(transform, grid)]
    ).reshape(grid.shape)
    inner = np.argwhere(np.ones(np.array(grid.shape) - 2)) + 1
    points = grid.to_points(inner[:, ::-1])
    # both sample ITK's interpolation at the same places
    np.testing.assert_allclose(
        determinants(transform, points, grid.matrix.T), whole[tuple(inner.T)], rtol=1e-6
    )


def folded_everywhere(grid: ImageGrid) -> sitk.Transform:
    """Return a field that turns the grid over within itself: det J = -1 at every voxel."""
    indices = np.indices(grid.shape)[::-1].reshape(3, -1).T
    field = np.zeros((*grid.shape, 3))
    field[..., 0] = -2 * grid.to_points(indices)[:, 0].reshape(grid.shape)
    return displacement_transform(field, grid)


def test_a_mirror_changes_no_volume(grid):
    mirror = affine_transform(np.diag([-1.0, 1.0, 1.0]), np.zeros(3))
    np.testing.assert_allclose(LOG_JACOBIAN.on_grid(fitted(mirror, mirror), grid), 0.0, atol=1e-6)
    at_points = LOG_JACOBIAN.at_points(fitted(mirror, mirror), some_points(grid), 0.2)
    np.testing.assert_allclose(at_points, 0.0, atol=1e-9)


def test_a_fold_has_no_logarithm(grid):
    folded = fitted(folded_everywhere(grid))
    assert np.isnan(LOG_JACOBIAN.on_grid(folded, grid)).all()
    inner = grid.to_points([np.array(grid.size) / 2])
    assert np.isnan(LOG_JACOBIAN.at_points(folded, inner, 0.2)).all()
    low, high = LOG_JACOBIAN.limits(LOG_JACOBIAN.on_grid(folded, grid))
    assert low < 0 < high


def test_the_folded_voxel_is_found_where_it_is(grid, make_folding):
    # Moved back by three voxels, a node comes to lie behind its neighbour: det J = 1 - 3/2 there.
    folds = folded_voxels(make_folding((4, 3, 2), grid), grid)
    assert folds.total == 1
    np.testing.assert_allclose(folds.points, grid.to_points([(3, 3, 2)]), atol=1e-9)


def test_nothing_is_folded_by_a_shift(grid):
    folds = folded_voxels(affine_transform(np.eye(3), SHIFT), grid)
    assert folds.total == 0
    assert folds.points.shape == (0, 3)


def test_marks_of_a_map_that_is_folded_everywhere_are_limited(grid, monkeypatch):
    monkeypatch.setattr("napari_shapereg.plugin.folds.MOST_FOLDS", 100)
    folds = folded_voxels(folded_everywhere(grid), grid)
    assert folds.total == grid.voxels
    assert len(folds.points) == 100
    assert len(np.unique(folds.points.round(6), axis=0)) == 100


def test_colours_span_zero_on_both_sides_where_the_sign_matters():
    values = np.array([-0.2, 0.5, np.nan])
    low, high = LOG_JACOBIAN.limits(values)
    assert low == -high
    assert high == pytest.approx(0.5, rel=0.02)  # 99.5 % of the values
    assert DISPLACEMENT.limits(np.array([4.0, 4.0])) == (0.0, 4.0)


def test_rounding_errors_are_not_blown_up_to_a_pattern():
    assert DISPLACEMENT.limits(np.full(9, 1e-9))[1] == 1.0
    assert LOG_JACOBIAN.limits(np.full(9, 1e-9)) == (-0.1, 0.1)


def test_a_small_grid_is_drawn_as_it_is(volume):
    assert map_grid(volume, volume) is volume.grid


def test_a_large_grid_is_cut_to_what_lies_around_the_labels(monkeypatch):
    grid = ImageGrid((200, 100, 100))
    data = np.zeros(grid.shape, dtype=np.uint8)
    data[40:50, 50:60, 150:170] = 1
    other = np.zeros_like(data)
    other[40:50, 50:60, 140:150] = 1
    fixed, warped = LabelVolume(data, grid), LabelVolume(other, grid)
    monkeypatch.setattr(maps, "MOST_VOXELS", 100_000)
    drawn = map_grid(fixed, warped)
    # 10 mm on each side
    assert (drawn.size, drawn.origin) == ((50, 30, 30), (130.0, 40.0, 30.0))
    monkeypatch.setattr(maps, "MOST_VOXELS", 10_000)
    coarse = map_grid(fixed, warped)
    assert coarse.voxels <= 10_000
    np.testing.assert_allclose(coarse.corners(), drawn.corners())


def test_the_box_of_empty_volumes_is_everything(grid):
    empty = LabelVolume(np.zeros(grid.shape, dtype=np.uint8), grid)
    assert common_box(empty) == tuple(slice(0, length) for length in grid.shape)


def test_the_finest_axes_are_doubled_first():
    assert finest_doubled((0.4, 0.4, 1.1)) == (2, 2, 1)
    assert finest_doubled((0.8, 0.8, 1.1)) == (2, 2, 2)
