"""What a map does to space: how far it moves each place, and how it changes volume there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from napari_shapereg.quality.jacobians import jacobian_planes
from napari_shapereg.transforms import affine_transform, transform_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_shapereg.registration import RegisteredPair
    from napari_shapereg.volumes import ImageGrid, LabelVolume

MARGIN = 10.0
"""How far (mm) around the labels a map is drawn where the grid is too large to draw it everywhere."""
MOST_VOXELS = 1 << 23
"""Largest image of a map: 32 MiB of float32."""

_SLAB_VOXELS = 1 << 20
_SMALLEST_RANGE = {"mm": 1.0, "": 0.1}
"""Narrowest range of colours, so that rounding errors of a rigid map do not look like a pattern."""


class FittedMap(NamedTuple):
    """A map, and its affine part.

    Attributes
    ----------
    whole, affine : SimpleITK.Transform
        Fixed to moving, LPS mm.
    """

    whole: sitk.Transform
    affine: sitk.Transform

    @classmethod
    def of(cls, pair: RegisteredPair) -> FittedMap:
        """Return the map of a registered pair."""
        back = pair.affine.inverse()
        return cls(pair.transform, affine_transform(back.matrix, back.translation))


@dataclass(frozen=True)
class Quantity:
    """Something that a fixed-to-moving map does at each place of the fixed volume.

    Parameters
    ----------
    name : str
        For menus.
    unit : str
        ``mm``, or nothing.
    meaning : str
        One sentence for a reader who sees the colours.
    diverging : bool
        Whether 0 is the middle of the colours, or their lower end.
    on_grid : callable
        Takes the map and a grid, returns (z, y, x) float32.
    at_points : callable
        Takes the map, (N, 3) LPS mm and a length in mm to take differences over; returns (N,) float64.
    """

    name: str
    unit: str
    meaning: str
    diverging: bool
    on_grid: Callable[[FittedMap, ImageGrid], NDArray[np.float32]]
    at_points: Callable[[FittedMap, NDArray[np.float64], float], NDArray[np.float64]]

    @property
    def title(self) -> str:
        """The name with its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def limits(self, values: NDArray[np.floating]) -> tuple[float, float]:
        """Return the range that the colours should span: that of 99.5 % of the finite values."""
        sizes = np.abs(values[np.isfinite(values)])
        least = _SMALLEST_RANGE[self.unit]
        top = max(least, float(np.percentile(sizes, 99.5))) if sizes.size else least
        return (-top if self.diverging else 0.0, top)


def common_box(*volumes: LabelVolume) -> tuple[slice, slice, slice]:
    """Return the smallest (z, y, x) box that holds the labels of all volumes; everything if there are none.

    Parameters
    ----------
    *volumes : LabelVolume
        On one grid.
    """
    boxes = [volume.bounding_box() for volume in volumes if volume.labels]
    if not boxes:
        z, y, x = (slice(0, length) for length in volumes[0].grid.shape)
        return (z, y, x)
    z, y, x = (
        slice(min(span.start for span in spans), max(span.stop for span in spans))
        for spans in zip(*boxes, strict=True)
    )
    return (z, y, x)


def map_grid(fixed: LabelVolume, warped: LabelVolume) -> ImageGrid:
    """Return the grid on which maps are drawn.

    Parameters
    ----------
    fixed, warped : LabelVolume
        On one grid.

    Returns
    -------
    ImageGrid
        The fixed grid itself, if it has at most `MOST_VOXELS`; otherwise the part that reaches `MARGIN`
        beyond the labels of both volumes, in bins where that is still too large.
    """
    grid = fixed.grid
    if grid.voxels <= MOST_VOXELS:
        return grid
    spans = common_box(fixed, warped)[::-1]
    margins = [math.ceil(MARGIN / length) for length in grid.spacing]
    start = [max(0, span.start - margin) for span, margin in zip(spans, margins, strict=True)]
    stop = [min(end, span.stop + margin) for end, span, margin in zip(grid.size, spans, margins, strict=True)]
    grid = grid.cropped(start, [last - first for first, last in zip(start, stop, strict=True)])
    while grid.voxels > MOST_VOXELS:
        grid = grid.binned(finest_doubled(grid.spacing))
    return grid


def finest_doubled(lengths: Sequence[float]) -> tuple[int, int, int]:
    """Return factors (x, y, z): 2 for the axes whose bins are finest, 1 for those that are coarse already."""
    x, y, z = (2 if length < 1.5 * min(lengths) else 1 for length in lengths)
    return (x, y, z)


