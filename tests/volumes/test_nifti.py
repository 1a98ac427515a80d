"""The same voxel has the same physical point here, in nibabel and (where it can be) in SimpleITK."""

from __future__ import annotations

import struct
import warnings

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import ImageGrid, read_labels
from napari_shapereg.volumes.nifti import read_nifti_header

SIZE = (11, 8, 6)
FLIP_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# The headers hold float32: half a unit in the last place at 100 mm, times a few roundings.
FLOAT32 = 4e-5


def _affine(grid):
    """The grid as nibabel's affine, RAS mm."""
    affine = np.eye(4)
    affine[:3, :3] = grid.matrix
    affine[:3, 3] = grid.origin
    return FLIP_TO_LPS @ affine


def _save(path, *, sform=None, sform_code=0, qform=None, qform_code=0):
    data = np.zeros(SIZE, np.uint8)
    data[3, 5, 2] = 1
    image = nibabel.Nifti1Image(data, None)
    # set_qform writes the voxel size too
    form = sform if qform is None else qform
    if form is not None:
        image.header.set_qform(form, qform_code, strip_shears=True)
        image.header.set_sform(sform, sform_code)
    image.to_filename(path)
    return path


def _corner_voxels():
    return [(x, y, z) for x in (0, SIZE[0] - 1) for y in (0, SIZE[1] - 1) for z in (0, SIZE[2] - 1)]


def _nibabel_points(path):
    ras = nibabel.affines.apply_affine(nibabel.load(path).affine, _corner_voxels())
    return ras * [-1, -1, 1]


def _simpleitk_points(path):
    image = sitk.ReadImage(str(path))
    return [image.TransformIndexToPhysicalPoint(voxel) for voxel in _corner_voxels()]


def _other(grid):
    """Another pose of the same voxels."""
    turned = np.asarray(grid.direction).reshape(3, 3) @ np.array([[0, 1.0, 0], [-1.0, 0, 0], [0, 0, 1.0]])
    return ImageGrid(grid.size, grid.spacing, (-3.5, 20.25, 7.0), tuple(turned.ravel()))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("code", [1, 2, 4])
def test_only_sform(grid, code, ending, tmp_path):
    path = _save(tmp_path / f"labels{ending}", sform=_affine(grid), sform_code=code)
    points = read_labels(path).grid.to_points(_corner_voxels())
    # ITK computes the same float32 numbers in another order.
    np.testing.assert_allclose(points, _nibabel_points(path), atol=5e-6)
    np.testing.assert_allclose(points, _simpleitk_points(path), rtol=1e-15)


@pytest.mark.parametrize("code", [1, 2])
def test_only_qform(grid, code, tmp_path):
    path = _save(tmp_path / "labels.nii.gz", qform=_affine(grid), qform_code=code)
    points = read_labels(path).grid.to_points(_corner_voxels())
    # A quaternion of a half turn is only good to 4e-4 rad in nibabel, over 15 mm (see the next test).
    np.testing.assert_allclose(points, _nibabel_points(path), atol=6e-3)
    np.testing.assert_allclose(points, _simpleitk_points(path), rtol=1e-15)
    np.testing.assert_allclose(points, grid.to_points(_corner_voxels()), atol=FLOAT32)


def test_qform_is_as_good_as_float32_even_for_half_turns(grid, tmp_path):
    header = read_nifti_header(_save(tmp_path / "labels.nii", qform=_affine(grid), qform_code=1))
    np.testing.assert_allclose(
        header.grid().to_points(_corner_voxels()), grid.to_points(_corner_voxels()), atol=FLOAT32
    )


def test_sform_wins_as_in_nibabel_and_a_warning_says_when_simpleitk_differs(grid, tmp_path):
    forms = {"sform": _affine(grid), "qform": _affine(_other(grid))}
    path = _save(tmp_path / "labels.nii.gz", **forms, sform_code=2, qform_code=1)
    with pytest.warns(
        UserWarning, match=r"labels\.nii\.gz: SimpleITK .* sform \(code 2\) .* qform \(code 1\)"
    ):
        volume = read_labels(path)
    np.testing.assert_allclose(volume.grid.to_points(_corner_voxels()), _nibabel_points(path), atol=1e-9)
    assert np.abs(np.subtract(_simpleitk_points(path), _nibabel_points(path))).max() > 1  # the trap is real
    assert volume.data[2, 5, 3] == 1


def test_sform_wins_over_a_voxel_size_that_contradicts_it(grid, tmp_path):
    path = _save(tmp_path / "labels.nii", sform=_affine(grid), sform_code=1)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<3f", raw, 80, 1, 1, 1)
    path.write_bytes(raw)
    with pytest.warns(UserWarning, match="voxel size contradicts"):
        points = read_labels(path).grid.to_points(_corner_voxels())
    np.testing.assert_allclose(points, _nibabel_points(path), atol=1e-9)


