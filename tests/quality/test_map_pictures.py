"""Pictures of the map: where it moves, stretches and misses."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image

from napari_shapereg.quality.flicker import before_and_after, fixed_and_warped
from napari_shapereg.quality.map_pictures import jacobian_map_picture
from napari_shapereg.quality.pictures import comparison_picture, mosaic_picture
from napari_shapereg.quality.surface_pictures import _VIEWS, displacement_picture
from napari_shapereg.quality.worst_pictures import worst_points_picture
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume


def pixels(png):
    return (image.imread(io.BytesIO(png), format="png")[..., :3] * 255).round().astype(int)


def scaling(factor, centre):
    return affine_transform(np.eye(3) * factor, (1 - factor) * np.asarray(centre))


def test_the_map_of_det_j_is_lighter_where_the_moving_shape_is_larger(fixed):
    centre = [10.0, -20.0, 30.0]
    half, same, double = (
        pixels(jacobian_map_picture(scaling(factor ** (1 / 3), centre), fixed)) for factor in (0.5, 1, 2)
    )
    # Greys go from a quarter (black) to four times (white) by doublings.
    for picture, grey in ((half, 64), (same, 128), (double, 191)):
        greys = picture[(np.ptp(picture, axis=-1) == 0)][:, 0]
        assert np.bincount(greys, minlength=256)[1:255].argmax() == pytest.approx(grey, abs=2)


def test_a_fold_is_red(fixed, grid):
    def area(mirrored):
        direction = np.array(grid.direction).reshape(3, 3)
        # A mirrored map is judged without its mirroring, so that only a part may turn back.
        folded = fold(direction, grid, turned=mirrored)
        picture = pixels(jacobian_map_picture(folded, fixed))
        return (np.abs(picture - [179, 38, 30]).max(axis=-1) < 12).sum()

    assert area(mirrored=True) > 2 * area(mirrored=False) + 1000


def fold(direction, grid, *, turned):
    """Return a displacement that, if turned, runs back by twice the distance along x in the middle."""
    from napari_shapereg.transforms import displacement_transform

    x, y, z = np.indices(grid.shape)[::-1]
    middle = (np.abs(x - 25) < 8) & (np.abs(y - 20) < 12) & (np.abs(z - 10) < 8)
    along = -2.0 * (x - 25) * grid.spacing[0] * middle * turned
    return displacement_transform(along[..., None] * direction[:, 0], grid)


def test_every_view_of_the_surfaces_is_right_handed_and_lettered():
    for view in _VIEWS:
        across, down, depth = view.seen(np.eye(3)).T
        # Across to the right, down and away from the eye: none of the views is a mirror image.
        np.testing.assert_array_equal(np.cross(across, down), depth)
        ends = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
        (first, second), (third, fourth) = (view.edges[:2], view.edges[2:])
        for axis, (low, high) in ((across, (first, second)), (down, (third, fourth))):
            for letter, sign in ((low, -1), (high, 1)):
                place, way = ends[letter]
                assert axis[place] * way == sign


def test_surfaces_are_darker_where_the_map_moves_them(fixed):
    def left_is_moved(points):
        return np.where(points[:, :1] > 10.0, 5.0, 0.0) * [0.0, 1.0, 0.0]  # towards the back: unseen arrows

    picture = pixels(displacement_picture(fixed, left_is_moved))
    front = picture[: picture.shape[0] * 2 // 5, : picture.shape[1] // 3]
    dark = (front[..., 2] - front[..., 0] > 60) & (front.sum(axis=-1) < 350)
    places = np.flatnonzero(dark.any(axis=0))
    # Seen from the front, the patient's left is on the right.
    assert dark.sum() > 1000
    assert places.min() > front.shape[1] * 0.4


def test_slices_run_through_the_worst_point(grid):
    data = np.zeros(grid.shape, np.uint8)
    data[6:9, 29:32, 39:42] = 1
    data[15:17, 5:9, 5:9] = 1
    fixed = LabelVolume(data, grid)
    nothing = LabelVolume(np.zeros_like(data), grid)
    point = grid.to_points([[40, 30, 7]])[0].tolist()
    picture = pixels(worst_points_picture(fixed, nothing, {"label 1: 9.9 mm": point}))
    above_the_legend = picture[: int(picture.shape[0] * 0.85)]
    for panel in np.array_split(above_the_legend, 3, axis=1):
        grey = np.argwhere((panel == 209).all(axis=-1))
        black = np.argwhere((panel < 30).all(axis=-1))
        assert len(grey) > 100
        cross = grey.mean(axis=0)
        # The cross is at the middle of the block, whichever way the grid runs.
        near = np.abs(black - cross).max(axis=1) < 12
        assert near.sum() > 20


def test_a_volume_of_one_slice_and_labels_of_one_voxel_are_drawn():
    grid = ImageGrid((20, 15, 1), (1.0, 2.0, 5.0))
    data = np.zeros(grid.shape, np.uint8)
    data[0, 4:9, 3:12] = 1
    data[0, 12, 15] = 2
    fixed = LabelVolume(data, grid)
    point = [3.0, 8.0, 0.0]
    for png in (
        comparison_picture(fixed, fixed, fixed),
        mosaic_picture(fixed, fixed),
        *before_and_after(fixed, fixed, fixed),
        *fixed_and_warped(fixed, fixed),
        jacobian_map_picture(scaling(1.1, point), fixed),
        displacement_picture(fixed, np.zeros_like),
        worst_points_picture(fixed, fixed, {"label 1": point}),
    ):
        assert pixels(png).min() < 100
