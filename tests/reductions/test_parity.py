"""Every engine against plain loops over float64 numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from napari_shapereg.errors import EngineError
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    SumKernel,
    Term,
)

KERNELS = [
    pytest.param(EnergyKernel(), id="energy"),
    pytest.param(GaussianKernel(0.8), id="gaussian"),
    pytest.param(LaplacianKernel(1.3), id="laplacian"),
    pytest.param(CauchyKernel(0.9), id="cauchy"),
    pytest.param(SumKernel([GaussianKernel(2.0), EnergyKernel()], [3.0, 0.25]), id="sum"),
]

# float64 rounding of a few dozen terms of size 1 to 10.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
# float32 has 6e-8; the engines may lose two digits to exponentials of moderate arguments and to accumulation.
SINGLE = {"rtol": 1e-5, "atol": 1e-5}


def assert_close(result, expected, rtol, atol):
    for got, wanted in zip(result, expected, strict=True):
        np.testing.assert_allclose(got.cpu().double().numpy(), wanted, rtol=rtol, atol=atol)


def cloud(count, dimension, seed):
    return np.random.default_rng(seed).normal(size=(count, dimension))


def potential(count, seed):
    return np.random.default_rng(seed).normal(size=count)


# ---------------------------------------------------------------------------------------------- random points


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_sums(bench, naive, kernel, dimension):
    x, y, b = cloud(17, dimension, 0), cloud(23, dimension, 1), potential(23, 2)
    expected = naive.kernel_sum(kernel, x, y, b)
    arguments = bench.tensors(x, y, b)
    assert_close(bench.engine.kernel_sum_and_gradient(kernel, *arguments), expected, **EXACT)
    assert_close([bench.engine.kernel_sum(kernel, *arguments)], expected[:1], **EXACT)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("epsilon", [0.01, 0.7, 300.0])
def test_softmins(bench, naive, epsilon, p, dimension):
    x, y, h = cloud(17, dimension, 0), cloud(23, dimension, 1), potential(23, 2)
    expected = naive.softmin(epsilon, p, x, y, h)
    arguments = bench.tensors(x, y, h)
    # Scores of size C / epsilon are exponentiated: their rounding is a relative error of the gradient.
    tolerance = {"rtol": 1e-11, "atol": 1e-11 * max(1, epsilon)}
    assert_close(bench.engine.softmin_and_gradient(epsilon, p, *arguments), expected, **tolerance)
    assert_close([bench.engine.softmin(epsilon, p, *arguments)], expected[:1], **tolerance)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("epsilon", [0.05, 0.7, 300.0])
def test_plan_sums(bench, naive, epsilon, p, dimension):
    x, y, h, w = cloud(17, dimension, 0), cloud(23, dimension, 1), potential(23, 2), potential(17, 3)
    f, _ = naive.softmin(epsilon, p, x, y, h)
    expected = naive.plan_sum(epsilon, p, x, y, f, h, w)
    result = bench.engine.plan_sum_and_gradient(epsilon, p, *bench.tensors(x, y, f, h, w))
    assert_close(result, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_nearest_points(bench, naive, dimension):
    x, y = cloud(40, dimension, 0), cloud(23, dimension, 1)
    index, distance = bench.engine.nearest(*bench.tensors(x, y))
    expected_index, expected_distance = naive.nearest(x, y)
    assert index.dtype == torch.int64
    np.testing.assert_array_equal(index.cpu().numpy(), expected_index)
    assert_close([distance], [expected_distance], **EXACT)


def test_six_dimensions(swift_bench, naive):
    x, y, b, w = cloud(9, 6, 0), cloud(11, 6, 1), potential(11, 2), potential(9, 3)
    engine, tensors = swift_bench.engine, swift_bench.tensors
    for kernel in (EnergyKernel(), GaussianKernel(1.7), LaplacianKernel(1.3), CauchyKernel(1.5)):
        expected = naive.kernel_sum(kernel, x, y, b)
        assert_close(engine.kernel_sum_and_gradient(kernel, *tensors(x, y, b)), expected, **EXACT)
    for p in (1, 2):
        values, gradients = naive.softmin(0.7, p, x, y, b)
        assert_close(engine.softmin_and_gradient(0.7, p, *tensors(x, y, b)), (values, gradients), **EXACT)
        expected = naive.plan_sum(0.7, p, x, y, values, b, w)
        assert_close(engine.plan_sum_and_gradient(0.7, p, *tensors(x, y, values, b, w)), expected, **EXACT)
    index, distance = engine.nearest(*tensors(x, y))
    assert_close([index, distance], naive.nearest(x, y), **EXACT)


def test_sums_that_span_many_tiles(bench, naive):
    # Sizes that no tile, block of threads or chunk divides; the loops only follow a few rows of x.
    x, y, b = cloud(4099, 3, 0), cloud(2053, 3, 1), potential(2053, 2)
    rows = [0, 63, 1024, 4098]
    arguments = bench.tensors(x, y, b)
    # Two thousand terms of size 3 and both signs: 2000 * 3 * 1e-16.
    tolerance = {"rtol": 1e-12, "atol": 1e-11}

    values, gradients = bench.engine.kernel_sum_and_gradient(EnergyKernel(), *arguments)
    expected = naive.kernel_sum(EnergyKernel(), x[rows], y, b)
    assert_close([values[rows], gradients[rows]], expected, **tolerance)

    values, gradients = bench.engine.softmin_and_gradient(0.3, 2, *arguments)
    expected = naive.softmin(0.3, 2, x[rows], y, b)
    assert_close([values[rows], gradients[rows]], expected, **tolerance)

    # The transposed pass, with x in the place of the targets.
    f, h = np.zeros(2053), np.full(4099, -3.0)
    x_, y_, f_, h_, w_ = bench.tensors(x, y, f, h, b)
    values, gradients = bench.engine.plan_sum_and_gradient(0.3, 2, y_, x_, f_, h_, w_)
    expected = naive.plan_sum(0.3, 2, y, x[rows], f, h[rows], b)
    assert_close([values[rows], gradients[rows]], expected, **tolerance)


# ------------------------------------------------------------------------------------------- single precision


@pytest.mark.parametrize("shift", [0.0, 1e4], ids=["at the origin", "10 m away"])
def test_single_precision_does_not_depend_on_where_the_points_lie(bench, naive, shift):
    # The points as float32 has them are the ground truth: 10 m away they lie on a lattice of 1 micrometre.
    x = (10 * cloud(15, 3, 0) + shift).astype(np.float32).astype(np.float64)
    y = (10 * cloud(21, 3, 1) + shift).astype(np.float32).astype(np.float64)
    b = potential(21, 2).astype(np.float32).astype(np.float64)
    arguments = bench.tensors(x, y, b, dtype=torch.float32)
    for kernel in (EnergyKernel(), GaussianKernel(3.0)):
        result = bench.engine.kernel_sum_and_gradient(kernel, *arguments)
        assert all(part.dtype == torch.float32 for part in result)
        scale = 21 * 20 if isinstance(kernel, EnergyKernel) else 21
        assert_close(result, naive.kernel_sum(kernel, x, y, b), rtol=1e-5, atol=1e-6 * scale)
    result = bench.engine.softmin_and_gradient(25.0, 2, *arguments)
    assert all(part.dtype == torch.float32 for part in result)
    # Costs are of size 100 mm^2, a quarter of which goes into an exponent.
    assert_close(result, naive.softmin(25.0, 2, x, y, b), rtol=1e-5, atol=1e-3)


def test_single_precision_of_every_primitive(swift_bench, naive):
    x, y, b, w = (array.astype(np.float32).astype(np.float64) for array in
                  (cloud(15, 3, 0), cloud(21, 3, 1), potential(21, 2), potential(15, 3)))  # fmt: skip
    engine = swift_bench.engine
    x32, y32, b32, w32 = swift_bench.tensors(x, y, b, w, dtype=torch.float32)
    for kernel in (EnergyKernel(), GaussianKernel(0.8), LaplacianKernel(1.3), CauchyKernel(0.9)):
        expected = naive.kernel_sum(kernel, x, y, b)
        assert_close([engine.kernel_sum(kernel, x32, y32, b32)], expected[:1], **SINGLE)
        assert_close(engine.kernel_sum_and_gradient(kernel, x32, y32, b32), expected, **SINGLE)
    for p in (1, 2):
        values, gradients = naive.softmin(0.5, p, x, y, b)
        assert_close([engine.softmin(0.5, p, x32, y32, b32)], [values], **SINGLE)
        assert_close(engine.softmin_and_gradient(0.5, p, x32, y32, b32), (values, gradients), **SINGLE)
        [f32] = swift_bench.tensors(values, dtype=torch.float32)
        expected = naive.plan_sum(0.5, p, x, y, values, b, w)
        assert_close(engine.plan_sum_and_gradient(0.5, p, x32, y32, f32, b32, w32), expected, **SINGLE)
    index, distance = engine.nearest(x32, y32)
    assert_close([index, distance], naive.nearest(x, y), **SINGLE)


# ------------------------------------------------------------------------------------------- degenerate input


def test_coincident_points_pull_nowhere(bench):
    x = np.tile([1.5, -2.0, 7.25], (5, 1))
    b = np.array([1.0, 2.0, -1.0, 0.5, 3.0])
    values_at_0 = {EnergyKernel(): 0, GaussianKernel(0.5): 1, LaplacianKernel(0.5): 1, CauchyKernel(0.5): 1}
    for kernel, value in values_at_0.items():
        values, gradients = bench.engine.kernel_sum_and_gradient(kernel, *bench.tensors(x, x, b))
        assert_close([values], [np.full(5, value * 5.5)], **EXACT)
        assert torch.all(gradients == 0)
    for p in (1, 2):
        values, gradients = bench.engine.softmin_and_gradient(0.1, p, *bench.tensors(x, x, np.zeros(5)))
        assert_close([values], [np.full(5, -0.1 * math.log(5))], **EXACT)
        assert torch.all(gradients == 0)
        mass, pull = bench.engine.plan_sum_and_gradient(
            0.1, p, *bench.tensors(x, x, np.zeros(5), np.zeros(5), b)
        )
        assert_close([mass], [np.full(5, 5.5)], **EXACT)
        assert torch.all(pull == 0)
    _, distances = bench.engine.nearest(*bench.tensors(x, x))
    assert torch.all(distances == 0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_some_coincident_points(bench, naive, kernel):
    x = cloud(12, 3, 0)
    y = np.concatenate([x[3:9], cloud(4, 3, 1)])
    b = potential(10, 2)
    expected = naive.kernel_sum(kernel, x, y, b)
    assert_close(bench.engine.kernel_sum_and_gradient(kernel, *bench.tensors(x, y, b)), expected, **EXACT)


def test_one_point_each(bench):
    # A 3-4-5 triangle: everything has a closed form.
    x, y, b = [[0.0, 0.0, 0.0]], [[3.0, 4.0, 0.0]], [2.0]
    arguments = bench.tensors(x, y, b)
    result = bench.engine.kernel_sum_and_gradient(EnergyKernel(), *arguments)
    assert_close(result, [[-10.0], [[1.2, 1.6, 0.0]]], **EXACT)
    result = bench.engine.kernel_sum_and_gradient(GaussianKernel(5.0), *arguments)
    k = 2 * math.exp(-0.5)
    assert_close(result, [[k], [[3 * k / 25, 4 * k / 25, 0.0]]], **EXACT)
    result = bench.engine.kernel_sum_and_gradient(LaplacianKernel(5.0), *arguments)
    k = 2 * math.exp(-1)
    assert_close(result, [[k], [[0.6 * k / 5, 0.8 * k / 5, 0.0]]], **EXACT)
    result = bench.engine.kernel_sum_and_gradient(CauchyKernel(5.0), *arguments)
    assert_close(result, [[1.0], [[3 / 25, 4 / 25, 0.0]]], **EXACT)
    # One score has no softness: C - epsilon h.
    assert_close(
        bench.engine.softmin_and_gradient(0.5, 1, *arguments), [[5.0 - 1.0], [[-0.6, -0.8, 0.0]]], **EXACT
    )
    assert_close(
        bench.engine.softmin_and_gradient(0.5, 2, *arguments), [[12.5 - 1.0], [[-3.0, -4.0, 0.0]]], **EXACT
    )


def test_zero_weights_weigh_nothing(bench, naive):
    x, y, b = cloud(7, 3, 0), cloud(9, 3, 1), potential(9, 2)
    b[[0, 4, 8]] = 0.0
    massive = b != 0
    expected = naive.kernel_sum(EnergyKernel(), x, y[massive], b[massive])
    result = bench.engine.kernel_sum_and_gradient(EnergyKernel(), *bench.tensors(x, y, b))
    assert_close(result, expected, **EXACT)
    values, gradients = bench.engine.kernel_sum_and_gradient(
        GaussianKernel(0.8), *bench.tensors(x, y, np.zeros(9))
    )
    assert torch.all(values == 0)
    assert torch.all(gradients == 0)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("empty", [[0, 4, 8], [0, 1, 2, 3, 4, 5, 6, 7]], ids=["a third", "all but one"])
def test_points_of_logarithm_minus_infinity_are_not_there(bench, naive, p, empty):
    x, y, h, w = cloud(7, 3, 0), cloud(9, 3, 1), potential(9, 2), potential(7, 3)
    h[empty] = -math.inf
    massive = np.isfinite(h)
    values, gradients = naive.softmin(0.5, p, x, y[massive], h[massive])
    arguments = bench.tensors(x, y, h)
    assert_close(bench.engine.softmin_and_gradient(0.5, p, *arguments), (values, gradients), **EXACT)
    assert_close([bench.engine.softmin(0.5, p, *arguments)], [values], **EXACT)
    mass, pull = bench.engine.plan_sum_and_gradient(0.5, p, *bench.tensors(x, y, values, h, w))
    assert torch.all(mass[empty] == 0)
    assert torch.all(pull[empty] == 0)
    expected = naive.plan_sum(0.5, p, x, y[massive], values, h[massive], w)
    assert_close([mass[massive], pull[massive]], expected, **EXACT)


@pytest.mark.parametrize("p", [1, 2])
def test_a_softmin_over_nothing_is_infinite_and_still(bench, p):
    arguments = bench.tensors(cloud(7, 3, 0), cloud(9, 3, 1), np.full(9, -math.inf))
    values, gradients = bench.engine.softmin_and_gradient(0.5, p, *arguments)
    assert torch.all(values == math.inf)
    assert torch.all(gradients == 0)
    assert torch.all(bench.engine.softmin(0.5, p, *arguments) == math.inf)


@pytest.mark.parametrize("level", [-1e4, 1e4], ids=["tiny masses", "huge masses"])
def test_masses_beyond_what_exp_can_hold(bench, naive, level):
    # exp(-1e4) is 0 and exp(1e4) infinite: only a stable log-sum-exp gets through.
    x, y, h = cloud(7, 3, 0), cloud(9, 3, 1), potential(9, 2)
    values, gradients = naive.softmin(0.5, 2, x, y, h)
    shifted, same = bench.engine.softmin_and_gradient(0.5, 2, *bench.tensors(x, y, h + level))
    # The level costs four digits of the score's 16.
    assert_close([shifted, same], [values - 0.5 * level, gradients], rtol=1e-11, atol=1e-11)


def test_a_tiny_temperature_finds_the_nearest_point(bench, naive):
    x, y = cloud(7, 3, 0), cloud(9, 3, 1)
    values, gradients = bench.engine.softmin_and_gradient(1e-9, 1, *bench.tensors(x, y, np.zeros(9)))
    index, distance = naive.nearest(x, y)
    assert_close([values], [distance], rtol=1e-9, atol=1e-9)
    assert_close([gradients], [(x - y[index]) / distance[:, None]], rtol=1e-9, atol=1e-9)


def test_distances_beyond_every_width_leave_nothing_but_zeros(bench):
    x, y, b = cloud(7, 3, 0), cloud(9, 3, 1) + 1e4, potential(9, 2)
    for kernel in (GaussianKernel(0.8), LaplacianKernel(1.3)):
        values, gradients = bench.engine.kernel_sum_and_gradient(kernel, *bench.tensors(x, y, b))
        assert torch.all(values == 0)
        assert torch.all(gradients == 0)


# ------------------------------------------------------------------------------------------ what is handed in


class Triangle:
    """A kernel that no engine has heard of."""

    def terms(self):
        return (Term(1.0, self),)


@pytest.mark.parametrize("method", ["kernel_sum", "kernel_sum_and_gradient"])
def test_an_unknown_kernel_is_refused_and_never_taken_for_another(bench, method):
    arguments = bench.tensors(cloud(5, 3, 0), cloud(6, 3, 1), potential(6, 2))
    with pytest.raises(EngineError, match=f"The {bench.engine.name} engine has no formula for .*Triangle"):
        getattr(bench.engine, method)(Triangle(), *arguments)


def test_strides_do_not_matter(bench):
    x, y, b = bench.tensors(cloud(14, 3, 0), cloud(22, 3, 1), potential(22, 2))
    loose = [
        x.T.contiguous().T,
        torch.stack([y, y + 1], dim=2)[:, :, 0],
        torch.stack([b, b + 1], dim=1)[:, 0],
        torch.ones((), dtype=x.dtype, device=x.device).expand(14),
    ]
    assert not any(tensor.is_contiguous() for tensor in loose)
    tight = [tensor.contiguous() for tensor in loose]

    def everything(x, y, b, w):
        yield bench.engine.kernel_sum(EnergyKernel(), x, y, b)
        yield from bench.engine.kernel_sum_and_gradient(EnergyKernel(), x, y, b)
        yield bench.engine.softmin(0.5, 1, x, y, b)
        yield from bench.engine.softmin_and_gradient(0.5, 2, x, y, b)
        yield from bench.engine.plan_sum_and_gradient(0.5, 2, x, y, w, b, w)
        yield from bench.engine.nearest(x, y)

    for one, other in zip(everything(*loose), everything(*tight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-14)


def test_arguments_are_left_alone_and_results_repeat_to_the_byte(bench):
    arguments = bench.tensors(cloud(600, 3, 0), cloud(500, 3, 1), potential(500, 2), potential(600, 3))
    before = [tensor.clone() for tensor in arguments]
    x, y, b, w = arguments

    def everything():
        yield from bench.engine.kernel_sum_and_gradient(GaussianKernel(0.8), x, y, b)
        yield from bench.engine.softmin_and_gradient(0.5, 2, x, y, b)
        yield from bench.engine.plan_sum_and_gradient(0.5, 2, x, y, w, b, w)
        yield from bench.engine.nearest(x, y)

    first, second = list(everything()), list(everything())
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)
    for tensor, original in zip(arguments, before, strict=True):
        assert torch.equal(tensor, original)


# ------------------------------------------------------------------------------ points of any size and spread


@st.composite
def situations(draw):
    """Two clouds of any extent anywhere, weights of any size, and a length that suits neither."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, columns, dimension = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    extent = 10 ** draw(st.floats(-3, 3))
    shift = extent * 10 ** draw(st.floats(-2, 2))
    length = extent * 10 ** draw(st.floats(-2, 2))
    x = random.normal(size=(rows, dimension)) * extent + shift
    y = random.normal(size=(columns, dimension)) * extent + shift
    shared = draw(st.integers(0, min(rows, columns)))
    y[:shared] = x[:shared]
    b = random.normal(size=columns) * 10 ** draw(st.floats(-6, 6))
    return x, y, b, random.normal(size=rows), length


