"""What holds for any measures, by hypothesis; equal masses are 1 where transport is balanced."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.spatial.transform import Rotation

from napari_shapereg.fidelities import (
    HausdorffDivergence,
    OptimalTransport,
    SinkhornDivergence,
    SoftMin,
)
from napari_shapereg.measures import Measure

# Few points, and much patience: what is left of the updates is about the square of the tolerance.
CONVERGED = {"tolerance": 1e-5, "iterations": 1000, "scaling": 0.25, "engine": "torch"}
DIVERGENCES = {
    f"{name}-{p}": loss
    for p in (1, 2)
    for name, loss in (
        ("Hausdorff", HausdorffDivergence(1.5, p, engine="torch")),
        ("Sinkhorn", SinkhornDivergence(1.5, p, **CONVERGED)),
        ("unbalanced", SinkhornDivergence(1.5, p, 2.5, **CONVERGED)),
    )
}
LOSSES = {
    **DIVERGENCES,
    "SoftMin-1": SoftMin(1.5, 1, engine="torch"),
    "SoftMin-2": SoftMin(1.5, 2, engine="torch"),
    "W-2": OptimalTransport(1.5, 2, **CONVERGED),
    "W-unbalanced-1": OptimalTransport(1.5, 1, 2.5, **CONVERGED),
}
sites = st.tuples(*[st.integers(-3, 3)] * 3)
masses = st.floats(0.01, 10).map(lambda mass: round(mass, 3))
atoms = st.lists(st.tuples(sites, masses), min_size=1, max_size=7)
# An eighth of the profile's: each example solves several problems of transport.
few = settings(max_examples=settings().max_examples // 8)


def measure_of(atoms) -> Measure:
    points, weights = zip(*atoms, strict=True)
    return Measure(np.array(points, float), np.array(weights))


def scale_of(alpha, beta):
    """The square of the mass times the largest cost, in order of magnitude: no value is larger."""
    return float(alpha.mass + beta.mass) ** 2 * 50


every_loss = pytest.mark.parametrize("name", LOSSES)
every_divergence = pytest.mark.parametrize("name", DIVERGENCES)


@every_loss
@few
@given(a=atoms, b=atoms)
def test_symmetric(name, a, b):
    alpha, beta = measure_of(a), measure_of(b)
    loss = LOSSES[name]
    if isinstance(loss, OptimalTransport):
        loss = dataclasses.replace(loss, tolerance=0.01)  # whether or not the updates have converged
    value = float(loss(alpha, beta))
    assert float(loss(beta, alpha)) == pytest.approx(value, abs=1e-13 * scale_of(alpha, beta))


@every_divergence
@few
@given(a=atoms, b=atoms)
def test_zero_at_equality_and_never_negative(name, a, b):
    alpha, beta = measure_of(a), measure_of(b)
    shuffled = measure_of(a[::-1])
    assert float(DIVERGENCES[name](alpha, shuffled)) == pytest.approx(0, abs=1e-12 * scale_of(alpha, alpha))
    # Updates that ended early may leave a transport cost low by about the square of their tolerance.
    assert float(DIVERGENCES[name](alpha, beta)) >= -1e-10 * scale_of(alpha, beta)


@pytest.mark.parametrize("p", [1, 2])
@given(a=atoms, b=atoms, blur=st.floats(0.5, 20))
@few
def test_hausdorff_is_at_most_sinkhorn(p, a, b, blur):
    alpha, beta = measure_of(a).normalized(), measure_of(b).normalized()
    hausdorff = HausdorffDivergence(blur, p, tolerance=1e-9, engine="torch")(alpha, beta)
    sinkhorn = SinkhornDivergence(blur, p, **CONVERGED)(alpha, beta)
    assert float(hausdorff) >= -1e-9
    assert float(hausdorff) <= float(sinkhorn) + 1e-7


@every_divergence
def test_positive_where_measures_differ(name):
    alpha, beta = Measure([[0.0], [1.0]], [0.5, 0.5]), Measure([[0.0], [1.0]], [0.4, 0.6])
    assert float(DIVERGENCES[name](alpha, beta)) > 1e-4


@every_loss
@few
@given(a=atoms, b=atoms, seed=st.integers(0, 1000))
def test_the_same_after_a_rigid_motion_of_both(name, a, b, seed):
    motion = torch.from_numpy(Rotation.random(rng=seed).as_matrix())
    alpha, beta = measure_of(a), measure_of(b)
    moved = [dataclasses.replace(m, points=m.points @ motion.T + 17.0) for m in (alpha, beta)]
    value = float(LOSSES[name](alpha, beta))
    assert float(LOSSES[name](*moved)) == pytest.approx(value, abs=1e-9 * scale_of(alpha, beta))


@every_loss
@few
@given(a=atoms, b=atoms, factor=st.floats(0.01, 100))
def test_scales_with_the_unit_of_length(name, a, b, factor):
    loss, alpha, beta = LOSSES[name], measure_of(a), measure_of(b)
    larger = [dataclasses.replace(m, points=m.points * factor) for m in (alpha, beta)]
    lengths = {"blur": factor * loss.blur}
    if getattr(loss, "reach", None) is not None:
        lengths["reach"] = factor * loss.reach
    value = float(dataclasses.replace(loss, **lengths)(*larger)) / factor**loss.p
    assert value == pytest.approx(float(loss(alpha, beta)), abs=1e-9 * scale_of(alpha, beta))


@every_loss
@few
@given(a=atoms, b=atoms, share=st.floats(0, 1))
def test_the_same_when_an_atom_is_split(name, a, b, share):
    (site, mass), *rest = a
    alpha, beta = measure_of(a), measure_of(b)
    split = measure_of([(site, mass * share), *rest, (site, mass * (1 - share))])
    value = float(LOSSES[name](alpha, beta))
    assert float(LOSSES[name](split, beta)) == pytest.approx(value, abs=1e-9 * scale_of(alpha, beta))


@pytest.mark.parametrize("name", ["Hausdorff-1", "Hausdorff-2", "Sinkhorn-1", "Sinkhorn-2", "W-2"])
@few
@given(a=atoms, b=atoms, factor=st.floats(1e-3, 1e3))
def test_proportional_to_the_mass(name, a, b, factor):
    alpha, beta = measure_of(a).normalized(), measure_of(b).normalized()
    heavier = [dataclasses.replace(m, weights=m.weights * factor) for m in (alpha, beta)]
    value = float(LOSSES[name](alpha, beta))
    assert float(LOSSES[name](*heavier)) / factor == pytest.approx(value, abs=1e-9 * scale_of(alpha, beta))


@few
@given(a=atoms, b=atoms, factor=st.floats(1e-3, 1e3))
def test_balanced_transport_does_not_see_a_difference_of_mass(a, b, factor):
    alpha, beta = measure_of(a).normalized(), measure_of(b).normalized()
    heavier = dataclasses.replace(beta, weights=beta.weights * factor)
    loss = SinkhornDivergence(1.5, **CONVERGED)
    expected = float(loss(alpha, beta)) * factor**0.5
    assert float(loss(alpha, heavier)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("p", [1, 2])
@few
@given(a=atoms, b=atoms)
def test_a_long_reach_is_balanced_and_a_shorter_one_costs_less(p, a, b):
    alpha, beta = measure_of(a).normalized(), measure_of(b).normalized()
    values = [
        float(SinkhornDivergence(1.5, p, reach, **CONVERGED)(alpha, beta)) for reach in (2.0, 20.0, 1e5, None)
    ]
    # What is left is f² / ρ, about 30 / 1e5.
    assert values[2] == pytest.approx(values[3], rel=1e-3, abs=1e-3)
    # Between equal masses: the biased cost is a minimum of less and less.
    costs = [
        float(OptimalTransport(1.5, p, reach, **CONVERGED)(alpha, beta)) for reach in (2.0, 20.0, 1e5, None)
    ]
    assert costs[0] <= costs[1] + 1e-8 <= costs[2] + 2e-8 <= costs[3] + 3e-8


@every_divergence
@pytest.mark.parametrize("engine", ["torch", "numba"])
def test_float32_is_negative_by_rounding_at_most(name, engine, cloud):
    """Of a value between equal and nearly equal measures, 2e-6 of the mass times the largest cost."""
    loss = dataclasses.replace(DIVERGENCES[name], blur=3.0, engine=engine)
    if loss != HausdorffDivergence(3.0, loss.p, engine=engine):
        loss = dataclasses.replace(loss, tolerance=1e-3, iterations=200)
    alpha = cloud(0, 150, mass=1.0, dtype=torch.float32)
    largest = float(torch.cdist(alpha.points, alpha.points).max()) ** loss.p / loss.p
    for shift in (0.0, 0.001, 0.1):
        beta = Measure(alpha.points.flip(0) + shift, alpha.weights.flip(0))
        value = float(loss(alpha, beta))
        assert value >= -2e-6 * largest
        assert value <= 3 * shift**loss.p + 2e-6 * largest
