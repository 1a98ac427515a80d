from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import EnergyDistance, KernelNorm, descent_field
from napari_shapereg.measures import Measure
from napari_shapereg.reductions.kernels import GaussianKernel, LaplacianKernel

LOSSES = [EnergyDistance(), KernelNorm(GaussianKernel(8.0)), KernelNorm(LaplacianKernel(5.0))]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=["energy", "Gaussian", "Laplacian"])


@every_loss
def test_potential_is_the_first_variation(loss, cloud, engine):
    """What a little more mass at x costs: by definition, with new atoms of mass t and differences in t."""
    loss = dataclasses.replace(loss, engine=engine)
    alpha, beta = cloud(0, 12), cloud(1, 9)
    places = torch.cat((cloud(2, 4).points, alpha.points[:1], beta.points[:1]))
    potential = loss.potential(places, alpha, beta)
    assert potential.shape == (6,)
    t = 1e-4
    for place, expected in zip(places, potential, strict=True):
        points = torch.cat((alpha.points, place[None]))
        more, less = (
            loss(Measure(points, torch.cat((alpha.weights, torch.tensor([m]).double()))), beta)
            for m in (2 * t, 0.0)
        )
        middle = t * float(expected) * 2
        # The energy and Laplacian terms of a new atom with itself are k(0) (2t)^2 / 2, at most 2e-8.
        assert float(more - less) == pytest.approx(middle, abs=3e-8)


@every_loss
def test_potential_has_its_own_gradient(loss, cloud, engine):
    loss = dataclasses.replace(loss, engine=engine)
    alpha, beta = cloud(3, 8), cloud(4, 6)
    places = cloud(5, 5).points.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda points: loss.potential(points, alpha, beta), places)


@every_loss
def test_potentials_are_the_derivatives_in_the_weights(loss, cloud):
    alpha, beta = cloud(6, 10), cloud(7, 8)
    a, b = alpha.weights.clone().requires_grad_(), beta.weights.clone().requires_grad_()
    loss(Measure(alpha.points, a), Measure(beta.points, b)).backward()
    u, v = loss.potentials(alpha, beta)
    np.testing.assert_allclose(u, a.grad, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(v, b.grad, rtol=1e-9, atol=1e-9)


@every_loss
@pytest.mark.parametrize("dimension", [1, 2, 3, 6])
def test_descent_field_is_minus_the_gradient_per_unit_of_mass(loss, cloud, engine, dimension):
    loss = dataclasses.replace(loss, engine=engine)
    alpha, beta = cloud(8, 15, dimension), cloud(9, 11, dimension)
    points = alpha.points.clone().requires_grad_()
    loss(Measure(points, alpha.weights), beta).backward()
    field = descent_field(loss, alpha, beta)
    np.testing.assert_allclose(field, -points.grad / alpha.weights[:, None], rtol=1e-9, atol=1e-11)
    assert not field.requires_grad


@every_loss
def test_descent_field_lowers_the_fidelity(loss, cloud):
    alpha, beta = cloud(10, 30, mass=1.0), cloud(11, 30, mass=1.0)
    field = descent_field(loss, alpha, beta)
    before = float(loss(alpha, beta))
    after = float(loss(dataclasses.replace(alpha, points=alpha.points + 0.01 * field), beta))
    # To first order the decrease is the step times the squared norm of the field in L2(alpha).
    expected = 0.01 * float((alpha.weights[:, None] * field**2).sum())
    assert before - after == pytest.approx(expected, rel=0.02)


@every_loss
def test_descent_field_of_points_without_weight_is_the_limit(loss, cloud):
    alpha, beta = cloud(12, 10), cloud(13, 10)
    bare, light = alpha.weights.clone(), alpha.weights.clone()
    bare[:3], light[:3] = 0.0, 1e-13
    field = descent_field(loss, Measure(alpha.points, bare), beta)
    limit = descent_field(loss, Measure(alpha.points, light), beta)
    assert bool(field.isfinite().all())
    assert float(field[:3].norm(dim=1).min()) > 1e-3
    np.testing.assert_allclose(field, limit, atol=1e-10)


def test_descent_field_is_finite_where_points_coincide(engine):
    x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])
    field = descent_field(
        EnergyDistance(engine=engine), Measure(x, torch.ones(3)), Measure(x[:1], torch.ones(1))
    )
    # u(p) = -|p| - |p - q| with q = (3, 4), the atom at 0 having mass 2 - 1: both are pushed apart.
    np.testing.assert_allclose(field, [[-0.6, -0.8], [-0.6, -0.8], [0.6, 0.8]], atol=1e-6)