def test_sform_of_scanner_coordinates_wins_without_a_warning(grid, tmp_path):
    forms = {"sform": _affine(grid), "qform": _affine(_other(grid))}
    path = _save(tmp_path / "labels.nii.gz", **forms, sform_code=1, qform_code=1)
    points = read_labels(path).grid.to_points(_corner_voxels())
    np.testing.assert_allclose(points, _nibabel_points(path), atol=5e-6)


def test_equal_forms_give_no_warning(grid, tmp_path):
    path = _save(tmp_path / "a.nii", sform=_affine(grid), qform=_affine(grid), sform_code=2, qform_code=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_labels(path)


def test_file_without_orientation_is_read_as_simpleitk_reads_it(tmp_path):
    path = _save(tmp_path / "labels.nii.gz")
    with pytest.warns(UserWarning, match="states no orientation"):
        volume = read_labels(path)
    assert volume.grid == ImageGrid.from_image(sitk.ReadImage(str(path)))


@pytest.mark.parametrize("qform_code", [0, 1])
@pytest.mark.parametrize("shear", [1e-3, 0.2])
def test_sheared_sform_is_refused(grid, shear, qform_code, tmp_path):
    sheared = _affine(grid) @ np.array([[1, shear, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    path = tmp_path / "labels.nii"
    _save(path, sform=sheared, sform_code=1, qform=_affine(grid), qform_code=qform_code)
    with pytest.raises(InputError, match=r"labels\.nii: direction is not orthonormal.* sheared.* ITK cannot"):
        read_labels(path)


def test_rounded_sform_is_no_shear(grid, tmp_path):
    path = _save(tmp_path / "labels.nii", sform=np.round(_affine(grid), 5), sform_code=1)
    np.testing.assert_allclose(
        read_labels(path).grid.to_points(_corner_voxels()), _nibabel_points(path), atol=5e-4
    )


@pytest.mark.parametrize(
    ("offset", "layout", "values", "message"),
    [
        (280, "4f", (0, 0, 0, 0), "singular or not finite"),
        (280, "4f", (0, 1, 0, 0), "singular"),
        (280, "f", (np.nan,), "singular or not finite"),
        (292, "f", (np.inf,), "origin must be finite"),
        (40, "3h", (3, 11, 0), "dimensions make no sense"),
        (40, "3h", (2, 11, 8), "3-D volume is needed"),
        (0, "i", (540,), "NIfTI-2"),
        (0, "i", (17,), "no complete header"),
    ],
)
def test_broken_headers_are_refused(offset, layout, values, message, tmp_path):
    path = _save(tmp_path / "labels.nii", sform=np.eye(4), sform_code=1)
    raw = bytearray(path.read_bytes())
    struct.pack_into(f"<{layout}", raw, offset, *values)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=rf"labels\.nii: .*{message}"):
        read_labels(path)


@pytest.mark.parametrize("steps", [(0.7, 0.0, 1.5), (0.7, -0.8, 1.5), (0.7, np.nan, 1.5)])
def test_bad_spacing_of_a_qform_is_refused(steps, tmp_path):
    path = _save(tmp_path / "labels.nii", qform=np.eye(4), qform_code=1)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<3f", raw, 80, *steps)
    path.write_bytes(raw)
    with pytest.raises(InputError, match="spacing is zero, negative or not finite"):
        read_labels(path)


def test_big_endian_file(tmp_path):
    data = np.random.default_rng(0).integers(0, 3, SIZE).astype(np.int16)
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.Nifti1Image(data, np.diag([-0.5, -0.5, 2, 1]), header).to_filename(tmp_path / "big.nii.gz")
    volume = read_labels(tmp_path / "big.nii.gz")
    np.testing.assert_array_equal(volume.data, data.T)
    assert volume.grid.spacing == (0.5, 0.5, 2.0)


@pytest.mark.parametrize(("name", "counts"), [("OAI_a", (171_346, 53_210)), ("OAI_b", (113_439, 39_437))])
def test_oai_voxels_lie_where_nibabel_has_them(oai_folder, name, counts):
    path = oai_folder / f"{name}.nii.gz"
    volume = read_labels(path)
    voxels = np.array(_corner_voxels()) / (np.array(SIZE) - 1) * (np.array(volume.grid.size) - 1)
    ras = nibabel.affines.apply_affine(nibabel.load(path).affine, voxels)
    # Measured: 3e-7 mm at the far corner, 180 mm away.
    np.testing.assert_allclose(volume.grid.to_points(voxels), ras * [-1, -1, 1], atol=1e-6)
    assert volume.grid == ImageGrid.from_image(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(volume.data, np.asarray(nibabel.load(path).dataobj).T)
    assert tuple(int(volume.mask(label).sum()) for label in volume.labels) == counts
