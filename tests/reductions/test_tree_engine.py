from __future__ import annotations

import math

import pytest
import torch

from napari_shapereg.measures import measure_from_labels
from napari_shapereg.reductions import tree_problem
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    SumKernel,
)
from napari_shapereg.reductions.numba_engine import NumbaEngine
from napari_shapereg.reductions.tree_engine import TreeEngine
from napari_shapereg.volumes import read_labels, sample_pair

EXACT = NumbaEngine(threads=2)
MANY = 12_000


@pytest.fixture
def only_tree(monkeypatch):
    """Let the tree sum what the exact engine would sum as fast: here the sets are small."""
    monkeypatch.setattr(tree_problem, "WORTH_IT", math.inf)


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def directions(count, seed=0):
    steps = normal(count, 3, seed=seed)
    return steps / steps.norm(dim=1, keepdim=True)


def ball(seed=0):
    return 30 * directions(MANY, seed) * random(MANY, 1, seed=seed + 10) ** (1 / 3)


def lattice(spacing):
    axis = spacing * torch.arange(23, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis, axis)


def clusters(seed):
    which = torch.randint(0, 20, (MANY,), generator=torch.Generator().manual_seed(seed))
    sizes = 10 ** (2 * random(20, 1, seed=5) - 1)
    return 50 * normal(20, 3, seed=6)[which] + sizes[which] * normal(MANY, 3, seed=seed)


LINE = torch.tensor([[1.0, 0.3, 0.2]], dtype=torch.float64)
# Source and target of the energy distance: the gradient is a difference, in which much cancels.
SHAPES = {
    "balls": (ball(), ball(1) + 5),
    "shells": (30 * directions(MANY), 30 * directions(MANY, 1) + torch.tensor([4.0, 0, 0])),
    "lines": (100 * random(MANY, 1) * LINE, 80 * random(MANY, 1, seed=1) * LINE + 3),
    "lattices": (lattice(1.0), lattice(1.1) + 2),
    "clusters": (clusters(1), clusters(2) + 1),
    "far apart": (5 * ball(), ball(1) + 1e4),
    "far from the origin": (ball() + 3000, ball(1) + 3005),
    "almost one place": (1e-3 * ball() + 50, 1e-3 * ball(1) + 50),
    "in the plane": (100 * random(MANY, 2), 90 * random(MANY, 2, seed=1)),
}


def cartilage(pair):
    """The first label of two volumes, as float64 measures."""
    return [measure_from_labels(volume, 1, binning=(2, 2, 1), dtype=torch.float64) for volume in pair]


def difference(source, target):
    """The points of two sets and the weights of their difference as measures of mass 1."""
    sides = [torch.full((len(side),), 1 / len(side), dtype=torch.float64) for side in (source, target)]
    return torch.cat((source, target)), torch.cat((sides[0], -sides[1]))


def error(result, truth):
    """The relative error in L2."""
    return float((result.double() - truth.double()).norm() / truth.double().norm())


def check(kernel, points, weights, precision):
    """Return the tree's sums of a set with itself, compared with the exact ones."""
    truth = EXACT.kernel_sum_and_gradient(kernel, points, points, weights)
    results = TreeEngine(precision, threads=2).kernel_sum_and_gradient(kernel, points, points, weights)
    for result, exact in zip(results, truth, strict=True):
        assert result.dtype == points.dtype
        assert error(result, exact) < precision
    # Were it exact, they would agree to the last digits: only seen from afar are points merged.
    assert error(results[1], truth[1]) > 1e-10
    return results


# -------------------------------------------------------------------------------------------------- precision


@pytest.mark.usefixtures("only_tree")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_energy_distance_is_as_precise_as_asked_for(shape):
    points, weights = difference(*SHAPES[shape])
    check(EnergyKernel(), points, weights, 1e-3)


@pytest.mark.usefixtures("only_tree")
@pytest.mark.parametrize("precision", [1e-2, 1e-4, 1e-6])
def test_any_precision(precision):
    points, weights = difference(*SHAPES["shells"])
    check(EnergyKernel(), points, weights, precision)


@pytest.mark.usefixtures("only_tree")
@pytest.mark.parametrize("sigma", [0.3, 3.0, 30.0, 300.0])
@pytest.mark.parametrize("kind", [GaussianKernel, LaplacianKernel, CauchyKernel])
def test_kernels_of_any_length(kind, sigma):
    points, weights = difference(*SHAPES["shells"])
    check(kind(sigma), points.float(), weights.float(), 1e-3)


@pytest.mark.usefixtures("only_tree")
def test_a_sum_of_kernels():
    points, weights = difference(*SHAPES["balls"])
    check(
        SumKernel((GaussianKernel(10.0), EnergyKernel()), (2.0, 0.1)), points.float(), weights.float(), 1e-3
    )


def test_knees():
    source, target = cartilage(sample_pair("knees"))
    points = torch.cat((source.points, target.points)).float()
    weights = torch.cat((source.weights / source.mass, -target.weights / target.mass)).float()
    check(EnergyKernel(), points, weights, 1e-3)


def test_oai(oai_folder):
    source, target = cartilage(read_labels(oai_folder / f"OAI_{name}.nii.gz") for name in "ab")
    points = torch.cat((source.points, target.points)).float()
    weights = torch.cat((source.weights / source.mass, -target.weights / target.mass)).float()
    check(EnergyKernel(), points, weights, 1e-3)


@pytest.mark.usefixtures("only_tree")
def test_from_one_set_to_another():
    x, (y, b) = ball(3)[:9000], difference(*SHAPES["shells"])
    truth = EXACT.kernel_sum_and_gradient(EnergyKernel(), x, y, b)
    engine = TreeEngine()
    for result, exact in zip(engine.kernel_sum_and_gradient(EnergyKernel(), x, y, b), truth, strict=True):
        assert 1e-10 < error(result, exact) < 1e-3
    values = engine.kernel_sum(EnergyKernel(), x, y, b)
    assert 1e-10 < error(values, truth[0]) < 1e-3
