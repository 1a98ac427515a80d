from __future__ import annotations

import pickle

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import ImageGrid, LabelVolume

GRID = ImageGrid((4, 3, 2))


def _with(value, dtype):
    data = np.zeros(GRID.shape, dtype)
    data[1, 2, 3] = value
    return data


def test_image_and_back(volume):
    image = volume.to_image()
    again = LabelVolume.from_image(image)
    np.testing.assert_array_equal(again.data, volume.data)
    assert again.grid == volume.grid
    z, y, x = 3, 5, 7
    assert image.GetPixel(x, y, z) == volume.data[z, y, x]


def test_labels_are_those_present(volume):
    assert volume.labels == (1, 2, 5)
    assert LabelVolume.from_array(_with(2_000_000_000, np.int64), GRID).labels == (2_000_000_000,)
    assert LabelVolume.from_array(np.zeros(GRID.shape, np.uint8), GRID).labels == ()


def test_masks_part_the_foreground(volume):
    total = sum(volume.mask(label).astype(int) for label in volume.labels)
    np.testing.assert_array_equal(total, volume.data != 0)
    with pytest.raises(InputError, match=r"label 3 is absent; .* \[1, 2, 5\]"):
        volume.mask(3)


def test_bounding_box_is_the_smallest(volume):
    data = np.zeros(volume.grid.shape, np.uint8)
    data[2:4, 5, 1:9] = 1
    data[5, 0, 3] = 2
    boxed = LabelVolume(data, volume.grid)
    assert boxed.bounding_box(1) == (slice(2, 4), slice(5, 6), slice(1, 9))
    assert boxed.bounding_box() == (slice(2, 6), slice(0, 6), slice(1, 9))
    with pytest.raises(InputError, match="label 7 is absent"):
        boxed.bounding_box(7)
    with pytest.raises(InputError, match="no foreground"):
        LabelVolume(np.zeros(GRID.shape, np.uint8), GRID).bounding_box()


def test_data_cannot_be_changed_and_is_not_copied(volume):
    data = np.ones(GRID.shape, np.uint16)
    closed = LabelVolume(data, GRID)
    assert np.shares_memory(closed.data, data)
    with pytest.raises(ValueError, match="read-only"):
        closed.data[0, 0, 0] = 3
    with pytest.raises(TypeError):
        closed.names[1] = "x"
    data[0, 0, 0] = 2  # the caller's own array stays open


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.int16, np.uint32, np.int64, np.uint64, np.float32, np.float64]
)
def test_whole_numbers_of_any_type_are_labels(dtype):
    volume = LabelVolume.from_array(_with(1, dtype), GRID)
    assert volume.labels == (1,)
    assert volume.data.dtype.kind in "iu"
    assert volume.data.dtype.itemsize <= 4


def test_rounding_of_scaled_integers_is_undone():
    assert LabelVolume.from_array(_with(300.00002, np.float64), GRID).labels == (300,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_with(0.3, np.float32), r"0\.3.*intensity"),
        (_with(np.nan, np.float32), "NaN"),
        (_with(np.inf, np.float64), "infinite"),
        (_with(-1, np.int8), "negative value -1"),
        (_with(-2, np.float64), "negative value -2"),
        (_with(2**31, np.int64), "2147483648"),
        (_with(2**63, np.uint64), "above the largest"),
        (_with(1, np.complex64), "complex64"),
        (np.zeros((3, 4), np.uint8), "3-D"),
        (np.zeros((4, 3, 2), np.uint8), "transpose"),
    ],
)
def test_arrays_that_are_no_labels_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        LabelVolume.from_array(data, GRID)


def test_names_and_colours_travel_in_an_image(volume):
    names, colors = {1: "Femoral cartilage", 5: "naïve = «5»"}, {1: (0.25, 0.5, 1.0), 2: (0.1, 0.2, 1 / 3)}
    again = LabelVolume.from_image(LabelVolume(volume.data, volume.grid, names, colors).to_image())
    assert again.names == {**names, 2: "label 2"}
    assert {label: again.colors[label] for label in colors} == colors


def test_pickle_keeps_everything(volume):
    named = LabelVolume(volume.data, volume.grid, {1: "a"}, {1: (0, 0, 1)})
    again = pickle.loads(pickle.dumps(named))
    np.testing.assert_array_equal(again.data, named.data)
    assert (again.grid, dict(again.names), dict(again.colors)) == (named.grid, {1: "a"}, {1: (0, 0, 1)})


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (sitk.Image([4, 3, 2], sitk.sitkVectorUInt8, 3), "one number per voxel is needed, got 3"),
        (sitk.Image([4, 3, 2], sitk.sitkComplexFloat32), "complex"),
        (sitk.Image([4, 3], sitk.sitkUInt8), "2-D"),
        (sitk.Image([4, 3, 2, 2], sitk.sitkUInt8), "4-D"),
    ],
)
def test_images_that_hold_no_label_volume_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        LabelVolume.from_image(image)


def test_errors_name_the_file(tmp_path):
    with pytest.raises(InputError, match=r"knee\.nii: label 4 is absent"):
        LabelVolume(_with(1, np.uint8), GRID, source=tmp_path / "knee.nii").mask(4)
