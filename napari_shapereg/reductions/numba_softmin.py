"""The compiled loops of log-sum-exp: the SoftMin of rows, and the transposed pass of its derivative.

Points come in units in which the cost divided by epsilon is -log2 of a density: the cost is |x - y|^2 where
`rooted` is None and 2 |x - y| where it is 0 (see `twice_inverse_root`). Numba compiles a loop for each type
of `rooted`, as it does for `slopes`, which is None where only values are wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.reductions.numba_arithmetic import exp2, larger, twice_inverse_root
from napari_shapereg.reductions.numba_compile import compiled, merged
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
    from napari_shapereg.reductions.numba_compile import Array, Limits, Number, Points, Vector

TILE = 2048


@compiled
def softmin_sums(
    x: Points,
    y: Points,
    h: Array,
    rooted: int | None,
    limits: Limits,
    rows: tuple[int, int],
    sums: tuple[Array, Array],
    slopes: Array | None,
) -> None:
    """Raise `tops, values = sums` to top_i = max_j t_ij and sum_j 2^(t_ij - top_i), t_ij = h_j - C(x_i, y_j).

    `slopes` receives the same terms times (x_i - y_j), or twice its direction where `rooted`. Before the
    first tile the tops are `limits.lowest` and all else is 0.

    Each pair is visited once: the exponents of a tile wait in the L1 cache until their maximum is known. A
    tile whose best term is negligible beside the row's best so far is left.
    """
    tops, values = sums
    exponents, inverses = np.empty(TILE, h.dtype), np.empty(TILE, h.dtype)
    for start in range(0, h.shape[0], TILE):
        columns, heights = part(y, start, start + TILE), h[start : start + TILE]
        for i in range(rows[0], rows[1]):
            here = point(x, i)
            threshold = tops[i] - limits.negligible
            highest = _exponents(here, columns, heights, rooted, limits, threshold, exponents, inverses)
            if highest <= threshold:
                continue
            if highest > tops[i]:
                shrink = exp2(max(tops[i] - highest, limits.lowest))
                values[i] *= shrink
                if slopes is not None:
                    for d in range(slopes.shape[1]):
                        slopes[i, d] *= shrink
                tops[i] = highest
            value, slope = _terms(here, columns, heights, rooted, tops[i], exponents, inverses, slopes)
            values[i] += value
            if slopes is not None:
                add_to_row(slopes, i, slope)


@merged
def _exponents(
    here: Vector,
    columns: Points,
    heights: Array,
    rooted: int | None,
    limits: Limits,
    threshold: Number,
    exponents: Array,
    inverses: Array,
) -> Number:
    """Write h_j - C(x, y_j), and 2 / |x - y_j| where `rooted`; return the largest, at least the threshold."""
    highest = threshold
    for j in range(heights.shape[0]):
        cost = plus_square(limits.tiny, minus(here, point(columns, j)))
        if rooted is not None:
            inverse = twice_inverse_root(cost)
            inverses[j] = inverse
            cost *= inverse
        exponents[j] = heights[j] - cost
        highest = larger(exponents[j], highest)
    return highest


@merged
def _terms(
    here: Vector,
    columns: Points,
    heights: Array,
    rooted: int | None,
    top: Number,
    exponents: Array,
    inverses: Array,
    slopes: Array | None,
) -> tuple[Number, Vector]:
    """Return the sum over a tile of 2^(exponent_j - top), and its slope."""
    value, slope = heights.dtype.type(0), zero(here)
    for j in range(heights.shape[0]):
        term = exp2(exponents[j] - top)
        value += term
        if slopes is not None:
            if rooted is not None:
                term *= inverses[j]
            slope = plus_scaled(slope, term, minus(here, point(columns, j)))
    return value, slope


@compiled
def plan_sums(
    x: Points,
    y: Points,
    potentials: tuple[Array, Array],
    w: Array,
    rooted: int | None,
    limits: Limits,
    rows: tuple[int, int],
    sums: tuple[Array, Array],
) -> None:
    """Add sum_i w_i 2^(f_i + h_j - C(x_i, y_j)) to the first of `sums` at the rows y_j; f, h = potentials.

    The second receives the same terms times (y_j - x_i), or twice its direction where `rooted`. Exponents are
    cut at `limits.highest`.
    """
    f, h = potentials
    values, slopes = sums
    real = w.dtype.type
    for start in range(0, w.shape[0], TILE):
        columns = part(x, start, start + TILE)
        heights, weights = f[start : start + TILE], w[start : start + TILE]
        for j in range(rows[0], rows[1]):
            here, height = point(y, j), h[j]
            value, slope = real(0), zero(here)
            for i in range(weights.shape[0]):
                step = minus(here, point(columns, i))
                cost = plus_square(limits.tiny, step)
                if rooted is not None:
                    inverse = twice_inverse_root(cost)
                    cost *= inverse
                exponent = heights[i] + height - cost
                term = weights[i] * exp2(-larger(-exponent, -limits.highest))
                value += term
                if rooted is not None:
                    term *= inverse
                slope = plus_scaled(slope, term, step)
            values[j] += value
            add_to_row(slopes, j, slope)
