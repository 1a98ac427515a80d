from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.transforms import read_fsl, read_transform, transform_points
from napari_shapereg.volumes import read_labels
from napari_shapereg.volumes.images import read_grid


@pytest.fixture
def point(boxes):
    """Inside the boxes, LPS mm."""
    return tuple(read_labels(boxes[1]).grid.to_points([[9.3, 8.6, 7.1]])[0])


@pytest.fixture
def affine(tmp_path):
    transform = sitk.AffineTransform(3)
    transform.SetMatrix((1.1, 0.1, 0, -0.1, 0.9, 0, 0, 0.05, 1))
    transform.SetTranslation((3.0, -2.0, 1.0))
    sitk.WriteTransform(transform, str(tmp_path / "affine.tfm"))
    return tmp_path / "affine.tfm"


@pytest.mark.parametrize("name", ["map.h5", "map.txt", "map.mat", "map.nii.gz", "map.nrrd"])
@pytest.mark.parametrize("convention", ["itk", "ras", "fsl"])
def test_each_form_holds_the_same_map(shapereg, affine, boxes, point, tmp_path, name, convention):
    moving, fixed = boxes
    run = shapereg(
        "convert", affine, "-o", tmp_path / name, "--to", convention, "-r", fixed, "--moving", moving
    )
    holds = {"itk": True, "ras": name in ("map.mat", "map.nii.gz"), "fsl": name == "map.nii.gz"}
    if not holds[convention]:
        assert run.code == 2
        assert not (tmp_path / name).exists()
        return
    assert run.code == 0
    grids = [read_labels(path).grid for path in (fixed, moving)]
    back = read_fsl(tmp_path / name, *grids) if convention == "fsl" else read_transform(tmp_path / name)
    np.testing.assert_allclose(
        back.TransformPoint(point), read_transform(affine).TransformPoint(point), atol=1e-4
    )
    if name == "map.mat":
        text = convention == "ras"
        assert (tmp_path / name).read_bytes().isascii() == text


def test_fsl_comes_back(shapereg, affine, boxes, point, tmp_path):
    moving, fixed = boxes
    both = ["-r", fixed, "--moving", moving]
    shapereg("convert", affine, "-o", tmp_path / "warp.nii.gz", "--to", "fsl", *both)
    assert nibabel.load(tmp_path / "warp.nii.gz").header["intent_code"] == 2006
    run = shapereg("convert", tmp_path / "warp.nii.gz", "--from", "fsl", "-o", tmp_path / "back.h5", *both)
    assert run.code == 0
    np.testing.assert_allclose(
        read_transform(tmp_path / "back.h5").TransformPoint(point),
        read_transform(affine).TransformPoint(point),
        atol=1e-4,
    )


def test_a_folder_gives_either_direction_and_its_grid(shapereg, registered, point, tmp_path):
    folder, _ = registered
    for words, name in (([], "fixed_to_moving.h5"), (["--inverse"], "moving_to_fixed.h5")):
        assert shapereg("convert", folder, "-o", tmp_path / "map.tfm", *words).code == 0
        written, kept = read_transform(tmp_path / "map.tfm"), read_transform(folder / name)
        assert written.TransformPoint(point) == kept.TransformPoint(point)
    assert shapereg("convert", folder, "-o", tmp_path / "field.nii.gz", "--to", "ras").code == 0
    assert nibabel.load(tmp_path / "field.nii.gz").header["intent_code"] == 1006


@pytest.mark.parametrize("given", [[".", "--inverse"], ["moving_to_fixed.h5"]], ids=str)
@pytest.mark.parametrize("convention", ["itk", "ras", "fsl"])
def test_the_inverse_lies_on_the_moving_grid(shapereg, registered, sample_files, tmp_path, given, convention):
    folder, _ = registered
    words = ["convert", folder / given[0], *given[1:], "-o", tmp_path / "back.nii.gz", "--to", convention]
    refused = shapereg(*words)
    assert refused.code == 2
    assert "--moving" in refused.err
    assert shapereg(*words, "--moving", sample_files[0]).code == 0
    moving, fixed = (read_grid(path) for path in sample_files)
    assert moving.size != fixed.size
    written = tmp_path / "back.nii.gz"
    image = nibabel.load(written)
    assert image.shape[:3] == moving.size
    np.testing.assert_allclose(image.affine, nibabel.load(sample_files[0]).affine, atol=1e-4)
    back = read_fsl(written, moving, fixed) if convention == "fsl" else read_transform(written)
    # Within the grid, at the border of which ITK's fields end.
    points = moving.to_points(
        np.random.default_rng(0).uniform(1, np.array(moving.size) - 2, (200, 3)).round()
    )
    kept = read_transform(folder / "moving_to_fixed.h5")
    # float32 displacements and headers.
    np.testing.assert_allclose(transform_points(back, points), transform_points(kept, points), atol=2e-4)


def test_the_inverse_of_a_file_is_another_file(shapereg, affine, tmp_path):
    run = shapereg("convert", affine, "--inverse", "-o", tmp_path / "map.h5")
    assert run.code == 2
    assert "--inverse takes a folder" in run.err
    assert not (tmp_path / "map.h5").exists()


def test_what_is_missing_is_said(shapereg, affine, tmp_path):
    run = shapereg("convert", affine, "-o", tmp_path / "field.nii.gz")
    assert run.code == 2
    assert "add --reference with the fixed image" in run.err
    run = shapereg("convert", affine, "-o", tmp_path / "warp.nii.gz", "--to", "fsl")
    assert run.code == 2
    assert "add --reference FIXED and --moving MOVING" in run.err


def test_bids_names_say_what_images_do(shapereg, registered, point, tmp_path):
    folder, _ = registered
    stem = "sub-01_ses-2_from-baseline_to-followup"
    assert shapereg("convert", folder, "-o", tmp_path, "--bids", stem).code == 0
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == [
        f"{stem}_mode-image_xfm.h5",
        "sub-01_ses-2_from-followup_to-baseline_mode-image_xfm.h5",
    ]
    # Images go from the moving to the fixed space by the map of fixed points.
    for name, kept in zip(written, ("fixed_to_moving.h5", "moving_to_fixed.h5"), strict=True):
        image = read_transform(tmp_path / name).TransformPoint(point)
        assert image == read_transform(folder / kept).TransformPoint(point)
    for wrong in ("sub-01", "from-a_to-../../b", "sub 01_from-a_to-b", "from-a_to-b_mode-points"):
        run = shapereg("convert", folder, "-o", tmp_path, "--bids", wrong)
        assert run.code == 2
        assert "a BIDS name is made of" in run.err
    assert len(list(tmp_path.iterdir())) == 2
