"""Points cut into tiles that lie close together, so that pairs of tiles too far apart to count are left out.

The points are put in the order in which a Hilbert curve visits them; so many in a row are a tile, and a box
around each tells how near two tiles can be.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_arithmetic import larger
from napari_shapereg.reductions.numba_compile import compiled, merged

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Number, Points

TILE = 32
# Cells of the curve along an edge of the box around all points, as a power of two.
_BITS = 10
# From these shares of near pairs on, all pairs are as fast: those of two sets, and those of a set with
# itself, which a sum over all of them evaluates once for both ends.
_MOST_ACROSS = 0.7
_MOST_WITHIN = 0.45
# To cut a point into a tile takes one thread as long as so many pairs, with some to spare.
_PAIRS_FOR_A_POINT = 1000
_SAMPLES = 64


class Boxes(NamedTuple):
    """The boxes around the tiles: their lowest and highest corners, one array for each coordinate."""

    low: Points
    high: Points


class Tiles(NamedTuple):
    """Points in the order of the curve, `TILE` in a row to a tile; `order` says which they were before.

    The last tile is made whole by repeating its last point.
    """

    order: Array
    points: Points
    boxes: Boxes


class NearPairs(NamedTuple):
    """Two sets in tiles, and how many pairs of points the tiles within `reach` of each other have."""

    rows: Tiles
    columns: Tiles
    reach: float
    pairs: int


def near_pairs(x: Points, y: Points, reach: float) -> NearPairs | None:
    """Cut two sets of points, which may be one, into tiles; None where sums over all pairs are as fast.

    What is decided depends on the points and the machine, not on the threads in use: it may change a result
    by its rounding.
    """
    pairs = len(x[0]) * len(y[0])
    sorting = _PAIRS_FOR_A_POINT * (os.cpu_count() or 1) * (len(x[0]) + len(y[0]))
    most = _MOST_WITHIN if x is y else _MOST_ACROSS
    if math.isinf(reach) or most * pairs < sorting or (most - _guess(x, y, reach)) * pairs < sorting:
        return None
    rows = _tiles(x)
    columns = rows if x is y else _tiles(y)
    near = TILE**2 * count_near(rows.boxes, columns.boxes, x[0].dtype.type(reach))
    return NearPairs(rows, columns, reach, near) if near < most * pairs else None


def _guess(x: Points, y: Points, reach: float) -> float:
    """Return the share of the pairs that are within reach, among a few."""
    square = np.zeros((1, 1), x[0].dtype)
    for here, there in zip(x, y, strict=True):
        step = here[:: len(here) // _SAMPLES + 1, None] - there[:: len(there) // _SAMPLES + 1]
        square = square + step * step
    return float((square <= reach * reach).mean())


def _tiles(points: Points) -> Tiles:
    cells = np.empty((len(points), len(points[0])), np.int64)
    spread = max(coordinate.max() - coordinate.min() for coordinate in points) or 1
    for cell, coordinate in zip(cells, points, strict=True):
        cell[:] = (coordinate - coordinate.min()) * ((2**_BITS - 1) / spread)
    order = np.argsort(curve_places(cells))
    whole = np.pad(order, (0, -len(order) % TILE), mode="edge")
    ordered = tuple(coordinate[whole] for coordinate in points)
    by_tile = [coordinate.reshape(-1, TILE) for coordinate in ordered]
    low = tuple(tile.min(axis=1) for tile in by_tile)
    high = tuple(tile.max(axis=1) for tile in by_tile)
    return Tiles(order, ordered, Boxes(low, high))


@compiled
def curve_places(cells: Array) -> Array:
    """Return the place (N,) of each cell (D, N) on a Hilbert curve; the cells are written over.

    J. Skilling, "Programming the Hilbert curve" (2004), a step on all points at a time, in vector registers.
    """
    _turn(cells)
    width, count = cells.shape
    for k in range(1, width):
        for i in range(count):
            cells[k, i] ^= cells[k - 1, i]
    last, places = cells[width - 1], np.empty(count, np.int64)
    for i in range(count):
        flips = 0
        for bit in range(_BITS - 1, 0, -1):
            flips ^= ((1 << bit) - 1) * ((last[i] >> bit) & 1)
        places[i] = flips
    for k in range(width):
        for i in range(count):
            cells[k, i] ^= places[i]
    places[:] = 0
    for bit in range(_BITS - 1, -1, -1):
        for k in range(width):
            for i in range(count):
                places[i] = (places[i] << 1) | ((cells[k, i] >> bit) & 1)
    return places


@merged
def _turn(cells: Array) -> None:
    """Turn each cell as the cubes are, from the largest to the smallest, in which the curve visits it."""
    first = cells[0]
    for bit in range(_BITS - 1, 0, -1):
        below = (1 << bit) - 1
        for i in range(first.shape[0]):
            first[i] ^= below * ((first[i] >> bit) & 1)
        for k in range(1, cells.shape[0]):
            other = cells[k]
            for i in range(first.shape[0]):
                is_set = (other[i] >> bit) & 1
                exchanged = (first[i] ^ other[i]) & below & (is_set - 1)
                first[i] ^= exchanged ^ (below * is_set)
                other[i] ^= exchanged


@compiled
def count_near(rows: Boxes, columns: Boxes, reach: Number) -> int:
    """Return how many pairs of tiles may have points within `reach` of each other."""
    count = 0
    for tile in range(rows.low[0].shape[0]):
        for gap in square_gaps(rows, tile, columns):
            count += gap <= reach * reach
    return count


@merged
def square_gaps(rows: Boxes, tile: int, columns: Boxes) -> Array:
    """Return the squared distance between the box of a tile and each other: at most that of their points."""
    gaps = np.zeros(columns.low[0].shape[0], columns.low[0].dtype)
    for k in range(len(rows.low)):
        low, high = rows.low[k][tile], rows.high[k][tile]
        lows, highs = columns.low[k], columns.high[k]
        for n in range(gaps.shape[0]):
            gap = larger(larger(lows[n] - high, low - highs[n]), low - low)
            gaps[n] += gap * gap
    return gaps
