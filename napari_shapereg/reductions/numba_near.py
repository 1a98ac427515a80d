"""Sums of exponentials between many points, over the columns that count: as exact, and far cheaper.

2^(h_j - C(x_i, y_j)) falls so fast that a row sees little but what is near. Rows and columns are cut into the
leaves of two trees (`tree_cells`). The columns of a leaf cannot add more to the rows of another than all of
their mass would at the least distance between the two boxes, and the largest term of the best leaf is a floor
under each row's sum. Leaves that all together stay below the rounding of that floor are left out; the loops
of `numba_softmin` visit the columns of the others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_arithmetic import larger, twice_inverse_root
from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_softmin import plan_sums, softmin_sums
from napari_shapereg.reductions.numba_threads import for_rows
from napari_shapereg.reductions.numba_vectors import minus, plus_square, point
from napari_shapereg.reductions.tree_cells import LEAF, cells_of, span, spans

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Limits, Points
    from napari_shapereg.reductions.tree_cells import Cells

WORTH_LEAVES = 2048
"""Pairs for each point of both sets from which trees cost less than a fifth of the sum over all pairs."""
BITS_BELOW = 2
"""Between the last bit of a row's sum and all that is left out of it."""
_HIGH = 1e300


class Columns(NamedTuple):
    """Columns in the order of a tree.

    Attributes
    ----------
    cells : Cells
    heights : (M,) array
        log2 of the mass of each point.
    masses : (2^depth,) float64 array
        log2 of the mass of each leaf.
    negligible : float
        Bits below the largest term of a row at which a leaf is left out.
    """

    cells: Cells
    heights: Array
    masses: Array
    negligible: float


def worth_leaves(x: Points, y: Points) -> bool:
    """Tell whether there are enough pairs, of points with three coordinates, to look for those that count."""
    rows, columns = len(x[0]), len(y[0])
    return len(x) == 3 and rows * columns >= WORTH_LEAVES * (rows + columns)


def near_softmin(
    x: Points,
    y: Points,
    h: Array,
    rooted: int | None,
    limits: Limits,
    sums: tuple[Array, Array],
    slopes: Array | None,
    threads: int,
) -> None:
    """Do what `softmin_sums` does for all rows."""
    rows, columns = cells_of(x, threads), columns_of(y, h, threads)
    carried = columns.heights[None]
    found = np.empty_like(sums[0]), np.empty_like(sums[1])
    leaning = None if slopes is None else np.zeros_like(slopes)

    def loop(part: tuple[int, int]) -> None:
        _softmin_sums(rows, columns, carried, rooted, limits, part, found, leaning)

    for_rows(loop, 2**rows.depth, LEAF * len(h), threads)
    for target, values in zip(sums, found, strict=True):
        target[rows.order] = values
    if slopes is not None and leaning is not None:
        slopes[rows.order] = leaning


def near_plan(
    x: Points,
    y: Points,
    potentials: tuple[Array, Array],
    w: Array,
    rooted: int | None,
    limits: Limits,
    sums: tuple[Array, Array],
    threads: int,
) -> None:
    """Do what `plan_sums` does for all rows."""
    f, h = potentials
    with np.errstate(divide="ignore"):
        masses = np.maximum(f + np.log2(np.abs(w)), limits.lowest / 2)
    rows, columns = cells_of(y, threads), columns_of(x, masses, threads)
    carried, heights = np.stack((f, w)).take(columns.cells.order, axis=1), h[rows.order]
    found = np.zeros_like(sums[0]), np.zeros_like(sums[1])

    def loop(part: tuple[int, int]) -> None:
        _plan_sums(rows, columns, carried, heights, rooted, limits, part, found)

    for_rows(loop, 2**rows.depth, LEAF * len(w), threads)
    for target, values in zip(sums, found, strict=True):
        target[rows.order] = values


def columns_of(points: Points, heights: Array, threads: int) -> Columns:
    """Return columns, given log2 of the mass of each point."""
    cells = cells_of(points, threads)
    ordered = heights[cells.order]
    starts, _ = spans(np.arange(2**cells.depth), cells.depth, len(ordered))
    masses = np.logaddexp2.reduceat(ordered.astype(np.float64), starts)
    negligible = np.finfo(ordered.dtype).nmant + BITS_BELOW + math.log2(len(masses))
    return Columns(cells, ordered, masses, negligible)