def test_descent_field_points_from_a_dirac_to_its_target(engine):
    far, near = Measure([[0.0, 0.0, 0.0]], [2.0]), Measure([[0.0, 30.0, 40.0]], [2.0])
    field = descent_field(EnergyDistance(engine=engine), far, near)
    # Of unit length per unit of target mass, however far the target is.
    np.testing.assert_allclose(field, [[0.0, 1.2, 1.6]], atol=1e-12)


def test_descent_field_works_without_a_graph_and_leaves_none(cloud):
    alpha = cloud(14, 5)
    points = alpha.points.clone().requires_grad_()
    with torch.no_grad():
        field = descent_field(EnergyDistance(), Measure(points, alpha.weights), cloud(15, 5))
    assert points.grad is None
    assert not field.requires_grad


@pytest.mark.parametrize("call", ["value", "potential", "potentials", "field"])
@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (Measure(np.zeros((1, 2)), [1.0]), Measure(np.zeros((1, 3)), [1.0]), "target.*3 coord.*source 2"),
        (
            Measure([[0.0]], [1.0]),
            Measure([[0.0]], [1.0]).to(dtype=torch.float32),
            "target.*float32.*float64",
        ),
        (Measure([[0.0]], [1.0]), np.zeros((1, 1)), "target.*ndarray.*Measure"),
        (torch.zeros(1, 1), Measure([[0.0]], [1.0]), "source.*Tensor.*Measure"),
    ],
    ids=["dimension", "dtype", "array", "tensor"],
)
def test_refuses_measures_that_do_not_match(call, source, target, message):
    loss = EnergyDistance()
    calls = {
        "value": lambda: loss(source, target),
        "potential": lambda: loss.potential(torch.zeros(1, 1, dtype=torch.float64), source, target),
        "potentials": lambda: loss.potentials(source, target),
        "field": lambda: descent_field(loss, source, target),
    }
    with pytest.raises(InputError, match=message):
        calls[call]()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.zeros(3), r"points.*\(3,\)"),
        (torch.zeros((0, 2)), r"points.*\(0, 2\)"),
        (torch.zeros((4, 3)), r"points.*\(4, 3\).*\(K, 2\)"),
        (torch.zeros((4, 2), dtype=torch.float32), "points.*float32.*float64"),
        (torch.zeros((4, 2), dtype=torch.float64, device="meta"), "points.*meta.*cpu"),
        (torch.full((4, 2), torch.nan, dtype=torch.float64), "points.*NaN"),
    ],
)
def test_refuses_places_where_no_potential_can_be(points, message):
    points = points if points.dtype == torch.float32 and "float32" in message else points.double()
    alpha = Measure(np.zeros((1, 2)), [1.0])
    with pytest.raises(InputError, match=message):
        EnergyDistance().potential(points, alpha, alpha)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_on_a_gpu_as_on_the_cpu(cloud, engine):
    alpha, beta = cloud(16, 300, dtype=torch.float32), cloud(17, 200, dtype=torch.float32)
    there = [measure.to(device="cuda") for measure in (alpha, beta)]
    loss = EnergyDistance(engine=engine)
    assert float(loss(*there)) == pytest.approx(float(EnergyDistance(engine="torch")(alpha, beta)), rel=1e-5)
    field = descent_field(loss, *there)
    assert field.device.type == "cuda"
    np.testing.assert_allclose(
        field.cpu(), descent_field(EnergyDistance(engine="torch"), alpha, beta), rtol=1e-4, atol=1e-4
    )
    with pytest.raises(InputError, match=r"target.*cpu.*cuda"):
        loss(there[0], beta)
