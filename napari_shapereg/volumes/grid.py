"""Where voxels lie: the size, spacing, origin and direction of an image, in LPS millimetres."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import SimpleITK as sitk
    from numpy.typing import ArrayLike, NDArray

ORTHONORMALITY_TOLERANCE = 1e-4
"""Largest entry of ``|DᵀD - I|`` that a direction matrix D may have."""

_FAR = 1e9
"""mm; beyond it products overflow, and no anatomy lies there."""

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class ImageGrid:
    """The lattice of voxel centres of a 3-D image.

    Voxel ``(i, j, k)`` (x, y, z order) has its centre at ``origin + direction @ (spacing * (i, j, k))``,
    the convention of ITK. The values are plain Python numbers, so that a grid can be hashed and compared.

    Parameters
    ----------
    size : tuple of 3 int
        Number of voxels along x, y and z, each at least 1.
    spacing : tuple of 3 float
        Distance between voxel centres along x, y and z, in mm, positive.
    origin : tuple of 3 float
        Centre of voxel (0, 0, 0), LPS mm.
    direction : tuple of 9 float
        Row-major 3 x 3 matrix, as ``SimpleITK.Image.GetDirection()`` gives it: its columns are the unit
        vectors of the voxel axes in LPS. Orthonormal to 1e-4; the determinant may be +1 or -1.

    Raises
    ------
    InputError
        A value is missing, not finite or out of range, or the direction is singular or sheared.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY

    def __post_init__(self) -> None:
        """Turn the values into plain tuples and check them."""
        object.__setattr__(self, "size", _sizes(self.size))
        object.__setattr__(self, "spacing", _numbers("spacing", self.spacing, 3))
        object.__setattr__(self, "origin", _numbers("origin", self.origin, 3))
        object.__setattr__(self, "direction", _numbers("direction", self.direction, 9))
        if min(self.spacing) <= 0:
            msg = (
                f"spacing must be positive, got {self.spacing}: a zero or negative voxel size has no volume; "
                "correct the spacing in the header (flips belong in the direction)"
            )
            raise InputError(msg)
        _check_direction(self.direction)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (z, y, x) of a NumPy array on this grid."""
        x, y, z = self.size
        return (z, y, x)

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.size)

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel, in mm³."""
        return abs(float(np.linalg.det(self.matrix)))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The (3, 3) float64 matrix ``direction @ diag(spacing)`` from index steps to LPS mm."""
        columns = np.array(self.direction, dtype=np.float64).reshape(3, 3)
        columns *= np.array(self.spacing)
        return columns

    def to_points(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Map voxel indices to physical points.

        Parameters
        ----------
        indices : (N, 3) array-like
            Integer or continuous indices in x, y, z order.

        Returns
        -------
        (N, 3) float64 array
            LPS mm: ``origin + matrix @ index``.
        """
        points: NDArray[np.float64] = _rows("indices", indices) @ self.matrix.T + np.asarray(self.origin)
        return points

    def to_indices(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map physical points to continuous voxel indices, the inverse of `to_points`.

        Parameters
        ----------
        points : (N, 3) array-like
            LPS mm.

        Returns
        -------
        (N, 3) float64 array
            Continuous indices in x, y, z order; an integer is the centre of a voxel.
        """
        offsets = _rows("points", points) - np.asarray(self.origin)
        indices: NDArray[np.float64] = offsets @ np.linalg.inv(self.matrix).T
        return indices

    def corners(self) -> NDArray[np.float64]:
        """Return the (8, 3) outer corners of the outermost voxels, LPS mm, the x index running fastest."""
        ends = [(-0.5, count - 0.5) for count in self.size]
        return self.to_points([(x, y, z) for z in ends[2] for y in ends[1] for x in ends[0]])

    def binned(self, factors: Sequence[int]) -> ImageGrid:
        """Return the grid whose voxels are bins of this grid's voxels.

        Parameters
        ----------
        factors : 3 int
            Voxels per bin along x, y and z. A size that is no multiple is rounded up: the last bin then
            reaches beyond this grid.

        Returns
        -------
        ImageGrid
            Its voxel centres are the centres of the bins.

        Raises
        ------
        InputError
            The factors are not three integers of at least 1.
        """
        bins = _counts("binning factors", factors, least=1)
        centre = self.to_points([[(count - 1) / 2 for count in bins]])[0]
        return ImageGrid(
            size=_triple([-(-count // step) for count, step in zip(self.size, bins, strict=True)]),
            spacing=_float_triple([length * step for length, step in zip(self.spacing, bins, strict=True)]),
            origin=_float_triple(centre),
            direction=self.direction,
        )

    def cropped(self, start: Sequence[int], size: Sequence[int]) -> ImageGrid:
        """Return the part of the grid that starts at voxel `start` (x, y, z) and has `size` voxels.

        Raises
        ------
        InputError
            The part is empty or reaches outside the grid.
        """
        first = _counts("start", start, least=0)
        extent = _counts("size", size, least=1)
        if any(a + b > c for a, b, c in zip(first, extent, self.size, strict=True)):
            msg = f"the part from {first} of size {extent} reaches outside the grid of size {self.size}"
            raise InputError(msg)
        return ImageGrid(extent, self.spacing, _float_triple(self.to_points([first])[0]), self.direction)

    def padded(self, before: Sequence[int], after: Sequence[int]) -> ImageGrid:
        """Return the grid with `before` and `after` voxels (x, y, z) added at the two ends of each axis.

        Raises
        ------
        InputError
            A count is negative or not an integer.
        """
        low = _counts("before", before, least=0)
        high = _counts("after", after, least=0)
        size = _triple([a + b + c for a, b, c in zip(low, self.size, high, strict=True)])
        origin = self.to_points([[-count for count in low]])[0]
        return ImageGrid(size, self.spacing, _float_triple(origin), self.direction)

    @classmethod
    def from_image(cls, image: sitk.Image) -> ImageGrid:
        """Return the grid of a 3-D SimpleITK image.

        Raises
        ------
        InputError
            The image is not 3-D, or its geometry is not usable.
        """
        if image.GetDimension() != 3:
            msg = f"a 3-D image is needed, got a {image.GetDimension()}-D one of size {image.GetSize()}"
            raise InputError(msg)
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def stamp(self, image: sitk.Image) -> sitk.Image:
        """Give an image this geometry, in place, and return it.

        Raises
        ------
        InputError
            The image has another size.
        """
        if tuple(image.GetSize()) != self.size:
            msg = f"the image has size {tuple(image.GetSize())}, the grid {self.size}: they must be equal"
            raise InputError(msg)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image


def _sizes(values: Sequence[int]) -> tuple[int, int, int]:
    if len(tuple(values)) != 3:
        msg = f"size must have 3 numbers (x, y, z), got {tuple(values)}: only 3-D images can be used"
        raise InputError(msg)
    return _counts("size", values, least=1)


def _counts(name: str, values: Sequence[int], *, least: int) -> tuple[int, int, int]:
    try:
        counts = tuple(operator.index(value) for value in values)
    except TypeError as error:
        msg = f"{name} must be 3 integers (x, y, z), got {values!r}"
        raise InputError(msg) from error
    if len(counts) != 3 or min(counts) < least:
        msg = f"{name} must be 3 integers (x, y, z) of at least {least}, got {counts}"
        raise InputError(msg)
    return _triple(counts)


def _numbers(name: str, values: Sequence[float], count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in np.asarray(values).ravel())
    except (TypeError, ValueError) as error:
        msg = f"{name} must be {count} numbers, got {values!r}"
        raise InputError(msg) from error
    if len(numbers) != count:
        msg = f"{name} must have {count} numbers, got {len(numbers)}: {numbers}"
        raise InputError(msg)
    if not all(math.isfinite(number) for number in numbers):
        msg = f"{name} must be finite, got {numbers}: correct the header of the image"
        raise InputError(msg)
    if max(map(abs, numbers)) > _FAR:
        msg = f"{name} must be below {_FAR:.0e}, got {numbers}: correct the header of the image"
        raise InputError(msg)
    return numbers


def _check_direction(direction: tuple[float, ...]) -> None:
    columns = np.asarray(direction).reshape(3, 3)
    if abs(np.linalg.det(columns)) < ORTHONORMALITY_TOLERANCE:
        msg = f"direction is singular, got {direction}: its three axes do not span space; correct the header"
        raise InputError(msg)
    error = float(np.abs(columns.T @ columns - np.eye(3)).max())
    if error > ORTHONORMALITY_TOLERANCE:
        msg = (
            f"direction is not orthonormal, got {direction}: its axes are sheared or not of unit length "
            f"(off by {error:.2g}), which ITK cannot represent; resample the image onto a rectangular grid"
        )
        raise InputError(msg)


def _rows(name: str, values: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        msg = f"{name} must have shape (N, 3), got {rows.shape}"
        raise InputError(msg)
    return rows


def _triple(values: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = values
    return (int(x), int(y), int(z))


def _float_triple(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values
    return (float(x), float(y), float(z))
