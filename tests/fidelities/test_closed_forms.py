from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import scipy.special
import scipy.stats
import torch
from geomloss import SamplesLoss
from scipy.spatial.distance import cdist

from napari_shapereg.fidelities import (
    EnergyDistance,
    HausdorffDivergence,
    OptimalTransport,
    SinkhornDivergence,
    SoftMin,
    descent_field,
)
from napari_shapereg.measures import Measure

# The closed forms are of the limit of the updates; a value's error is about the square of this.
EXACT = {"tolerance": 1e-7, "iterations": 5000}


def dirac(*place, mass=1.0):
    return Measure([place], [mass])


class TestTwoDiracs:
    @pytest.mark.parametrize("p", [1, 2])
    @pytest.mark.parametrize("blur", [0.01, 1.0, 50.0])
    def test_every_fidelity_knows_the_cost_of_one_pair(self, engine, p, blur):
        alpha, beta = dirac(1.0, 2.0, 3.0), dirac(1.0, 5.0, 7.0)
        cost = 5.0**p / p
        given = {"p": p, "engine": engine}
        for loss, factor in (
            (SoftMin(blur, **given), 2),
            (HausdorffDivergence(blur, **given), 1),
            (OptimalTransport(blur, **given), 1),
            (SinkhornDivergence(blur, **given), 1),
        ):
            # ε = 2500 in the largest: its product with rounding is 5e-13.
            assert float(loss(alpha, beta)) == pytest.approx(factor * cost, rel=1e-11), loss

    def test_hausdorff_and_sinkhorn_are_proportional_to_a_common_mass(self, engine):
        alpha, beta = dirac(0.0, mass=7.0), dirac(4.0, mass=7.0)
        for kind in (HausdorffDivergence, SinkhornDivergence, OptimalTransport):
            assert float(kind(2.0, engine=engine)(alpha, beta)) == pytest.approx(7 * 8)

    @pytest.mark.parametrize("p", [1, 2])
    def test_unbalanced_divergence_between_unit_masses(self, engine, p):
        cost, epsilon, rho = 3.0**p / p, 1.5**p, 4.0**p
        value = SinkhornDivergence(1.5, p, reach=4.0, engine=engine, **EXACT)(dirac(0.0), dirac(3.0))
        # f = g solves f = ρ/(ρ+ε) (C - f).
        assert float(value) == pytest.approx(
            (2 * rho + epsilon) * (1 - math.exp(-cost / (2 * rho + epsilon)))
        )

    def test_unbalanced_cost_of_mass_that_appears(self):
        """At one place moving costs nothing: what is left is the least of two penalties and an entropy."""
        source, target, epsilon, rho = 3.0, 0.5, 0.04, 2.0
        loss = OptimalTransport(0.2, reach=math.sqrt(rho), **EXACT)
        value = loss(dirac(0.0, mass=source), dirac(0.0, mass=target))

        def kl(mass, reference):
            return mass * math.log(mass / reference) - mass + reference

        masses = np.linspace(0.5, 2.5, 200_001)
        costs = [rho * (kl(m, source) + kl(m, target)) + epsilon * kl(m, source * target) for m in masses]
        assert float(value) == pytest.approx(min(costs), rel=1e-9)


class TestShiftedMeasures:
    @pytest.mark.parametrize("blur", [0.5, 3.0, 100.0])
    def test_sinkhorn_divergence_is_half_of_the_squared_shift(self, engine, cloud, blur):
        alpha = cloud(0, 25, mass=1.0)
        shift = torch.tensor([3.0, -4.0, 12.0], dtype=torch.float64)
        beta = Measure(alpha.points + shift, alpha.weights)
        loss = SinkhornDivergence(blur, engine=engine, tolerance=1e-6, iterations=2000)
        assert float(loss(alpha, beta)) == pytest.approx(13.0**2 / 2, rel=1e-5)

    def test_defaults_are_good_to_a_percent(self, engine, cloud):
        alpha = cloud(0, 200, mass=1.0)
        beta = Measure(alpha.points + 5.0, alpha.weights)
        assert float(SinkhornDivergence(1.0, engine=engine)(alpha, beta)) == pytest.approx(37.5, rel=0.01)

    def test_biased_cost_adds_the_cost_of_the_measure_with_itself(self, cloud):
        alpha = cloud(1, 25, mass=1.0)
        beta = Measure(alpha.points + 2.0, alpha.weights)
        loss = OptimalTransport(4.0, engine="torch", **EXACT)
        assert float(loss(alpha, beta)) == pytest.approx(float(loss(alpha, alpha)) + 6.0, rel=1e-9)


