"""The compiled loops of kernel sums over those pairs of tiles that are near enough to each other to count.

As in `numba_kernel_sums`, which has the loops over pairs themselves: here the columns that a tile of rows can
feel are first brought together, so that those loops run as long and as fast as over all pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_kernel_sums import TILE as CACHED, add_columns, aligned_block
from napari_shapereg.reductions.numba_tiles import TILE, square_gaps
from napari_shapereg.reductions.numba_vectors import first_rows, part

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Limits, Number, Points
    from napari_shapereg.reductions.numba_profiles import Profile
    from napari_shapereg.reductions.numba_tiles import Boxes


@compiled
def near_sums(
    profile: Profile,
    x: tuple[Points, Boxes],
    y: tuple[Array, Boxes],
    reach: Number,
    limits: Limits,
    tiles: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Do as `kernel_sums` for the rows of a range of tiles, with the columns of tiles within `reach` of each.

    The array (D + 1, M) of y holds its coordinates and b; all tiles are whole.
    """
    points, row_boxes = x
    columns, column_boxes = y
    block, width = aligned_block(columns.shape[0], CACHED, columns), len(points)
    near = np.empty(column_boxes.low[0].shape[0], np.int64)
    for tile in range(tiles[0], tiles[1]):
        rows = tile * TILE, (tile + 1) * TILE
        found = _find(row_boxes, tile, column_boxes, reach, near)
        for first in range(0, found, CACHED // TILE):
            size = _gather(columns, near[first : min(first + CACHED // TILE, found)], block)
            cached, weights = part(first_rows(block, points), 0, size), block[width, :size]
            add_columns(profile, points, cached, weights, limits, rows, values, slopes)


@merged
def _find(rows: Boxes, tile: int, columns: Boxes, reach: Number, near: Array) -> int:
    """Write which tiles of columns are within reach of a tile of rows, and return how many."""
    found = 0
    for other, gap in enumerate(square_gaps(rows, tile, columns)):
        near[found] = other
        found += int(gap <= reach * reach)
    return found


@merged
def _gather(columns: Array, near: Array, block: Array) -> int:
    """Copy tiles of columns into a block, one behind the other, and return how many columns they are."""
    for k in range(columns.shape[0]):
        for n in range(near.shape[0]):
            # Views have no negative indices to allow for, which would keep the copy out of vector registers.
            source, copy = columns[k, near[n] * TILE :], block[k, n * TILE :]
            for j in range(TILE):
                copy[j] = source[j]
    return len(near) * TILE
