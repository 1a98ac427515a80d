from __future__ import annotations

import math
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import EnergyDistance
from napari_shapereg.measures import Measure, measure_from_labels
from napari_shapereg.reductions import tree_problem
from napari_shapereg.reductions.differentiable import kernel_sum
from napari_shapereg.reductions.engine import Engine
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
MANY = 12_500


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
    """Compare the tree's sums of a set with itself with the exact ones."""
    truth = EXACT.kernel_sum_and_gradient(kernel, points, points, weights)
    results = TreeEngine(precision, threads=2).kernel_sum_and_gradient(kernel, points, points, weights)
    for result, exact in zip(results, truth, strict=True):
        assert result.dtype == points.dtype
        assert error(result, exact) < precision
    # Were it exact, they would agree to the last digits: only seen from afar are points merged.
    assert error(results[1], truth[1]) > 1e-10


# -------------------------------------------------------------------------------------------------- precision


@pytest.mark.usefixtures("only_tree")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_energy_distance_is_as_precise_as_asked_for(shape):
    points, weights = difference(*SHAPES[shape])
    check(EnergyKernel(), points.float(), weights.float(), 1e-3)


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
    x, (y, b) = ball(3)[:9000].float(), (part.float() for part in difference(*SHAPES["shells"]))
    truth = EXACT.kernel_sum_and_gradient(EnergyKernel(), x, y, b)
    engine = TreeEngine()
    for result, exact in zip(engine.kernel_sum_and_gradient(EnergyKernel(), x, y, b), truth, strict=True):
        assert 1e-10 < error(result, exact) < 1e-3
    values = engine.kernel_sum(EnergyKernel(), x, y, b)
    assert 1e-10 < error(values, truth[0]) < 1e-3


def test_the_norm_near_a_match():
    # The terms of the norm are of size 20 and all but cancel, and so do those of its slopes.
    source, target = ball().float(), (ball() + 0.2 * normal(MANY, 3)).float()
    shares = torch.full((MANY,), 1 / MANY)
    slopes, values = {}, {}
    for engine in ("numba", TreeEngine()):
        points = source.clone().requires_grad_()
        norm = EnergyDistance(engine=engine)
        value = norm(Measure(points, shares), Measure(target, shares))
        (slopes[engine],) = torch.autograd.grad(value, points)
        values[engine] = value.detach()
    exact, fast = slopes
    assert values[fast].item() == pytest.approx(values[exact].item(), rel=1e-2)
    assert error(slopes[fast], slopes[exact]) < 1e-3


def test_derivatives_in_all_arguments():
    x, y, b = ball().float(), ball(1).float() + 5, random(MANY).float()
    incoming = normal(MANY).float()
    gradients = {}
    for engine in ("numba", "tree"):
        arguments = [tensor.clone().requires_grad_() for tensor in (x, y, b)]
        value = kernel_sum(EnergyKernel(), *arguments, engine=engine)
        gradients[engine] = torch.autograd.grad(value @ incoming, arguments)
    for fast, exact in zip(gradients["tree"], gradients["numba"], strict=True):
        assert error(fast, exact) < 1e-3


# ---------------------------------------------------------------------------------------------- extreme cases


def test_points_in_one_place():
    x = torch.full((20_000, 3), 7.0)
    values, gradient = TreeEngine().kernel_sum_and_gradient(EnergyKernel(), x, x, torch.ones(20_000))
    assert values.abs().max() < 1e-6
    assert (gradient == 0).all()


@pytest.mark.usefixtures("only_tree")
def test_points_without_weight_are_felt_by_nobody_and_feel_the_rest():
    points, weights = difference(*SHAPES["shells"])
    points, weights = points.float(), weights.float()
    weights[points[:, 0] > 0] = 0
    check(EnergyKernel(), points, weights, 1e-3)
    for result in TreeEngine().kernel_sum_and_gradient(EnergyKernel(), points, points, 0 * weights):
        assert (result == 0).all()


@pytest.mark.usefixtures("only_tree")
def test_nothing_is_far_from_nothing():
    # Two places only: each leaf holds one of them, or both.
    x = torch.zeros(20_000, 3)
    x[::3] = torch.tensor([3.0, 4.0, 0.0])
    values, gradient = TreeEngine().kernel_sum_and_gradient(EnergyKernel(), x, x, torch.ones(20_000))
    there = len(x[::3])
    assert values[0].item() == pytest.approx(-5.0 * (20_000 - there), rel=1e-5)
    assert values[1].item() == pytest.approx(-5.0 * there, rel=1e-5)
    torch.testing.assert_close(gradient[1], there * torch.tensor([0.6, 0.8, 0.0]), rtol=1e-5, atol=1e-2)


def test_few_points_are_left_to_the_exact_engine():
    engine, (points, weights) = TreeEngine(), difference(ball()[:4000], ball(1)[:4000])
    one = points[:1]
    for x, y, b in ((points, points.clone(), weights), (one, points, weights), (points, one, weights[:1])):
        expected = EXACT.kernel_sum_and_gradient(EnergyKernel(), x, y, b)
        results = engine.kernel_sum_and_gradient(EnergyKernel(), x, y, b)
        assert all(torch.equal(result, truth) for result, truth in zip(results, expected, strict=True))
        values = engine.kernel_sum(EnergyKernel(), x, y, b)
        assert torch.equal(values, EXACT.kernel_sum(EnergyKernel(), x, y, b))


