"""Interpolation, splatting and derivatives on a lattice."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage

from napari_shapereg.deformations import Lattice
from napari_shapereg.deformations.fields import (
    jacobian_determinant,
    lipschitz_bound,
    refine,
    refine_smoothly,
    sample_points,
    splat,
)
from napari_shapereg.deformations.smoothing import smooth
from napari_shapereg.volumes import ImageGrid


@pytest.fixture
def linear() -> torch.Tensor:
    """A matrix with det(I + it) = 1.1 * 1.2 * 0.7 + ... and no symmetry."""
    return torch.tensor([[0.1, 0.3, -0.2], [0.05, 0.2, 0.1], [-0.1, 0.15, -0.3]], dtype=torch.float64)


def random_points(lattice: Lattice, count: int) -> torch.Tensor:
    ends = torch.tensor(lattice.grid.size, dtype=torch.float64) - 1
    unit = torch.rand(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return unit * ends * lattice.pitch


def test_interpolation_is_exact_for_linear_fields(lattice: Lattice, linear: torch.Tensor) -> None:
    nodes = lattice.nodes(linear)
    field = torch.einsum("ij,jzyx->izyx", linear, nodes) + 1
    points = random_points(lattice, 50)
    assert torch.allclose(sample_points(field, points, lattice.pitch), points @ linear.T + 1)


def test_beyond_the_border_the_field_is_that_of_the_border(lattice: Lattice) -> None:
    field = lattice.nodes(torch.zeros((), dtype=torch.float64))[:1]
    width = (lattice.grid.size[0] - 1) * lattice.pitch
    values = sample_points(field, torch.tensor([[-5.0, 1.0, 1.0], [99.0, 1.0, 1.0]]).double(), lattice.pitch)
    assert values[:, 0].tolist() == pytest.approx([0, width])


def test_splines_refine_bumps_that_straight_lines_flatten() -> None:
    """At a pitch of 0.7 widths, the coarse one of geodesics, within 1 %; nodes of both keep their values."""
    width, pitch = 3.0, 2.1
    fine = Lattice(ImageGrid((21, 21, 21), (pitch / 2,) * 3))
    like = torch.zeros((), dtype=torch.float64)
    bump, coarse = (
        torch.exp(-(lattice.nodes(like) - 10.0).square().sum(0) / (2 * width**2))[None]
        for lattice in (fine, fine.coarsened(2))
    )
    smooth_error, straight_error = (
        (method(coarse, fine) - bump).abs().amax() for method in (refine_smoothly, refine)
    )
    assert smooth_error < 0.01 < 0.1 * straight_error
    assert torch.allclose(refine_smoothly(coarse, fine)[:, ::2, ::2, ::2], coarse, atol=1e-9)


def test_splatting_is_the_transpose_of_interpolation(lattice: Lattice) -> None:
    points = random_points(lattice, 200)
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(200, 2, generator=generator, dtype=torch.float64)
    field = torch.randn(2, *lattice.shape, generator=generator, dtype=torch.float64)
    spread = (splat(values, points, lattice) * field).sum()
    gathered = (values * sample_points(field, points, lattice.pitch)).sum()
    assert spread.item() == pytest.approx(gathered.item(), rel=1e-12)


def test_splatting_keeps_the_mass_of_points_outside(lattice: Lattice) -> None:
    points = torch.tensor([[-9.0, 1e4, 0.3], [2.0, 2.0, 2.0]], dtype=torch.float64)
    assert splat(torch.ones(2, 1, dtype=torch.float64), points, lattice).sum().item() == pytest.approx(2)


def test_jacobian_of_a_linear_map(lattice: Lattice, linear: torch.Tensor) -> None:
    displacement = torch.einsum("ij,jzyx->izyx", linear, lattice.nodes(linear))
    expected = torch.linalg.det(torch.eye(3) + linear)
    determinant = jacobian_determinant(displacement, lattice.pitch)
    assert torch.allclose(determinant, expected.expand_as(determinant))


def test_lipschitz_bound_of_a_linear_map_is_its_frobenius_norm(
    lattice: Lattice, linear: torch.Tensor
) -> None:
    displacement = torch.einsum("ij,jzyx->izyx", linear, lattice.nodes(linear))
    assert lipschitz_bound(displacement, lattice.pitch) == pytest.approx(linear.norm().item())


def test_lipschitz_bound_holds_between_points(lattice: Lattice, swirl: torch.Tensor) -> None:
    first = random_points(lattice, 4000)
    second = first + 0.05 * torch.randn(4000, 3, generator=torch.Generator().manual_seed(4)).double()
    moved = sample_points(swirl, first, lattice.pitch) - sample_points(swirl, second, lattice.pitch)
    steepest = (moved.norm(dim=1) / (first - second).norm(dim=1)).amax().item()
    assert 0.5 * lipschitz_bound(swirl, lattice.pitch) < steepest <= lipschitz_bound(swirl, lattice.pitch)


def test_refining_keeps_linear_fields(lattice: Lattice) -> None:
    coarse = lattice.coarsened(4)
    nodes = coarse.nodes(torch.zeros((), dtype=torch.float64))
    assert torch.allclose(refine(nodes, lattice), lattice.nodes(nodes))


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_smoothing_is_that_of_scipy(lattice: Lattice, sigma: float) -> None:
    field = torch.randn(2, *lattice.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    nodes = sigma / lattice.pitch
    expected = [
        ndimage.gaussian_filter(channel, nodes, mode="constant", truncate=8) for channel in field.numpy()
    ]
    # 6e-5 of the mass of the Gaussian lie beyond the cut at 4 standard deviations, along each axis.
    assert torch.allclose(
        smooth(field, sigma, lattice.pitch), torch.stack([torch.from_numpy(e) for e in expected]), atol=5e-4
    )
