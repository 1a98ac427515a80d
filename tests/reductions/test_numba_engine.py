from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
import torch

from napari_shapereg.errors import EngineError
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    SumKernel,
)
from napari_shapereg.reductions.numba_arithmetic import exp2, twice_inverse_root
from napari_shapereg.reductions.numba_engine import NumbaEngine
from napari_shapereg.reductions.torch_engine import TorchEngine

# Parity with naive loops on small inputs is in test_parity.py, for every engine. Here is what only large
# inputs meet (tiles, rows shared out, both ends of a pair at once), against the torch engine in float64.
REFERENCE = TorchEngine()
KERNELS = (EnergyKernel(), GaussianKernel(7.0), LaplacianKernel(5.0), CauchyKernel(6.0))


@pytest.fixture
def engine():
    return NumbaEngine(threads=2)


def cloud(count, dimension=3, seed=0, size=100.0):
    generator = torch.Generator().manual_seed(1000 * seed + count)
    return torch.rand(count, dimension, generator=generator, dtype=torch.float64) * size


def normal(count, seed=0):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error(result, expected):
    """The largest error, relative to the largest entry."""
    return float((result.double() - expected).abs().max() / expected.abs().max())


# ------------------------------------------------------------------------------------------------ arithmetic


@numba.njit(fastmath=True)
def fill_with_powers(exponents, results):
    for i in range(len(exponents)):
        results[i] = exp2(exponents[i])


@numba.njit(fastmath=True)
def fill_with_inverse_roots(squares, results):
    for i in range(len(squares)):
        results[i] = twice_inverse_root(squares[i])


@pytest.mark.parametrize(("dtype", "lowest", "bound"), [(np.float32, -126, 2e-7), (np.float64, -1022, 3e-16)])
def test_powers_of_two_over_the_whole_range(dtype, lowest, bound):
    exponents = np.linspace(lowest, -lowest, 1_000_003).astype(dtype)
    powers = np.empty_like(exponents)
    fill_with_powers(exponents, powers)
    # two roundings of the result's own precision
    assert np.abs(powers / np.exp2(exponents.astype(np.longdouble)) - 1).max() < bound

    special = np.array([0, 1, -1, lowest - 1, -1e30], dtype)
    results = np.empty_like(special)
    fill_with_powers(special, results)
    np.testing.assert_array_equal(results, [1, 2, 0.5, 0, 0])


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 3e-7), (np.float64, 5e-16)])
def test_inverse_roots(dtype, bound):
    squares = np.exp(np.linspace(-60, 60, 100_003)).astype(dtype)
    inverses = np.empty_like(squares)
    fill_with_inverse_roots(squares, inverses)
    assert np.abs(inverses * np.sqrt(squares.astype(np.longdouble)) / 2 - 1).max() < bound


# -------------------------------------------------------------------------------------------- large problems


@pytest.mark.parametrize("columns", [2047, 2048, 2049, 5000])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: type(kernel).__name__)
def test_kernel_sums_around_the_edges_of_tiles(engine, kernel, columns):
    x, y, b = cloud(300) + 500, cloud(columns, seed=1) + 500, normal(columns)
    expected = REFERENCE.kernel_sum_and_gradient(kernel, x, y, b)
    for result, truth in zip(engine.kernel_sum_and_gradient(kernel, x, y, b), expected, strict=True):
        assert error(result, truth) < 1e-13
    assert error(engine.kernel_sum(kernel, x, y, b), expected[0]) < 1e-13

    x, y, b = x.float(), y.float(), b.float()
    expected = REFERENCE.kernel_sum_and_gradient(kernel, x.double(), y.double(), b.double())
    # a few units in the last place of float32, of which a coordinate of centred points keeps 24 bits
    for result, truth in zip(engine.kernel_sum_and_gradient(kernel, x, y, b), expected, strict=True):
        assert error(result, truth) < 1e-5