def gaussian(mean, variance, mass=1.0):
    points = np.linspace(-9, 10, 121)
    weights = scipy.stats.norm.pdf(points, mean, math.sqrt(variance)) * (points[1] - points[0])
    return Measure(points[:, None], mass * weights)


def blurred_cost(a, b, epsilon):
    """W_ε between N(a) and N(b), a and b = (mean, variance): theorem 1 of Janati et al. (2020), halved."""
    (m, first), (n, second) = a, b
    root = math.sqrt(4 * first * second + epsilon**2)
    return (
        (m - n) ** 2 + first + second - root + epsilon * (1 + math.log((root + epsilon) / (2 * epsilon)))
    ) / 2


def blurred_unbalanced_cost(a, b, epsilon, rho):
    """The same with masses, a and b = (mass, mean, variance): theorem 3, with σ² = ε and γ = 2ρ, halved."""
    (mass_a, m, first), (mass_b, n, second) = a, b
    gamma = 2 * rho
    tau, scale = gamma / (2 * epsilon + gamma), epsilon + gamma / 2
    u, v = (gamma / 2 * (1 - scale / (variance + scale)) for variance in (first, second))
    shape = math.sqrt(u * v / tau + epsilon**2 / 4) - epsilon / 2
    plan = (
        epsilon ** (epsilon / 2 / (gamma + epsilon))
        * (mass_a * mass_b * shape * math.sqrt((u * v) ** tau / (first * second))) ** (1 / (tau + 1))
        * math.exp(-((m - n) ** 2) / (first + second + scale) / (2 * (tau + 1)))
        / math.sqrt(shape - 2 / gamma * u * v)
    )
    return (gamma * (mass_a + mass_b) + 2 * epsilon * mass_a * mass_b - 2 * (epsilon + gamma) * plan) / 2


class TestGaussians:
    """Janati et al., "Entropic optimal transport between unbalanced Gaussian measures" (2020).

    The trapezoidal rule is exact to rounding for Gaussians and kernels that are this well sampled.
    """

    @pytest.mark.parametrize("blur", [0.4, 1.0, 4.0])
    def test_balanced(self, engine, blur):
        a, b = (0.3, 0.8), (1.7, 0.5)
        loss = OptimalTransport(blur, engine=engine, **EXACT)
        assert float(loss(gaussian(*a), gaussian(*b))) == pytest.approx(blurred_cost(a, b, blur**2), rel=1e-7)

    def test_debiased(self, engine):
        a, b, epsilon = (0.3, 0.8), (1.7, 0.5), 0.7**2
        expected = (
            blurred_cost(a, b, epsilon) - (blurred_cost(a, a, epsilon) + blurred_cost(b, b, epsilon)) / 2
        )
        value = SinkhornDivergence(0.7, engine=engine, **EXACT)(gaussian(*a), gaussian(*b))
        assert float(value) == pytest.approx(expected, rel=1e-7)

    @pytest.mark.parametrize("reach", [0.8, 2.0, 30.0])
    def test_unbalanced(self, engine, reach):
        a, b, epsilon, rho = (1.5, 0.3, 0.8), (0.7, 1.7, 0.5), 0.6**2, reach**2
        measures = [gaussian(mean, variance, mass) for mass, mean, variance in (a, b)]
        expected = blurred_unbalanced_cost(a, b, epsilon, rho)
        loss = OptimalTransport(0.6, reach=reach, engine=engine, **EXACT)
        assert float(loss(*measures)) == pytest.approx(expected, rel=1e-7)
        for own in (a, b):
            expected -= blurred_unbalanced_cost(own, own, epsilon, rho) / 2
        expected += epsilon / 2 * (1.5 - 0.7) ** 2
        loss = SinkhornDivergence(0.6, reach=reach, engine=engine, **EXACT)
        # With the longest reach it is a difference of numbers that are 1000 times larger.
        assert float(loss(*measures)) == pytest.approx(expected, rel=1e-6)

    def test_transport_map_is_the_affine_one(self):
        a, b, epsilon = (0.3, 0.8), (1.7, 0.5), 0.5**2
        alpha, beta = gaussian(*a), gaussian(*b)
        moved = OptimalTransport(0.5, engine="torch", **EXACT).transport_map(alpha, beta)
        # The plan is a Gaussian whose covariance is (D - ε) / 2: its conditional mean is a regression line.
        slope = (math.sqrt(4 * 0.8 * 0.5 + epsilon**2) - epsilon) / 2 / 0.8
        inside = (alpha.points - 0.3).abs()[:, 0] < 3
        np.testing.assert_allclose(moved[inside], 1.7 + slope * (alpha.points - 0.3)[inside], atol=1e-6)


