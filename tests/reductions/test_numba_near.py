"""Sums of kernels that are short beside the points: what is far is left out, and nobody can tell."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

from napari_shapereg.reductions import numba_engine, numba_tiles
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    SumKernel,
)
from napari_shapereg.reductions.numba_engine import NumbaEngine
from napari_shapereg.reductions.torch_engine import TorchEngine

REFERENCE = TorchEngine()
ROUNDING = {torch.float32: 2**-24, torch.float64: 2**-53}


def cloud(count, dimension=3, seed=0, size=100.0):
    generator = torch.Generator().manual_seed(1000 * seed + count)
    points = torch.rand(count, dimension, generator=generator, dtype=torch.float64) * size
    # Positions and scaled normals: the latter spread less.
    points[:, 3:] *= 0.05
    return points


def weights(count, seed=0):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1


def error(result, expected):
    """The largest error, relative to the largest entry."""
    return float((result.double() - expected).abs().max() / expected.abs().max())


@pytest.fixture
def shares(monkeypatch):
    """Let sorting pay at any size; the shares of the pairs that were evaluated, None where that was all."""
    shares = []

    def spy(x, y, reach):
        near = numba_tiles.near_pairs(x, y, reach)
        shares.append(None if near is None else near.pairs / (len(x[0]) * len(y[0])))
        return near

    monkeypatch.setattr(numba_tiles, "_PAIRS_FOR_A_POINT", 0)
    monkeypatch.setattr(numba_engine, "near_pairs", spy)
    return shares


# ----------------------------------------------------------------------------------------------------- parity


@pytest.mark.parametrize(
    ("kernel", "dimension", "dtype", "bound"),
    [
        (GaussianKernel(1.5), 3, torch.float32, 1e-5),
        (LaplacianKernel(0.3), 3, torch.float64, 1e-13),
        (LaplacianKernel(0.3), 2, torch.float64, 1e-13),
        (GaussianKernel(0.3), 1, torch.float32, 1e-5),
        (GaussianKernel(2.0), 6, torch.float64, 1e-13),
    ],
    ids=lambda given: str(given).replace("torch.", ""),
)
def test_the_sum_over_near_tiles_is_the_sum(shares, kernel, dimension, dtype, bound):
    x, y = cloud(2001, dimension).to(dtype) + 500, cloud(1500, dimension, seed=1).to(dtype) + 500
    a, b = weights(2001).to(dtype), weights(1500, seed=1).to(dtype)
    engine = NumbaEngine(threads=2)
    for there, mass in ((y, b), (x, a)):
        expected = REFERENCE.kernel_sum_and_gradient(kernel, x.double(), there.double(), mass.double())
        result = engine.kernel_sum_and_gradient(kernel, x, there, mass)
        assert error(result[0], expected[0]) < bound
        assert error(result[1], expected[1]) < bound
    assert max(shares) < 0.45


@pytest.mark.parametrize("columns", [1, 31, 32, 33, 2049])
@pytest.mark.parametrize("rows", [1, 32, 95])
def test_tiles_that_are_not_full(shares, rows, columns):
    x, y = cloud(rows).float(), cloud(columns, seed=1).float()
    b = weights(columns).float()
    # What lies within reach of nothing at all would not show that a tile is missing.
    y[: min(rows, columns)] = x[: min(rows, columns)] + 0.5
    expected = REFERENCE.kernel_sum_and_gradient(GaussianKernel(1.5), x.double(), y.double(), b.double())
    result = NumbaEngine().kernel_sum_and_gradient(GaussianKernel(1.5), x, y, b)
    assert error(result[0], expected[0]) < 1e-5
    assert error(result[1], expected[1]) < 1e-5
    assert len(shares) == 1


def test_more_columns_within_reach_than_the_cache_holds(shares):
    x, y, b = cloud(500, size=20.0).float() + 40, cloud(9000, seed=1).float(), weights(9000).float()
    expected = REFERENCE.kernel_sum_and_gradient(GaussianKernel(3.5), x.double(), y.double(), b.double())
    result = NumbaEngine().kernel_sum_and_gradient(GaussianKernel(3.5), x, y, b)
    assert error(result[0], expected[0]) < 1e-5
    assert error(result[1], expected[1]) < 1e-5
    assert error(NumbaEngine().kernel_sum(GaussianKernel(3.5), x, y, b), expected[0]) < 1e-5
    # It holds 2,048 columns.
    assert min(shares) > 0.3


def test_each_kernel_of_a_sum_has_its_own_reach(shares):
    x, y, b = cloud(1000), cloud(1500, seed=1), weights(1500)
    kernel = SumKernel((GaussianKernel(0.5), LaplacianKernel(0.3), GaussianKernel(50.0)), (5.0, 2.0, 1.0))
    expected = REFERENCE.kernel_sum_and_gradient(kernel, x, y, b)
    for result, truth in zip(NumbaEngine().kernel_sum_and_gradient(kernel, x, y, b), expected, strict=True):
        assert error(result, truth) < 1e-13
    assert [share is None for share in shares] == [False, False, True]


# ------------------------------------------------------------------------------------------- what is left out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kernel", [GaussianKernel(2.0), LaplacianKernel(0.5)], ids=["gaussian", "laplacian"])
def test_what_is_left_out_is_below_the_rounding_of_one_term(shares, kernel, dtype):
    """Rows at every distance from columns that are all in one place, so that all of them vanish at once."""
    count, scale, far = 1000, 3.0, 60.0
    y, b = torch.zeros(count, 3, dtype=dtype), torch.full((count,), scale, dtype=dtype)
    x = torch.zeros(4096, 3, dtype=dtype)
    x[:, 0] = torch.linspace(0, far, 4096, dtype=dtype)
    expected = REFERENCE.kernel_sum_and_gradient(kernel, x.double(), y.double(), b.double())
    values, gradient = NumbaEngine().kernel_sum_and_gradient(kernel, x, y, b)
    # What is lost of exponents of up to 30 or 60, not by leaving out.
    rounding = {torch.float32: 1e-4, torch.float64: 1e-12}[dtype]
    allowed = ROUNDING[dtype] * scale
    assert ((values - expected[0]).abs() <= rounding * expected[0] + allowed).all()
    assert ((gradient - expected[1]).abs() <= rounding * expected[1].abs() + allowed / kernel.sigma).all()
    # The reach is hardly longer than it must be: a tenth further out, all but a few tiles feel nothing.
    last_felt = float(x[:, 0][expected[0] > allowed].max())
    assert (values[x[:, 0] > 1.1 * last_felt] == 0).double().mean() > 0.9
    assert last_felt / far < shares[0] < 1.2 * last_felt / far


def test_weights_of_zero_sum_to_zero(shares):
    x = cloud(2000).float()
    values, gradient = NumbaEngine().kernel_sum_and_gradient(GaussianKernel(1.0), x, x.clone(), x[:, 0] * 0)
    assert (values == 0).all()
    assert (gradient == 0).all()
    assert shares[0] < 0.5


@pytest.mark.parametrize("kernel", [EnergyKernel(), CauchyKernel(0.1), GaussianKernel(60.0)])
def test_kernels_that_are_felt_everywhere_are_summed_over_all_pairs(shares, kernel):
    x, b = cloud(500), weights(500)
    assert error(NumbaEngine().kernel_sum(kernel, x, x, b), REFERENCE.kernel_sum(kernel, x, x, b)) < 1e-13
    assert shares == [None]


def test_points_in_one_place_are_all_near(shares):
    x, b = torch.ones(2000, 3), weights(2000).float()
    values, _ = NumbaEngine().kernel_sum_and_gradient(GaussianKernel(1.0), x, x.clone(), b)
    torch.testing.assert_close(values, b.sum().expand(2000))
    assert shares == [None]


# -------------------------------------------------------------------------------------- threads, curve, speed


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_does_not_change_a_byte(shares, threads):
    x, y, b = cloud(9000).float(), cloud(8000, seed=1).float(), weights(8000).float()
    results = [
        NumbaEngine(threads=number).kernel_sum_and_gradient(GaussianKernel(4.0), x, y, b)
        for number in (1, threads)
    ]
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    # more than a thread would be worth
    assert 2**21 / (9000 * 8000) < shares[0] < 0.5


@pytest.mark.parametrize(("dimension", "edge"), [(3, 16), (6, 4)])
def test_the_curve_goes_from_cell_to_neighbouring_cell_through_all(dimension, edge):
    cells = np.indices((edge,) * dimension).reshape(dimension, -1).astype(np.int64)
    places = numba_tiles.curve_places(cells.copy())
    assert sorted(places) == list(range(edge**dimension))
    steps = np.diff(cells[:, np.argsort(places)], axis=1)
    assert (np.abs(steps).sum(axis=0) == 1).all()


def test_leaving_out_pays(monkeypatch):
    """On points around a surface, as cartilage has them, with a kernel of a fiftieth of their extent."""
    x, b = cloud(20_000).float(), weights(20_000).float()
    x[:, 2] = 100 - (x[:, 0] ** 2 + x[:, 1] ** 2) / 200
    engine, kernel = NumbaEngine(threads=1), GaussianKernel(1.0)

    def shortest():
        times = []
        for _ in range(3):
            start = time.process_time()
            engine.kernel_sum_and_gradient(kernel, x, x, b)
            times.append(time.process_time() - start)
        return min(times)

    monkeypatch.setattr(numba_tiles, "_PAIRS_FOR_A_POINT", 0)
    near = shortest()
    monkeypatch.setattr(numba_engine, "near_pairs", lambda *_: None)
    # Measured: 10 times.
    assert near < shortest() / 3
    assert math.isfinite(near)
