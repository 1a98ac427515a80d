from __future__ import annotations

import importlib.util
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_shapereg.reductions.kernels import CauchyKernel, EnergyKernel, GaussianKernel, LaplacianKernel
from napari_shapereg.reductions.selection import get_engine

# The pairwise sums written out as loops over float64 numbers, stable in the log-sum-exp and otherwise plain:
# the ground truth of every engine.


def _kernel(kernel, difference):
    """k and its gradient in x for one pair, difference = x - y."""
    distance = math.sqrt(sum(d * d for d in difference))
    if isinstance(kernel, EnergyKernel):
        gradient = -difference / distance if distance > 0 else 0 * difference
        return -distance, gradient
    if isinstance(kernel, GaussianKernel):
        value = math.exp(-(distance**2) / (2 * kernel.sigma**2))
        return value, -difference / kernel.sigma**2 * value
    if isinstance(kernel, LaplacianKernel):
        value = math.exp(-distance / kernel.sigma)
        gradient = -difference / (distance * kernel.sigma) * value if distance > 0 else 0 * difference
        return value, gradient
    if isinstance(kernel, CauchyKernel):
        value = kernel.sigma**2 / (kernel.sigma**2 + distance**2)
        return value, -2 * difference / kernel.sigma**2 * value**2
    values, gradients = zip(*(_kernel(part, difference) for part in kernel.kernels), strict=True)
    return (
        sum(w * value for w, value in zip(kernel.weights, values, strict=True)),
        sum(w * gradient for w, gradient in zip(kernel.weights, gradients, strict=True)),
    )


def _cost(p, difference):
    """|x - y|^p / p and its gradient in x for one pair, difference = x - y."""
    distance = math.sqrt(sum(d * d for d in difference))
    if p == 2:
        return distance**2 / 2, difference
    return distance, difference / distance if distance > 0 else 0 * difference


def naive_kernel_sum(kernel, x, y, b):
    values, gradients = np.zeros(len(x)), np.zeros(x.shape)
    for i in range(len(x)):
        for j in range(len(y)):
            value, gradient = _kernel(kernel, x[i] - y[j])
            values[i] += value * b[j]
            gradients[i] += gradient * b[j]
    return values, gradients


def naive_softmin(epsilon, p, x, y, h):
    values, gradients = np.zeros(len(x)), np.zeros(x.shape)
    for i in range(len(x)):
        scores = [h[j] - _cost(p, x[i] - y[j])[0] / epsilon for j in range(len(y))]
        largest = max(scores)
        if largest == -math.inf:
            values[i] = math.inf
            continue
        total = sum(math.exp(score - largest) for score in scores)
        values[i] = -epsilon * (largest + math.log(total))
        for j in range(len(y)):
            plan = math.exp(scores[j] - largest) / total
            gradients[i] += plan * _cost(p, x[i] - y[j])[1]
    return values, gradients


def naive_plan_sum(epsilon, p, x, y, f, h, w):
    values, gradients = np.zeros(len(y)), np.zeros(y.shape)
    for j in range(len(y)):
        for i in range(len(x)):
            cost, gradient = _cost(p, y[j] - x[i])
            plan = w[i] * math.exp((f[i] - cost) / epsilon + h[j])
            values[j] += plan
            gradients[j] += plan * gradient
    return values, gradients


def naive_nearest(x, y):
    indices, distances = [], []
    for i in range(len(x)):
        from_i = [math.sqrt(sum((x[i] - y[j]) ** 2)) for j in range(len(y))]
        distances.append(min(from_i))
        indices.append(from_i.index(distances[-1]))
    return np.array(indices), np.array(distances)


@pytest.fixture(scope="session")
def naive():
    return SimpleNamespace(
        kernel_sum=naive_kernel_sum, softmin=naive_softmin, plan_sum=naive_plan_sum, nearest=naive_nearest
    )


class Workbench:
    """An engine with the device it is tried on, and NumPy in and out of it."""

    def __init__(self, name, device):
        self.engine = get_engine(name, device)
        self.device = device

    def tensors(self, *arrays, dtype=torch.float64):
        return [torch.as_tensor(np.array(array), dtype=dtype, device=self.device) for array in arrays]


_TORCH = pytest.param(("torch", "cpu"), id="torch")
_NUMBA = pytest.param(("numba", "cpu"), id="numba")
_KEOPS = pytest.param(("keops", "cpu"), id="keops", marks=pytest.mark.slow)
_CUDA = [
    pytest.param((name, "cuda"), id=f"{name}-cuda", marks=pytest.mark.gpu)
    for name in ("torch", "keops")
    if torch.cuda.is_available()
]


@pytest.fixture(params=[_TORCH, _NUMBA, _KEOPS, *_CUDA], scope="session")
def bench(request):
    """Every engine on every device that is there."""
    return _workbench(*request.param)


# KeOps on the CPU compiles for seconds what is not in its cache: it is spared the tests that need formulas of
# their own (a dimension or a dtype more) and would repeat what the other tests say about it.
@pytest.fixture(params=[_TORCH, _NUMBA, *_CUDA], scope="session")
def swift_bench(request):
    """Every engine that compiles within a second."""
    return _workbench(*request.param)


def _workbench(name, device):
    if name == "keops" and importlib.util.find_spec("pykeops") is None:
        pytest.skip("pykeops is not installed")
    return Workbench(name, device)