@compiled
def _softmin_sums(
    rows: Cells,
    columns: Columns,
    carried: Array,
    rooted: int | None,
    limits: Limits,
    part: tuple[int, int],
    sums: tuple[Array, Array],
    slopes: Array | None,
) -> None:
    """Do what `softmin_sums` does for the rows of some leaves, all in the order of the trees."""
    here = _coordinates(rows.points, rows.order.shape[0])
    near = np.empty((4, columns.heights.shape[0]), columns.heights.dtype)
    for leaf in range(part[0], part[1]):
        within = span(leaf, rows.depth, rows.order.shape[0])
        count = _gather(rows, columns, carried, rooted, limits, leaf, near)
        sums[0][within[0] : within[1]] = limits.lowest
        sums[1][within[0] : within[1]] = 0
        there, heights = _coordinates(near, count), near[3, :count]
        softmin_sums(here, there, heights, rooted, limits, within, sums, slopes)


@compiled
def _plan_sums(
    rows: Cells,
    columns: Columns,
    carried: Array,
    h: Array,
    rooted: int | None,
    limits: Limits,
    part: tuple[int, int],
    sums: tuple[Array, Array],
) -> None:
    """Do what `plan_sums` does for the rows of some leaves, all in the order of the trees; f, w = carried."""
    here = _coordinates(rows.points, rows.order.shape[0])
    near = np.empty((5, columns.heights.shape[0]), columns.heights.dtype)
    for leaf in range(part[0], part[1]):
        within = span(leaf, rows.depth, rows.order.shape[0])
        count = _gather(rows, columns, carried, rooted, limits, leaf, near)
        there, potentials = _coordinates(near, count), (near[3, :count], h)
        plan_sums(there, here, potentials, near[4, :count], rooted, limits, within, sums)


@merged
def _coordinates(block: Array, count: int) -> Points:
    """Return the first points of a block, each coordinate in one piece of memory."""
    return block[0, :count], block[1, :count], block[2, :count]


@compiled
def _gather(
    rows: Cells,
    columns: Columns,
    carried: Array,
    rooted: int | None,
    limits: Limits,
    leaf: int,
    near: Array,
) -> int:
    """Copy the points of the leaves that count for a leaf of rows, and what they carry; return how many."""
    count = 0
    for k in leaves_that_count(rows, columns, rooted, limits, leaf):
        start, stop = span(k, columns.cells.depth, columns.heights.shape[0])
        for d in range(near.shape[0]):
            source = columns.cells.points[d] if d < 3 else carried[d - 3]
            for j in range(start, stop):
                near[d, count + j - start] = source[j]
        count += stop - start
    return count


@compiled
def leaves_that_count(rows: Cells, columns: Columns, rooted: int | None, limits: Limits, leaf: int) -> Array:
    """Return which leaves of columns count for a leaf of rows, in their order."""
    cells, many = columns.cells, columns.masses.shape[0]
    mine = (1 << rows.depth) + leaf
    bounds = np.empty(many)
    for k in range(many):
        square = 0.0
        for d in range(3):
            apart = abs(rows.centers[mine, d] - cells.centers[many + k, d])
            square += max(apart - rows.halves[mine, d] - cells.halves[many + k, d], 0.0) ** 2
        bounds[k] = columns.masses[k] - (square if rooted is None else 2 * math.sqrt(square))

    floor = _HIGH
    best = int(np.argmax(bounds))
    here = _coordinates(rows.points, rows.order.shape[0])
    there = _coordinates(cells.points, columns.heights.shape[0])
    start, stop = span(best, cells.depth, columns.heights.shape[0])
    first, last = span(leaf, rows.depth, rows.order.shape[0])
    for i in range(first, last):
        top = limits.lowest
        for j in range(start, stop):
            square = plus_square(limits.tiny, minus(point(here, i), point(there, j)))
            cost = square if rooted is None else square * twice_inverse_root(square)
            top = larger(columns.heights[j] - cost, top)
        floor = min(floor, top)
    return np.flatnonzero(bounds >= floor - columns.negligible)
