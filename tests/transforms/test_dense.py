from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError, ResourceError
from napari_shapereg.transforms import transform_points, write_displacement
from napari_shapereg.volumes import ImageGrid

TO_LPS = np.array([-1.0, -1.0, 1.0])


def test_the_nifti_holds_lps_vectors_at_the_voxels_of_the_grid(tmp_path, smooth_map, grid):
    image = nibabel.load(write_displacement(smooth_map, grid, tmp_path / "field.nii.gz"))
    assert image.shape == (*grid.size, 1, 3)
    assert int(image.header["intent_code"]) == 1007
    assert image.get_data_dtype() == np.float32
    vectors = image.get_fdata()[..., 0, :]
    indices = np.random.default_rng(0).integers(0, grid.size, size=(300, 3))
    points = nibabel.affines.apply_affine(image.affine, indices) * TO_LPS
    # The header's float32 numbers place voxels to 1e-5 mm.
    np.testing.assert_allclose(points, grid.to_points(indices), atol=2e-5)
    expected = transform_points(smooth_map, points) - points
    np.testing.assert_allclose(vectors[tuple(indices.T)], expected, atol=2e-5)
    assert np.abs(expected).max() > 1


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_itk_reads_the_field_as_its_own(tmp_path, smooth_map, grid, ending, monkeypatch):
    monkeypatch.setattr("napari_shapereg.transforms.dense._SLAB_VOXELS", 9000)  # several slabs
    image = sitk.ReadImage(write_displacement(smooth_map, grid, tmp_path / f"field{ending}"))
    sampled = sitk.TransformToDisplacementField(
        smooth_map, sitk.sitkVectorFloat32, grid.size, grid.origin, grid.spacing, grid.direction
    )
    # The origins of the slabs round differently: a unit in the last place of float32 coordinates.
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(sampled), atol=1e-5)
    np.testing.assert_allclose(ImageGrid.from_image(image).corners(), grid.corners(), atol=2e-5)


def test_the_same_map_gives_the_same_bytes(tmp_path, smooth_map, grid):
    first = write_displacement(smooth_map, grid, tmp_path / "a.nii.gz").read_bytes()
    second = write_displacement(smooth_map, grid, tmp_path / "b.nii.gz").read_bytes()
    assert first == second


def test_endings_that_are_not_offered_are_refused(tmp_path, affine):
    with pytest.raises(InputError, match=r"field\.h5: .*use one of"):
        write_displacement(affine, ImageGrid((4, 4, 4)), tmp_path / "field.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_field_larger_than_memory_is_refused_before_it_is_made(tmp_path, affine):
    with pytest.raises(ResourceError, match=r"field\.nrrd"):
        write_displacement(affine, ImageGrid((100_000, 100_000, 100)), tmp_path / "field.nrrd")
    assert list(tmp_path.iterdir()) == []
