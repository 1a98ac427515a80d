"""What the arithmetic alone costs on this machine: the ceiling that the numba engine is measured against.

Each loop here evaluates the formula of a pair on columns that never leave the L1 cache, keeps its sums in
registers and writes nothing: no tiles to change, no float64, no rows to share out, no arrays to convert.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_arithmetic import exp2, twice_inverse_root
from napari_shapereg.reductions.numba_compile import compiled
from napari_shapereg.reductions.numba_profiles import (
    DistanceProfile,
    GaussianProfile,
    LaplacianProfile,
    response,
    weigh,
)
from napari_shapereg.reductions.numba_vectors import minus, plus_scaled, plus_square, point, zero

COLUMNS = 1024
# Additions and multiplications of one pair in three dimensions, a fused one counted as two and an inverse
# square root as one. 2^t is a rounding, two additions and five fused multiply-adds; its work on bits is not
# counted.
EXP2 = 13
FLOPS = {
    ("distance", False): 13,
    ("distance", True): 19,
    ("gaussian", False): 9 + EXP2 + 2,
    ("gaussian", True): 9 + EXP2 + 2 + 6,
    ("laplacian", False): 11 + EXP2 + 2,
    ("laplacian", True): 11 + EXP2 + 3 + 6,
    ("softmin p=1", False): 11 + 2 + EXP2 + 1,
    ("softmin p=1", True): 11 + 2 + EXP2 + 2 + 6,
    ("softmin p=2", False): 9 + 2 + EXP2 + 1,
    ("softmin p=2", True): 9 + 2 + EXP2 + 1 + 6,
}
# Three coordinates and a weight in float32, read from the L1 cache for each pair.
BYTES = 16


@compiled
def kernel_arithmetic(profile, columns, weights, tiny, rows, with_slopes, results):
    here = point(columns, 0)
    total, slope = weights[0], zero(here)
    for i in range(rows):
        here = point(columns, i % COLUMNS)
        for j in range(COLUMNS):
            step = minus(here, point(columns, j))
            square = plus_square(tiny, step)
            term, factor = weigh(profile, square, response(profile, square), weights[j])
            total += term
            if with_slopes is not None:
                slope = plus_scaled(slope, factor, step)
    results[0] += total + slope[0] + slope[1] + slope[2]


@compiled
def softmin_arithmetic(rooted, columns, heights, tiny, rows, with_slopes, results):
    here = point(columns, 0)
    total, slope = heights[0], zero(here)
    for i in range(rows):
        here = point(columns, i % COLUMNS)
        for j in range(COLUMNS):
            step = minus(here, point(columns, j))
            cost = plus_square(tiny, step)
            if rooted is not None:
                inverse = twice_inverse_root(cost)
                cost *= inverse
            # the second subtraction is that of the row's maximum
            term = exp2(heights[j] - cost - tiny)
            total += term
            if with_slopes is not None:
                slope = plus_scaled(slope, term * inverse if rooted is not None else term, step)
    results[0] += total + slope[0] + slope[1] + slope[2]


@compiled
def multiply_adds(rounds, results):
    """Fused multiply-adds on 512 numbers: v <- v v - 1/2, which stays bounded and has no short cut."""
    values = np.linspace(0, 1, 512).astype(np.float32)
    half = np.float32(0.5)
    for _ in range(rounds):
        for k in range(512):
            value = values[k]
            for _ in range(16):
                value = value * value - half
            values[k] = value
    results[0] += values.sum()


class Rate(NamedTuple):
    """Pairs and operations in a second, with all threads at work."""

    pairs: float
    flops: float


def measure_rates(threads, repeats=7):
    """Return {(formula, with slopes): Rate}, and the peak rate of multiply-adds in flops."""
    generator = np.random.default_rng(0)
    columns = tuple(generator.normal(size=(3, COLUMNS)).astype(np.float32))
    weights = generator.random(COLUMNS).astype(np.float32)
    tiny = np.float32(1e-30)
    formulas = {
        "distance": (kernel_arithmetic, DistanceProfile()),
        "gaussian": (kernel_arithmetic, GaussianProfile()),
        "laplacian": (kernel_arithmetic, LaplacianProfile()),
        "softmin p=1": (softmin_arithmetic, 0),
        "softmin p=2": (softmin_arithmetic, None),
    }
    rates = {}
    for (name, with_slopes), flops in FLOPS.items():
        loop, formula = formulas[name]
        rows = 100_000

        def work(rows, loop=loop, formula=formula, flag=0 if with_slopes else None):
            loop(formula, columns, weights, tiny, rows, flag, np.zeros(1))

        pairs = threads * rows * COLUMNS / _shortest(work, rows, threads, repeats)
        rates[name, with_slopes] = Rate(pairs, pairs * flops)
    rounds = 8000
    seconds = _shortest(lambda rounds: multiply_adds(rounds, np.zeros(1)), rounds, threads, repeats)
    return rates, threads * rounds * 512 * 16 * 2 / seconds


def _shortest(work, amount, threads, repeats):
    work(1)
    shortest = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(work, [amount] * threads))
            shortest = min(shortest, time.perf_counter() - start)
    return shortest
