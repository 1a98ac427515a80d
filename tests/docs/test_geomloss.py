"""What docs/fidelities.md says of GeomLoss: when one of these fails, that page is out of date."""

from __future__ import annotations

import geomloss
import pytest
import torch

import napari_shapereg as sr

pytestmark = pytest.mark.filterwarnings("ignore")

STEP = 1e-5


@pytest.fixture(scope="module")
def clouds():
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": torch.float64}
    x, y = torch.rand(30, 3, **options), torch.rand(40, 3, **options) + 0.2
    return x, torch.rand(30, **options), y, torch.rand(40, **options)


def gradient(value, x):
    points = x.clone().requires_grad_()
    return torch.autograd.grad(value(points), points)[0]


def difference(function, x):
    """Central differences in the coordinates of the first point."""
    shifts = STEP * torch.eye(3, dtype=x.dtype)
    moved = [(torch.cat([x[:1] + s, x[1:]]), torch.cat([x[:1] - s, x[1:]])) for s in shifts]
    return torch.stack([(function(there) - function(back)) / (2 * STEP) for there, back in moved])


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


def test_its_hausdorff_raises(clouds):
    x, a, y, b = clouds
    with pytest.raises(KeyError):
        geomloss.SamplesLoss("hausdorff", blur=0.3)(a, x, b, y)


def test_its_unbalanced_gradient_is_off_and_ours_is_not(clouds):
    x, a, y, b = clouds
    beta = sr.Measure(y, b)
    their_loss = geomloss.SamplesLoss(
        "sinkhorn", p=2, blur=0.3, reach=0.5, scaling=0.9, diameter=3.0, backend="tensorized"
    )
    our_loss = sr.SinkhornDivergence(blur=0.3, reach=0.5, iterations=2000, tolerance=1e-11, engine="torch")

    def theirs(points):
        return their_loss(a, points, b, y)

    def ours(points):
        return our_loss(sr.Measure(points, a), beta)

    # Values agree but for the annealing that GeomLoss ends with.
    assert float(theirs(x)) == pytest.approx(float(ours(x)), rel=0.02)
    assert relative_error(gradient(theirs, x)[0], difference(theirs, x)) > 0.1
    assert relative_error(gradient(ours, x)[0], difference(ours, x)) < 1e-8


@pytest.mark.parametrize("name", ["gaussian", "energy"])
def test_its_second_derivatives_are_wrong_and_ours_are_refused(clouds, name):
    x, a, y, b = clouds
    loss = geomloss.SamplesLoss(name, blur=0.3, backend="tensorized")
    points = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(loss(a, points, b, y), points, create_graph=True)
    (second,) = torch.autograd.grad(first[0, 0], points)
    expected = difference(lambda moved: gradient(lambda z: loss(a, z, b, y), moved)[0, 0], x)
    assert relative_error(second[0], expected) > 0.5

    ours = sr.EnergyDistance(engine="torch")
    points = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(ours(sr.Measure(points, a), sr.Measure(y, b)), points, create_graph=True)
    with pytest.raises(sr.EngineError, match="differentiated twice"):
        torch.autograd.grad(first[0, 0], points)


def test_it_checks_neither_masses_nor_signs(clouds):
    x, a, y, b = clouds
    loss = geomloss.SamplesLoss("sinkhorn", blur=0.3, backend="tensorized")
    assert float(2 * a.sum()) != pytest.approx(float(b.sum()), rel=0.1)
    assert loss(2 * a, x, b, y).isfinite()
    assert loss(-a, x, b, y).isfinite()
    with pytest.raises(sr.InputError, match="negative"):
        sr.Measure(x, -a)
