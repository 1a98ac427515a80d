"""Volumes on one grid that holds them all, however far apart they lie: for pictures of their silhouettes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.volumes import ImageGrid, LabelVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_VOXELS = 2_000_000
"""A picture shows no more."""


def on_one_grid(fixed: LabelVolume, *others: LabelVolume, margin: float) -> tuple[LabelVolume, ...]:
    """Resample volumes, as they lie, onto one grid along the fixed axes that holds the labels of all.

    Parameters
    ----------
    fixed, others : LabelVolume
        On any grids; at least one has labels.
    margin : float
        Of the grid around the labels, mm.

    Returns
    -------
    tuple of LabelVolume
        The fixed one and the others, by nearest neighbour, on voxels of the fixed size or larger ones.
    """
    corners = [_corners(volume) for volume in (fixed, *others) if volume.labels]
    indices = fixed.grid.to_indices(np.concatenate(corners))
    around = margin / np.array(fixed.grid.spacing)
    first, last = np.floor(indices.min(axis=0) - around), np.ceil(indices.max(axis=0) + around)
    size = (last - first + 1).astype(int)
    whole = ImageGrid(
        size=tuple(size.tolist()),
        spacing=fixed.grid.spacing,
        origin=tuple(fixed.grid.to_points(first[None])[0].tolist()),
        direction=fixed.grid.direction,
    )
    factor = max(1, math.ceil((whole.voxels / MAX_VOXELS) ** (1 / 3)))
    grid = whole.binned((factor, factor, factor))
    return tuple(_on(grid, volume) for volume in (fixed, *others))


def _corners(volume: LabelVolume) -> NDArray[np.float64]:
    """Return the corners of the box of the labels, LPS mm."""
    ends = [(part.start, part.stop - 1) for part in volume.bounding_box()[::-1]]
    return volume.grid.to_points(np.array(np.meshgrid(*ends)).reshape(3, -1).T)


def _on(grid: ImageGrid, volume: LabelVolume) -> LabelVolume:
    image = sitk.Resample(
        volume.to_image(),
        grid.size,
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        grid.origin,
        grid.spacing,
        grid.direction,
    )
    return LabelVolume(sitk.GetArrayFromImage(image), grid, names=volume.names, colors=volume.colors)
