"""Far, large, small, lopsided and wrong input, for every divergence."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import (
    HausdorffDivergence,
    OptimalTransport,
    SinkhornDivergence,
    SoftMin,
    descent_field,
)
from napari_shapereg.measures import Measure

KINDS = {
    "SoftMin": SoftMin,
    "Hausdorff": HausdorffDivergence,
    "W": OptimalTransport,
    "Sinkhorn": SinkhornDivergence,
    "unbalanced": lambda blur, p=2, **given: SinkhornDivergence(blur, p, 20.0, **given),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def evaluate(loss, alpha, beta):
    """The value, all gradients and the arrows."""
    inputs = [t.clone().requires_grad_() for t in (alpha.points, alpha.weights, beta.points, beta.weights)]
    x, a, y, b = inputs
    value = loss(Measure(x, a), Measure(y, b))
    return value.detach(), *torch.autograd.grad(value, inputs), descent_field(loss, alpha, beta)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("ratio", [1e-3, 1.0, 1e3])
def test_any_blur(kind, engine, cloud, dtype, p, ratio):
    alpha, beta = cloud(0, 40, mass=1.0, dtype=dtype), cloud(1, 30, mass=1.0, dtype=dtype)
    # A point without mass, out of sight of all others.
    points = torch.cat((alpha.points, torch.tensor([[150.0, 0.0, 0.0]], dtype=dtype)))
    alpha = Measure(points, torch.cat((alpha.weights, torch.zeros(1, dtype=dtype))))
    # Between points that a blur of a thousandth keeps apart it would take hundreds of updates.
    hasty = {} if kind in {"SoftMin", "Hausdorff"} else {"iterations": 5}
    loss = KINDS[kind](60 * ratio, p, engine=engine, **hasty)
    value, *gradients = evaluate(loss, alpha, beta)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    # The rounding of costs and of ε both enter: float32 with ε = 1e6 diameters² holds no more than this.
    noise = 4 * torch.finfo(dtype).eps * (loss.blur**p + 60**p)
    assert math.isfinite(value)
    assert float(value) > -noise if kind != "SoftMin" else True
    if dtype == torch.float64 and kind != "W":
        assert float(value) > 1e-2


@every_kind
@pytest.mark.parametrize("mass", [1e-12, 1e12])
def test_any_mass(kind, engine, cloud, mass):
    alpha, beta = cloud(2, 20, mass=mass), cloud(3, 15, mass=mass)
    results = evaluate(KINDS[kind](5.0, engine=engine), alpha, beta)
    assert all(bool(result.isfinite().all()) for result in results)
    if kind in {"Hausdorff", "Sinkhorn", "W"}:
        unit = KINDS[kind](5.0, engine=engine)(alpha.normalized(), beta.normalized())
        assert float(results[0]) == pytest.approx(mass * float(unit), rel=1e-6)


@every_kind
def test_masses_of_1e_minus_12_and_1e12_together(kind, cloud):
    loss = KINDS[kind](5.0, engine="torch")
    results = evaluate(loss, cloud(2, 20, mass=1e-12), cloud(3, 15, mass=1e12))
    assert all(bool(result.isfinite().all()) for result in results)


@pytest.mark.parametrize("reach", [None, 500.0])
def test_one_point_against_1e5(cloud, reach):
    one, many = (cloud(seed, n, mass=1.0, dtype=torch.float32) for seed, n in ((4, 1), (5, 100_000)))
    points = many.points.clone().requires_grad_()
    value = OptimalTransport(2.0, reach=reach)(one, Measure(points, many.weights))
    (gradient,) = torch.autograd.grad(value, points)
    # All of the mass must come from the one point; mass that may stay away does so by cost / reach², .1 %.
    arms = points.detach().double() - one.points.double()
    weights = many.weights.double()
    assert value.item() == pytest.approx(float(weights @ arms.square().sum(1)) / 2, rel=3e-3)
    np.testing.assert_allclose(gradient / many.weights[:, None], arms, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize(("kind", "share"), [("SoftMin", 1.0), ("Hausdorff", 0.5), ("Sinkhorn", 1.0)])
def test_one_point_against_1e5_of_any_kind(kind, share, cloud):
    # Along a line, where a point sees few others at this blur: seconds, not a minute.
    one, many = (
        Measure(measure.points * torch.tensor([20.0, 0.1, 0.1]), measure.weights)
        for measure in (
            cloud(4, 1, mass=1.0, dtype=torch.float32),
            cloud(5, 100_000, mass=1.0, dtype=torch.float32),
        )
    )
    value, *gradients = evaluate(KINDS[kind](0.5), one, many)
    # Of moving the one point everywhere, or half of it.
    cost = float(many.weights @ (many.points - one.points).square().sum(1)) / 2
    assert float(value) == pytest.approx(share * cost, rel=0.01)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@every_kind
def test_far_from_the_origin(kind, engine, cloud):
    alpha, beta = (
        dataclasses.replace(m, points=torch.round(m.points * 8) / 8)
        for m in (cloud(6, 50, mass=1.0, dtype=torch.float32), cloud(7, 40, mass=1.0, dtype=torch.float32))
    )
    loss = KINDS[kind](3.0, engine=engine)
    if hasattr(loss, "iterations"):
        # So far that where the updates begin, from points merged elsewhere, is not seen.
        loss = dataclasses.replace(loss, tolerance=1e-4, iterations=300)
    far = [dataclasses.replace(m, points=m.points + 1e6) for m in (alpha, beta)]
    # Eighths of a millimetre survive 1e6 mm in float32; the radius of the problem is rounded to them.
    assert float(loss(*far)) == pytest.approx(float(loss(alpha, beta)), rel=1e-3)
    np.testing.assert_allclose(
        descent_field(loss, *far), descent_field(loss, alpha, beta), rtol=1e-2, atol=2e-2
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("p", [1, 2])
def test_points_without_mass_beside_mass_that_is_out_of_reach(engine, dtype, p):
    """Mass there would grow by a factor beyond all floating-point numbers, but there is none."""
    source = Measure([[0.0, 0.0], [200.0, 0.1]], [1.0, 0.0]).to(dtype=dtype)
    target = Measure([[0.0, 0.0], [200.0, 0.0]], [1.0, 1.0]).to(dtype=dtype)
    loss = SinkhornDivergence(0.1, p, 0.1, engine=engine)
    value, *gradients = evaluate(loss, source, target)
    # The mass out of reach is destroyed, for ρ and the half of ε that the divergence adds, to the rounding of
    # the largest cost.
    noise = 4 * torch.finfo(dtype).eps * 200**p / p
    assert float(value) == pytest.approx(0.1**p * 1.5, rel=1e-3, abs=noise)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@every_kind
def test_all_points_at_one_place(kind, engine):
    alpha = Measure(np.ones((3, 2)), [1.0, 0.0, 2.0])
    beta = Measure(np.ones((2, 2)), [1.5, 1.5])
    value, *gradients = evaluate(KINDS[kind](1.0, engine=engine), alpha, beta)
    if kind != "W":
        assert float(value) == pytest.approx(0, abs=1e-12)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    np.testing.assert_allclose(gradients[-1], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Measure([[0.0, math.nan]], [1.0]), r"points: 1 of 1 are NaN or infinite"),
        (lambda: Measure([[math.inf, 0.0]], [1.0]), r"points: 1 of 1 are NaN or infinite"),
        (lambda: Measure([[0.0, 0.0]], [-1.0]), r"weights: 1 of 1 are negative"),
        (lambda: Measure([[0.0, 0.0]], [math.nan]), r"weights: 1 of 1 are NaN"),
        (lambda: Measure(np.zeros((0, 2)), []), r"points: received shape \(0, 2\)"),
        (lambda: Measure([[0.0, 0.0]], [0.0]), r"weights: .*without mass"),
    ],
)
def test_a_measure_that_is_none_is_refused_by_argument(build, message):
    with pytest.raises(InputError, match=message):
        build()


@every_kind
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Measure([[0.0, 0.0, 0.0]], [1.0]), "target: its points have 3 coordinates, those of the source 2"),
        (Measure([[0.0, 0.0]], [1.0]).to(dtype=torch.float32), "target: received torch.float32"),
        (np.zeros((3, 2)), "target: received ndarray"),
    ],
    ids=["dimension", "dtype", "array"],
)
def test_refuses_measures_that_do_not_match(kind, target, message):
    loss = KINDS[kind](1.0)
    source = Measure([[0.0, 1.0]], [1.0])
    calls = [loss, loss.potentials, lambda a, b: descent_field(loss, a, b)]
    if isinstance(loss, OptimalTransport):
        calls += [loss.transport_map, loss.transport_plan]
    for call in calls:
        with pytest.raises(InputError, match=message):
            call(source, target)


@every_kind
def test_refuses_measures_on_different_devices(kind):
    """On a device that every machine has, though nothing can be computed there."""
    source, target = (Measure([[0.0, 1.0]], [1.0]) for _ in range(2))
    object.__setattr__(target, "points", target.points.to("meta"))
    with pytest.raises(InputError, match=r"target: on meta, but the source is on cpu; move one of them"):
        KINDS[kind](1.0)(source, target)


@every_kind
@pytest.mark.parametrize("blur", [0, -1.0, math.inf, math.nan, "1", None, True])
def test_refuses_a_blur_that_is_no_length(kind, blur):
    with pytest.raises(InputError, match=rf"blur: received {blur!r}.*in mm"):
        KINDS[kind](blur)


@every_kind
@pytest.mark.parametrize("p", [0, 3, 1.5, "2", True])
def test_refuses_other_exponents(kind, p):
    with pytest.raises(InputError, match=rf"p: received {p!r}.*p = 1 or p = 2"):
        KINDS[kind](1.0, p)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reach": -1.0}, "reach: received -1.0"),
        ({"reach": math.inf}, "reach: received inf"),
        ({"scaling": 1.0}, "scaling: received 1.0"),
        ({"tolerance": 0}, "tolerance: received 0"),
        ({"iterations": 0}, "iterations: received 0"),
        ({"iterations": 2.5}, "iterations: received 2.5"),
    ],
)
def test_refuses_settings_of_transport(arguments, message):
    with pytest.raises(InputError, match=message):
        SinkhornDivergence(1.0, **arguments)
    with pytest.raises(InputError, match=r"tolerance: received -1"):
        HausdorffDivergence(1.0, tolerance=-1)


def test_a_plan_tells_what_its_updates_left_undone(cloud):
    alpha, beta = cloud(8, 30, mass=1.0), cloud(9, 30, mass=1.0)
    hasty = OptimalTransport(0.5, iterations=1).transport_plan(alpha, beta)
    patient = OptimalTransport(3.0, tolerance=1e-4, iterations=2000).transport_plan(alpha, beta)
    assert hasty.marginal_error > 0.01
    assert hasty.iterations == 1
    assert patient.marginal_error <= 1e-4
    assert 1 < patient.iterations < 2000
