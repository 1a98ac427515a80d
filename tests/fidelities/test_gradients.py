"""Each divergence against differences of its own values, which closed forms vouch for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from napari_shapereg.errors import EngineError
from napari_shapereg.fidelities import (
    HausdorffDivergence,
    OptimalTransport,
    SinkhornDivergence,
    SoftMin,
    descent_field,
)
from napari_shapereg.measures import Measure

# The derivatives of transport are those of the limit of the updates.
CONVERGED = {"tolerance": 1e-7, "iterations": 1000, "scaling": 0.25}
LOSSES = {
    f"{name}-{p}": loss
    for p in (1, 2)
    for name, loss in (
        ("SoftMin", SoftMin(9.0, p)),
        ("Hausdorff", HausdorffDivergence(9.0, p)),
        ("Hausdorff-1-update", HausdorffDivergence(9.0, p, iterations=1)),
        ("W", OptimalTransport(9.0, p, **CONVERGED)),
        ("W-unbalanced", OptimalTransport(9.0, p, 7.0, **CONVERGED)),
        ("Sinkhorn", SinkhornDivergence(9.0, p, **CONVERGED)),
        ("Sinkhorn-unbalanced", SinkhornDivergence(9.0, p, 7.0, **CONVERGED)),
    )
}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


@pytest.fixture
def pair(cloud):
    """Of different masses, with a point without weight and two that coincide."""

    def make(dimension=3):
        alpha, beta = cloud(0, 6, dimension), cloud(1, 5, dimension)
        points = torch.cat((alpha.points, alpha.points[:1] + 3.0, beta.points[:1]))
        return Measure(points, torch.cat((alpha.weights, torch.tensor([0.0, 0.4])))), beta

    return make


def parts(alpha, beta):
    return [t.clone().requires_grad_() for t in (alpha.points, alpha.weights, beta.points, beta.weights)]


@pytest.mark.parametrize("dimension", [1, 2, 3, 6])
def test_gradients_by_differences_along_random_directions(loss, pair, engine, dimension):
    loss = dataclasses.replace(loss, engine=engine)
    alpha, beta = pair(dimension)
    inputs = parts(alpha, beta)
    x, a, y, b = inputs
    gradients = torch.autograd.grad(loss(Measure(x, a), Measure(y, b)), inputs)
    rng = np.random.default_rng(7)
    step = 1e-4
    for part, gradient in enumerate(gradients):
        direction = torch.from_numpy(rng.normal(size=gradient.shape))
        if part == 1:
            direction[6] = 0  # its weight cannot fall below 0: the next test
        if part == 0 and loss.p == 1:
            direction[7] = 0  # |x - y| has a kink where it lies on a point of the target
        if part == 2 and loss.p == 1:
            direction[0] = 0
        values = []
        for sign in (1, -1):
            moved = [t.detach() for t in inputs]
            moved[part] = moved[part] + sign * step * direction
            x, a, y, b = moved
            values.append(float(loss(Measure(x, a), Measure(y, b))))
        slope = (values[0] - values[1]) / (2 * step)
        expected = float((gradient * direction).sum())
        # The third derivative enters with step² = 1e-8, and values near 100 are rounded by 1e-14 / step.
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-6), part


def test_a_weight_of_zero_has_the_derivative_of_adding_mass(loss, pair, engine):
    loss = dataclasses.replace(loss, engine=engine)
    alpha, beta = pair()
    weights = alpha.weights.clone().requires_grad_()
    loss(Measure(alpha.points, weights), beta).backward()
    step = 1e-4
    values = [
        float(loss(Measure(alpha.points, alpha.weights + mass * torch.eye(8)[6].double()), beta))
        for mass in (0, step, 2 * step)
    ]
    slope = (4 * values[1] - values[2] - 3 * values[0]) / (2 * step)
    assert float(weights.grad[6]) == pytest.approx(slope, rel=1e-4)


def test_gradcheck(loss, cloud, engine):
    loss = dataclasses.replace(loss, engine=engine)
    inputs = parts(cloud(2, 4, 2), cloud(3, 3, 2))
    assert torch.autograd.gradcheck(
        lambda x, a, y, b: loss(Measure(x, a), Measure(y, b)), inputs, rtol=1e-4, atol=1e-6, fast_mode=True
    )


def test_potential_is_what_a_little_more_mass_costs(loss, pair, cloud, engine):
    loss = dataclasses.replace(loss, engine=engine)
    alpha, beta = pair()
    place = cloud(4, 1).points * 0.3
    step = 1e-4
    points = torch.cat((alpha.points, place))
    values = [
        float(loss(Measure(points, torch.cat((alpha.weights, torch.tensor([mass])))), beta))
        for mass in (0, step, 2 * step)
    ]
    slope = (4 * values[1] - values[2] - 3 * values[0]) / (2 * step)
    assert float(loss.potential(place, alpha, beta)) == pytest.approx(slope, rel=1e-4)


def test_potential_has_its_own_gradient(loss, cloud, engine):
    loss = dataclasses.replace(loss, engine=engine)
    alpha, beta = cloud(5, 5), cloud(6, 4)
    places = cloud(7, 3).points.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda points: loss.potential(points, alpha, beta), places, fast_mode=True, atol=1e-6
    )


def test_potentials_are_the_derivatives_in_the_weights(loss, pair):
    alpha, beta = pair()
    inputs = parts(alpha, beta)
    x, a, y, b = inputs
    loss(Measure(x, a), Measure(y, b)).backward()
    u, v = loss.potentials(alpha, beta)
    np.testing.assert_allclose(u, a.grad, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(v, b.grad, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(loss.potential(beta.points, beta, alpha), v, rtol=1e-6, atol=1e-6)


def test_descent_field_is_minus_the_gradient_per_unit_of_mass(loss, pair):
    alpha, beta = pair()
    points = alpha.points.clone().requires_grad_()
    loss(Measure(points, alpha.weights), beta).backward()
    field = descent_field(loss, alpha, beta)
    heavy = alpha.weights > 0
    expected = -points.grad[heavy] / alpha.weights[heavy, None]
    np.testing.assert_allclose(field[heavy], expected, rtol=1e-9, atol=1e-11)
    # Where there is no weight it is the field of a little: the point pulls itself by that much.
    light = torch.where(heavy, alpha.weights, 1e-9)
    limit = descent_field(loss, Measure(alpha.points, light), beta)
    np.testing.assert_allclose(field, limit, rtol=1e-5, atol=1e-5)
    assert float(field[~heavy].norm()) > 1e-3


def test_descent_field_of_points_that_coincide_is_finite(loss, engine):
    loss = dataclasses.replace(loss, engine=engine)
    place = torch.zeros(3, 3, dtype=torch.float64)
    beta = Measure(torch.cat((place[:1], place[:1] + 5)), torch.ones(2).double())
    field = descent_field(loss, Measure(place, torch.ones(3).double()), beta)
    assert bool(field.isfinite().all())
    assert torch.equal(field[0], field[1])


def test_sinkhorn_descent_is_a_displacement_whatever_the_mass(cloud):
    """For p = 2 the arrows end where the plans' barycentres say, in mm."""
    alpha, beta = cloud(8, 12, mass=170.0), cloud(9, 15, mass=170.0)
    loss = SinkhornDivergence(4.0, **CONVERGED)
    arrows = loss.transport_map(alpha, beta) - loss.transport_map(alpha, alpha)
    np.testing.assert_allclose(descent_field(loss, alpha, beta), arrows, atol=1e-6)


