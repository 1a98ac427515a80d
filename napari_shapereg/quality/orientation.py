"""Which way two volumes lie, and what the map does to left and right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.quality.anatomy import describe_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid, LabelVolume

_ENDS = (("R", "L"), ("A", "P"), ("I", "S"))
_LARGE_TURN = 45.0
"""Degrees; patients are laid down more alike."""


def orientation_rows(
    fixed: LabelVolume, moving: LabelVolume, matrix: NDArray[np.float64] | None
) -> list[tuple[str, str]]:
    """Say in words how two volumes are oriented, on which side they lie, and what the map does to that.

    Parameters
    ----------
    fixed, moving : LabelVolume
        As they lie.
    matrix : (3, 3) float64 array, optional
        Of the linear part of the map, moving to fixed, LPS.

    Returns
    -------
    list of (name, sentence)
    """
    rows = [
        (f"{name} volume", f"{_axes(volume.grid)}; centre of the labels: {describe_point(_centre(volume))}")
        for name, volume in (("moving", moving), ("fixed", fixed))
    ]
    rows.append(("side", _sides(_centre(moving)[0], _centre(fixed)[0])))
    if matrix is not None:
        rows += [("left and right", _handedness(matrix)), ("turn", _turn(matrix))]
    return rows


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


def _sides(moving: float, fixed: float) -> str:
    names = ["left" if value >= 0 else "right" for value in (moving, fixed)]
    if names[0] == names[1]:
        return f"both lie on the {names[0]} of the origin of the scanner's coordinates."
    return (
        f"CHECK: the moving labels lie on the {names[0]} of the origin of the scanner's coordinates, the "
        f"fixed ones on the {names[1]}: make sure that both show the same side of the body."
    )


def _handedness(matrix: NDArray[np.float64]) -> str:
    if np.linalg.det(matrix) > 0:
        return "the map keeps left and right apart: a left shape stays a left one."
    return (
        "CHECK: the map is a mirroring one: it turns left into right. That is right for a left shape "
        "registered onto a right one, and for nothing else."
    )


def _turn(matrix: NDArray[np.float64]) -> str:
    left, _, right = np.linalg.svd(matrix)
    rotation = left @ right
    if np.linalg.det(rotation) < 0:
        rotation = rotation @ np.diag([-1.0, 1.0, 1.0])  # besides left and right
    angle = float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
    if angle < _LARGE_TURN:
        return f"the linear part of the map turns the moving shape by {angle:.0f}°."
    return (
        f"CHECK: the linear part of the map turns the moving shape by {angle:.0f}°: make sure that the "
        "headers of both files say truly how the patients lay."
    )