def test_six_dimensions_and_soft_minima_are_left_to_the_exact_engine():
    engine, z = TreeEngine(threads=2), normal(MANY, 6).float()
    x, h, w = (part.contiguous() for part in (z[:5000, :3], z[:5000, 3], z[:5000, 4]))
    pairs = (
        (
            engine.kernel_sum(GaussianKernel(1.0), z, z, z[:, 0]),
            EXACT.kernel_sum(GaussianKernel(1.0), z, z, z[:, 0]),
        ),
        (engine.softmin(1.0, 2, x, x, h), EXACT.softmin(1.0, 2, x, x, h)),
        (engine.softmin_and_gradient(1.0, 1, x, x, h)[1], EXACT.softmin_and_gradient(1.0, 1, x, x, h)[1]),
        (
            engine.plan_sum_and_gradient(1.0, 2, x, x, h, h, w)[1],
            EXACT.plan_sum_and_gradient(1.0, 2, x, x, h, h, w)[1],
        ),
        (engine.nearest(x, x + 1)[0], EXACT.nearest(x, x + 1)[0]),
    )
    for result, expected in pairs:
        assert torch.equal(result, expected)


def test_a_precision_that_no_tree_pays_for_is_met_by_the_exact_sum():
    points, weights = difference(*SHAPES["balls"])
    points, weights = points.float(), weights.float()
    result = TreeEngine(1e-7).kernel_sum_and_gradient(EnergyKernel(), points, points, weights)
    assert torch.equal(result[1], EXACT.kernel_sum_and_gradient(EnergyKernel(), points, points, weights)[1])


# ------------------------------------------------------------------------------------ threads, memory, growth


def sums(engine):
    points, weights = difference(30 * directions(30_000), 30 * directions(20_000, 1) + 3)
    points, weights = points.float(), weights.float()
    return [
        *engine.kernel_sum_and_gradient(EnergyKernel(), points, points, weights),
        *engine.kernel_sum_and_gradient(GaussianKernel(5.0), points, points[:20_000], weights[:20_000]),
    ]


def test_the_number_of_threads_does_not_change_a_byte():
    expected = sums(TreeEngine(threads=1))
    for threads in (2, 7):
        for result, truth in zip(sums(TreeEngine(threads=threads)), expected, strict=True):
            assert torch.equal(result, truth)


def test_two_threads_of_one_process():
    engine = TreeEngine(threads=2)
    expected = sums(engine)
    with ThreadPoolExecutor(2) as callers:
        for results in callers.map(sums, [engine] * 2):
            assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))


def test_work_grows_like_the_number_of_points(monkeypatch):
    pairs = []

    def counted(*arguments):
        pairs.append(count(*arguments) / len(arguments[-1]))
        return pairs[-1] * len(arguments[-1])

    count = tree_problem.count_pairs
    monkeypatch.setattr(tree_problem, "count_pairs", counted)
    visited = []
    # Leaves of equal size at a fixed angle, so that nothing but the size of the problem differs.
    monkeypatch.setattr(tree_problem, "TRIALS", 1)
    for number in (2**17, 2**20):
        points = 30 * directions(number).float()
        TreeEngine(1e-2).kernel_sum(EnergyKernel(), points, points, torch.ones(number))
        visited.append(pairs[-1])
    # A logarithm of the number of points at most: measured 1.2 where exact sums have 8.
    assert visited[1] < 1.5 * visited[0]


def test_memory_is_linear():
    points, weights = 30 * directions(200_000).float(), torch.ones(200_000)
    engine = TreeEngine()
    engine.kernel_sum_and_gradient(EnergyKernel(), points, points, weights)
    tracemalloc.start()
    engine.kernel_sum_and_gradient(EnergyKernel(), points, points, weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 500 bytes a point: 1 GB for a million against a million.
    assert peak < 500 * 200_000


# ----------------------------------------------------------------------------------------------- as an engine


def test_it_is_an_engine_and_a_value():
    assert isinstance(TreeEngine(), Engine)
    assert TreeEngine(1e-4) == TreeEngine(1e-4) != TreeEngine(1e-3)
    assert len({TreeEngine(), TreeEngine(threads=3), TreeEngine(1e-2)}) == 2
    assert TreeEngine(threads=5).threads == 5


@pytest.mark.parametrize("precision", [0, -1e-3, 1, math.nan])
def test_refuses_a_precision_that_is_none(precision):
    with pytest.raises(InputError, match=r"precision is .*between 0 and 1"):
        TreeEngine(precision)


@pytest.mark.parametrize("sizes", [(12_288, 12_288), (6000, 14_000), (14_000, 6000)])
def test_a_norm_for_which_a_tree_does_not_pay_is_exact_in_all_its_terms(monkeypatch, sizes):
    monkeypatch.setattr(tree_problem, "WORTH_IT", 0.0 if sizes[0] == sizes[1] else math.inf)
    generator = torch.Generator().manual_seed(0)
    alpha, beta = (Measure(torch.randn(n, 3, generator=generator), torch.full((n,), 1 / n)) for n in sizes)
    values = [EnergyDistance(engine=engine)(alpha, beta) for engine in ("tree", "numba")]
    assert torch.equal(*values)
