from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.quality.anatomy import describe_point, planes


def end_of_page(grid, plane, down, across):
    """Return the LPS point (mm) of the voxel that lies at one end of the page, in the middle through it."""
    places = {plane.down: -1 if down else 0, plane.across: -1 if across else 0}
    indices = np.indices(grid.shape)
    middle = grid.shape[plane.through] // 2
    shown = [plane.cut(indices[axis], middle)[places[plane.down], places[plane.across]] for axis in range(3)]
    return grid.to_points([shown[::-1]])[0]


def test_each_plane_is_the_right_way_up_for_every_grid(grid):
    axial, coronal, sagittal = planes(grid)
    assert [plane.name for plane in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert sorted(plane.through for plane in (axial, coronal, sagittal)) == [0, 1, 2]
    # The differences across and down the page, in LPS: +x is the patient's left, +y the back, +z the head.
    for plane, axis_across, axis_down, sign in ((axial, 0, 1, 1), (coronal, 0, 2, -1), (sagittal, 1, 2, -1)):
        start = end_of_page(grid, plane, down=False, across=False)
        across = end_of_page(grid, plane, down=False, across=True) - start
        down = end_of_page(grid, plane, down=True, across=False) - start
        assert np.abs(across).argmax() == axis_across
        assert np.abs(down).argmax() == axis_down
        assert across[axis_across] > 0
        assert down[axis_down] * sign > 0


def test_letters_name_the_edges(grid):
    assert [plane.edges for plane in planes(grid)] == [
        ("R", "L", "A", "P"),
        ("R", "L", "S", "I"),
        ("A", "P", "S", "I"),
    ]


def test_a_slice_has_rows_down_the_page(grid):
    array = np.arange(grid.voxels).reshape(grid.shape)
    for plane in planes(grid):
        assert plane.cut(array, 3).shape == (grid.shape[plane.down], grid.shape[plane.across])


def test_an_oblique_grid_says_by_how_much(grid):
    direction = np.abs(np.array(grid.direction).reshape(3, 3))
    tilts = [plane.tilt for plane in planes(grid)]
    if np.isin(direction, [0, 1]).all():
        assert tilts == [0, 0, 0]
    else:
        assert all(10 < tilt < 60 for tilt in tilts)


@pytest.mark.parametrize(
    ("point", "text"),
    [
        ([12.34, -4.0, 55.12], "L 12.3, A 4.0, S 55.1 mm"),
        ([-12.34, 4.0, -0.12], "R 12.3, P 4.0, I 0.1 mm"),
    ],
)
def test_points_are_told_with_letters(point, text):
    assert describe_point(point) == text
