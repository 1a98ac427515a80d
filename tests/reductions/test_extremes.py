"""Sizes, masses and lengths at the ends of what may be asked for, on every engine, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.reductions.kernels import CauchyKernel, EnergyKernel, GaussianKernel, LaplacianKernel

MANY = 100_000
# Each as a function of the distance, and its derivative.
PROFILES = {
    EnergyKernel(): (lambda r: -r, lambda r: -np.ones_like(r)),
    GaussianKernel(3.0): (lambda r: np.exp(-(r**2) / 18), lambda r: -r / 9 * np.exp(-(r**2) / 18)),
    LaplacianKernel(2.0): (lambda r: np.exp(-r / 2), lambda r: -np.exp(-r / 2) / 2),
    CauchyKernel(4.0): (lambda r: 16 / (16 + r**2), lambda r: -32 * r / (16 + r**2) ** 2),
}
KERNELS = pytest.mark.parametrize("kernel", PROFILES, ids=lambda kernel: type(kernel).__name__)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def norm(steps):
    return np.linalg.norm(steps, axis=-1)


# ------------------------------------------------------------------------------------- one point against many


@KERNELS
@pytest.mark.parametrize("dimension", [1, 3])
def test_one_point_feels_many(bench, kernel, dimension):
    value, slope = PROFILES[kernel]
    x, y, b = numbers(1, dimension), 5 * numbers(MANY, dimension, seed=1), numbers(MANY, seed=2)
    steps = x - y
    distance = norm(steps)
    values, gradient = bench.engine.kernel_sum_and_gradient(kernel, *bench.tensors(x, y, b))
    # sums of 1e5 terms of either sign
    assert values.item() == pytest.approx(value(distance) @ b, rel=1e-10)
    expected = (slope(distance) / distance * b) @ steps
    np.testing.assert_allclose(gradient.cpu()[0], expected, rtol=1e-9)


@KERNELS
def test_many_points_feel_one(bench, kernel):
    value, slope = PROFILES[kernel]
    x, y = 5 * numbers(MANY, 3), numbers(1, 3, seed=1)
    steps = x - y
    distance = norm(steps)
    values, gradient = bench.engine.kernel_sum_and_gradient(kernel, *bench.tensors(x, y, [2.5]))
    np.testing.assert_allclose(values.cpu(), 2.5 * value(distance), rtol=1e-11)
    expected = 2.5 * (slope(distance) / distance)[:, None] * steps
    np.testing.assert_allclose(gradient.cpu(), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("p", [1, 2])
def test_soft_minima_of_one_point_and_many(bench, p):
    x, y, h = numbers(1, 3), 5 * numbers(MANY, 3, seed=1), numbers(MANY, seed=2)
    cost = norm(x - y) ** p / p
    [value] = bench.engine.softmin(0.5, p, *bench.tensors(x, y, h))
    assert value.item() == pytest.approx(-0.5 * np.logaddexp.reduce(h - cost / 0.5), rel=1e-11)
    values = bench.engine.softmin(0.5, p, *bench.tensors(y, x, [0.3]))
    np.testing.assert_allclose(values.cpu(), cost - 0.15, rtol=1e-11)
    mass, _ = bench.engine.plan_sum_and_gradient(
        0.5, p, *bench.tensors(x, y, [cost.min()], np.zeros(MANY), [2.0])
    )
    np.testing.assert_allclose(mass.cpu(), 2 * np.exp((cost.min() - cost) / 0.5), rtol=1e-9, atol=1e-300)


def test_the_nearest_of_one_and_of_many(bench):
    x, y = numbers(1, 3), 5 * numbers(MANY, 3, seed=1)
    index, distance = bench.engine.nearest(*bench.tensors(x, y))
    assert index.item() == norm(x - y).argmin()
    assert distance.item() == pytest.approx(norm(x - y).min(), rel=1e-12)
    index, distance = bench.engine.nearest(*bench.tensors(y, x))
    assert (index == 0).all()
    np.testing.assert_allclose(distance.cpu(), norm(x - y), rtol=1e-12)


# -------------------------------------------------------------------------------------------- masses, lengths


@KERNELS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masses_of_any_size_scale_the_sum(swift_bench, kernel, dtype):
    x, y, b = 5 * numbers(40, 3), 5 * numbers(30, 3, seed=1), numbers(30, seed=2)
    expected = swift_bench.engine.kernel_sum_and_gradient(kernel, *swift_bench.tensors(x, y, b, dtype=dtype))
    for size in (2.0**-40, 2.0**40):
        arguments = swift_bench.tensors(x, y, b * size, dtype=dtype)
        results = swift_bench.engine.kernel_sum_and_gradient(kernel, *arguments)
        for result, truth in zip(results, expected, strict=True):
            # A power of two scales numbers without rounding them.
            torch.testing.assert_close(result, truth * size, rtol=0, atol=0)


@KERNELS
def test_without_any_mass_there_is_no_sum(bench, kernel):
    arguments = bench.tensors(numbers(40, 3), numbers(30, 3, seed=1), np.zeros(30))
    for result in bench.engine.kernel_sum_and_gradient(kernel, *arguments):
        assert (result == 0).all()


@pytest.mark.parametrize("kind", [GaussianKernel, LaplacianKernel, CauchyKernel])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lengths_from_a_millionth_to_a_million_of_the_diameter(swift_bench, kind, dtype):
    x, b = numbers(300, 3), np.abs(numbers(300, seed=1))
    arguments = swift_bench.tensors(x, x, b, dtype=dtype)
    rounding = {torch.float32: 1e-5, torch.float64: 1e-11}[dtype]
    # So short that each point feels itself alone (the Cauchy kernel's tails reach a little further)...
    values, gradient = swift_bench.engine.kernel_sum_and_gradient(kind(6e-6), *arguments)
    alone = torch.as_tensor(b, dtype=dtype, device=values.device)
    torch.testing.assert_close(values, alone, rtol=rounding, atol=1e-6)
    assert gradient.isfinite().all()
    # ... and so long that all are in one place.
    values, gradient = swift_bench.engine.kernel_sum_and_gradient(kind(6e6), *arguments)
    torch.testing.assert_close(values, alone.sum().expand(300), rtol=1e-5, atol=0)
    assert gradient.abs().max() < 2 * b.sum() / 6e6
