from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError, ResourceError
from napari_shapereg.quality import jacobian_determinants, write_jacobian
from napari_shapereg.quality.curved_region import curved_region
from napari_shapereg.transforms import affine_transform, chain, displacement_transform, transform_points
from napari_shapereg.volumes import ImageGrid


def dense_determinants(transform, grid):
    """The judge's definition, literally: derivatives of the whole sampled displacement in physical axes."""
    image = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.size, grid.origin, grid.spacing, grid.direction
    )
    u = sitk.GetArrayFromImage(image)
    by_index = np.stack([np.gradient(u, axis=2 - axis) for axis in range(3)], axis=-1)
    return np.linalg.det(np.eye(3) + by_index @ np.linalg.inv(grid.matrix))


def all_values(transform, grid):
    return np.concatenate(
        [np.repeat(values.ravel(), count) for values, count in jacobian_determinants(transform, grid)]
    )


def assert_same_samples(transform, grid):
    expected = dense_determinants(transform, grid)
    # Sorted, because voxels where the map is affine come first; differences of coordinates round at 1e-12.
    np.testing.assert_allclose(np.sort(all_values(transform, grid)), np.sort(expected.ravel()), atol=1e-10)
    return expected


def test_determinants_are_those_of_the_dense_field(smooth_map, grid):
    expected = assert_same_samples(smooth_map, grid)
    assert expected.max() - expected.min() > 1  # a map that bends


def test_planes_lie_where_they_belong(tmp_path, smooth_map, grid, monkeypatch):
    monkeypatch.setattr("napari_shapereg.quality.jacobians._SLAB_VOXELS", 3000)
    image = sitk.ReadImage(write_jacobian(smooth_map, grid, tmp_path / "det.nii"))
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), dense_determinants(smooth_map, grid), atol=1e-6)


def test_a_field_cut_by_the_border_of_the_grid(smooth_map, grid):
    part = grid.cropped((20, 0, 9), (25, 17, 9))
    assert_same_samples(smooth_map, part)


def test_a_field_that_jumps_at_its_border_and_folds(lattice, grid):
    jump = displacement_transform(np.full((*lattice.shape, 3), 2.5), lattice)
    expected = assert_same_samples(jump, grid)
    assert expected.min() < 0


def test_fields_after_one_another_and_after_an_affine(field, lattice, affine, grid):
    first = displacement_transform(field, lattice)
    second = displacement_transform(-0.5 * field[::-1], lattice)
    assert_same_samples(chain(affine, first, affine, second), grid)


def test_transforms_without_a_border_are_sampled_everywhere(grid):
    spline = sitk.BSplineTransformInitializer(grid.stamp(sitk.Image(grid.size, sitk.sitkUInt8)), [3, 3, 3])
    spline.SetParameters(np.random.default_rng(0).normal(size=len(spline.GetParameters())).tolist())
    assert_same_samples(chain(spline, affine_transform(2 * np.eye(3), np.zeros(3))), grid)


def test_one_slice_is_differentiated_across_as_well(field, lattice, smooth_map, grid):
    middle = grid.cropped((0, 0, 10), (50, 40, 1))
    around = grid.cropped((0, 0, 9), (50, 40, 3))
    expected = dense_determinants(smooth_map, around)[1]
    np.testing.assert_allclose(np.sort(all_values(smooth_map, middle)), np.sort(expected.ravel()), atol=1e-10)


def test_a_quadratic_map_has_its_textbook_determinant():
    # T(x, y, z) = (x + x²/40, y, z): central differences of a parabola are exact.
    grid = ImageGrid((20, 4, 3))
    vectors = np.zeros((*grid.shape, 3))
    vectors[..., 0] = np.arange(20) ** 2 / 40
    (values, count), *more = [
        (values, count)
        for values, count in jacobian_determinants(displacement_transform(vectors, grid), grid)
    ]
    assert count == 1
    assert len(more) == 2
    np.testing.assert_allclose(values[:, 1:-1], np.tile(1 + np.arange(1, 19) / 20, (4, 1)), atol=1e-12)


def test_few_voxels_are_sampled_where_the_map_is_affine(smooth_map, grid, lattice, affine):
    region = curved_region(smooth_map, grid)
    assert 0 < np.prod(region.size) < 0.6 * grid.voxels
    assert [count for _, count in jacobian_determinants(affine, grid)] == [grid.voxels]
    outside = [
        index
        for index in np.ndindex(grid.size)
        if not np.all((index >= np.array(region.start)) & (index < np.array(region.stop)))
    ]
    points = grid.to_points(outside[::50])
    np.testing.assert_allclose(
        transform_points(smooth_map, points), transform_points(affine, points), atol=1e-10
    )


def test_a_field_beyond_the_grid_leaves_nothing_to_sample(field, lattice, grid):
    far = displacement_transform(field, ImageGrid(lattice.size, lattice.spacing, (900.0, 0.0, 0.0)))
    assert [(values.tolist(), count) for values, count in jacobian_determinants(far, grid)] == [
        ([1.0], grid.voxels)
    ]


def test_a_singular_map_is_folded_everywhere():
    flat = sitk.AffineTransform(3)
    flat.SetMatrix((1, 0, 0, 0, 1, 0, 0, 0, 0))
    values = all_values(flat, ImageGrid((4, 5, 6)))
    assert values.shape == (120,)
    np.testing.assert_allclose(values, 0, atol=1e-15)


def test_only_transforms_are_taken():
    with pytest.raises(InputError, match="transform is needed"):
        list(jacobian_determinants("map.h5", ImageGrid((2, 2, 2))))


def test_the_jacobian_image_of_an_affine_map_is_its_determinant(tmp_path, grid):
    turn = affine_transform([[1.1, 0.2, 0.0], [-0.1, 0.9, 0.0], [0.0, 0.3, 1.2]], [1.0, 2.0, 3.0])
    image = sitk.ReadImage(write_jacobian(turn, grid, tmp_path / "jacobian.nii.gz"))
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), 1.2 * (1.1 * 0.9 + 0.2 * 0.1), rtol=1e-6)
    # The numbers of a NIfTI header are float32.
    np.testing.assert_allclose(ImageGrid.from_image(image).corners(), grid.corners(), atol=2e-5)


def test_jacobian_images_that_cannot_be_written_are_refused(tmp_path, affine):
    with pytest.raises(InputError, match=r"det\.h5: .*use one of \.nii"):
        write_jacobian(affine, ImageGrid((4, 4, 4)), tmp_path / "det.h5")
    with pytest.raises(InputError, match="does not exist; create it"):
        write_jacobian(affine, ImageGrid((4, 4, 4)), tmp_path / "nowhere" / "det.nii")
    with pytest.raises(ResourceError, match=r"det\.nii"):
        write_jacobian(affine, ImageGrid((100_000, 100_000, 100)), tmp_path / "det.nii")
    assert list(tmp_path.iterdir()) == []
