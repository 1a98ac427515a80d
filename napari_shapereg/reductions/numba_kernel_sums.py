"""The compiled loops of kernel sums, sum_j k(x_i, y_j) b_j, for a range of rows.

Every loop walks over tiles of columns that stay in the L1 cache while all rows pass over them. A row's share
of a tile is summed in registers, in the precision of the points, and the shares in float64: a vector lane
adds so few terms of a tile that float32 is good to 1e-6. `slopes` is None where only values are wanted; numba
then compiles the loop without them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_shapereg.reductions.numba_compile import compiled
from napari_shapereg.reductions.numba_exp2 import exp2
from napari_shapereg.reductions.numba_vectors import (
    add_to_row,
    minus,
    part,
    plus_scaled,
    plus_square,
    point,
    zero,
)

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Limits, Points

TILE = 2048


@compiled
def energy_sums(
    x: Points,
    y: Points,
    b: Array,
    limits: Limits,
    rows: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Add sum_j |x_i - y_j| b_j to `values`, and sum_j b_j (x_i - y_j) / |x_i - y_j| to `slopes`."""
    real = b.dtype.type
    for start in range(0, b.shape[0], TILE):
        columns = part(y, start, start + TILE)
        weights = b[start : start + TILE]
        for i in range(rows[0], rows[1]):
            here = point(x, i)
            value, slope = real(0), zero(here)
            for j in range(weights.shape[0]):
                step = minus(here, point(columns, j))
                square = plus_square(limits.tiny, step)
                pull = weights[j] * (real(1) / math.sqrt(square))
                value += pull * square
                if slopes is not None:
                    slope = plus_scaled(slope, pull, step)
            values[i] += value
            if slopes is not None:
                add_to_row(slopes, i, slope)


@compiled
def gaussian_sums(
    x: Points,
    y: Points,
    b: Array,
    limits: Limits,
    rows: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Add sum_j 2^(-|x_i - y_j|^2) b_j to `values`, and its terms times (x_i - y_j) to `slopes`."""
    real = b.dtype.type
    for start in range(0, b.shape[0], TILE):
        columns = part(y, start, start + TILE)
        weights = b[start : start + TILE]
        for i in range(rows[0], rows[1]):
            here = point(x, i)
            value, slope = real(0), zero(here)
            for j in range(weights.shape[0]):
                step = minus(here, point(columns, j))
                term = weights[j] * exp2(-plus_square(limits.tiny, step))
                value += term
                if slopes is not None:
                    slope = plus_scaled(slope, term, step)
            values[i] += value
            if slopes is not None:
                add_to_row(slopes, i, slope)


@compiled
def laplacian_sums(
    x: Points,
    y: Points,
    b: Array,
    limits: Limits,
    rows: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Add sum_j 2^(-|x_i - y_j|) b_j to `values`, its terms times (x_i - y_j) / |x_i - y_j| to `slopes`."""
    real = b.dtype.type
    for start in range(0, b.shape[0], TILE):
        columns = part(y, start, start + TILE)
        weights = b[start : start + TILE]
        for i in range(rows[0], rows[1]):
            here = point(x, i)
            value, slope = real(0), zero(here)
            for j in range(weights.shape[0]):
                step = minus(here, point(columns, j))
                square = plus_square(limits.tiny, step)
                inverse = real(1) / math.sqrt(square)
                term = weights[j] * exp2(-square * inverse)
                value += term
                if slopes is not None:
                    slope = plus_scaled(slope, term * inverse, step)
            values[i] += value
            if slopes is not None:
                add_to_row(slopes, i, slope)
