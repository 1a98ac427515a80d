"""A balanced binary tree over points: halved again and again across the longest edge of their box.

Halving by number keeps every cell of a level at the same size, whatever the points do, so that the tree needs
no pointers: cell c of a heap has the children 2 c and 2 c + 1, the root is cell 1, and where a cell's points
begin and end follows from its number. Boxes are tight, which thin shells reward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_threads import for_rows

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Points

LEAF = 128
"""Points in the smallest cells, at most; more than half of it in all."""
SHARED_LEVEL = 4
"""From which on threads share the cells; fixed, so that their number does not change a result."""


class Cells(NamedTuple):
    """A tree over N points.

    Attributes
    ----------
    order : (N,) int64 array
        Where the points of the tree were before.
    points : (3, N + LEAF) array
        The points in the order of the tree, in which those of any cell are neighbours, and zeros: a loop
        may read on for as long as the largest leaf.
    depth : int
        Level of the leaves; there are 2^depth.
    centers, halves : (2^(depth + 1), 3) float64 array
        Centre and half of the edges of the box of each cell.
    radii : (2^(depth + 1),) float64 array
        Half of its diagonal.
    """

    order: Array
    points: Array
    depth: int
    centers: Array
    halves: Array
    radii: Array

    def scaled(self, factor: float) -> Cells:
        """Return the tree in another unit of length."""
        return self._replace(
            points=self.points * self.points.dtype.type(factor),
            centers=self.centers * factor,
            halves=self.halves * factor,
            radii=self.radii * factor,
        )


def cells_of(points: Points, threads: int) -> Cells:
    """Return the tree over points of three coordinates."""
    count = len(points[0])
    block = np.zeros((3, count + LEAF), points[0].dtype)
    block[:, :count] = points
    depth = max(0, (-(-count // LEAF) - 1).bit_length())
    order = np.arange(count)
    boxes = np.zeros((2 ** (depth + 1), 6))
    shared = min(SHARED_LEVEL, depth)
    divide(block, order, depth, (0, shared), (0, 1), boxes)

    def loop(rows: tuple[int, int]) -> None:
        for cell in range(*rows):
            divide(block, order, depth, (shared, depth + 1), (cell, cell + 1), boxes)

    for_rows(loop, 2**shared, count * (depth + 1), threads)
    centers, halves = (boxes[:, :3] + boxes[:, 3:]) / 2, (boxes[:, 3:] - boxes[:, :3]) / 2
    return Cells(order, block, depth, centers, halves, np.linalg.norm(halves, axis=1))


@compiled
def divide(
    points: Array, order: Array, depth: int, levels: tuple[int, int], part: tuple[int, int], boxes: Array
) -> None:
    """Find the boxes of the cells of some levels, and cut all but leaves in two.

    Only those below the cells `part` of the first level are visited. Points and their order are permuted.
    """
    for level in range(levels[0], levels[1]):
        below = level - levels[0]
        for k in range(part[0] << below, part[1] << below):
            first, last = span(k, level, order.shape[0])
            box = boxes[(1 << level) + k]
            axis = 0
            for d in range(3):
                row = points[d]
                low = high = row[first]
                for i in range(first, last):
                    low, high = min(low, row[i]), max(high, row[i])
                box[d], box[d + 3] = low, high
                if box[d + 3] - box[d] > box[axis + 3] - box[axis]:
                    axis = d
            if level < depth:
                _halve(points, order, axis, first, last - 1, span(2 * k, level + 1, order.shape[0])[1])


@merged
def span(k: int, level: int, count: int) -> tuple[int, int]:
    """Return where the points of cell k of a level begin and end."""
    return (count * k) >> level, (count * (k + 1)) >> level


@merged
def _halve(points: Array, order: Array, axis: int, low: int, high: int, middle: int) -> None:
    """Permute the points low to high until those before `middle` lie before the rest (Hoare's selection)."""
    key = points[axis]
    while low < high:
        pivot = _median(key[low], key[(low + high) >> 1], key[high])
        i, j = low, high
        while i <= j:
            while key[i] < pivot:
                i += 1
            while pivot < key[j]:
                j -= 1
            if i <= j:
                for d in range(3):
                    points[d, i], points[d, j] = points[d, j], points[d, i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@merged
def _median(a: float, b: float, c: float) -> float:
    return max(min(a, b), min(max(a, b), c))


def spans(k: Array, level: int, count: int) -> tuple[Array, Array]:
    """Return where the points of cells k of a level begin and end."""
    return (count * k) >> level, (count * (k + 1)) >> level
