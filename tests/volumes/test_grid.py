from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import ImageGrid


def _image(grid):
    return grid.stamp(sitk.Image(grid.size, sitk.sitkUInt8))


def test_points_are_those_of_simpleitk(grid):
    indices = np.random.default_rng(0).uniform(-3, 15, (20, 3))
    expected = [_image(grid).TransformContinuousIndexToPhysicalPoint(index.tolist()) for index in indices]
    # Two float64 evaluations of one affine map at about 100 mm.
    np.testing.assert_allclose(grid.to_points(indices), expected, atol=1e-12)
    np.testing.assert_allclose(grid.to_indices(expected), indices, atol=1e-11)


def test_grid_survives_an_image_exactly(grid):
    assert ImageGrid.from_image(_image(grid)) == grid


def test_stamp_works_in_place_and_refuses_another_size(grid):
    image = sitk.Image(grid.size, sitk.sitkFloat32)
    assert grid.stamp(image) is image
    with pytest.raises(InputError, match=r"size \(2, 3, 4\)"):
        grid.stamp(sitk.Image([2, 3, 4], sitk.sitkUInt8))


def test_shape_is_that_of_the_array(grid):
    assert sitk.GetArrayFromImage(_image(grid)).shape == grid.shape
    assert grid.voxels == 11 * 8 * 6


def test_voxel_volume_is_the_product_of_the_spacing_whatever_the_direction(grid):
    assert grid.voxel_volume == pytest.approx(0.7 * 0.83 * 1.5, rel=1e-12)


def test_corners_lie_half_a_voxel_outside(grid):
    corners = grid.to_indices(grid.corners())
    np.testing.assert_allclose(corners.min(axis=0), [-0.5] * 3, atol=1e-12)
    np.testing.assert_allclose(corners.max(axis=0), np.array(grid.size) - 0.5, atol=1e-12)
    assert len(np.unique(corners.round(6), axis=0)) == 8
    # x runs fastest
    np.testing.assert_allclose(corners[1] - corners[0], [grid.size[0], 0, 0], atol=1e-12)


def test_bin_centres_are_the_means_of_the_voxels_in_the_bin(grid):
    bins = grid.binned((2, 3, 2))
    assert bins.size == (6, 3, 3)  # 11, 8 and 6 voxels, rounded up
    members = [(2 + x, 3 + y, 4 + z) for x in range(2) for y in range(3) for z in range(2)]
    np.testing.assert_allclose(
        bins.to_points([(1, 1, 2)])[0], grid.to_points(members).mean(axis=0), atol=1e-12
    )
    assert bins.voxel_volume == pytest.approx(12 * grid.voxel_volume)


def test_part_of_a_grid_keeps_its_place(grid):
    part = grid.cropped((2, 1, 3), (4, 5, 2))
    assert part.size == (4, 5, 2)
    np.testing.assert_allclose(part.to_points([(1, 2, 0)]), grid.to_points([(3, 3, 3)]), atol=1e-12)
    whole = part.padded((2, 1, 3), (5, 2, 1))
    assert whole.size == grid.size
    np.testing.assert_allclose(whole.origin, grid.origin, atol=1e-12)


@pytest.mark.parametrize(
    ("start", "size"), [((8, 0, 0), (4, 1, 1)), ((-1, 0, 0), (1, 1, 1)), ((0, 0, 0), (0, 1, 1))]
)
def test_part_outside_the_grid_is_refused(grid, start, size):
    with pytest.raises(InputError):
        grid.cropped(start, size)


def test_equal_grids_are_one_key():
    first = ImageGrid([3, 4, 5], np.array([1, 2, 3]), np.zeros(3, np.float32), np.eye(3))
    second = ImageGrid((3, 4, 5), (1.0, 2.0, 3.0))
    assert len({first, second}) == 1
    assert all(type(number) is float for number in first.spacing + first.origin + first.direction)
    assert all(type(number) is int for number in first.size)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": (3, 4)}, "only 3-D"),
        ({"size": (3, 4, 5, 6)}, "only 3-D"),
        ({"size": (3, 0, 5)}, "at least 1"),
        ({"size": (3, 4.5, 5)}, "integers"),
        ({"spacing": (1, 0, 1)}, "positive"),
        ({"spacing": (1, -1, 1)}, "positive"),
        ({"spacing": (1, np.nan, 1)}, "finite"),
        ({"spacing": (1, 1)}, "3 numbers"),
        ({"origin": (0, np.inf, 0)}, "finite"),
        ({"direction": (1, 0, 0, 0, 1, 0, 0, 0, np.nan)}, "finite"),
        ({"direction": (1, 0, 0, 0, 1, 0, 0, 1, 0)}, "singular"),
        ({"direction": (1, 0.01, 0, 0, 1, 0, 0, 0, 1)}, "sheared"),
        ({"direction": (2, 0, 0, 0, 1, 0, 0, 0, 1)}, "unit length"),
        ({"direction": "abc"}, "9 numbers"),
    ],
)
def test_geometry_that_is_none_is_refused_with_its_value(values, message):
    with pytest.raises(InputError, match=message):
        ImageGrid(**{"size": (3, 4, 5), **values})


def test_points_and_factors_of_a_wrong_shape_are_refused(grid):
    with pytest.raises(InputError, match=r"\(N, 3\)"):
        grid.to_points([1, 2, 3])
    with pytest.raises(InputError, match="binning factors"):
        grid.binned((2, 0, 1))
    with pytest.raises(InputError, match="2-D"):
        ImageGrid.from_image(sitk.Image([3, 4], sitk.sitkUInt8))
