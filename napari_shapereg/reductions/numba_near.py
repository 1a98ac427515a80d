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
from napari_shapereg.reductions.numba_compile import compiled
from napari_shapereg.reductions.numba_softmin import plan_sums, softmin_sums
from napari_shapereg.reductions.numba_threads import for_rows
from napari_shapereg.reductions.numba_vectors import minus, plus_square, point
from napari_shapereg.reductions.tree_cells import LEAF, cells_of, span, spans

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Limits, Points

WORTH_LEAVES = 2048
"""Pairs for each point of both sets from which trees cost less than a fifth of the sum over all pairs."""
BITS_BELOW = 2
"""Between the last bit of a row's sum and all that is left out of it."""
_LOW = -1e300


class Leaves(NamedTuple):
    """Points in the order of a tree, and the boxes of its 2^depth leaves, each (2^depth, 3)."""

    order: Array
    points: Points
    depth: int
    centers: Array
    halves: Array


class Columns(NamedTuple):
    """Leaves of columns, log2 of the mass of each point (M,) and leaf (2^depth,), and what is negligible."""

    leaves: Leaves
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
    rows, columns = leaves_of(x, threads), columns_of(leaves_of(y, threads), h)
    ordered = np.empty_like(sums[0]), np.empty_like(sums[1])
    leaning = None if slopes is None else np.zeros_like(slopes)

    def loop(part: tuple[int, int]) -> None:
        _softmin_sums(rows, columns, rooted, limits, part, ordered, leaning)

    for_rows(loop, 2**rows.depth, LEAF * len(h), threads)
    for target, found in zip(sums, ordered, strict=True):
        target[rows.order] = found
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
    rows, columns = leaves_of(y, threads), columns_of(leaves_of(x, threads), masses)
    order = columns.leaves.order
    lying = f[order], w[order]
    values, slopes = np.zeros(len(h)), np.zeros_like(sums[1])
    heights = h[rows.order]

    def loop(part: tuple[int, int]) -> None:
        _plan_sums(columns, rows, lying, heights, rooted, limits, part, (values, slopes))

    for_rows(loop, 2**rows.depth, LEAF * len(w), threads)
    for target, found in zip(sums, (values, slopes), strict=True):
        target[rows.order] = found


def leaves_of(points: Points, threads: int) -> Leaves:
    """Return the leaves of a tree over points of three coordinates."""
    cells = cells_of(points, threads)
    count, first = len(cells.order), 2**cells.depth
    block = cells.points
    ordered = (block[0, :count], block[1, :count], block[2, :count])
    return Leaves(cells.order, ordered, cells.depth, cells.centers[first:], cells.halves[first:])


def columns_of(leaves: Leaves, heights: Array) -> Columns:
    """Return columns, given log2 of the mass of each point in the order they had before the tree."""
    ordered = heights[leaves.order]
    starts, _ = spans(np.arange(2**leaves.depth), leaves.depth, len(ordered))
    masses = np.logaddexp2.reduceat(ordered.astype(np.float64), starts)
    negligible = np.finfo(ordered.dtype).nmant + BITS_BELOW + math.log2(len(masses))
    return Columns(leaves, ordered, masses, negligible)


@compiled
def _softmin_sums(
    rows: Leaves,
    columns: Columns,
    rooted: int | None,
    limits: Limits,
    part: tuple[int, int],
    sums: tuple[Array, Array],
    slopes: Array | None,
) -> None:
    """Do what `softmin_sums` does for the rows of some leaves, all in the order of the trees."""
    size = columns.heights.shape[0]
    near, heights = np.empty((3, size), columns.heights.dtype), np.empty(size, columns.heights.dtype)
    counting = np.empty(columns.masses.shape[0], np.int64)
    for leaf in range(part[0], part[1]):
        within = span(leaf, rows.depth, rows.order.shape[0])
        many = count_leaves(rows, columns, rooted, limits, leaf, counting)
        sums[0][within[0] : within[1]] = limits.lowest
        sums[1][within[0] : within[1]] = 0
        if many == counting.shape[0]:
            everything = columns.leaves.points
            softmin_sums(rows.points, everything, columns.heights, rooted, limits, within, sums, slopes)
            continue
        end = 0
        for k in range(many):
            start, stop = span(counting[k], columns.leaves.depth, size)
            _copy(columns.leaves.points, start, stop, near, end)
            heights[end : end + stop - start] = columns.heights[start:stop]
            end += stop - start
        seen = (near[0, :end], near[1, :end], near[2, :end])
        softmin_sums(rows.points, seen, heights[:end], rooted, limits, within, sums, slopes)


@compiled
def _plan_sums(
    columns: Columns,
    rows: Leaves,
    lying: tuple[Array, Array],
    h: Array,
    rooted: int | None,
    limits: Limits,
    part: tuple[int, int],
    sums: tuple[Array, Array],
) -> None:
    """Do what `plan_sums` does for the rows of some leaves, all in the order of the trees; f, w = lying."""
    f, w = lying
    size = w.shape[0]
    near, heights, weights = np.empty((3, size), w.dtype), np.empty(size, w.dtype), np.empty(size, w.dtype)
    counting = np.empty(columns.masses.shape[0], np.int64)
    for leaf in range(part[0], part[1]):
        within = span(leaf, rows.depth, rows.order.shape[0])
        many = count_leaves(rows, columns, rooted, limits, leaf, counting)
        if many == counting.shape[0]:
            plan_sums(columns.leaves.points, rows.points, (f, h), w, rooted, limits, within, sums)
            continue
        end = 0
        for k in range(many):
            start, stop = span(counting[k], columns.leaves.depth, size)
            _copy(columns.leaves.points, start, stop, near, end)
            heights[end : end + stop - start] = f[start:stop]
            weights[end : end + stop - start] = w[start:stop]
            end += stop - start
        seen = (near[0, :end], near[1, :end], near[2, :end])
        plan_sums(seen, rows.points, (heights[:end], h), weights[:end], rooted, limits, within, sums)


@compiled
def count_leaves(
    rows: Leaves,
    columns: Columns,
    rooted: int | None,
    limits: Limits,
    leaf: int,
    counting: Array,
) -> int:
    """Write which leaves of columns count for a leaf of rows, and return how many."""
    leaves, many = columns.leaves, columns.masses.shape[0]
    bounds = np.empty(many)
    for k in range(many):
        square = 0.0
        for d in range(3):
            apart = abs(rows.centers[leaf, d] - leaves.centers[k, d])
            square += max(apart - rows.halves[leaf, d] - leaves.halves[k, d], 0.0) ** 2
        bounds[k] = columns.masses[k] - (square if rooted is None else 2 * math.sqrt(square))

    floor = -_LOW
    best = int(np.argmax(bounds))
    start, stop = span(best, leaves.depth, columns.heights.shape[0])
    first, last = span(leaf, rows.depth, rows.order.shape[0])
    for i in range(first, last):
        here = point(rows.points, i)
        top = limits.lowest
        for j in range(start, stop):
            square = plus_square(limits.tiny, minus(here, point(leaves.points, j)))
            cost = square if rooted is None else square * twice_inverse_root(square)
            top = larger(columns.heights[j] - cost, top)
        floor = min(floor, top)

    count = 0
    for k in range(many):
        if bounds[k] >= floor - columns.negligible:
            counting[count] = k
            count += 1
    return count


@compiled
def _copy(points: Points, start: int, stop: int, block: Array, end: int) -> None:
    for d in range(3):
        block[d, end : end + stop - start] = points[d][start:stop]
