from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import (
    affine_transform,
    chain,
    displacement_transform,
    read_transform,
    transform_points,
    write_displacement,
    write_matrix,
    write_transform,
)
from napari_shapereg.volumes import ImageGrid


@pytest.mark.parametrize("name", ["map.h5", "map.hdf5", "map.tfm", "map.txt", "MAP.H5"])
def test_a_chain_comes_back_exactly(tmp_path, smooth_map, lattice, name):
    path = write_transform(smooth_map, tmp_path / name)
    points = lattice.to_points(np.random.default_rng(0).uniform(-2, 16, size=(500, 3)))
    np.testing.assert_array_equal(
        transform_points(read_transform(path), points), transform_points(smooth_map, points)
    )
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_linear_transform_goes_to_a_matrix_file(tmp_path, affine):
    back = read_transform(write_transform(affine, tmp_path / "affine.mat"))
    np.testing.assert_array_equal(back.GetParameters(), affine.GetParameters())


def test_a_nested_chain_can_be_written(tmp_path, affine):
    # sitk.WriteTransform refuses these.
    nested = sitk.CompositeTransform([affine, sitk.CompositeTransform([affine, affine])])
    back = read_transform(write_transform(nested, tmp_path / "nested.h5"))
    np.testing.assert_allclose(back.TransformPoint((1, 2, 3)), nested.TransformPoint((1, 2, 3)))
    assert nested.GetNumberOfTransforms() == 2


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_a_displacement_image_is_a_transform(tmp_path, smooth_map, grid, ending):
    path = write_displacement(smooth_map, grid, tmp_path / f"field{ending}")
    points = grid.to_points([[10, 12, 8], [30, 25, 15]])
    # float32 vectors of some millimetres, on a grid whose NIfTI header is float32 too.
    np.testing.assert_allclose(
        transform_points(read_transform(path), points), transform_points(smooth_map, points), atol=2e-5
    )


