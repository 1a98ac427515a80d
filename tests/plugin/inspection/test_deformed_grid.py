from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.plugin import deformed_grid
from napari_shapereg.plugin.deformed_grid import LinesOnSlices, lines_in_space
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid
from napari_shapereg.volumes.phantoms import ball_volume

IDENTITY = sitk.AffineTransform(3)


@pytest.fixture(scope="module")
def ball():
    return ball_volume(ImageGrid((40, 40, 40), (0.5, 0.5, 0.5), (-3.0, 5.0, 70.0)), radius=8.0)


def columns_with_lines(plane: np.ndarray) -> set[int]:
    """Columns that are drawn from top to bottom."""
    return set(np.flatnonzero((plane > 0.5).all(axis=0)).tolist())


def test_a_grid_that_is_not_moved_has_its_lines_at_the_multiples_of_the_spacing():
    grid = ImageGrid((30, 20, 10), (1.0, 1.0, 1.0))
    plane = LinesOnSlices(IDENTITY, grid, grid, 5.0)[3]
    assert plane.shape == (20, 30)
    assert columns_with_lines(plane) == {0, 5, 10, 15, 20, 25}
    assert columns_with_lines(plane.T) == {0, 5, 10, 15}
    assert plane[2, 7] == 0.0


def test_the_lines_move_against_the_map_to_the_moving_points():
    grid = ImageGrid((30, 20, 10))
    # What lies at x in the fixed volume comes from x + 2 in the moving one.
    plane = LinesOnSlices(affine_transform(np.eye(3), [2.0, 0.0, 0.0]), grid, grid, 5.0)[3]
    assert columns_with_lines(plane) == {3, 8, 13, 18, 23, 28}


def test_a_map_that_stretches_brings_the_lines_closer():
    grid = ImageGrid((30, 20, 10))
    plane = LinesOnSlices(affine_transform(np.diag([2.0, 1.0, 1.0]), np.zeros(3)), grid, grid, 10.0)[3]
    assert columns_with_lines(plane) == {0, 5, 10, 15, 20, 25}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_lines_that_lie_in_the_slice_are_left_out(axis, grid):
    """In every direction of a grid: a plane of lines in the slice itself would fill it."""
    to_origin = affine_transform(np.eye(3), -np.array(grid.origin))
    # Slice 0 lies at coordinate 0, a multiple of any spacing; pixels are up to 1.5 mm wide.
    plane = LinesOnSlices(to_origin, grid, grid, 5.0).draw(axis, 0)
    assert (plane == 0.0).any()
    assert (plane[0] > 0.5).all()
    assert (plane[:, 0] > 0.5).all()


def test_lines_in_space_keep_their_lengths_under_a_shift(ball):
    shift = np.array([10.0, 20.0, -5.0])
    still = lines_in_space(ball, IDENTITY, 5.0)
    moved = lines_in_space(ball, affine_transform(np.eye(3), shift), 5.0)
    np.testing.assert_allclose(moved.starts, still.starts + shift)
    np.testing.assert_allclose(moved.moves, still.moves, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(still.moves, axis=1), 5.0 / 4)


def test_lines_in_space_reach_beyond_the_labels(ball):
    lines = lines_in_space(ball, IDENTITY, 5.0)
    places = np.concatenate([lines.starts, lines.starts + lines.moves])
    inside = ball.grid.to_points(np.argwhere(ball.data)[:, ::-1])
    assert (places.min(axis=0) <= inside.min(axis=0) - 10.0).all()
    assert (places.max(axis=0) >= inside.max(axis=0) + 10.0).all()


def test_pieces_of_a_line_join(ball):
    lines = lines_in_space(ball, IDENTITY, 10.0)
    ends = {tuple(row) for row in (lines.starts + lines.moves).round(6)}
    joined = sum(tuple(row) in ends for row in lines.starts.round(6))
    # All but the first of each line.
    assert joined > 0.7 * len(lines.starts)


def test_lines_in_space_run_along_the_axes_of_the_volume(volume):
    lines = lines_in_space(volume, IDENTITY, 10.0)
    along = np.abs(lines.moves @ np.array(volume.grid.direction).reshape(3, 3))
    np.testing.assert_allclose(along.max(axis=1), 2.5)
    np.testing.assert_allclose(np.sort(along, axis=1)[:, :2], 0.0, atol=1e-9)


def test_too_many_pieces_are_made_fewer_by_a_larger_spacing(ball, monkeypatch):
    monkeypatch.setattr(deformed_grid, "MOST_PIECES", 2000)
    lines = lines_in_space(ball, IDENTITY, 2.0)
    assert len(lines.starts) <= 2000
    assert lines.spacing == 16.0
