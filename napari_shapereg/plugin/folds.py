"""Where a map folds: the voxels that it turns inside out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.quality.jacobians import jacobian_planes

if TYPE_CHECKING:
    import SimpleITK as sitk
    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid

MOST_FOLDS = 20_000
"""How many folded voxels are marked at most."""


@dataclass(frozen=True)
class Folds:
    """Where a map is not invertible.

    Parameters
    ----------
    points : (N, 3) float64 array
        Centres of voxels with det J <= 0, LPS mm: the first `MOST_FOLDS`.
    total : int
        How many voxels there are in all.
    """

    points: NDArray[np.float64]
    total: int


def folded_voxels(transform: sitk.Transform, grid: ImageGrid) -> Folds:
    """Find the voxels of a whole grid where det J is not positive, in bounded memory.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Fixed to moving.
    grid : ImageGrid
        Of the fixed volume: `jacobian_determinants` says how derivatives are taken on it.

    Returns
    -------
    Folds
    """
    found: list[NDArray[np.float64]] = []
    total = 0
    for place, plane in enumerate(jacobian_planes(transform, grid)):
        rows, columns = np.nonzero(plane <= 0)
        if total < MOST_FOLDS and rows.size:
            indices = np.stack([columns, rows, np.full(rows.size, place)], axis=1)[: MOST_FOLDS - total]
            found.append(grid.to_points(indices))
        total += rows.size
    return Folds(np.concatenate(found) if found else np.empty((0, 3)), total)