class TestInOneDimension:
    @pytest.fixture
    def pair(self):
        rng = np.random.default_rng(0)
        return rng.uniform(0, 100, 40), rng.uniform(30, 160, 40)

    @pytest.mark.parametrize("p", [1, 2])
    def test_transport_by_sorting(self, engine, pair, p):
        alpha, beta = (Measure(x[:, None], np.full(40, 1 / 40)) for x in pair)
        exact = np.mean(np.abs(np.sort(pair[0]) - np.sort(pair[1])) ** p / p)
        # With p = 1 many plans are nearly as good as the best one, and a blur costs more.
        blur = {1: 0.05, 2: 0.3}[p]
        value = SinkhornDivergence(blur, p, iterations=100, engine=engine)(alpha, beta)
        assert float(value) == pytest.approx(exact, rel=0.01)

    def test_transport_map_sorts(self, engine, pair):
        alpha, beta = (Measure(x[:, None], np.full(40, 1 / 40)) for x in pair)
        loss = OptimalTransport(0.3, engine=engine, tolerance=0.001, iterations=200)
        moved = loss.transport_map(alpha, beta)[:, 0].numpy()
        expected = np.sort(pair[1])[np.argsort(np.argsort(pair[0]))]
        # Neighbours within the blur share their destinations.
        np.testing.assert_allclose(moved, expected, atol=3)
        assert np.abs(moved - expected).mean() < 0.3


class TestAgainstPot:
    """The Python library for optimal transport: exact linear programs, and its own Sinkhorn loops."""

    @pytest.mark.parametrize("p", [1, 2])
    def test_small_blur_is_exact_transport(self, engine, cloud, p):
        alpha, beta = cloud(2, 30, mass=1.0), cloud(3, 20, mass=1.0)
        exact = ot.emd2(
            alpha.weights.numpy(), beta.weights.numpy(), cdist(alpha.points, beta.points) ** p / p
        )
        blur = {1: 0.05, 2: 0.7}[p]
        loss = SinkhornDivergence(blur, p, engine=engine, tolerance=0.001, iterations=3000)
        assert float(loss(alpha, beta)) == pytest.approx(exact, rel=0.01)

    @pytest.mark.parametrize("p", [1, 2])
    def test_the_plan_is_the_same(self, cloud, p):
        alpha, beta = cloud(4, 30, mass=1.0), cloud(5, 20, mass=1.0)
        cost, epsilon = cdist(alpha.points, beta.points) ** p / p, 5.0**p
        a, b = alpha.weights.numpy(), beta.weights.numpy()
        plan = ot.bregman.sinkhorn_log(a, b, cost, epsilon, stopThr=1e-13, numItermax=10_000)
        value = (plan * cost).sum() + epsilon * (plan * np.log(plan / np.outer(a, b))).sum()
        loss = OptimalTransport(5.0, p, engine="torch", **EXACT)
        assert float(loss(alpha, beta)) == pytest.approx(value, rel=1e-9)
        means = plan @ beta.points.numpy() / plan.sum(1, keepdims=True)
        np.testing.assert_allclose(loss.transport_map(alpha, beta), means, atol=1e-4)
        ours = loss.transport_plan(alpha, beta)
        heights = (ours.source_potential[:, None] + ours.target_potential).numpy() - cost
        np.testing.assert_allclose(np.outer(a, b) * np.exp(heights / epsilon), plan, atol=1e-7)

    @pytest.mark.parametrize("p", [1, 2])
    def test_the_unbalanced_plan_is_the_same(self, cloud, p):
        alpha, beta = cloud(6, 30, mass=1.4), cloud(7, 20, mass=0.8)
        cost, epsilon, rho = cdist(alpha.points, beta.points) ** p / p, 5.0**p, 8.0**p
        a, b = alpha.weights.numpy(), beta.weights.numpy()
        plan = ot.unbalanced.sinkhorn_unbalanced(
            a,
            b,
            cost,
            epsilon,
            rho,
            method="sinkhorn_stabilized",
            reg_type="kl",
            stopThr=1e-14,
            numItermax=20_000,
        )
        loss = OptimalTransport(5.0, p, reach=8.0, engine="torch", **EXACT)
        ours = loss.transport_plan(alpha, beta)
        heights = (ours.source_potential[:, None] + ours.target_potential).numpy() - cost
        np.testing.assert_allclose(np.outer(a, b) * np.exp(heights / epsilon), plan, rtol=1e-5, atol=1e-9)
        means = plan @ beta.points.numpy() / plan.sum(1, keepdims=True)
        np.testing.assert_allclose(loss.transport_map(alpha, beta), means, atol=1e-4)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("reach", [None, 6.0])