def test_two_million_terms_in_single_precision(engine):
    # All of one sign, so that only the summation loses digits. The result's own rounding is 6e-8; a sum kept
    # in the 32 lanes of two vectors of float32 to the end was measured to be off by 4e-7.
    x, y, b = cloud(3).float(), cloud(2_000_000, seed=1).float(), torch.full((2_000_000,), 0.7)
    for kernel in (EnergyKernel(), GaussianKernel(40.0)):
        expected = REFERENCE.kernel_sum(kernel, x.double(), y.double(), b.double())
        assert error(engine.kernel_sum(kernel, x, y, b), expected) < 2e-7


@pytest.mark.parametrize(
    ("count", "dimension", "dtype", "kernels"),
    [
        (4096, 3, torch.float64, KERNELS),
        (5001, 2, torch.float32, KERNELS),
        (4500, 6, torch.float32, KERNELS[1:2]),
    ],
    ids=["whole tiles", "single precision", "six dimensions"],
)
def test_a_set_with_itself_is_the_same_sum_as_with_its_copy(engine, count, dimension, dtype, kernels):
    x, b = cloud(count, dimension).to(dtype), normal(count).to(dtype)
    # the same terms in another order
    bound = 2e-6 if dtype == torch.float32 else 1e-14
    for kernel in kernels:
        expected = engine.kernel_sum_and_gradient(kernel, x, x.clone(), b)
        result = engine.kernel_sum_and_gradient(kernel, x, x, b)
        assert error(result[0], expected[0].double()) < bound
        assert error(result[1], expected[1].double()) < bound
    assert error(engine.kernel_sum(kernel, x, x, b), expected[0].double()) < bound


def test_a_large_set_with_itself(engine):
    x, b = cloud(60_000, 1, size=1.0), torch.rand(60_000, dtype=torch.float64)
    # In one dimension sum_j |x_i - x_j| b_j follows from sorting: mass and first moment on either side.
    order = x[:, 0].argsort()
    place, mass = x[order, 0], b[order]
    mass_before, moment_before = mass.cumsum(0) - mass, (mass * place).cumsum(0) - mass * place
    pull = 2 * mass_before + mass - mass.sum()
    expected = torch.empty_like(b)
    expected[order] = place * pull - 2 * moment_before - mass * place + (mass * place).sum()
    values, gradient = engine.kernel_sum_and_gradient(EnergyKernel(), x, x, b)
    assert error(-values, expected) < 1e-12
    assert error(-gradient[order, 0], pull) < 1e-12


def test_a_sum_of_kernels_is_the_sum(engine):
    x, y, b = cloud(200), cloud(300, seed=1), normal(300)
    kernel = SumKernel((GaussianKernel(3.0), EnergyKernel()), (2.0, 0.5))
    expected = REFERENCE.kernel_sum_and_gradient(kernel, x, y, b)
    for result, truth in zip(engine.kernel_sum_and_gradient(kernel, x, y, b), expected, strict=True):
        assert error(result, truth) < 1e-13


# ----------------------------------------------------------------------------------------------- log-sum-exp


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("diameters", [1e-3, 1e-1, 1.0, 1e3])
def test_softmin_at_any_temperature(engine, p, diameters):
    x, y, h = cloud(200) + 500, cloud(6000, seed=1) + 500, normal(6000)
    h[::5] = -math.inf
    epsilon = (100.0 * diameters) ** p
    expected = REFERENCE.softmin_and_gradient(epsilon, p, x, y, h)
    for result, truth in zip(engine.softmin_and_gradient(epsilon, p, x, y, h), expected, strict=True):
        assert error(result, truth) < 1e-11
    assert error(engine.softmin(epsilon, p, x, y, h), expected[0]) < 1e-12

    x, y, h = x.float(), y.float(), h.float()
    expected = REFERENCE.softmin_and_gradient(epsilon, p, x.double(), y.double(), h.double())
    value, gradient = engine.softmin_and_gradient(epsilon, p, x, y, h)
    assert error(value, expected[0]) < 2e-6
    # The exponents reach |x - y|^p / epsilon, of which float32 keeps 24 bits: 1e-7 of up to 1e6.
    assert error(gradient, expected[1]) < max(1e-6, 1e-7 / diameters**p)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("heavy", [slice(0, 100), slice(3000, 3100), slice(8900, 9000)])
