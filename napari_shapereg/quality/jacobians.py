"""The determinant of the Jacobian of a map, sampled on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.quality.curved_region import curved_region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_shapereg.quality.curved_region import CurvedRegion
    from napari_shapereg.volumes import ImageGrid

    Triple = tuple[int, int, int]

_SLAB_VOXELS = 1 << 20


def jacobian_determinants(
    transform: sitk.Transform, grid: ImageGrid
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Sample det DT on every voxel of a grid, plane by plane, in bounded memory.

    DT is taken by central differences of the map sampled at the voxel centres (one-sided at the border of the
    grid, as `numpy.gradient` has it; along an axis with one voxel, the sample before and the one after it),
    and is the Jacobian in physical axes: det DT = det(∂T/∂index) / det(∂x/∂index), for oblique and flipped
    grids too. Of a map that `mirrors`, -det DT is returned: that of the map without its mirroring, positive
    where nothing folds.

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D.
    grid : ImageGrid

    Yields
    ------
    values : float64 array
        Determinants.
    count : int
        How many voxels of the grid each of the values stands for: 1, except for the voxels where the map is
        affine, which are not sampled and come as one value.

    Raises
    ------
    InputError
        The transform is not 3-D.
    """
    region = curved_region(transform, grid)
    inside = int(np.prod(region.size))
    if inside < grid.voxels:
        yield np.array([abs(np.linalg.det(region.matrix))]), grid.voxels - inside
    for determinants in _planes(transform, grid, region):
        yield determinants, 1


def jacobian_planes(transform: sitk.Transform, grid: ImageGrid) -> Iterator[NDArray[np.float32]]:
    """Sample det DT as `jacobian_determinants` does, as whole (y, x) float32 planes in the order of z."""
    region = curved_region(transform, grid)
    constant = np.full(grid.shape[1:], abs(np.linalg.det(region.matrix)), dtype=np.float32)
    columns, rows = (slice(a, b) for a, b in zip(region.start[:2], region.stop[:2], strict=True))
    for _ in range(region.start[2]):
        yield constant
    for determinants in _planes(transform, grid, region):
        plane = constant.copy()
        plane[rows, columns] = determinants
        yield plane
    for _ in range(grid.size[2] - region.stop[2]):
        yield constant


def mirrors(transform: sitk.Transform, grid: ImageGrid) -> bool:
    """Return whether the linear part of a map turns left into right: whether its determinant is negative."""
    return bool(np.linalg.det(curved_region(transform, grid).matrix) < 0)


def _planes(
    transform: sitk.Transform, grid: ImageGrid, region: CurvedRegion
) -> Iterator[NDArray[np.float64]]:
    """Yield the determinants (y, x) on the planes of a region, in the order of z, without a mirroring."""
    # torch is slow to import, and whoever compares labels only can do without.
    import torch

    from napari_shapereg.deformations.fields import jacobian_determinant

    to_voxels = torch.from_numpy(np.linalg.inv(grid.matrix))
    sign = -1.0 if np.linalg.det(region.matrix) < 0 else 1.0
    x, y, _ = region.size
    thickness = max(1, _SLAB_VOXELS // max(1, x * y))
    for first in range(region.start[2], region.stop[2], thickness):
        last = min(first + thickness, region.stop[2])
        start, stop = (*region.start[:2], first), (*region.stop[:2], last)
        low, high = _with_neighbours(start, stop, grid.size)
        samples = torch.from_numpy(_sample(transform, grid, low, high))
        in_voxels = torch.tensordot(to_voxels, samples, dims=([1], [3]))
        determinants = jacobian_determinant(in_voxels, 1.0).numpy()
        inner = tuple(slice(a - b, c - b) for a, b, c in zip(start, low, stop, strict=True))
        yield from sign * determinants[inner[::-1]]


def _with_neighbours(start: Triple, stop: Triple, size: Triple) -> tuple[Triple, Triple]:
    # One more voxel on each side, but not outside the grid; both sides where the grid has one voxel only.
    low = [a - 1 if a > 0 or count == 1 else a for a, count in zip(start, size, strict=True)]
    high = [b + 1 if b < count or count == 1 else b for b, count in zip(stop, size, strict=True)]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _sample(transform: sitk.Transform, grid: ImageGrid, low: Triple, high: Triple) -> NDArray[np.float64]:
    """Sample displacements at the voxels from `low` to `high`: (z, y, x, 3), LPS mm."""
    size = tuple(b - a for a, b in zip(low, high, strict=True))
    sampled = sitk.TransformToDisplacementField(
        transform,
        sitk.sitkVectorFloat64,
        size,
        grid.to_points([low])[0].tolist(),
        grid.spacing,
        grid.direction,
    )
    displacements: NDArray[np.float64] = sitk.GetArrayFromImage(sampled)
    return displacements