def test_an_interrupted_write_keeps_the_old_file(tmp_path, affine, monkeypatch):
    path = write_transform(affine, tmp_path / "map.h5")
    before = path.read_bytes()

    def fill_the_disk(_transform, name):
        Path(name).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sitk, "WriteTransform", fill_the_disk)
    with pytest.raises(InputError, match=r"map\.h5: cannot be written \(No space left on device\)"):
        write_transform(chain(affine, affine), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["map.h5"]


def every_cut(size):
    return sorted({*range(0, size, max(1, size // 60)), size - 1})


@pytest.mark.parametrize("ending", [".h5", ".tfm"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, capfd, ending):
    field = displacement_transform(np.random.default_rng(0).normal(size=(3, 3, 3, 3)), ImageGrid((3, 3, 3)))
    whole = write_transform(chain(field), tmp_path / f"whole{ending}").read_bytes()
    cut = tmp_path / f"cut{ending}"
    for length in every_cut(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"cut\{ending}: "):
            read_transform(cut)
    assert capfd.readouterr().err == ""
    with pytest.raises(InputError, match=r"bytes are there|numbers may be missing"):
        read_transform(cut)


def test_a_text_file_that_stops_between_two_transforms_is_refused(tmp_path, smooth_map):
    lines = write_transform(smooth_map, tmp_path / "map.tfm").read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if line.startswith("#Transform"))
    (tmp_path / "cut.tfm").write_text("".join(lines[: last + 1]))
    with pytest.raises(InputError, match="truncated after"):
        read_transform(tmp_path / "cut.tfm")


def test_transforms_side_by_side_are_refused(tmp_path, affine):
    text = write_transform(affine, tmp_path / "map.tfm").read_text()
    (tmp_path / "two.tfm").write_text(text + text.split("\n", 1)[1])
    with pytest.raises(InputError, match="2 transforms side by side"):
        read_transform(tmp_path / "two.tfm")


def test_bad_files_are_named_with_what_is_wrong(tmp_path):
    (tmp_path / "noise.h5").write_bytes(b"\x00" * 500)
    (tmp_path / "noise.tfm").write_bytes(bytes(range(256)))
    (tmp_path / "text.tfm").write_text("a letter\n")
    (tmp_path / "empty.tfm").write_text("#Insight Transform File V1.0\n")
    (tmp_path / "noise.mat").write_bytes(bytes(range(256)))
    (tmp_path / "kind.tfm").write_text(
        "#Insight Transform File V1.0\nTransform: NoSuch_double_3_3\nParameters: 1\nFixedParameters: 0\n"
    )
    (tmp_path / "folder.h5").mkdir()
    sitk.WriteTransform(sitk.AffineTransform(2), tmp_path / "flat.tfm")
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkUInt8), tmp_path / "labels.nii.gz")
    wrong = {
        "missing.h5": "no such file",
        "folder.h5": "directory",
        "map.xyz": r"\.xyz.*unknown",
        "noise.h5": "no HDF5 file",
        "noise.tfm": "binary",
        "text.tfm": "Name: values",
        "empty.tfm": "no transform",
        "noise.mat": "corrupt",
        "kind.tfm": "cannot be read",
        "flat.tfm": "2-D",
        "labels.nii.gz": "of 1; give displacements",
    }
    for name, message in wrong.items():
        with pytest.raises(InputError, match=rf"{name}: .*{message}"):
            read_transform(tmp_path / name)


def test_nan_is_refused(tmp_path):
    broken = sitk.TranslationTransform(3, (0.0, float("nan"), 0.0))
    sitk.WriteTransform(broken, tmp_path / "nan.h5")
    with pytest.raises(InputError, match="NaN"):
        read_transform(tmp_path / "nan.h5")
    vectors = np.zeros((3, 3, 3, 3))
    vectors[1, 1, 1] = np.nan
    field = sitk.DisplacementFieldTransform(sitk.GetImageFromArray(vectors, isVector=True))
    sitk.WriteTransform(sitk.CompositeTransform([broken, field]), tmp_path / "field.h5")
    with pytest.raises(InputError, match="NaN"):
        read_transform(tmp_path / "field.h5")


def test_what_a_file_cannot_hold_is_refused(tmp_path, smooth_map):
    with pytest.raises(InputError, match=r"\.mat holds one linear transform"):
        write_transform(smooth_map, tmp_path / "map.mat")
    with pytest.raises(InputError, match="unknown"):
        write_transform(smooth_map, tmp_path / "map.nii")
    with pytest.raises(InputError, match="does not exist; create it"):
        write_transform(smooth_map, tmp_path / "nowhere" / "map.h5")
    with pytest.raises(InputError, match="2-D"):
        write_transform(sitk.AffineTransform(2), tmp_path / "flat.h5")
    assert list(tmp_path.iterdir()) == []


def test_matrices_hold_one_linear_map_of_three_dimensions(tmp_path, affine, smooth_map):
    # By hand: (x, y, z) LPS is (-x, -y, z) RAS.
    turn = affine_transform([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [5.0, 6.0, 7.0])
    write_matrix(turn, tmp_path / "turn.mat")
    np.testing.assert_array_equal(
        np.loadtxt(tmp_path / "turn.mat"), [[0, -1, 0, -5], [1, 0, 0, -6], [0, 0, 1, 7], [0, 0, 0, 1]]
    )
    with pytest.raises(InputError, match="a matrix holds one linear transform"):
        write_matrix(smooth_map, tmp_path / "map.mat")
    with pytest.raises(InputError, match="2-D"):
        write_matrix(sitk.AffineTransform(2), tmp_path / "map.mat")


def test_a_disk_without_room_for_a_spline_is_found_before(tmp_path, monkeypatch):
    spline = sitk.BSplineTransform(3, 3)
    spline.SetTransformDomainMeshSize((20, 20, 20))
    needed = write_transform(chain(spline), tmp_path / "spline.h5").stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(InputError, match=r"again\.h5: 0\.3 MB are needed, 0\.3 MB are free"):
        write_transform(chain(spline), tmp_path / "again.h5")


def test_vectors_in_hdf5_are_exact_and_take_24_bytes_a_node(tmp_path):
    vectors = np.random.default_rng(1).normal(size=(20, 30, 40, 3))
    grid = ImageGrid((40, 30, 20), (1.5, 1.5, 1.5), (-80.0, 12.5, 100.25))
    path = write_transform(
        chain(displacement_transform(vectors, grid), affine_transform(np.eye(3), [1, 2, 3])),
        tmp_path / "f.h5",
    )
    field = read_transform(path).GetNthTransform(1)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(field.GetDisplacementField()), vectors)
    # 24 bytes a node and some kilobytes of HDF5.
    assert path.stat().st_size < 24 * grid.voxels + 20_000
