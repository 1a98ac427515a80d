"""Exponentials of stationary velocity fields."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_shapereg.deformations import Lattice, StationaryVelocity
from napari_shapereg.deformations.fields import jacobian_determinant
from napari_shapereg.deformations.stationary_velocity import exponential
from napari_shapereg.volumes import ImageGrid

DIRECTION = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()


@pytest.fixture
def lattice() -> Lattice:
    return Lattice(ImageGrid((33, 29, 31), (2.0,) * 3, (50.0, -30.0, 20.0), tuple(DIRECTION.ravel())))


@pytest.fixture
def momenta(lattice: Lattice) -> torch.Tensor:
    return torch.randn(3, *lattice.shape, generator=torch.Generator().manual_seed(0)) * 40


def model(lattice: Lattice) -> StationaryVelocity:
    return StationaryVelocity(lattice, (10.0, 6.0), 8.0)


def inner_points(lattice: Lattice, count: int = 200) -> torch.Tensor:
    share = torch.rand(count, 3, generator=torch.Generator().manual_seed(1))
    return lattice.to_physical(12 + share * (torch.tensor(lattice.grid.size) * 2.0 - 26))


def test_the_exponential_of_a_shrinking_field_is_the_exponential(lattice: Lattice) -> None:
    """exp of v(x) = -a (x - c) is x ↦ c + e⁻ᵃ (x - c), and linear interpolation is exact on it."""
    nodes = lattice.nodes(torch.zeros(1, dtype=torch.float64))
    offsets = nodes - nodes.mean(dim=(1, 2, 3), keepdim=True)
    moves = exponential(-0.7 * offsets, lattice)
    # Scaling and squaring is first order in the first step: a / 2ⁿ, n = 6 here, is 0.01.
    torch.testing.assert_close(moves, (math.exp(-0.7) - 1) * offsets, rtol=0.01, atol=1e-9)


def test_forth_and_back(lattice: Lattice, momenta: torch.Tensor) -> None:
    velocity, points = model(lattice), inner_points(lattice)
    there = velocity.flow(momenta, points)
    assert torch.linalg.vector_norm(there - points, dim=1).max() > 4
    left = torch.linalg.vector_norm(velocity.inverse_flow(momenta, there) - points, dim=1)
    # Linear interpolation between nodes 2 mm apart. Measured: 0.07 mm on average.
    assert left.mean() < 0.1
    assert left.max() < 0.4
    outside = lattice.to_physical(torch.tensor([[-20.0, 5, 5], [500, 0, 0]]))
    torch.testing.assert_close(velocity.flow(momenta, outside), outside)


def test_nothing_folds(lattice: Lattice, momenta: torch.Tensor) -> None:
    moves = model(lattice).displacement(3 * momenta)
    assert moves.abs().max() > 10
    assert jacobian_determinant(moves, lattice.pitch).min() > 0


def test_the_energy_is_that_of_the_kernel_of_shooting(lattice: Lattice) -> None:
    """One spike of momentum μ has the energy ½ |μ|² k(0), k(0) = 1 for Gaussians that are no density."""
    momenta = torch.zeros(3, *lattice.shape)
    spike = torch.tensor([0.3, -0.1, 0.2])
    # A node's share of ∫ dx / (2π σ₁²)^(3/2) is what makes the density at it a momentum.
    cell = lattice.pitch**3 / (2 * math.pi * 6.0**2) ** 1.5
    momenta[:, 15, 14, 16] = spike / cell
    # The smoothing cuts Gaussians at 4 σ and samples them at the nodes.
    assert float(model(lattice).energy(momenta)) == pytest.approx(float(spike.square().sum()) / 2, rel=1e-3)


def test_flow_and_energy_are_differentiable(lattice: Lattice, momenta: torch.Tensor) -> None:
    velocity, momenta = model(lattice), momenta.double()
    points = inner_points(lattice, 20).double()

    def value(parameters: torch.Tensor) -> torch.Tensor:
        return velocity.flow(parameters, points).square().sum() / 1000 + velocity.energy(parameters)

    free = momenta.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(free), free)
    way = torch.randn(momenta.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    numeric = (value(momenta + 1e-4 * way) - value(momenta - 1e-4 * way)) / 2e-4
    assert float((slope * way).sum()) == pytest.approx(float(numeric), rel=1e-5)
