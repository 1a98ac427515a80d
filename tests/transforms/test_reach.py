from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.transforms import affine_transform, chain, displacement_transform
from napari_shapereg.transforms.reach import reaching_voxels
from napari_shapereg.volumes import ImageGrid

BOX = np.array([(x, y, z) for z in (4.0, 9.0) for y in (-3.0, 2.0) for x in (1.0, 8.0)])


def field(grid: ImageGrid, size: float, seed: int) -> sitk.Transform:
    values = np.random.default_rng(seed).normal(scale=size, size=(*grid.shape, 3))
    return displacement_transform(values, grid)


def rotation(seed: int) -> sitk.Transform:
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0] * 1.2
    return affine_transform(matrix, [3.0, -2.0, 1.0])


def inside(transform: sitk.Transform, grid: ImageGrid) -> np.ndarray:
    """Follow every voxel."""
    sampled = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.size, grid.origin, grid.spacing, grid.direction
    )
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    points = grid.to_points(indices[..., ::-1].reshape(-1, 3)).reshape(*grid.shape, 3)
    ends = points + sitk.GetArrayFromImage(sampled)
    return ((ends >= BOX.min(axis=0)) & (ends <= BOX.max(axis=0))).all(axis=-1)


@pytest.mark.parametrize("seed", range(6))
def test_no_voxel_that_reaches_is_left_out(grid, seed):
    lattice = ImageGrid((5, 6, 4), (9.0, 8.0, 10.0), (-12.0, -30.0, 2.0))
    for links in (
        [field(lattice, 2.0, seed)],
        [rotation(seed), field(lattice, 2.0, seed), rotation(seed + 9)],
    ):
        moved = chain(rotation(seed + 20).GetInverse(), rotation(seed + 20), *links)
        found = inside(moved, grid)
        places = reaching_voxels(moved, grid, BOX)
        outside = found.copy()
        outside[places] = False
        assert not outside.any()


def test_the_box_is_tight_for_a_shift():
    grid = ImageGrid((20, 20, 20), (1.0, 1.0, 1.0), (0.0, -10.0, 0.0))
    places = reaching_voxels(affine_transform(np.eye(3), [2.0, 1.0, -1.0]), grid, BOX)
    # Voxels 1 to 8, less 2; -3 to 2, less 1, counted from -10; 4 to 9, and 1 more.
    assert places == (slice(5, 11), slice(6, 12), slice(0, 7))


def test_a_map_that_leads_elsewhere_reaches_from_nowhere(grid):
    away = affine_transform(np.eye(3), [1e4, 0.0, 0.0])
    assert np.zeros(grid.shape)[reaching_voxels(away, grid, BOX)].size == 0


def test_what_cannot_be_bounded_is_taken_whole(grid):
    spline = sitk.BSplineTransform(3)
    lost = sitk.DisplacementFieldTransform(
        sitk.GetImageFromArray(np.full((3, 3, 3, 3), np.nan), isVector=True)
    )
    for transform in (spline, lost):
        places = reaching_voxels(transform, grid, BOX)
        assert [(part.start, part.stop) for part in places] == [(0, count) for count in grid.shape]
