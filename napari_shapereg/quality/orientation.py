"""Which way two volumes lie, and what the map does to left and right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_shapereg.quality.anatomy import describe_point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid, LabelVolume

Side = Literal["left", "right", "middle"]

_ENDS = (("R", "L"), ("A", "P"), ("I", "S"))
_LARGE_TURN = 45.0
"""Degrees; patients are laid down more alike."""


@dataclass(frozen=True)
class Orientation:
    """On which sides of the body two volumes lie, and how far the map turns one to lay it on the other.

    Parameters
    ----------
    moving_side, fixed_side : {"left", "right", "middle"}
        Of the origin of the scanner's coordinates: the labels' box as a whole, or else the middle.
    turn : float, optional
        By the linear part of the map, besides its mirroring, degrees.
    """

    moving_side: Side
    fixed_side: Side
    turn: float | None = None

    def doubts(self) -> Iterator[str]:
        """Say what a reader must check before believing the registration.

        Yields
        ------
        str
            A sentence without its capital.
        """
        if {self.moving_side, self.fixed_side} == {"left", "right"}:
            yield (
                f"the moving labels lie on the {self.moving_side} of the origin of the scanner's coordinates,"
                f" the fixed ones on the {self.fixed_side}: make sure that both show one side of the body."
            )
        if self.turn is not None and self.turn >= _LARGE_TURN:
            yield (
                f"the linear part of the map turns the moving shape by {self.turn:.0f}°: make sure that the "
                "headers of both files say truly how the patients lay."
            )


def orientation(
    fixed: LabelVolume, moving: LabelVolume, matrix: NDArray[np.float64] | None = None
) -> Orientation:
    """Find out how two volumes lie to each other.

    Parameters
    ----------
    fixed, moving : LabelVolume
        As they lie.
    matrix : (3, 3) float64 array, optional
        Of the linear part of the map, moving to fixed, LPS.

    Returns
    -------
    Orientation
    """
    return Orientation(_side(moving), _side(fixed), None if matrix is None else _turn(matrix))


def orientation_rows(
    fixed: LabelVolume, moving: LabelVolume, matrix: NDArray[np.float64] | None
) -> list[tuple[str, str]]:
    """Say in words how two volumes are oriented, on which side they lie, and what the map does to that.

    Parameters
    ----------
    fixed, moving, matrix
        See `orientation`.

    Returns
    -------
    list of (name, sentence)
        What must be checked is marked "CHECK".
    """
    rows = [
        (f"{name} volume", f"{_axes(volume.grid)}; centre of the labels: {describe_point(_centre(volume))}")
        for name, volume in (("moving", moving), ("fixed", fixed))
    ]
    found = orientation(fixed, moving, matrix)
    sides = f"the moving labels: {found.moving_side}; the fixed ones: {found.fixed_side}"
    rows.append(("side", f"{sides} (of the origin of the scanner's coordinates)."))
    if matrix is not None:
        turn = f"the linear part of the map turns the moving shape by {_turn(matrix):.0f}°."
        rows += [("left and right", _handedness(matrix)), ("turn", turn)]
    return rows + [("CHECK", doubt) for doubt in found.doubts()]


def _axes(grid: ImageGrid) -> str:
    direction = np.asarray(grid.direction).reshape(3, 3)
    towards = [
        _ENDS[axis][int(column[axis] > 0)]
        for column, axis in ((column, int(np.abs(column).argmax())) for column in direction.T)
    ]
    hand = "right" if np.linalg.det(direction) > 0 else "left"
    return f"voxels run towards {', '.join(towards)} ({hand}-handed)"


def _centre(volume: LabelVolume) -> list[float]:
    """Return the centre of the box of the labels, LPS mm."""
    middle = [(part.start + part.stop - 1) / 2 for part in volume.bounding_box()[::-1]]
    point: list[float] = volume.grid.to_points([middle])[0].tolist()
    return point


def _side(volume: LabelVolume) -> Side:
    ends = [(part.start, part.stop - 1) for part in volume.bounding_box()[::-1]]
    across = volume.grid.to_points(list(product(*ends)))[:, 0]
    if across.min() > 0:
        return "left"
    return "right" if across.max() < 0 else "middle"


def _handedness(matrix: NDArray[np.float64]) -> str:
    if np.linalg.det(matrix) > 0:
        return "the map keeps left and right apart: a left shape stays a left one."
    return (
        "CHECK: the map is a mirroring one: it turns left into right. That is right for a left shape "
        "registered onto a right one, and for nothing else."
    )


def _turn(matrix: NDArray[np.float64]) -> float:
    """Return the angle of the rotation nearest to a matrix, degrees."""
    left, _, right = np.linalg.svd(matrix)
    rotation = left @ right
    if np.linalg.det(rotation) < 0:
        rotation = rotation @ np.diag([-1.0, 1.0, 1.0])  # besides left and right
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
