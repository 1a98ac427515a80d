from __future__ import annotations

import math

import pytest
import torch

from napari_shapereg.errors import EngineError, InputError
from napari_shapereg.reductions.differentiable import kernel_sum, nearest, softmin
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    SumKernel,
)
from napari_shapereg.reductions.torch_engine import TorchEngine

KERNELS = [
    pytest.param(EnergyKernel(), id="energy"),
    pytest.param(GaussianKernel(0.8), id="gaussian"),
    pytest.param(LaplacianKernel(1.3), id="laplacian"),
    pytest.param(CauchyKernel(0.9), id="cauchy"),
    pytest.param(SumKernel([GaussianKernel(2.0), EnergyKernel()], [3.0, 0.25]), id="sum"),
]


def random(*shape, seed=0, device="cpu", requires_grad=True):
    values = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return values.to(device).requires_grad_(requires_grad)


# ----------------------------------------------------------------------- gradients against finite differences


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_of_kernel_sums(swift_bench, kernel, dimension):
    x, y, b = (
        random(*shape, seed=seed, device=swift_bench.device)
        for seed, shape in enumerate([(5, dimension), (6, dimension), (6,)])
    )
    assert torch.autograd.gradcheck(
        lambda x, y, b: kernel_sum(kernel, x, y, b, swift_bench.engine), (x, y, b)
    )


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("p", [1, 2])
def test_gradients_of_softmins(swift_bench, p, dimension):
    x, y, h = (
        random(*shape, seed=seed, device=swift_bench.device)
        for seed, shape in enumerate([(5, dimension), (6, dimension), (6,)])
    )
    with torch.no_grad():
        h[2] = -math.inf
    engine = swift_bench.engine
    assert torch.autograd.gradcheck(lambda x, y, h: softmin(0.7, p, x, y, h, engine), (x, y, h))


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_when_both_point_sets_are_the_same_tensor(swift_bench, kernel):
    x, b = random(6, 3, device=swift_bench.device), random(6, seed=1, device=swift_bench.device)
    engine = swift_bench.engine
    # A kernel norm <b, k * b>: each point is seen as a row, as a column and by itself.
    assert torch.autograd.gradcheck(lambda x, b: b @ kernel_sum(kernel, x, x, b, engine), (x, b))
    assert torch.autograd.gradcheck(lambda x, b: softmin(0.7, 2, x, x, b, engine), (x, b))


def test_gradients_of_everything_at_once_through_every_engine(bench):
    # KeOps on the CPU is spared the many cases above: its own sums are tested in test_parity.
    x, y, b = (
        random(*shape, seed=seed, device=bench.device) for seed, shape in enumerate([(5, 3), (6, 3), (6,)])
    )
    kernel = SumKernel([GaussianKernel(2.0), EnergyKernel()], [3.0, 0.25])
    assert torch.autograd.gradcheck(lambda x, y, b: kernel_sum(kernel, x, y, b, bench.engine), (x, y, b))
    assert torch.autograd.gradcheck(lambda x, y, h: softmin(0.7, 1, x, y, h, bench.engine), (x, y, b))


def test_a_gradient_has_the_precision_of_its_points(swift_bench):
    x, y, h = (
        random(*shape, seed=seed).detach().to(swift_bench.device, torch.float32).requires_grad_()
        for seed, shape in enumerate([(5, 3), (6, 3), (6,)])
    )
    value = kernel_sum(EnergyKernel(), x, y, h, swift_bench.engine) + softmin(
        0.7, 2, x, y, h, swift_bench.engine
    )
    gradients = torch.autograd.grad(value.sum(), (x, y, h))
    assert value.dtype == torch.float32
    assert [gradient.dtype for gradient in gradients] == [torch.float32] * 3
    assert [gradient.shape for gradient in gradients] == [x.shape, y.shape, h.shape]


def test_a_softmin_over_nothing_sends_back_zeros(swift_bench):
    x, y = random(5, 3, device=swift_bench.device), random(6, 3, seed=1, device=swift_bench.device)
    h = torch.full_like(y[:, 0], -math.inf, requires_grad=True)
    value = softmin(0.7, 2, x, y, h, swift_bench.engine)
    assert torch.all(value == math.inf)
    for gradient in torch.autograd.grad(value.sum(), (x, y, h)):
        assert torch.all(gradient == 0)


@pytest.mark.parametrize("function", [lambda *xyb: kernel_sum(EnergyKernel(), *xyb, "torch"),
                                      lambda *xyb: softmin(0.7, 2, *xyb, "torch")])  # fmt: skip
def test_second_derivatives_are_refused_instead_of_taken_for_zero(function):
    xyb = random(5, 3), random(6, 3, seed=1), random(6, seed=2)
    for source in xyb:
        [slope] = torch.autograd.grad(function(*xyb).sum(), source, create_graph=True)
        with pytest.raises(EngineError, match="first derivatives only"):
            torch.autograd.grad((slope**2).sum() + (xyb[0] ** 2).sum(), xyb[0])


# -------------------------------------------------------------------------------- no more work than asked for


