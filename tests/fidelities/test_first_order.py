from __future__ import annotations

import pytest
import torch

from napari_shapereg.errors import EngineError
from napari_shapereg.fidelities import EnergyDistance, KernelNorm
from napari_shapereg.measures import Measure
from napari_shapereg.reductions.kernels import GaussianKernel

PARTS = ["source points", "source weights", "target points", "target weights"]
pairs = pytest.mark.parametrize(("first", "second"), [(i, j) for i in range(4) for j in range(4)])


@pairs
@pytest.mark.parametrize(
    "loss", [EnergyDistance(), KernelNorm(GaussianKernel(5.0))], ids=["energy", "Gaussian"]
)
def test_a_second_derivative_is_an_error_and_never_a_number(cloud, loss, first, second):
    alpha, beta = cloud(0, 5), cloud(1, 4)
    inputs = [t.clone().requires_grad_() for t in (alpha.points, alpha.weights, beta.points, beta.weights)]
    x, a, y, b = inputs
    gradients = torch.autograd.grad(loss(Measure(x, a), Measure(y, b)), inputs, create_graph=True)
    # Autograd itself says "appears to not have been used" where no path leads back.
    with pytest.raises(RuntimeError, match=r"differentiated twice|not have been used"):
        torch.autograd.grad(gradients[first].sum(), inputs[second])


@pytest.mark.parametrize("part", range(4), ids=PARTS)
def test_a_penalty_on_the_gradient_is_refused_with_a_reason(cloud, part):
    alpha, beta = cloud(0, 5), cloud(1, 4)
    inputs = [t.clone() for t in (alpha.points, alpha.weights, beta.points, beta.weights)]
    inputs[part].requires_grad_()
    x, a, y, b = inputs
    value = EnergyDistance()(Measure(x, a), Measure(y, b))
    (gradient,) = torch.autograd.grad(value, inputs[part], create_graph=True)
    with pytest.raises(EngineError, match=r"differentiated twice.*finite differences"):
        (value + gradient.square().sum()).backward()


def test_a_potential_is_differentiated_once_too(cloud):
    points = cloud(2, 3).points.clone().requires_grad_()
    total = EnergyDistance().potential(points, cloud(0, 5), cloud(1, 4)).sum()
    (gradient,) = torch.autograd.grad(total, points, create_graph=True)
    with pytest.raises(EngineError, match="twice"):
        gradient.square().sum().backward()


def test_the_first_derivative_is_the_same_whether_or_not_a_graph_is_kept(cloud):
    alpha, beta = cloud(0, 5), cloud(1, 4)
    points = alpha.points.clone().requires_grad_()
    value = EnergyDistance()(Measure(points, alpha.weights), beta)
    (kept,) = torch.autograd.grad(value, points, create_graph=True)
    (plain,) = torch.autograd.grad(value, points)
    assert torch.equal(kept, plain)