def test_softmin_wherever_the_largest_terms_are(engine, p, heavy):
    # Above the rest by a factor that no number holds: the maximum rises between tiles, or tiles are left.
    x, y, h = cloud(50), cloud(9000, seed=1), normal(9000)
    h[heavy] += 2000
    for dtype, bound in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        given = [tensor.to(dtype) for tensor in (x, y, h)]
        expected = REFERENCE.softmin_and_gradient(3.0, p, *(tensor.double() for tensor in given))
        for result, truth in zip(engine.softmin_and_gradient(3.0, p, *given), expected, strict=True):
            assert error(result, truth) < bound


@pytest.mark.parametrize("p", [1, 2])
def test_plan_sums_across_tiles(engine, p):
    x, y, h, w = cloud(5000), cloud(300, seed=1), normal(300), normal(5000)
    h[::7] = -math.inf
    # potentials of the right size, far from 0: only their sum matters
    f = REFERENCE.softmin(50.0, p, x, y, h) + 3e4
    h = h - 3e4 / 50.0
    expected = REFERENCE.plan_sum_and_gradient(50.0, p, x, y, f, h, w)
    for result, truth in zip(engine.plan_sum_and_gradient(50.0, p, x, y, f, h, w), expected, strict=True):
        assert error(result, truth) < 1e-11
        assert (result[::7] == 0).all()

    given = [tensor.float() for tensor in (x, y, f, h, w)]
    expected = REFERENCE.plan_sum_and_gradient(50.0, p, *(tensor.double() for tensor in given))
    for result, truth in zip(engine.plan_sum_and_gradient(50.0, p, *given), expected, strict=True):
        # exponents of 600, of which float32 keeps 24 bits
        assert error(result, truth) < 3e-4


# ------------------------------------------------------------------------------ threads, memory, compilation


def everything(engine):
    x, y = cloud(5000).float(), cloud(4000, seed=1).float()
    a, b = normal(5000).float(), normal(4000, seed=1).float()
    results = []
    for kernel in KERNELS:
        results += engine.kernel_sum_and_gradient(kernel, x, y, b)
        results += engine.kernel_sum_and_gradient(kernel, x, x, a)
    results += engine.softmin_and_gradient(20.0, 2, x, y, b)
    results += engine.plan_sum_and_gradient(20.0, 2, x, y, a, b, a)
    results += engine.nearest(x, y)
    return results


def same_bytes(results, expected):
    return all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_number_of_threads_does_not_change_a_byte(threads):
    assert same_bytes(everything(NumbaEngine(threads=threads)), everything(NumbaEngine(threads=1)))


def test_the_caller_keeps_its_subnormal_numbers(engine):
    # The threads of the engine take them for 0: that mode must not leak into anybody else's arithmetic.
    everything(engine)
    assert torch.tensor([1e-39]).mul(0.5).item() > 0


def test_two_registrations_in_two_threads_of_one_process(engine):
    expected = everything(engine)
    with ThreadPoolExecutor(2) as callers:
        for results in callers.map(everything, [engine] * 6):
            assert same_bytes(results, expected)


def test_a_failure_in_a_thread_is_raised(engine, monkeypatch):
    def fail(*_arguments):
        raise FloatingPointError("no")

    monkeypatch.setattr("napari_shapereg.reductions.numba_engine.kernel_sums", fail)
    x, b = cloud(5000), normal(5000)
    for y in (x, x.clone()):
        with pytest.raises(FloatingPointError, match="no"):
            engine.kernel_sum(EnergyKernel(), x, y, b)


