"""The lines in which a plane cuts a surface: its outline in a slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cross_section(
    vertices: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]], axis: int, place: float
) -> tuple[NDArray[np.float64], NDArray[np.integer[Any]]]:
    """Cut a surface with a plane across an axis.

    Parameters
    ----------
    vertices : (V, 3) array
    faces : (F, 3) integer array
    axis : int
        Across which the plane lies.
    place : float
        Where on that axis.

    Returns
    -------
    segments : (K, 2, 3) float64 array
        Both ends of the line in each triangle that is cut.
    corners : (K,) integer array
        One vertex of each of these triangles.
    """
    above = (vertices[:, axis] > place)[faces]
    count = above.sum(axis=1)
    cut = (count == 1) | (count == 2)
    # The corner that is alone on its side: both its edges are cut.
    alone = np.argmax(above[cut] == (count[cut] == 1)[:, None], axis=1)
    tip, *others = (faces[cut][np.arange(len(alone)), (alone + turn) % 3] for turn in range(3))
    ends = [_between(vertices, tip, other, axis, place) for other in others]
    return np.stack(ends, axis=1), tip


def _between(
    vertices: NDArray[np.floating[Any]],
    start: NDArray[np.integer[Any]],
    end: NDArray[np.integer[Any]],
    axis: int,
    place: float,
) -> NDArray[np.float64]:
    first, last = vertices[start].astype(np.float64), vertices[end].astype(np.float64)
    share = (place - first[:, axis]) / (last[:, axis] - first[:, axis])
    crossing: NDArray[np.float64] = first + share[:, None] * (last - first)
    crossing[:, axis] = place
    return crossing
