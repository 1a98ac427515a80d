from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import (
    Currents,
    EnergyDistance,
    HausdorffDivergence,
    OrientedVarifold,
    PositionAndNormal,
    SinkhornDivergence,
    UnorientedVarifold,
    descent_field,
)
from napari_shapereg.measures import Measure, measure_from_labels
from napari_shapereg.measures.surfaces import measure_from_mesh, surface_from_labels
from napari_shapereg.reductions.kernels import GaussianKernel, LaplacianKernel
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.labels import LabelVolume

CONVERGED = {"tolerance": 1e-7, "iterations": 1000, "scaling": 0.25}
PRODUCTS = {
    "currents": (Currents(LaplacianKernel(6.0)), lambda r: np.exp(-r / 6), lambda c: c),
    "unoriented": (UnorientedVarifold(GaussianKernel(6.0)), lambda r: np.exp(-(r**2) / 72), lambda c: c**2),
    "oriented": (
        OrientedVarifold(6.0, 0.7),
        lambda r: np.exp(-(r**2) / 72),
        lambda c: np.exp((c - 1) / 0.49),
    ),
}


def losses(unit):
    """Of lengths in a unit of length, in mm."""
    return {
        "currents": Currents(LaplacianKernel(6.0 * unit)),
        "unoriented": UnorientedVarifold(GaussianKernel(6.0 * unit)),
        "oriented": OrientedVarifold(6.0 * unit, 0.7),
        "Sinkhorn": PositionAndNormal(SinkhornDivergence(6.0 * unit, **CONVERGED), 5.0 * unit),
        "unbalanced": PositionAndNormal(
            SinkhornDivergence(6.0 * unit, 1, 9.0 * unit, **CONVERGED), 5.0 * unit
        ),
        "Hausdorff": PositionAndNormal(HausdorffDivergence(6.0 * unit), 5.0 * unit),
    }


LOSSES = losses(1.0)