def test_threads_follow_torch_unless_they_are_given():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert NumbaEngine().threads == 1
    finally:
        torch.set_num_threads(before)
    assert NumbaEngine(threads=5).threads == 5


def test_no_array_of_pairs_is_made(engine):
    x, y, b = cloud(20_000).float(), cloud(20_000, seed=1).float(), normal(20_000).float()
    everything(engine)  # compiled
    tracemalloc.start()
    engine.kernel_sum_and_gradient(GaussianKernel(5.0), x, y, b)
    engine.softmin_and_gradient(25.0, 2, x, y, b)
    engine.kernel_sum_and_gradient(EnergyKernel(), x, x, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 20,000^2 float32 numbers are 1.6 GB
    assert peak < 20e6


def test_the_engine_says_what_it_cannot_do(engine):
    x, b = cloud(10, 7), normal(10)
    with pytest.raises(EngineError, match=r"7 coordinates.*engine='torch'"):
        engine.kernel_sum(EnergyKernel(), x, x, b)
    x = torch.empty((10, 3), device="meta")
    with pytest.raises(EngineError, match=r"on meta.*engine='torch'"):
        engine.kernel_sum(EnergyKernel(), x, x, b)


def test_numba_is_imported_by_its_engine_alone():
    program = "import napari_shapereg.reductions.selection, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


_COUNT_COMPILATIONS = """
import json, torch
from napari_shapereg.reductions import numba_kernel_sums, numba_near
from napari_shapereg.reductions.kernels import EnergyKernel
from napari_shapereg.reductions.numba_engine import NumbaEngine
x, b = torch.rand(5000, 3), torch.rand(5000)
NumbaEngine().kernel_sum_and_gradient(EnergyKernel(), x, x, b)
NumbaEngine().softmin(1.0, 2, x, x, b)
loops = (numba_kernel_sums.kernel_sums, numba_kernel_sums.symmetric_sums, numba_near._softmin_sums)
print(json.dumps({
    "compiled": [sum(loop.stats.cache_misses.values()) for loop in loops],
    "loaded": [sum(loop.stats.cache_hits.values()) for loop in loops],
}))
"""


@pytest.mark.slow
def test_the_second_process_compiles_nothing(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", _COUNT_COMPILATIONS],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for _ in range(2)
    ]
    assert runs[0] == {"compiled": [1, 1, 1], "loaded": [0, 0, 0]}
    assert runs[1] == {"compiled": [0, 0, 0], "loaded": [1, 1, 1]}


def processor_time(function):
    """The shortest of several runs, in seconds of processor time: what other processes do hardly counts."""
    function()
    shortest = math.inf
    for _ in range(7):
        start = time.process_time()
        function()
        shortest = min(shortest, time.process_time() - start)
    return shortest


@pytest.mark.parametrize(
    "call",
    [
        lambda engine, x, y, b: engine.kernel_sum_and_gradient(EnergyKernel(), x, y, b),
        lambda engine, x, y, b: engine.kernel_sum_and_gradient(GaussianKernel(5.0), x, y, b),
        lambda engine, x, y, b: engine.kernel_sum_and_gradient(CauchyKernel(5.0), x, y, b),
        lambda engine, x, y, b: engine.softmin_and_gradient(25.0, 2, x, y, b),
    ],
    ids=["energy", "gaussian", "cauchy", "softmin"],
)
def test_the_loops_use_vector_registers(call):
    points = cloud(4000).float(), cloud(4000, seed=1).float(), normal(4000).float()
    engine, before = NumbaEngine(threads=1), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        plain = processor_time(lambda: call(REFERENCE, *points))
        compiled = processor_time(lambda: call(engine, *points))
    finally:
        torch.set_num_threads(before)
    # Measured: 20, 40 and 90 times less than plain torch, one thread each; scalar loops take 10 times longer.
    assert compiled < plain / 8
