from __future__ import annotations

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.cli import warp
from napari_shapereg.transforms import points_io
from napari_shapereg.volumes import ImageGrid, read_labels, write_labels

SHIFT = np.array([2.1, -1.6, 3.0])
"""Moving to fixed, LPS mm."""


def _translation(vector):
    return sitk.TranslationTransform(3, np.asarray(vector, dtype=float).tolist())


@pytest.fixture
def result(tmp_path, boxes):
    """A folder as `register` leaves it, whose map is a translation."""
    folder = tmp_path / "result"
    folder.mkdir()
    sitk.WriteTransform(_translation(-SHIFT), str(folder / "fixed_to_moving.h5"))
    sitk.WriteTransform(_translation(SHIFT), str(folder / "moving_to_fixed.h5"))
    (folder / "warped_labels.nii.gz").write_bytes(boxes[1].read_bytes())
    return folder


def _resampled(source, reference, transform, interpolator):
    image = sitk.Resample(
        sitk.ReadImage(str(source)), sitk.ReadImage(str(reference)), transform, interpolator, 0.0
    )
    return sitk.GetArrayFromImage(image)


def _array(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_labels_take_the_nearest_voxel_and_keep_their_names(shapereg, result, boxes, tmp_path):
    named = replace(read_labels(boxes[0]), names={1: "femur", 2: "tibia"}, colors={1: (1.0, 0.0, 0.0)})
    source, out = write_labels(named, tmp_path / "named.seg.nrrd"), tmp_path / "warped.seg.nrrd"
    run = shapereg("warp", source, "-t", result, "-o", out)
    assert run == (0, f"wrote {out}: 2 labels, nearest neighbour (--kind image interpolates)\n", "")
    warped = read_labels(out)
    expected = _resampled(boxes[0], boxes[1], _translation(-SHIFT), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(warped.data, expected)
    assert warped.names == {1: "femur", 2: "tibia"}
    assert warped.colors[1] == (1.0, 0.0, 0.0)
    np.testing.assert_allclose(warped.grid.corners(), read_labels(boxes[1]).grid.corners(), atol=1e-4)


def test_labels_of_a_real_registration(shapereg, registered, sample_files, tmp_path):
    out = tmp_path / "warped.nii.gz"
    assert shapereg("warp", sample_files[0], "-t", registered[0], "-o", out).code == 0
    np.testing.assert_array_equal(_array(out), _array(registered[0] / "warped_labels.nii.gz"))


@pytest.fixture(params=[np.float32, np.int16, np.uint8], ids=lambda kind: kind.__name__)
def intensities(request, boxes, tmp_path):
    """An image with noise on the moving grid."""
    grid = read_labels(boxes[0]).grid
    values = np.random.default_rng(0).normal(120, 30, grid.shape).clip(1, 250).astype(request.param)
    path = tmp_path / "mri.nii.gz"
    sitk.WriteImage(grid.stamp(sitk.GetImageFromArray(values)), str(path))
    return path


def test_intensities_are_interpolated(shapereg, result, boxes, intensities, tmp_path):
    out = tmp_path / "warped.nii.gz"
    run = shapereg("warp", intensities, "-t", result, "-o", out, "--json")
    assert json.loads(run.out)["what"].startswith("intensities, linear")
    expected = _resampled(intensities, boxes[1], _translation(-SHIFT), sitk.sitkLinear)
    np.testing.assert_allclose(_array(out), expected, atol=1e-3)
    assert _array(out).dtype == _array(intensities).dtype
    assert (
        shapereg("warp", intensities, "-t", result, "-o", out, "--interpolation", "nearest", "-q").out == ""
    )
    expected = _resampled(intensities, boxes[1], _translation(-SHIFT), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(_array(out), expected)


@pytest.mark.filterwarnings("always:.*SimpleITK places voxels")
def test_intensities_lie_where_the_sform_says(shapereg, result, boxes, intensities, tmp_path):
    two_minds = nibabel.load(intensities)
    sform = two_minds.get_sform()
    two_minds = nibabel.Nifti1Image(np.asarray(two_minds.dataobj), sform, two_minds.header)
    two_minds.set_sform(sform, code=2)
    two_minds.set_qform(np.diag([0.7, 0.8, 1.5, 1.0]), code=1)
    path, out, expected = (tmp_path / f"{name}.nii" for name in ("two_minds", "out", "expected"))
    nibabel.save(two_minds, path)
    run = shapereg("warp", path, "-t", result, "-o", out)
    assert run.code == 0
    assert "warning: " in run.err
    assert "SimpleITK places voxels" in run.err
    assert shapereg("warp", intensities, "-t", result, "-o", expected).code == 0
    # The headers hold 32-bit numbers: the two geometries differ by 1e-5 mm.
    np.testing.assert_allclose(_array(out), _array(expected), atol=1e-3)


def test_the_kind_can_be_said(shapereg, result, boxes, intensities, tmp_path):
    out = tmp_path / "warped.nii.gz"
    assert "intensities" in shapereg("warp", boxes[0], "-t", result, "-o", out, "--kind", "image").out
    expected = _resampled(boxes[0], boxes[1], _translation(-SHIFT), sitk.sitkLinear)
    np.testing.assert_array_equal(_array(out), expected)
    run = shapereg("warp", intensities, "-t", result, "-o", out, "--kind", "labels")
    assert (run.code, "labels" in run.out or "not whole numbers" in run.err) in {(0, True), (2, True)}


def test_points_and_meshes_go_the_other_way(shapereg, result, tmp_path):
    points = np.array([[1.0, 2.0, 3.0], [100.5, -57.0, 12.0], [0.0, 0.0, 0.0]])
    table = tmp_path / "landmarks.csv"
    table.write_text("name,x,y,z\n" + "".join(f"p{k},{x},{y},{z}\n" for k, (x, y, z) in enumerate(points)))
    run = shapereg("warp", table, "-t", result, "-o", tmp_path / "moved.csv")
    assert run.out == f"wrote {tmp_path / 'moved.csv'}: 3 points\n"
    rows = [line.split(",") for line in (tmp_path / "moved.csv").read_text().split()]
    assert sorted(rows[0]) == ["name", "x", "y", "z"]
    moved = [[float(row[rows[0].index(axis)]) for axis in "xyz"] for row in rows[1:]]
    np.testing.assert_allclose(moved, points + SHIFT, atol=1e-9)
    mesh = tmp_path / "mesh.vtk"
    mesh.write_text(
        "# vtk DataFile Version 3.0\nm\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n"
        "0 0 0\n1 0 0\n0 1 0\nPOLYGONS 1 4\n3 0 1 2\n"
    )
    assert shapereg("warp", mesh, "-t", result / "moving_to_fixed.h5", "-o", tmp_path / "moved.vtk").code == 0
    written = (tmp_path / "moved.vtk").read_text()
    assert "POLYGONS 1 4\n3 0 1 2\n" in written
    assert "\n2.1 -1.6 3\n" in written


def test_backward_carries_from_the_fixed_to_the_moving_space(shapereg, result, boxes, tmp_path):
    out = tmp_path / "back.nii.gz"
    run = shapereg("warp", boxes[1], "-t", result, "-o", out, "--backward")
    assert run.code == 2
    assert "--reference with the moving image" in run.err
    run = shapereg("warp", boxes[1], "-t", result, "-o", out, "--backward", "--reference", boxes[0])
    assert run.code == 0
    expected = _resampled(boxes[1], boxes[0], _translation(SHIFT), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(_array(out), expected)


def test_the_wrong_direction_is_refused_and_the_right_file_named(shapereg, result, boxes, tmp_path):
    forward, inverse = result / "fixed_to_moving.h5", result / "moving_to_fixed.h5"
    table = tmp_path / "p.csv"
    table.write_text("x,y,z\n1,2,3\n")
    cases = [
        (boxes[0], inverse, forward, []),
        (table, forward, inverse, []),
        (boxes[1], forward, inverse, ["--backward", "--reference", boxes[0]]),
        (table, inverse, forward, ["--backward"]),
    ]
    for number, (source, wrong, right, words) in enumerate(cases):
        out = tmp_path / f"out{number}{'.csv' if source is table else '.nii.gz'}"
        run = shapereg("warp", source, "-t", wrong, "-o", out, *words)
        assert run.code == 2
        assert run.err.startswith(f"error: {wrong}: this is the wrong direction")
        assert f"give {right}." in run.err
        assert not out.exists()
        assert shapereg("warp", source, "-t", right, "-o", out, *words).code == 0


def test_several_transforms_are_applied_in_the_order_given(shapereg, boxes, tmp_path):
    turn = sitk.AffineTransform(3)
    turn.SetMatrix([0, -1, 0, 1, 0, 0, 0, 0, 1])
    files = [tmp_path / "turn.tfm", tmp_path / "shift.tfm"]
    for transform, file in zip((turn, _translation(SHIFT)), files, strict=True):
        sitk.WriteTransform(transform, str(file))
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,3\n")
    shapereg("warp", tmp_path / "p.csv", "-t", files[0], "-t", files[1], "-o", tmp_path / "q.csv")
    moved = np.loadtxt(tmp_path / "q.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(moved, np.array([-2, 1, 3]) + SHIFT, atol=1e-9)


def test_an_image_that_lands_nowhere_is_refused(shapereg, result, boxes, intensities, tmp_path):
    far = ImageGrid((5, 5, 5), origin=(900.0, 0.0, 0.0))
    image = far.stamp(sitk.GetImageFromArray(np.ones(far.shape, np.uint8)))
    sitk.WriteImage(image, str(tmp_path / "far.nii.gz"))
    for source in (boxes[0], intensities):
        out = tmp_path / "out.nii.gz"
        run = shapereg("warp", source, "-t", result, "-r", tmp_path / "far.nii.gz", "-o", out)
        assert run.code == 2
        assert f"{source}: nothing of it lands on the grid" in run.err
        assert not out.exists()


def test_wrong_words(shapereg, result, boxes, tmp_path):
    def refused(message, *words):
        run = shapereg("warp", *words)
        assert run.code == 2
        assert run.err.startswith("error: ")
        assert message in run.err

    out = tmp_path / "out.nii.gz"
    lonely = tmp_path / "lonely.h5"
    sitk.WriteTransform(_translation(SHIFT), str(lonely))
    refused("add --reference with the fixed image", boxes[0], "-t", lonely, "-o", out)
    refused("no fixed_to_moving.h5 in this folder", boxes[0], "-t", tmp_path, "-o", out)
    refused("no such file", boxes[0], "-t", tmp_path / "none.h5", "-r", boxes[1], "-o", out)
    refused("no such file", tmp_path / "none.nii.gz", "-t", result, "-o", out)
    refused("no such file", tmp_path / "none.csv", "-t", result, "-o", tmp_path / "out.csv")
    refused("ending '.png' is unknown", boxes[0], "-t", result, "-o", tmp_path / "out.png")
    refused("ending '.gz' is unknown", tmp_path / "none.csv", "-t", result, "-o", out)
    refused("does not exist; create it first", boxes[0], "-t", result, "-o", tmp_path / "a" / "b.nii.gz")
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(boxes[0].read_bytes()[:-15])
    refused(f"{cut}: the file is truncated", cut, "-t", result, "-o", out)
    flat = tmp_path / "flat.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((4, 4), np.uint8)), str(flat))
    refused("a 3-D volume is needed", flat, "-t", result, "-o", out)
    refused("a 3-D volume is needed", boxes[0], "-t", result, "-r", flat, "-o", out)
    vectors = tmp_path / "vectors.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((4, 4, 4, 3), np.uint8), isVector=True), str(vectors))
    refused("one number per voxel is needed, got 3", vectors, "-t", result, "-o", out)
    assert not out.exists()


def test_points_may_tell_what_moved_them(shapereg, result, tmp_path):
    (tmp_path / "points.csv").write_text("x,y,z,name\n1,2,3,a\n")
    words = ["warp", tmp_path / "points.csv", "-t", result, "--displacement"]
    assert shapereg(*words, "-o", tmp_path / "moved.csv").code == 0
    assert (tmp_path / "moved.csv").read_text() == "x,y,z,dx,dy,dz,name\n3.1,0.4,6,2.1,-1.6,3,a\n"
    assert shapereg(*words[:-1], "-o", tmp_path / "moved.mrk.json").code == 0
    assert '"label": "a"' in (tmp_path / "moved.mrk.json").read_text()
    run = shapereg(*words[:-1], "-o", tmp_path / "moved.fcsv")
    assert run.code == 2
    assert "unknown; use one of" in run.err


def test_the_endings_of_points_are_those_that_are_read():
    assert warp.POINT_ENDINGS == points_io.READ_ENDINGS


def test_displacements_that_nothing_would_hold_are_refused(shapereg, boxes, result, tmp_path):
    (tmp_path / "points.csv").write_text("x,y,z\n1,2,3\n")
    for source, name in ((tmp_path / "points.csv", "moved.mrk.json"), (boxes[0], "moved.nii.gz")):
        run = shapereg("warp", source, "-t", result, "--displacement", "-o", tmp_path / name)
        assert run.code == 2
        assert "--displacement is for points in .vtk, .ply, .csv files" in run.err
        assert not (tmp_path / name).exists()