@pytest.fixture
def patch():
    """Points with unit normals, the same for the same seed."""

    def make(seed, count, dimension=3):
        rng = np.random.default_rng(seed)
        normals = rng.normal(size=(count, dimension))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return Measure(rng.normal(size=(count, dimension)) * 8, rng.uniform(0.2, 1, count), normals)

    return make


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("dimension", [2, 3])
def test_is_the_product_of_kernels(patch, engine, name, dimension):
    loss, between_points, between_normals = PRODUCTS[name]
    alpha, beta = patch(0, 20, dimension), patch(1, 15, dimension)
    points = np.concatenate((alpha.points, beta.points))
    normals = np.concatenate((alpha.normals, beta.normals))
    signed = np.concatenate((alpha.weights, -beta.weights))
    expected = (
        signed @ (between_points(cdist(points, points)) * between_normals(normals @ normals.T)) @ signed
    )
    assert float(dataclasses.replace(loss, engine=engine)(alpha, beta)) == pytest.approx(
        expected / 2, rel=1e-9
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dimension", [2, 3])
def test_gradients_in_points_weights_and_normals(patch, engine, name, dimension):
    loss = dataclasses.replace(LOSSES[name], engine=engine)
    alpha, beta = patch(2, 4, dimension), patch(3, 3, dimension)
    inputs = [
        t.clone().requires_grad_()
        for t in (alpha.points, alpha.weights, alpha.normals, beta.points, beta.weights, beta.normals)
    ]
    assert torch.autograd.gradcheck(
        lambda *t: loss(Measure(*t[:3]), Measure(*t[3:])), inputs, rtol=1e-4, atol=1e-6, fast_mode=True
    )


@pytest.mark.parametrize("name", LOSSES)
def test_descent_field_and_potentials_are_the_derivatives(patch, name):
    loss = LOSSES[name]
    alpha, beta = patch(4, 8), patch(5, 6)
    points, weights = alpha.points.clone().requires_grad_(), alpha.weights.clone().requires_grad_()
    loss(Measure(points, weights, alpha.normals), beta).backward()
    field = descent_field(loss, alpha, beta)
    np.testing.assert_allclose(field, -points.grad / alpha.weights[:, None], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(loss.potentials(alpha, beta)[0], weights.grad, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_zero_at_equality_and_positive(patch, name):
    alpha, beta = patch(6, 10), patch(7, 10)
    assert float(LOSSES[name](alpha, alpha)) == pytest.approx(0, abs=1e-9)
    assert float(LOSSES[name](alpha, beta)) > 1e-3


few = settings(max_examples=settings().max_examples // 12)
every_loss = pytest.mark.parametrize("name", LOSSES)
seeds = st.integers(0, 1000)


def surfaces(seed):
    rng = np.random.default_rng(seed)
    for count in rng.integers(1, 6, 2):
        normals = rng.normal(size=(count, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        yield Measure(rng.normal(size=(count, 3)) * 8, rng.uniform(0.2, 1, count), normals)


@every_loss
@few
@given(seed=seeds)
def test_symmetric_and_positive(name, seed):
    alpha, beta = surfaces(seed)
    value = float(LOSSES[name](alpha, beta))
    assert value > 1e-6
    assert float(LOSSES[name](beta, alpha)) == pytest.approx(value, rel=1e-9)


@every_loss
@few
@given(seed=seeds)
def test_the_same_after_a_rigid_motion_of_both(name, seed):
    motion = torch.from_numpy(Rotation.random(rng=seed).as_matrix())
    alpha, beta = surfaces(seed)
    moved = [Measure(m.points @ motion.T + 17.0, m.weights, m.normals @ motion.T) for m in (alpha, beta)]
    value = float(LOSSES[name](alpha, beta))
    assert float(LOSSES[name](*moved)) == pytest.approx(value, rel=1e-7, abs=1e-9)


@every_loss
@few
@given(seed=seeds, unit=st.floats(0.01, 100))
def test_scales_with_the_unit_of_length(name, seed, unit):
    alpha, beta = surfaces(seed)
    larger = [dataclasses.replace(m, points=m.points * unit) for m in (alpha, beta)]
    # Kernels have no unit; the cost of transport has that of length^p.
    power = {"Sinkhorn": 2, "unbalanced": 1, "Hausdorff": 2}.get(name, 0)
    value = float(losses(unit)[name](*larger)) / unit**power
    assert value == pytest.approx(float(LOSSES[name](alpha, beta)), rel=1e-6, abs=1e-9)


@every_loss
@few
@given(seed=seeds, share=st.floats(0, 1))
def test_the_same_when_an_atom_is_split(name, seed, share):
    alpha, beta = surfaces(seed)
    weights = torch.cat((alpha.weights, alpha.weights[:1] * (1 - share)))
    weights[0] *= share
    points, normals = (torch.cat((rows, rows[:1])) for rows in (alpha.points, alpha.normals))
    value = float(LOSSES[name](alpha, beta))
    assert float(LOSSES[name](Measure(points, weights, normals), beta)) == pytest.approx(
        value, rel=1e-7, abs=1e-9
    )


def test_what_turning_the_normals_round_does(patch):
    alpha, beta = patch(8, 10), patch(9, 10)
    turned = dataclasses.replace(alpha, normals=-alpha.normals)
    unoriented = LOSSES["unoriented"]
    assert float(unoriented(turned, beta)) == pytest.approx(float(unoriented(alpha, beta)), rel=1e-12)
    assert float(unoriented(turned, alpha)) == pytest.approx(0, abs=1e-12)
    # Currents cancel: a sheet and its reverse are minus each other.
    currents = LOSSES["currents"]
    zero = dataclasses.replace(alpha, weights=1e-30 * alpha.weights)
    assert float(currents(turned, alpha)) == pytest.approx(4 * float(currents(alpha, zero)), rel=1e-9)
    assert float(LOSSES["oriented"](turned, alpha)) > 1


def test_transport_matches_each_side_of_a_thin_sheet():
    """Two faces 1 mm apart, moved by 1.5 mm: points alone pair the wrong faces, normals keep them apart."""
    plane = torch.cartesian_prod(torch.arange(6.0), torch.arange(6.0)).double() * 2
    lower = torch.cat((plane, torch.zeros(36, 1)), dim=1)
    upper = torch.cat((plane, torch.ones(36, 1)), dim=1)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    normals = torch.cat((-up.expand(36, 3), up.expand(36, 3)))
    # Only the upper face has been displaced to the lower one's other side: the faces have swapped places.
    source = Measure(torch.cat((lower, upper)), torch.ones(72).double(), normals)
    target = Measure(torch.cat((upper, lower)), torch.ones(72).double(), normals)
    plain = SinkhornDivergence(0.3)
    assert float(plain(source, target)) == pytest.approx(0, abs=1e-6)
    lifted = PositionAndNormal(plain, normal_length=5.0)
    # Each of 72 points of weight 1 moves by 1 mm.
    assert float(lifted(source, target)) == pytest.approx(72 / 2, rel=0.01)
    field = descent_field(lifted, source, target)
    np.testing.assert_allclose(field[:, 2], [1.0] * 36 + [-1.0] * 36, atol=0.05)


def test_normals_follow_the_deformation_of_a_mesh():
    """Vertices carry points, areas and normals: the descent of a current in them is that of its value."""
    data = np.zeros((9, 9, 9), dtype=np.uint8)
    data[2:7, 2:7, 3:6] = 1
    grid = ImageGrid((9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    volume = LabelVolume.from_array(data, grid)
    vertices, faces = surface_from_labels(volume, 1)
    target = measure_from_labels(volume, 1, kind="surface", dtype=torch.float64)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    moved = (1.3 * vertices @ turn.T).requires_grad_()
    for loss in (Currents(GaussianKernel(3.0)), UnorientedVarifold(GaussianKernel(3.0)), LOSSES["oriented"]):
        value = loss(measure_from_mesh(moved, faces), target)
        (gradient,) = torch.autograd.grad(value, moved)
        step = 1e-5 * gradient / gradient.norm()
        with torch.no_grad():
            more, less = (loss(measure_from_mesh(moved + s * step, faces), target) for s in (1, -1))
        assert float((more - less) / 2e-5) == pytest.approx(float(gradient.norm()), rel=1e-5)


def test_coarser_currents_stay_close(patch):
    """The mean normal of a cell times its area is its area vector: currents survive coarsening."""
    from napari_shapereg.measures import coarsen

    alpha, beta = patch(10, 400), patch(11, 400)
    loss = Currents(GaussianKernel(10.0))
    assert float(loss(coarsen(alpha, 1.0), alpha)) < 1e-3 * float(loss(alpha, beta))


@pytest.mark.parametrize("name", LOSSES)
def test_refuses_measures_without_normals_by_name(patch, name):
    alpha, bare = patch(12, 4), Measure(np.zeros((2, 3)), [1.0, 1.0])
    with pytest.raises(InputError, match=r"source: has no normals.*kind='surface'"):
        LOSSES[name](bare, alpha)
    with pytest.raises(InputError, match="target: has no normals"):
        descent_field(LOSSES[name], alpha, bare)
    with pytest.raises(InputError, match=r"normals: received None.*4 points"):
        LOSSES[name].potential(alpha.points, alpha, alpha)


def test_refuses_what_makes_no_sense():
    with pytest.raises(InputError, match="kernel: received 3"):
        Currents(3)
    with pytest.raises(InputError, match=r"turn: received -1"):
        OrientedVarifold(2.0, -1)
    with pytest.raises(InputError, match=r"normal_length: received nan"):
        PositionAndNormal(EnergyDistance(), math.nan)
    with pytest.raises(InputError, match=r"loss: received Currents"):
        PositionAndNormal(Currents(GaussianKernel(2.0)), 1.0)


def test_are_values():
    assert OrientedVarifold(2.0) == OrientedVarifold(2.0)
    assert len({Currents(GaussianKernel(2.0)), Currents(GaussianKernel(2.0)), OrientedVarifold(1.0)}) == 2
