"""Which voxels of a grid a map may carry into a box."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.transforms.containers import members

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid

_SLACK = 0.01
"""Voxels by which the box found is widened, so that rounding cannot lose its border."""


def reaching_voxels(
    transform: sitk.Transform, grid: ImageGrid, corners: NDArray[np.float64]
) -> tuple[slice, slice, slice]:
    """Return a box of voxels that holds all whose centres the map carries into the hull of some points.

    The hull is pulled back through the members of the chain, the last one first: through a linear one as it
    is, and through a displacement field as a box, widened by what the field moves at most.

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D.
    grid : ImageGrid
    corners : (N, 3) array
        The points, LPS mm, where the map ends.

    Returns
    -------
    tuple of slice
        z, y, x. Empty slices where no voxel reaches; the whole grid where a member is of another kind, or
        singular, or displaces by what is no number.
    """
    everything = tuple(slice(0, count) for count in grid.shape)
    for member in reversed(members(transform)):
        if isinstance(member, sitk.DisplacementFieldTransform):
            corners = _before_displacement(member, corners)
        elif member.IsLinear() and _is_regular(member):
            back = member.GetInverse()
            corners = np.array([back.TransformPoint(corner) for corner in corners.tolist()])
        else:
            return everything[0], everything[1], everything[2]
    indices = grid.to_indices(corners)
    if not np.isfinite(indices).all():
        return everything[0], everything[1], everything[2]
    sizes = np.array(grid.size)
    start = np.clip(np.ceil(indices.min(axis=0) - _SLACK), 0, sizes).astype(int)
    stop = np.clip(np.floor(indices.max(axis=0) + _SLACK) + 1, start, sizes).astype(int)
    x, y, z = (slice(a, b) for a, b in zip(start.tolist(), stop.tolist(), strict=True))
    return z, y, x


def _before_displacement(
    member: sitk.DisplacementFieldTransform, corners: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the corners of a box that holds all points which y ↦ y + u(y) carries between the corners."""
    field = sitk.GetArrayViewFromImage(member.GetDisplacementField()).reshape(-1, 3)
    # 0 beside what the field says: beyond its border, nothing moves.
    low = corners.min(axis=0) - np.maximum(field.max(axis=0), 0)
    high = corners.max(axis=0) - np.minimum(field.min(axis=0), 0)
    return np.array(list(product(*zip(low, high, strict=True))))


def _is_regular(linear: sitk.Transform) -> bool:
    origin, *ends = (np.array(linear.TransformPoint(point)) for point in np.eye(4, 3, -1).tolist())
    return bool(np.linalg.det(np.stack(ends) - origin) != 0)
