"""Where on a grid a map may be anything but affine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import ImageGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLACK = 1e-6
"""Voxels by which a box is widened, so that rounding cannot lose its border."""


@dataclass(frozen=True)
class CurvedRegion:
    """A box of voxels outside which a map is affine.

    Parameters
    ----------
    start, stop : tuple of 3 int
        First voxel of the box, and the one after its last, x, y, z. Equal where the box is empty.
    matrix : (3, 3) float64 array
        Linear part of the map outside the box, LPS mm to LPS mm.
    """

    start: tuple[int, int, int]
    stop: tuple[int, int, int]
    matrix: NDArray[np.float64]

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels of the box along x, y and z."""
        x, y, z = (last - first for first, last in zip(self.start, self.stop, strict=True))
        return (x, y, z)


def curved_region(transform: sitk.Transform, grid: ImageGrid) -> CurvedRegion:
    """Find the box outside which central differences of the map on the grid are those of an affine map.

    Displacement fields are the identity outside their buffers, so what is left there is the product of the
    linear members. Buffers are pulled back through the linear members that come before them: a point outside
    all boxes found so far has met linear members only. A chain with any other kind of member, or with a
    singular one, is taken as curved everywhere.

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D.
    grid : ImageGrid

    Returns
    -------
    CurvedRegion
        Holds the voxels next to the fields' buffers too: central differences reach that far.

    Raises
    ------
    InputError
        The transform is not 3-D.
    """
    require_3d(transform)
    composite = sitk.CompositeTransform([transform])
    composite.FlattenTransform()
    before = np.eye(4)
    corners: list[NDArray[np.float64]] = []
    for number in reversed(range(composite.GetNumberOfTransforms())):
        member = composite.GetNthTransform(number)
        if np.linalg.det(before) == 0:
            break
        if isinstance(member, sitk.DisplacementFieldTransform):
            buffer = ImageGrid.from_image(member.GetDisplacementField()).corners()
            corners.append((np.c_[buffer, np.ones(8)] @ np.linalg.inv(before).T)[:, :3])
        elif member.IsLinear():
            before = _affine_matrix(member) @ before
        else:
            break
    else:
        start, stop = _bounding_box(corners, grid)
        return CurvedRegion(start, stop, before[:3, :3])
    return CurvedRegion((0, 0, 0), grid.size, before[:3, :3])


def require_3d(transform: sitk.Transform) -> None:
    """Refuse what is no transform of 3-D points.

    Raises
    ------
    InputError
        It is something else, or of another dimension.
    """
    if not isinstance(transform, sitk.Transform):
        raise InputError(f"a SimpleITK transform is needed, got {type(transform).__name__}")
    if transform.GetDimension() != 3:
        raise InputError(
            f"a 3-D transform is needed, got a {transform.GetDimension()}-D {transform.GetName()}"
        )


def _affine_matrix(transform: sitk.Transform) -> NDArray[np.float64]:
    offset = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    images = [transform.TransformPoint(axis) for axis in np.eye(3).tolist()]
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack(images, axis=1) - offset[:, None]
    matrix[:3, 3] = offset
    return matrix


def _bounding_box(
    corners: list[NDArray[np.float64]], grid: ImageGrid
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    if not corners:
        return (0, 0, 0), (0, 0, 0)
    indices = grid.to_indices(np.concatenate(corners))
    sizes = np.array(grid.size)
    start = np.clip(np.floor(indices.min(axis=0) - _SLACK), 0, sizes).astype(int)
    stop = np.clip(np.ceil(indices.max(axis=0) + _SLACK) + 1, start, sizes).astype(int)
    if np.any(stop == start):
        return (0, 0, 0), (0, 0, 0)
    return _triple(start), _triple(stop)


def _triple(values: NDArray[np.int64]) -> tuple[int, int, int]:
    x, y, z = values.tolist()
    return (x, y, z)