class Recorder(TorchEngine):
    """The torch engine, which remembers what it was asked for."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def kernel_sum(self, *arguments):
        self.calls.append("sum")
        return super().kernel_sum(*arguments)

    def kernel_sum_and_gradient(self, *arguments):
        self.calls.append("sum, gradient")
        return super().kernel_sum_and_gradient(*arguments)

    def softmin(self, *arguments):
        self.calls.append("softmin")
        return super().softmin(*arguments)

    def softmin_and_gradient(self, *arguments):
        self.calls.append("softmin, gradient")
        return super().softmin_and_gradient(*arguments)

    def plan_sum_and_gradient(self, *arguments):
        self.calls.append("plan")
        return super().plan_sum_and_gradient(*arguments)


@pytest.mark.parametrize(
    ("needed", "sums", "softmins"),
    [
        ("", ["sum"], ["softmin"]),
        ("x", ["sum, gradient"], ["softmin, gradient"]),
        ("y", ["sum", "sum, gradient"], ["softmin", "plan"]),
        ("b", ["sum", "sum"], ["softmin", "plan"]),
        ("xb", ["sum, gradient", "sum"], ["softmin, gradient", "plan"]),
        ("xyb", ["sum, gradient", "sum, gradient"], ["softmin, gradient", "plan"]),
    ],
)
def test_only_what_a_gradient_is_asked_for_is_computed(needed, sums, softmins):
    x, y, b = (
        random(*shape, seed=seed, requires_grad=name in needed)
        for seed, (name, shape) in enumerate([("x", (5, 3)), ("y", (6, 3)), ("b", (6,))])
    )
    for calls, function, first in ((sums, kernel_sum, [EnergyKernel()]), (softmins, softmin, [0.7, 2])):
        engine = Recorder()
        value = function(*first, x, y, b, engine)
        if needed:
            value.sum().backward()
        assert engine.calls == calls


def test_without_autograd_only_values_are_computed():
    x, y, b = random(5, 3), random(6, 3, seed=1), random(6, seed=2)
    engine = Recorder()
    with torch.no_grad():
        kernel_sum(EnergyKernel(), x, y, b, engine)
        softmin(0.7, 2, x, y, b, engine)
    assert engine.calls == ["sum", "softmin"]


def test_nearest_takes_no_part_in_autograd():
    x, y = random(5, 3), random(6, 3, seed=1)
    index, distance = nearest(x, y, "torch")
    assert not index.requires_grad
    assert not distance.requires_grad


# -------------------------------------------------------------------------------------------- what is refused


def points(count=4, dimension=3, dtype=torch.float32):
    return torch.zeros(count, dimension, dtype=dtype)


@pytest.mark.parametrize(
    ("x", "y", "b", "complaint"),
    [
        (points().numpy(), points(), torch.zeros(4), "x is a ndarray"),
        (points()[0], points(), torch.zeros(4), r"x has shape \(3,\)"),
        (points(dimension=4), points(), torch.zeros(4), r"x has shape \(4, 4\).* one of \(1, 2, 3, 6\)"),
        (points(), points(count=0), torch.zeros(0), "y holds no point"),
        (points(), points(dimension=2), torch.zeros(4), "x has 3 coordinates a point and y has 2"),
        (points().int(), points(), torch.zeros(4), r"x is of torch.int32; convert it"),
        (
            points(),
            points(dtype=torch.float64),
            torch.zeros(4),
            "y is of torch.float64 and x of torch.float32",
        ),
        (
            points(),
            points(),
            torch.zeros(5),
            r"has shape \(5,\); give one number for each of the 4 points of y",
        ),
        (points(), points(), torch.zeros(4, 1), r"has shape \(4, 1\)"),
        (points(), points(), [0.0] * 4, "is a list"),
        (points(), points(), torch.zeros(4).double(), "is of torch.float64 and y of torch.float32"),
        (points(), points(), torch.zeros(4, device="meta"), "is on meta and y on cpu"),
        (points() + math.nan, points(), torch.zeros(4), "x holds 12 values that are NaN"),
        (points(), points() / 0 + math.inf, torch.zeros(4), "y holds 12 values that are NaN"),
        (points(), points(), torch.tensor([0, 0, 0, math.nan]), "holds 1 values that are NaN"),
        (points(), points(), torch.tensor([0, 0, 0, math.inf]), "holds 1 values that are NaN or infinite"),
    ],
)
def test_wrong_tensors_are_refused_by_name(x, y, b, complaint):
    with pytest.raises(InputError, match=complaint):
        kernel_sum(EnergyKernel(), x, y, b)
    with pytest.raises(InputError, match=complaint):
        softmin(1.0, 2, x, y, b)


def test_points_are_checked_before_the_nearest_are_sought():
    with pytest.raises(InputError, match="x holds 12 values that are NaN"):
        nearest(points() + math.nan, points())
    with pytest.raises(InputError, match="y has 2"):
        nearest(points(), points(dimension=2))


@pytest.mark.parametrize(
    ("epsilon", "p", "complaint"),
    [
        (0.0, 2, "epsilon is 0.0"),
        (-1.0, 2, "epsilon is -1.0"),
        (math.nan, 2, "epsilon is nan"),
        (1.0, 3, "p is 3"),
    ],
)
def test_a_softmin_without_meaning_is_refused(epsilon, p, complaint):
    with pytest.raises(InputError, match=complaint):
        softmin(epsilon, p, points(), points(), torch.zeros(4))


def test_a_kernel_weight_of_minus_infinity_is_refused():
    with pytest.raises(InputError, match="b holds 1 values"):
        kernel_sum(EnergyKernel(), points(), points(), torch.tensor([0, 0, 0, -math.inf]))
