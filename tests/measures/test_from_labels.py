from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.measures import measure_from_labels
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.labels import LabelVolume

# Counts of Feydy & Trouvé (2018) on the OAI pair, and the numbers of voxels in the files.
OAI = {
    ("a", 1): (52_319, 171_346),
    ("b", 1): (34_966, 113_439),
    ("a", 2): (16_017, 53_210),
    ("b", 2): (12_492, 39_437),
}


@pytest.fixture(scope="module")
def knees(oai_folder) -> dict[str, LabelVolume]:
    return {
        name: LabelVolume.from_image(sitk.ReadImage(str(oai_folder / f"OAI_{name}.nii.gz"))) for name in "ab"
    }


@pytest.mark.parametrize(("name", "label"), OAI)
def test_oai_counts_and_masses(knees, name, label):
    volume = knees[name]
    points, voxels = OAI[name, label]
    measure = measure_from_labels(volume, label, binning=(2, 2, 1), dtype=torch.float64)
    assert len(measure) == points
    # Exact but for the rounding of a float64 sum of 5e4 terms.
    assert float(measure.mass) == pytest.approx(voxels * volume.grid.voxel_volume, rel=1e-12)
    fractions = measure.weights / (4 * volume.grid.voxel_volume)
    assert 0 < float(fractions.min()) <= float(fractions.max()) <= 1 + 1e-12


def test_oai_points_lie_where_simpleitk_puts_the_bins(knees):
    volume = knees["a"]
    measure = measure_from_labels(volume, 2, binning=(2, 2, 1), dtype=torch.float64)
    image = volume.to_image()
    places = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in measure.points.tolist()])
    corners = np.round(places - [0.5, 0.5, 0]).astype(int)
    np.testing.assert_allclose(places - corners, np.tile([0.5, 0.5, 0], (len(corners), 1)), atol=1e-6)
    assert (corners[:, :2] % 2 == 0).all()
    x, y, z = corners.T
    inside = sum(volume.data[z, y + j, x + i] == 2 for i in (0, 1) for j in (0, 1))
    np.testing.assert_allclose(measure.weights / volume.grid.voxel_volume, inside, rtol=1e-12)


def test_each_voxel_is_a_point_with_its_volume(grid, volume_of):
    rng = np.random.default_rng(3)
    volume = volume_of(grid, lambda points: rng.random(len(points)) < 0.01)
    measure = measure_from_labels(volume, 1, dtype=torch.float64)
    image = sitk.GetImageFromArray(volume.data)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    expected = [
        image.TransformIndexToPhysicalPoint((int(x), int(y), int(z))) for z, y, x in np.argwhere(volume.data)
    ]
    np.testing.assert_allclose(measure.points, expected, atol=1e-9)
    np.testing.assert_allclose(measure.weights, 0.8 * 1.0 * 1.3, rtol=1e-12)


def test_bins_are_counted_from_the_first_voxel_and_reach_beyond_the_last():
    data = np.zeros((1, 1, 5), np.uint8)
    data[0, 0, 1:] = 1
    volume = LabelVolume.from_array(data, ImageGrid((5, 1, 1), (1.0, 2.0, 3.0)))
    measure = measure_from_labels(volume, 1, binning=(2, 1, 1))
    assert measure.points[:, 0].tolist() == [0.5, 2.5, 4.5]
    assert measure.weights.tolist() == [6, 12, 6]


def test_each_label_has_its_own_measure():
    data = np.zeros((3, 3, 3), np.uint16)
    data[0], data[2, 2, 2] = 4, 300
    volume = LabelVolume.from_array(data, ImageGrid((3, 3, 3)))
    assert len(measure_from_labels(volume, 4)) == 9
    assert measure_from_labels(volume, 300).points.tolist() == [[2, 2, 2]]


@pytest.mark.parametrize("kind", ["voxel", "surface"])
def test_precision_is_float32_unless_asked(kind):
    volume = LabelVolume.from_array(np.ones((2, 2, 2), np.uint8), ImageGrid((2, 2, 2)))
    assert measure_from_labels(volume, 1, kind).dtype == torch.float32
    assert measure_from_labels(volume, 1, kind, dtype=torch.float64).dtype == torch.float64


def test_surface_measures_carry_unit_normals_and_voxels_none():
    volume = LabelVolume.from_array(np.ones((2, 2, 2), np.uint8), ImageGrid((2, 2, 2)))
    assert measure_from_labels(volume, 1).normals is None
    normals = measure_from_labels(volume, 1, "surface").normals
    assert normals is not None
    np.testing.assert_allclose(normals.norm(dim=1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["voxel", "surface"])
def test_refuses_an_absent_label_and_names_those_present(kind):
    data = np.zeros((3, 3, 3), np.uint8)
    data[0, 0, 0], data[1, 1, 1] = 1, 5
    volume = LabelVolume.from_array(data, ImageGrid((3, 3, 3)))
    for label in (0, 2):
        with pytest.raises(InputError, match=rf"{label}.*\[?1, 5\]?"):
            measure_from_labels(volume, label, kind)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "mesh"}, "kind.*mesh.*voxel.*surface"),
        ({"binning": (2, 2, 0)}, "binning"),
        ({"binning": (2, 2)}, "binning"),
        ({"binning": (1.5, 1, 1)}, "binning"),
        ({"dtype": torch.int32}, "dtype.*int32"),
    ],
)
def test_refuses_settings_by_name(settings, message):
    volume = LabelVolume.from_array(np.ones((2, 2, 2), np.uint8), ImageGrid((2, 2, 2)))
    with pytest.raises(InputError, match=message):
        measure_from_labels(volume, 1, **settings)