def test_against_geomloss(cloud, p, reach):
    """Its values are right, where its annealing is slow; its unbalanced gradients are not."""
    alpha, beta = cloud(8, 30, mass=1.0), cloud(9, 20, mass=1.0)
    theirs = SamplesLoss("sinkhorn", p=p, blur=4.0, reach=reach, scaling=0.995, backend="tensorized")
    expected = float(theirs(alpha.weights, alpha.points, beta.weights, beta.points))
    ours = SinkhornDivergence(4.0, p, reach, engine="torch", **EXACT)
    assert float(ours(alpha, beta)) == pytest.approx(expected, rel=1e-3)


def test_the_unbalanced_gradient_of_geomloss_is_not_that_of_its_value(cloud):
    """Why it is no oracle here: both carry ρ + ε/2, where the gradient should have ρ + ε."""
    alpha, beta = cloud(8, 6, mass=1.0), cloud(9, 5, mass=1.0)
    theirs = SamplesLoss("sinkhorn", p=2, blur=8.0, reach=6.0, scaling=0.99, backend="tensorized")
    ours = SinkhornDivergence(8.0, 2, 6.0, engine="torch", **EXACT)
    direction = -descent_field(ours, alpha, beta)

    def slopes(loss):
        points = alpha.points.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(points), points)
        more, less = (float(loss(alpha.points + step * direction)) for step in (1e-3, -1e-3))
        return float((gradient * direction).sum()), (more - less) / 2e-3

    found, true = slopes(lambda points: ours(Measure(points, alpha.weights), beta))
    assert found == pytest.approx(true, rel=1e-6)
    found, true = slopes(lambda points: theirs(alpha.weights, points, beta.weights, beta.points))
    assert found / true == pytest.approx((36 + 64 / 2) / (36 + 64), rel=0.02)


def soft_minimum(cost, weights, epsilon, potential=0.0):
    return -epsilon * scipy.special.logsumexp((potential - cost) / epsilon, b=weights, axis=1)