def determinants(
    transform: sitk.Transform, points: NDArray[np.float64], steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return det DT at points, by central differences.

    Parameters
    ----------
    transform : SimpleITK.Transform
        T, LPS mm.
    points : (N, 3) array
        LPS mm.
    steps : (3, 3) array
        Rows: how far to go to each side, LPS mm, along three independent directions. With the steps of a grid
        from voxel to voxel this is what `jacobian_determinants` gives inside the grid.

    Returns
    -------
    (N,) float64 array
    """
    differences = [
        transform_points(transform, points + step) - transform_points(transform, points - step)
        for step in steps
    ]
    values: NDArray[np.float64] = np.linalg.det(np.stack(differences, axis=1)) / np.linalg.det(2 * steps)
    return values


def _displacement_on_grid(fitted: FittedMap, grid: ImageGrid) -> NDArray[np.float32]:
    return _lengths(grid, lambda part: _sample(fitted.whole, part))


def _displacement_at_points(
    fitted: FittedMap, points: NDArray[np.float64], _step: float
) -> NDArray[np.float64]:
    return _norms(transform_points(fitted.whole, points) - points)


def _bending_on_grid(fitted: FittedMap, grid: ImageGrid) -> NDArray[np.float32]:
    return _lengths(grid, lambda part: _sample(fitted.whole, part) - _sample(fitted.affine, part))


def _bending_at_points(fitted: FittedMap, points: NDArray[np.float64], _step: float) -> NDArray[np.float64]:
    return _norms(transform_points(fitted.whole, points) - transform_points(fitted.affine, points))


def _log_jacobian_on_grid(fitted: FittedMap, grid: ImageGrid) -> NDArray[np.float32]:
    values = np.empty(grid.shape, dtype=np.float32)
    for place, plane in enumerate(jacobian_planes(fitted.whole, grid)):
        values[place] = _logarithm(plane)
    return values


def _log_jacobian_at_points(
    fitted: FittedMap, points: NDArray[np.float64], step: float
) -> NDArray[np.float64]:
    steps = step * np.eye(3)
    # Of a map that mirrors, as `jacobian_planes` has it: that of the map without its mirroring.
    sign = np.sign(determinants(fitted.affine, points[:1], steps))
    return _logarithm(sign * determinants(fitted.whole, points, steps))


DISPLACEMENT = Quantity(
    name="Displacement",
    unit="mm",
    meaning="How far each place is from where it came from, the move of the whole shape included.",
    diverging=False,
    on_grid=_displacement_on_grid,
    at_points=_displacement_at_points,
)
BENDING = Quantity(
    name="Displacement beyond affine",
    unit="mm",
    meaning="How far each place was moved beyond the rotation, scaling and shift of the whole shape.",
    diverging=False,
    on_grid=_bending_on_grid,
    at_points=_bending_at_points,
)
LOG_JACOBIAN = Quantity(
    name="log det J",
    unit="",
    meaning="Change of volume, fixed to moving: above 0 the moving shape is larger here, below 0 smaller.",
    diverging=True,
    on_grid=_log_jacobian_on_grid,
    at_points=_log_jacobian_at_points,
)
QUANTITIES = (DISPLACEMENT, BENDING, LOG_JACOBIAN)


def _lengths(grid: ImageGrid, vectors: Callable[[ImageGrid], NDArray[np.float64]]) -> NDArray[np.float32]:
    values = np.empty(grid.shape, dtype=np.float32)
    for first, part in _slabs(grid):
        values[first : first + part.size[2]] = _norms(vectors(part))
    return values


def _slabs(grid: ImageGrid) -> Iterator[tuple[int, ImageGrid]]:
    columns, rows, planes = grid.size
    thickness = max(1, _SLAB_VOXELS // (columns * rows))
    for first in range(0, planes, thickness):
        yield first, grid.cropped((0, 0, first), (columns, rows, min(thickness, planes - first)))


def _sample(transform: sitk.Transform, grid: ImageGrid) -> NDArray[np.float64]:
    sampled = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.size, grid.origin, grid.spacing, grid.direction
    )
    displacements: NDArray[np.float64] = sitk.GetArrayFromImage(sampled)
    return displacements


def _norms(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    norms: NDArray[np.float64] = np.linalg.norm(vectors, axis=-1)
    return norms


def _logarithm(determinants: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithm, and NaN, which is drawn as a hole, where the map folds."""
    positive = determinants > 0
    logs = np.full_like(determinants, np.nan)
    np.log(determinants, out=logs, where=positive)
    return logs
