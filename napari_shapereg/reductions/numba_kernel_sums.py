"""The compiled loops of kernel sums, sum_j k(x_i, y_j) b_j.

Both walk over tiles of columns that stay in the L1 cache while rows pass over them. A row's share of a tile
is summed in registers, in the precision of the points, and the shares in float64: a vector lane adds so few
terms of a tile that float32 is good to 1e-6. `slopes` is None where only values are wanted; numba then
compiles the loop without them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_profiles import response, weigh
from napari_shapereg.reductions.numba_vectors import (
    add_to_row,
    first_rows,
    minus,
    part,
    plus_scaled,
    plus_square,
    point,
    subtract_scaled,
    zero,
)

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Limits, Points
    from napari_shapereg.reductions.numba_profiles import Profile

TILE = 2048
# A tile of the symmetric loop holds sums beside its points, and those sums add up a row at a time.
SYMMETRIC_TILE = 1024
SYMMETRIC_ROWS = 512
_CACHE_LINE = 64
_LANES = 64


@compiled
def kernel_sums(
    profile: Profile,
    x: Points,
    y: Points,
    b: Array,
    limits: Limits,
    rows: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Add sum_j k(x_i, y_j) b_j to `values` for a range of rows i, and the sum of its slopes to `slopes`."""
    real = b.dtype.type
    for start in range(0, b.shape[0], TILE):
        columns, weights = part(y, start, start + TILE), b[start : start + TILE]
        for i in range(rows[0], rows[1]):
            here = point(x, i)
            value, slope = real(0), zero(here)
            for j in range(weights.shape[0]):
                step = minus(here, point(columns, j))
                square = plus_square(limits.tiny, step)
                term, factor = weigh(profile, square, response(profile, square), weights[j])
                value += term
                if slopes is not None:
                    slope = plus_scaled(slope, factor, step)
            values[i] += value
            if slopes is not None:
                add_to_row(slopes, i, slope)


@compiled
def symmetric_sums(
    profile: Profile,
    x: Points,
    b: Array,
    limits: Limits,
    rows: tuple[int, int],
    others: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Add k(x_i, x_j) b_j at i and k(x_i, x_j) b_i at j, for i in `rows` and j in `others`: disjoint ranges.

    Every pair is evaluated once for both of its ends.
    """
    real = b.dtype.type
    width = len(x)
    # One piece of memory: LLVM then sees by itself that what is written does not overlap what is read. It
    # starts with a cache line: vectors that straddle two lines cost a tenth of the speed.
    size = (2 * width + 2) * SYMMETRIC_TILE
    memory = np.empty(size + _CACHE_LINE // b.itemsize, b.dtype)
    offset = -memory.ctypes.data % _CACHE_LINE // b.itemsize
    block = memory[offset : offset + size].reshape((2 * width + 2, SYMMETRIC_TILE))
    columns, weights = first_rows(block, x), block[width]
    back, back_slopes = block[width + 1], first_rows(block[width + 2 :], x)
    for start in range(others[0], others[1], SYMMETRIC_TILE):
        size = min(SYMMETRIC_TILE, others[1] - start)
        # Up to whole vectors: columns beyond the end have no weight, and what they receive is not read.
        padded = (size + _LANES - 1) & -_LANES
        _load(x, b, start, size, block)
        for first in range(rows[0], rows[1], SYMMETRIC_ROWS):
            block[width + 1 :] = 0
            for i in range(first, min(first + SYMMETRIC_ROWS, rows[1])):
                here, weight = point(x, i), b[i]
                value, slope = real(0), zero(here)
                for j in range(padded):
                    step = minus(here, point(columns, j))
                    square = plus_square(limits.tiny, step)
                    shared = response(profile, square)
                    term, factor = weigh(profile, square, shared, weights[j])
                    back_term, back_factor = weigh(profile, square, shared, weight)
                    value += term
                    back[j] += back_term
                    if slopes is not None:
                        slope = plus_scaled(slope, factor, step)
                        subtract_scaled(back_slopes, j, back_factor, step)
                values[i] += value
                if slopes is not None:
                    add_to_row(slopes, i, slope)
            for j in range(size):
                values[start + j] += back[j]
                if slopes is not None:
                    add_to_row(slopes, start + j, point(back_slopes, j))


@merged
def _load(x: Points, b: Array, start: int, size: int, block: Array) -> None:
    """Copy points and their weights into the first rows of a block; all else becomes 0."""
    width = len(x)
    block[:] = 0
    for k in range(width):
        for j in range(size):
            block[k, j] = x[k][start + j]
    for j in range(size):
        block[width, j] = b[start + j]


def symmetric_groups(rows: int) -> list[tuple[int, int]]:
    """Cut rows into groups for the symmetric loop: whole tiles, and enough groups to keep this machine busy.

    Their size depends on the machine and not on the threads in use, which must not change a result.
    """
    tiles = rows // (SYMMETRIC_TILE * 4 * (os.cpu_count() or 1))
    length = SYMMETRIC_TILE * min(max(tiles, 2), 8)
    return [(start, min(start + length, rows)) for start in range(0, rows, length)]