# What float64, and float32 with a length of a hundredth of the extent, leave of a value of size 1.
_ROUNDING = {torch.float64: 1e-12, torch.float32: 2e-5}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(situation=situations())
def test_kernel_sums_of_any_size(swift_bench, naive, dtype, situation):
    x, y, b, _, length = situation
    arguments = swift_bench.tensors(x, y, b, dtype=dtype)
    x, y, b = (tensor.cpu().double().numpy() for tensor in arguments)
    extent = np.ptp(np.concatenate([x, y])) + length
    for kernel, size, slope in (
        (EnergyKernel(), extent, 1),
        (GaussianKernel(length), 1, 1 / length),
        (LaplacianKernel(length), 1, 1 / length),
        (CauchyKernel(length), 1, 1 / length),
    ):
        values, gradients = naive.kernel_sum(kernel, x, y, b)
        result = swift_bench.engine.kernel_sum_and_gradient(kernel, *arguments)
        error = _ROUNDING[dtype] * abs(b).sum()
        assert_close(result[:1], [values], rtol=0, atol=error * size)
        assert_close(result[1:], [gradients], rtol=0, atol=error * slope)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(situation=situations())
def test_softmins_of_any_size(swift_bench, naive, p, dtype, situation):
    x, y, b, w, length = situation
    h = np.log(abs(b))
    epsilon = float(length**p)
    arguments = swift_bench.tensors(x, y, h, w, dtype=dtype)
    x, y, h, w = (tensor.cpu().double().numpy() for tensor in arguments)
    values, gradients = naive.softmin(epsilon, p, x, y, h)
    extent = np.linalg.norm(np.ptp(np.concatenate([x, y]), axis=0))
    # A score is a difference of numbers of this size: float32 keeps seven digits of them, float64 sixteen.
    score = 1 + extent**p / epsilon + abs(h).max()
    error = (1e-6 if dtype == torch.float32 else 1e-14) * score
    result = swift_bench.engine.softmin_and_gradient(epsilon, p, *arguments[:3])
    assert_close(result[:1], [values], rtol=0, atol=error * epsilon)
    assert_close(result[1:], [gradients], rtol=0, atol=error * extent ** (p - 1))
    [f] = swift_bench.tensors(values, dtype=dtype)
    expected = naive.plan_sum(epsilon, p, x, y, f.cpu().double().numpy(), h, w)
    result = swift_bench.engine.plan_sum_and_gradient(epsilon, p, *arguments[:2], f, *arguments[2:])
    assert_close(result[:1], expected[:1], rtol=0, atol=2 * error * abs(w).sum())
    assert_close(result[1:], expected[1:], rtol=0, atol=2 * error * abs(w).sum() * extent ** (p - 1))