@pytest.mark.parametrize("source_wanted", [True, False])
def test_only_what_is_asked_for_is_differentiated(loss, cloud, source_wanted):
    alpha, beta = cloud(10, 5), cloud(11, 4)
    points = (alpha if source_wanted else beta).points.clone().requires_grad_()
    measures = (
        (Measure(points, alpha.weights), beta) if source_wanted else (alpha, Measure(points, beta.weights))
    )
    value = loss(*measures)
    value.backward()
    assert value.item() == float(loss(alpha, beta))
    assert float(points.grad.norm()) > 1e-4


@pytest.mark.parametrize("part", range(4))
def test_a_second_derivative_is_an_error(loss, cloud, part):
    inputs = parts(cloud(12, 4), cloud(13, 3))
    x, a, y, b = inputs
    value = loss(Measure(x, a), Measure(y, b))
    (gradient,) = torch.autograd.grad(value, inputs[part], create_graph=True)
    with pytest.raises(EngineError, match=r"differentiated (twice|again)"):
        (value + gradient.square().sum()).backward()


# KeOps pads 1 and 2 dimensions to 3; 6 are formulas of their own, which it compiles for seconds.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        *((name, 3) for name in LOSSES),
        *(("Sinkhorn-unbalanced-1", dimension) for dimension in (1, 2)),
        *(("Sinkhorn-unbalanced-2", dimension) for dimension in (1, 2, 6)),
    ],
)
def test_keops_agrees(name, dimension, pair):
    # The updates of one engine are those of the other, however many are made.
    hasty = {"tolerance": 1e-3} if isinstance(LOSSES[name], OptimalTransport) else {}
    results = []
    for engine in ("torch", "keops"):
        loss = dataclasses.replace(LOSSES[name], engine=engine, **hasty)
        inputs = parts(*pair(dimension))
        x, a, y, b = inputs
        value = loss(Measure(x, a), Measure(y, b))
        results.append((value.detach(), *torch.autograd.grad(value, inputs)))
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