class TestFormulas:
    """The definitions, written out with all pairs at once."""

    @pytest.fixture
    def parts(self, cloud):
        alpha, beta = cloud(12, 9, mass=1.3), cloud(13, 7, mass=0.8)
        return alpha, beta, alpha.weights.numpy(), beta.weights.numpy()

    @pytest.mark.parametrize("p", [1, 2])
    def test_softmin(self, engine, parts, p):
        alpha, beta, a, b = parts
        x, y = alpha.points, beta.points
        epsilon = 4.0**p
        to_beta, to_alpha = (
            [soft_minimum(cdist(points, m.points) ** p / p, m.weights.numpy(), epsilon) for points in (x, y)]
            for m in (beta, alpha)
        )
        expected = a @ (to_beta[0] - to_alpha[0]) - b @ (to_beta[1] - to_alpha[1])
        assert float(SoftMin(4.0, p, engine=engine)(alpha, beta)) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("p", [1, 2])
    @pytest.mark.parametrize("iterations", [None, 1, 7])
    def test_hausdorff_makes_three_updates_unless_told_otherwise(self, engine, parts, p, iterations):
        alpha, beta, a, b = parts
        epsilon = 4.0**p
        extended = []
        for measure in (alpha, beta):
            weights, own = measure.weights.numpy(), cdist(measure.points, measure.points) ** p / p
            potential = np.zeros(len(measure))
            for _ in range(iterations or 3):
                potential = (potential + soft_minimum(own, weights, epsilon, potential)) / 2
            extended.append(
                [
                    soft_minimum(cdist(m.points, measure.points) ** p / p, weights, epsilon, potential)
                    for m in (alpha, beta)
                ]
            )
        (a_source, a_target), (b_source, b_target) = extended
        expected = (a @ (b_source - a_source) - b @ (b_target - a_target)) / 2
        given = {} if iterations is None else {"iterations": iterations}
        value = HausdorffDivergence(4.0, p, engine=engine, **given)(alpha, beta)
        assert float(value) == pytest.approx(expected, rel=1e-9)

    def test_hausdorff_goes_on_until_its_tolerance_is_met(self, parts):
        alpha, beta, *_ = parts
        limit = float(HausdorffDivergence(4.0, iterations=60)(alpha, beta))
        met = float(HausdorffDivergence(4.0, iterations=1, tolerance=1e-9)(alpha, beta))
        assert met == pytest.approx(limit, rel=1e-7)
        assert float(HausdorffDivergence(4.0, iterations=1)(alpha, beta)) != pytest.approx(limit, rel=1e-5)


class TestLimits:
    @pytest.fixture
    def pair(self, cloud):
        return cloud(10, 25, mass=1.0), cloud(11, 20, mass=1.0)

    @pytest.mark.parametrize("p", [1, 2])
    def test_a_large_blur_gives_the_kernel_norm_of_minus_the_cost(self, engine, pair, p):
        alpha, beta = pair
        half = (
            float(EnergyDistance(engine="torch")(alpha, beta))
            if p == 1
            else float((alpha.center - beta.center).square().sum() / 2)
        )
        blur = {1: 1e5, 2: 1e3}[p]  # what is left of the blur is of order diameter^p / ε, 1e-3
        given = {"p": p, "engine": engine}
        for loss, factor in (
            (SoftMin(blur, **given), 2),
            (HausdorffDivergence(blur, **given), 1),
            (SinkhornDivergence(blur, **given), 1),
        ):
            assert float(loss(alpha, beta)) == pytest.approx(factor * half, rel=0.01), loss

    @pytest.mark.parametrize("p", [1, 2])
    def test_a_small_blur_projects_both_ways(self, engine, pair, p):
        alpha, beta = pair
        cost = cdist(alpha.points, beta.points) ** p / p
        projections = alpha.weights.numpy() @ cost.min(axis=1) + beta.weights.numpy() @ cost.min(axis=0)
        # ε log 25 is what the weights may add.
        blur = {1: 1e-4, 2: 0.01}[p]
        softmin = SoftMin(blur, p, engine=engine)(alpha, beta)
        assert float(softmin) == pytest.approx(projections, rel=1e-3)
        hausdorff = HausdorffDivergence(blur, p, tolerance=1e-6, engine=engine)(alpha, beta)
        assert float(hausdorff) == pytest.approx(projections / 2, rel=1e-3)


def test_the_biased_cost_is_lower_elsewhere_than_at_equality(engine):
    """What the talk shows: the minimum of W_ε(·, β) is a shrunk β; the divergence has its minimum at β."""
    angles = torch.arange(40, dtype=torch.float64) * (2 * math.pi / 40)
    circle = torch.stack((angles.cos(), angles.sin()), dim=1)
    beta = Measure(circle, torch.full((40,), 1 / 40, dtype=torch.float64))
    shrunk = Measure(0.9 * circle, beta.weights)
    biased = OptimalTransport(0.5, engine=engine, **EXACT)
    assert float(biased(shrunk, beta)) < float(biased(beta, beta)) - 1e-3
    assert float(SinkhornDivergence(0.5, engine=engine, **EXACT)(shrunk, beta)) > 1e-3
