"""FSL's warps and matrices, by fslpy, and NIfTI's own displacement vectors, by nibabel: RAS both."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from napari_shapereg.transforms import (
    affine_transform,
    read_fsl,
    read_transform,
    transform_points,
    write_displacement,
    write_fsl,
)
from napari_shapereg.volumes import read_labels
from tests.interoperability.page import examples, run_example
from tests.interoperability.peers import flirt_matrix, fsl_points, fsl_warp

SIGNS = np.array([-1.0, -1.0, 1.0])
"""Between LPS and RAS."""


@pytest.fixture
def oblique(registered_case):
    """Of the two pairs the one whose grids differ more: FSL's frame knows nothing else."""
    return registered_case("oblique")


def centres(path, step=7):
    """Return centres of voxels, (N, 3), LPS mm."""
    grid = read_labels(path).grid
    indices = np.stack(np.meshgrid(*(np.arange(0, n, step) for n in grid.size), indexing="ij"), axis=-1)
    return grid.to_points(indices.reshape(-1, 3))


def test_our_warp_carries_points_alike(apart, oblique, tmp_path):
    moving, fixed = read_labels(oblique.moving).grid, read_labels(oblique.fixed).grid
    path = write_fsl(oblique.result.transform, tmp_path / "warp.nii.gz", fixed, moving)
    points = centres(oblique.fixed)
    theirs = apart(fsl_points, path, oblique.moving, oblique.fixed, points * SIGNS) * SIGNS
    # float32 displacements of up to 100 mm, and headers in float32.
    np.testing.assert_allclose(theirs, transform_points(oblique.result.transform, points), atol=1e-4)
    back = read_fsl(path, fixed, moving)
    np.testing.assert_allclose(transform_points(back, points), theirs, atol=1e-4)


def test_its_warp_carries_points_alike(apart, oblique, tmp_path):
    moving, fixed = read_labels(oblique.moving).grid, read_labels(oblique.fixed).grid
    every = centres(oblique.fixed, step=1)
    images = transform_points(oblique.result.transform, every)
    path = tmp_path / "theirs.nii.gz"
    apart(fsl_warp, oblique.moving, oblique.fixed, (images * SIGNS).reshape(*fixed.size, 3), path)
    np.testing.assert_allclose(
        transform_points(read_fsl(path, fixed, moving), every[::101]), images[::101], atol=1e-4
    )


def test_flirt_goes_from_moving_to_fixed(apart, oblique, tmp_path):
    matrix = np.eye(4)
    matrix[:3] = [[0.9, -0.3, 0.1, 5.0], [0.3, 1.1, 0.0, -7.0], [-0.1, 0.1, 1.0, 11.0]]
    apart(flirt_matrix, matrix, oblique.moving, oblique.fixed, tmp_path / "flirt.mat")
    moving, fixed = read_labels(oblique.moving).grid, read_labels(oblique.fixed).grid
    points = centres(oblique.moving)
    there = ((points * SIGNS) @ matrix[:3, :3].T + matrix[:3, 3]) * SIGNS
    back = transform_points(read_fsl(tmp_path / "flirt.mat", fixed, moving), there)
    np.testing.assert_allclose(back, points, atol=1e-4)


def test_displacement_vectors_are_ras_for_nibabel(oblique, tmp_path):
    grid = read_labels(oblique.fixed).grid
    path = write_displacement(oblique.result.transform, grid, tmp_path / "field.nii.gz", frame="RAS")
    image = nibabel.load(path)
    assert image.header.get_intent()[0] == "displacement vector"
    indices = np.random.default_rng(0).integers(0, grid.size, size=(200, 3))
    ras = nibabel.affines.apply_affine(image.affine, indices)
    moved = ras + np.asarray(image.dataobj)[*indices.T, 0]
    points = grid.to_points(indices)
    np.testing.assert_allclose(moved * SIGNS, transform_points(oblique.result.transform, points), atol=1e-4)
    np.testing.assert_allclose(transform_points(read_transform(path), points), moved * SIGNS, atol=1e-4)


def test_the_frame_is_flipped_where_axes_are_right_handed(tmp_path):
    # One shift of 1 mm along the first axis of the voxels, on a grid of either handedness: FSL's x runs
    # against that axis where the grid is right-handed.
    from napari_shapereg.volumes import ImageGrid

    for direction, sign in (((1, 0, 0, 0, 1, 0, 0, 0, 1), -1), ((-1, 0, 0, 0, 1, 0, 0, 0, 1), 1)):
        grid = ImageGrid((4, 5, 6), (2.0, 1.0, 1.0), (3.0, 4.0, 5.0), direction)
        step = np.reshape(direction, (3, 3))[:, 0]
        path = write_fsl(affine_transform(np.eye(3), step), tmp_path / "warp.nii", grid, grid)
        np.testing.assert_allclose(np.asarray(nibabel.load(path).dataobj)[2, 2, 2], [sign, 0, 0], atol=1e-6)


def test_the_examples_of_the_page(as_on_the_page, typed, tmp_path):
    typed("FSL and nibabel")
    (code,) = examples("FSL and nibabel", "python")
    fixed, moving = (run_example(code, tmp_path, f"{name}_point") * SIGNS for name in ("fixed", "moving"))
    ours = transform_points(as_on_the_page.result.transform, fixed[None])[0]
    np.testing.assert_allclose(moving, ours, atol=1e-4)
    back = transform_points(read_transform(tmp_path / "back.h5"), fixed[None])[0]
    np.testing.assert_allclose(back, ours, atol=1e-4)
