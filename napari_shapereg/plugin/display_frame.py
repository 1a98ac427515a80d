"""Where napari shows what lies at a point: the frame of a volume's own axes.

napari slices along its axes and knows no rotation in 2-D, so a rotated layer would be shown wrong there. A
volume of direction D is therefore shown in the frame d = reverse(D⁻¹ p): p LPS mm (x, y, z), d mm along the
volume's own axes in napari's order (z, y, x). Volumes of one direction overlay exactly, in 2-D as in 3-D.

Voxels may be stored in mirrored order (det D = -1). The frame is right-handed nevertheless: its third axis is
turned round, and the layer's scale is negative along it. So left stays left in 3-D, as far as napari's camera
is turned likewise (`napari_shapereg.plugin.frames.unmirror`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import ImageGrid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

UNITS = ("mm", "mm", "mm")
AXIS_LABELS = ("z", "y", "x")

_SAME_DIRECTION = 1e-2
"""Fraction of a voxel by which the corners of a grid may be off when it counts as of a frame's direction."""


@dataclass(frozen=True)
class DisplayFrame:
    """The frame in which volumes of one direction are shown.

    Parameters
    ----------
    direction : tuple of 9 float
        Row-major, as `ImageGrid.direction`: its columns are the frame's x, y and z axes in LPS. The third
        column of a left-handed one is turned round.

    Raises
    ------
    InputError
        The direction is not 3 x 3, singular or sheared.
    """

    direction: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the direction as a grid does, and make it right-handed."""
        axes = np.reshape(ImageGrid((1, 1, 1), direction=self.direction).direction, (3, 3))
        if np.linalg.det(axes) < 0:
            axes = axes * [1.0, 1.0, -1.0]
        # Without negative zeros, so that frames can be compared.
        object.__setattr__(self, "direction", tuple((axes + 0.0).ravel().tolist()))

    @property
    def axes(self) -> NDArray[np.float64]:
        """The (3, 3) float64 matrix whose columns are the frame's x, y and z axes in LPS."""
        return np.array(self.direction).reshape(3, 3)

    def to_display(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map (N, 3) points x, y, z in LPS mm to napari's world, (N, 3) float64 z, y, x in mm."""
        return self.turn_to_display(points)

    def to_physical(self, display: ArrayLike) -> NDArray[np.float64]:
        """Map (N, 3) places z, y, x in napari's world, mm, to (N, 3) float64 points x, y, z in LPS mm."""
        return self.turn_to_physical(display)

    def turn_to_display(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Turn (N, 3) vectors x, y, z in LPS to z, y, x of napari's world; lengths stay."""
        turned: NDArray[np.float64] = (_rows(vectors) @ np.linalg.inv(self.axes).T)[:, ::-1]
        return np.ascontiguousarray(turned)

    def turn_to_physical(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Turn (N, 3) vectors z, y, x of napari's world to x, y, z in LPS; lengths stay."""
        turned: NDArray[np.float64] = _rows(vectors)[:, ::-1] @ self.axes.T
        return turned

    def holds(self, grid: ImageGrid) -> bool:
        """Tell whether a grid's axes are this frame's, to a hundredth of a voxel at its corners.

        They may run the other way round.
        """
        steps = np.linalg.inv(self.axes) @ grid.matrix
        astray = np.abs(steps - np.diag(_signs(steps) * grid.spacing)) @ np.array(grid.size)
        return bool(astray.max() < _SAME_DIRECTION * min(grid.spacing))

    def placement(self, grid: ImageGrid) -> dict[str, Any]:
        """Return how a layer is given to napari so that it shows a grid's voxels where they lie.

        Parameters
        ----------
        grid : ImageGrid
            Whose axes are this frame's.

        Returns
        -------
        dict
            ``scale``, ``translate``, ``units`` and ``axis_labels``, for a (z, y, x) array. The scale is
            negative along an axis that runs the other way round.

        Raises
        ------
        InputError
            The grid has other axes.
        """
        if not self.holds(grid):
            raise InputError(
                f"a grid of direction {grid.direction} cannot be shown in the frame of {self.direction} "
                "without a rotation; resample it onto frame.covering(grid) first"
            )
        signs = _signs(np.linalg.inv(self.axes) @ grid.matrix)
        return {
            "scale": tuple((signs * grid.spacing)[::-1].tolist()),
            "translate": tuple(self.to_display([grid.origin])[0].tolist()),
            **flat(),
        }

    def covering(self, grid: ImageGrid) -> ImageGrid:
        """Return the smallest grid of this direction that holds all of another grid.

        Its spacing is as fine as that of the other grid along the axis nearest to each of its own. A grid
        that the frame `holds` is returned as it is.
        """
        if self.holds(grid):
            return grid
        turn = np.linalg.inv(self.axes)
        nearest = np.abs(turn @ grid.matrix / np.array(grid.spacing)).argmax(axis=1)
        spacing = np.array(grid.spacing)[nearest]
        corners = grid.corners() @ turn.T
        low, high = corners.min(axis=0), corners.max(axis=0)
        size = np.maximum(1, np.ceil((high - low) / spacing - 1e-6)).astype(int)
        first = (low + high - (size - 1) * spacing) / 2
        x, y, z = size.tolist()
        return ImageGrid((x, y, z), tuple(spacing), tuple(self.axes @ first), self.direction)


def frame_of(grid: ImageGrid) -> DisplayFrame:
    """Return the frame in which a grid's voxels are shown."""
    return DisplayFrame(grid.direction)


def flat() -> dict[str, Any]:
    """Return the units and axis labels of layers whose data are display coordinates already."""
    return {"units": UNITS, "axis_labels": AXIS_LABELS}


def _signs(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.diag(steps) < 0, -1.0, 1.0)


def _rows(values: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise InputError(f"points and vectors must have shape (N, 3), got {rows.shape}")
    return rows
