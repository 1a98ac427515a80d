from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import affine_transform, resample_image, resample_labels, write_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume, read_labels, write_labels


def test_plain_simpleitk_on_the_files_gives_the_same_voxels(tmp_path, smooth_map, grid, moving):
    fixed = LabelVolume(np.ones(grid.shape, dtype=np.uint8), grid)
    write_labels(fixed, tmp_path / "fixed.nii.gz")
    write_labels(moving, tmp_path / "moving.nii.gz")
    write_transform(smooth_map, tmp_path / "fixed_to_moving.h5")

    plain = sitk.Resample(
        sitk.ReadImage(tmp_path / "moving.nii.gz"),
        sitk.ReadImage(tmp_path / "fixed.nii.gz"),
        sitk.ReadTransform(tmp_path / "fixed_to_moving.h5"),
        sitk.sitkNearestNeighbor,
    )
    ours = resample_labels(
        read_labels(tmp_path / "moving.nii.gz"), read_labels(tmp_path / "fixed.nii.gz").grid, smooth_map
    )
    np.testing.assert_array_equal(ours.data, sitk.GetArrayFromImage(plain))
    assert ours.labels == (2, 5)


def test_the_transform_maps_fixed_points_to_moving_points():
    data = np.zeros((5, 6, 7), dtype=np.int16)
    data[2, 3, 4] = 300
    moving = LabelVolume(data, ImageGrid((7, 6, 5)), names={300: "knob"}, colors={300: (0.0, 1.0, 0.0)})
    warped = resample_labels(moving, moving.grid, affine_transform(np.eye(3), [1.0, 0.0, 0.0]))
    # The voxel that looks one millimetre to the left (+x) finds the knob.
    assert np.argwhere(warped.data == 300).tolist() == [[2, 3, 3]]
    assert warped.data.dtype == np.int16
    assert (warped.names, warped.colors) == (moving.names, moving.colors)


def test_outside_the_moving_volume_is_background():
    moving = LabelVolume(np.ones((3, 3, 3), dtype=np.uint8), ImageGrid((3, 3, 3)))
    warped = resample_labels(
        moving, ImageGrid((9, 3, 3), origin=(-3, 0, 0)), sitk.Transform(3, sitk.sitkIdentity)
    )
    assert warped.data[1, 1].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_an_intensity_image_is_interpolated_and_keeps_its_type():
    ramp = sitk.GetImageFromArray(np.tile(np.arange(6, dtype=np.float32), (4, 4, 1)))
    half = affine_transform(np.eye(3), [0.5, 0.0, 0.0])
    target = ImageGrid((6, 4, 4))
    linear = resample_image(ramp, target, half, default=-1.0)
    assert linear.GetPixelID() == sitk.sitkFloat32
    assert sitk.GetArrayFromImage(linear)[1, 1].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, -1.0]
    nearest = resample_image(ramp, target, half, interpolator="nearest")
    assert set(np.unique(sitk.GetArrayFromImage(nearest))) <= set(range(6))


def test_what_cannot_be_resampled_is_refused():
    identity = sitk.Transform(3, sitk.sitkIdentity)
    with pytest.raises(InputError, match="'cubic'"):
        resample_image(
            sitk.Image(4, 4, 4, sitk.sitkUInt8), ImageGrid((4, 4, 4)), identity, interpolator="cubic"
        )
    with pytest.raises(InputError, match="2-D"):
        resample_image(sitk.Image(4, 4, sitk.sitkUInt8), ImageGrid((4, 4, 4)), identity)
    with pytest.raises(InputError, match="2-D"):
        resample_labels(
            LabelVolume(np.ones((2, 2, 2), np.uint8), ImageGrid((2, 2, 2))),
            ImageGrid((4, 4, 4)),
            sitk.Transform(2, sitk.sitkIdentity),
        )
