from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import DisplayFrame, frame_of
from napari_shapereg.volumes import ImageGrid

IDENTITY = tuple(np.eye(3).ravel())


def index_points(grid: ImageGrid) -> np.ndarray:
    z, y, x = np.indices(grid.shape).reshape(3, -1)
    return np.stack([x, y, z], axis=1)


def test_a_layer_placed_in_its_frame_shows_every_voxel_where_it_lies(grid):
    frame = frame_of(grid)
    placement = frame.placement(grid)

    indices = index_points(grid)
    shown = np.array(placement["scale"]) * indices[:, ::-1] + np.array(placement["translate"])

    # float64 at 100 mm
    np.testing.assert_allclose(frame.to_display(grid.to_points(indices)), shown, atol=1e-10)
    np.testing.assert_allclose(frame.to_physical(shown), grid.to_points(indices), atol=1e-10)


def test_the_frame_is_right_handed_so_that_left_stays_left(grid):
    frame = frame_of(grid)

    x, y, z = frame.turn_to_physical(np.eye(3))[::-1]

    np.testing.assert_allclose(np.cross(x, y), z, atol=1e-12)


def test_identity_shows_lps_reversed():
    frame = DisplayFrame(IDENTITY)

    assert frame.to_display([[1.0, 2.0, 3.0]]).tolist() == [[3.0, 2.0, 1.0]]


def test_a_volume_stored_the_other_way_round_lies_over_the_first(grid):
    turned = np.reshape(grid.direction, (3, 3)) * [-1.0, 1.0, -1.0]
    other = ImageGrid(grid.size, grid.spacing, grid.origin, tuple(turned.ravel()))
    frame = frame_of(grid)

    placement = frame.placement(other)

    shown = np.array(placement["scale"]) * index_points(other)[:, ::-1] + np.array(placement["translate"])
    np.testing.assert_allclose(frame.to_physical(shown), other.to_points(index_points(other)), atol=1e-10)
    assert frame.covering(other) is other


def test_volumes_of_one_direction_share_one_world(grid):
    other = ImageGrid((5, 6, 4), (1.1, 0.9, 0.8), (12.0, -7.0, 3.0), grid.direction)
    frame = frame_of(grid)

    placement = frame.placement(other)
    shown = np.array(placement["scale"]) * index_points(other)[:, ::-1] + np.array(placement["translate"])

    np.testing.assert_allclose(frame.to_physical(shown), other.to_points(index_points(other)), atol=1e-10)


def test_vectors_turn_without_moving_and_keep_their_length(grid):
    frame = frame_of(grid)
    points = np.array([[10.0, -20.0, 30.0]])
    vectors = np.array([[1.0, 2.0, -3.0]])

    turned = frame.turn_to_display(vectors)

    np.testing.assert_allclose(
        turned, frame.to_display(points + vectors) - frame.to_display(points), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.norm(turned), np.linalg.norm(vectors), rtol=1e-12)
    np.testing.assert_allclose(frame.turn_to_physical(turned), vectors, atol=1e-12)


def test_a_grid_of_another_direction_is_refused(grid):
    turned = frame_of(ImageGrid((3, 3, 3), direction=(0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)))

    with pytest.raises(InputError, match=r"frame\.covering"):
        turned.placement(grid)


def test_directions_that_differ_by_rounding_count_as_one(grid):
    # as two NIfTI files of one scan do: float32 quaternions
    rounded = ImageGrid(grid.size, grid.spacing, grid.origin, np.float32(grid.direction) * (1 + 2e-7))

    assert frame_of(grid).holds(rounded)


@pytest.mark.parametrize("angle", [0.3, 90.0, 175.0])
def test_the_covering_grid_holds_every_corner_and_no_more(grid, angle):
    turn = np.deg2rad(angle)
    spin = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    frame = DisplayFrame(tuple((spin @ np.reshape(grid.direction, (3, 3))).ravel()))

    covering = frame.covering(grid)

    assert frame.holds(covering)
    inside = covering.to_indices(grid.corners())
    size = np.array(covering.size)
    assert (inside > -0.5 - 1e-6).all()
    assert (inside < size - 0.5 + 1e-6).all()
    # a voxel less on any axis would not do
    assert (np.ptp(inside, axis=0) > size - 1 - 1e-6).all()


def test_the_covering_grid_of_a_grid_of_the_same_direction_is_itself(grid):
    assert frame_of(grid).covering(grid) is grid


def test_a_sheared_direction_is_refused():
    with pytest.raises(InputError, match="sheared"):
        DisplayFrame((1, 0.2, 0, 0, 1, 0, 0, 0, 1))


def test_points_of_the_wrong_shape_are_refused():
    with pytest.raises(InputError, match=r"\(N, 3\), got \(3,\)"):
        DisplayFrame(IDENTITY).to_display([1.0, 2.0, 3.0])
