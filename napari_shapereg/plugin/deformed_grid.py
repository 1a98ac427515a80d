"""The deformed grid: what straight lines in the moving volume become in the fixed one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import SimpleITK as sitk

from napari_shapereg.plugin.slicewise import Slicewise
from napari_shapereg.transforms import transform_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid, LabelVolume

MARGIN = 10.0
"""How far (mm) the lines reach beyond the labels."""
MOST_PIECES = 150_000
"""How many straight pieces the lines in space are made of at most."""

_PIECES_PER_SPACING = 4
_LINE_WIDTH = 1.2
"""Of the lines on a slice, in voxels."""
_SMALLEST_SLOPE = 1e-9


class Lines(NamedTuple):
    """Straight pieces of lines.

    Attributes
    ----------
    starts, moves : (N, 3) float64 array
        Where each begins and how it goes on, LPS mm.
    spacing : float
        Between the lines where they were straight, mm.
    """

    starts: NDArray[np.float64]
    moves: NDArray[np.float64]
    spacing: float


def lines_in_space(moving: LabelVolume, moving_to_fixed: sitk.Transform, spacing: float) -> Lines:
    """Carry a grid of lines around the labels of the moving volume to the fixed one.

    The lines run along the axes of the moving volume.

    Parameters
    ----------
    moving : LabelVolume
    moving_to_fixed : SimpleITK.Transform
        LPS mm.
    spacing : float
        mm; doubled until there are at most `MOST_PIECES` pieces.

    Returns
    -------
    Lines
        In the fixed volume.
    """
    axes = np.array(moving.grid.direction).reshape(3, 3)
    low, extent = _surroundings(moving)
    while _pieces(extent, spacing) > MOST_PIECES:
        spacing *= 2
    step = spacing / _PIECES_PER_SPACING
    starts, moves = [], []
    for axis in range(3):
        counts = [math.ceil(length / spacing) + 1 for length in extent]
        lengths = [spacing] * 3
        counts[axis] = (counts[axis] - 1) * _PIECES_PER_SPACING + 1
        lengths[axis] = step
        places = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1) * lengths
        nodes = (places.reshape(-1, 3) + low) @ axes.T
        carried = np.moveaxis(transform_points(moving_to_fixed, nodes).reshape(*counts, 3), axis, 0)
        starts.append(carried[:-1].reshape(-1, 3))
        moves.append(np.diff(carried, axis=0).reshape(-1, 3))
    return Lines(np.concatenate(starts), np.concatenate(moves), spacing)


class LinesOnSlices(Slicewise):
    """The deformed grid as a picture of each slice: 1 on a line, 0 off it.

    On a slice of the fixed volume the lines are where the moving point T(y) has a coordinate that is a
    multiple of the spacing, along the two axes of the moving volume that lie nearest to the slice. A slice
    costs one plane of T.

    Parameters
    ----------
    fixed_to_moving : SimpleITK.Transform
        T, LPS mm.
    fixed, moving : ImageGrid
        The grid of the picture, and the one whose axes the lines follow.
    spacing : float
        Of the lines, mm.
    """

    def __init__(
        self, fixed_to_moving: sitk.Transform, fixed: ImageGrid, moving: ImageGrid, spacing: float
    ) -> None:
        """Keep what is needed to draw a slice."""
        super().__init__(fixed.shape, np.float32)
        self._transform = fixed_to_moving
        self._grid = fixed
        self._axes = np.array(moving.direction).reshape(3, 3)
        self._across = np.abs(self._axes.T @ np.array(fixed.direction).reshape(3, 3))
        self._spacing = spacing

    def draw(self, axis: int, place: int) -> NDArray[np.float32]:
        """Draw a slice."""
        # (z, y, x) axes of arrays are x, y, z of grids, reversed.
        start, size = [0, 0, 0], list(self._grid.size)
        start[2 - axis], size[2 - axis] = place, 1
        part = self._grid.cropped(start, size)
        sampled = sitk.TransformToDisplacementField(
            self._transform, sitk.sitkVectorFloat64, part.size, part.origin, part.spacing, part.direction
        )
        indices = np.indices(part.shape).reshape(3, -1)[::-1].T
        moved = part.to_points(indices) + sitk.GetArrayViewFromImage(sampled).reshape(-1, 3)
        coordinates = (moved @ self._axes).reshape(*part.shape, 3).squeeze(axis)
        normal = int(self._across[:, 2 - axis].argmax())
        marks = [_marks(coordinates[..., other], self._spacing) for other in range(3) if other != normal]
        return np.maximum(*marks)


def _marks(values: NDArray[np.float64], spacing: float) -> NDArray[np.float32]:
    """Draw the lines (A, B) where values are multiples of the spacing, about `_LINE_WIDTH` pixels wide."""
    off = np.abs(values - spacing * np.rint(values / spacing))
    down, across = (
        np.gradient(values, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values) for axis in (0, 1)
    )
    steepness = np.maximum(np.hypot(down, across), _SMALLEST_SLOPE)
    # Distance to the line in pixels, with a soft edge.
    drawn: NDArray[np.float64] = np.clip(0.5 + _LINE_WIDTH / 2 - off / steepness, 0.0, 1.0)
    return drawn.astype(np.float32)


def _surroundings(moving: LabelVolume) -> tuple[NDArray[np.float64], list[float]]:
    """Return the low corner and the extent (mm) of the box around the labels, along the volume's own axes."""
    grid = moving.grid
    box = moving.bounding_box() if moving.labels else tuple(slice(0, length) for length in grid.shape)
    first = np.array([span.start for span in box][::-1]) - 0.5
    last = np.array([span.stop for span in box][::-1]) - 0.5
    origin = np.array(grid.origin) @ np.array(grid.direction).reshape(3, 3)
    low, high = (origin + index * np.array(grid.spacing) for index in (first, last))
    return low - MARGIN, (high - low + 2 * MARGIN).tolist()


def _pieces(extent: Sequence[float], spacing: float) -> int:
    counts = [math.ceil(length / spacing) for length in extent]
    return sum(
        (counts[(axis + 1) % 3] + 1) * (counts[(axis + 2) % 3] + 1) * counts[axis] * _PIECES_PER_SPACING
        for axis in range(3)
    )
