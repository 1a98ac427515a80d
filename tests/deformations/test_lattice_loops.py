"""The compiled sweeps of the CPU against the tensor operations of other devices."""

from __future__ import annotations

import itertools

import pytest
import torch

from napari_shapereg.deformations import fields, lattice_loops
from napari_shapereg.deformations.smoothing import smooth

PITCH = 0.7


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def displacement(request: pytest.FixtureRequest) -> torch.Tensor:
    """Steps of about a node, many of them out of the lattice."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(3, 7, 9, 8, generator=generator, dtype=request.param)


def close(first: torch.Tensor, second: torch.Tensor) -> bool:
    # A few roundings of terms of order 10.
    tolerance = 3e-5 if first.dtype == torch.float32 else 1e-12
    return torch.allclose(first, second, rtol=0, atol=tolerance)


def test_warp(displacement: torch.Tensor) -> None:
    field = displacement.flip(1)[:2]
    index = torch.meshgrid(*[torch.arange(n, dtype=field.dtype) for n in field.shape[1:]], indexing="ij")
    nodes = torch.stack(index[::-1]) * PITCH
    expected = fields.sample(field, nodes + displacement, PITCH)
    assert close(lattice_loops.warp(field, displacement, PITCH), expected)


def test_jacobian_determinant(displacement: torch.Tensor) -> None:
    slopes = fields.spatial_gradient(displacement, PITCH).permute(2, 3, 4, 0, 1)
    expected = torch.linalg.det(slopes + torch.eye(3, dtype=slopes.dtype))
    assert close(lattice_loops.jacobian_determinant(displacement, PITCH), expected)


def test_least_determinant(displacement: torch.Tensor) -> None:
    cells = [axis.unfold(0, 2, 1).tolist() for axis in map(torch.arange, displacement.shape[1:])]
    least = torch.full_like(displacement[0], torch.inf)
    for corners in itertools.product(*cells):
        # Each node of a cell, and its neighbour along each axis of the cell.
        for z, y, x in itertools.product(*corners):
            here = displacement[:, z, y, x]
            there = sum(corners[2]) - x, sum(corners[1]) - y, sum(corners[0]) - z
            steps = [
                (displacement[:, z, y, there[0]] - here) / (there[0] - x),
                (displacement[:, z, there[1], x] - here) / (there[1] - y),
                (displacement[:, there[2], y, x] - here) / (there[2] - z),
            ]
            slopes = torch.stack(steps, dim=1) / PITCH + torch.eye(3, dtype=here.dtype)
            least[z, y, x] = min(least[z, y, x], torch.linalg.det(slopes))
    assert close(lattice_loops.least_determinant(displacement, PITCH), least)
    assert close(fields.least_determinant_by_tensors(displacement, PITCH), least)


def test_dirichlet(displacement: torch.Tensor) -> None:
    energy, expected = 0.0, torch.zeros_like(displacement)
    for axis in (1, 2, 3):
        ends = [displacement.narrow(axis, end, 1) for end in (0, displacement.shape[axis] - 1)]
        padded = torch.cat([ends[0], displacement, ends[1]], dim=axis)
        expected -= PITCH * padded.diff(n=2, dim=axis)
        # ½ ∫ |Du|² over cells of volume pitch³, slopes being differences over pitch.
        energy += PITCH / 2 * float(displacement.double().diff(dim=axis).square().sum())
    for found, gradient in (
        lattice_loops.dirichlet(displacement, PITCH),
        fields.dirichlet_by_tensors(displacement, PITCH),
    ):
        assert float(found) == pytest.approx(energy, rel=1e-5)
        assert close(gradient, expected)


def test_boundary_pull(displacement: torch.Tensor) -> None:
    warped, near, far = displacement
    difference, potential = warped.flip(0), near + far
    slope = fields.spatial_gradient(warped[None], 1.0)[0]
    for call in (lattice_loops.boundary_pull, fields.boundary_pull_by_tensors):
        pull, curvature = torch.ones_like(displacement), torch.ones_like(warped)
        cost = call(warped, difference, (near, far), 0.3, pull, curvature)
        assert cost == pytest.approx(float((difference * (near / 2 + far)).double().sum()), rel=1e-4)
        assert close(pull, 1 - 0.3 * potential * slope)
        assert close(curvature, 1 + 0.3 * (slope.square().sum(0) + potential.square() / 2))


def test_noncontiguous_targets_are_refused(displacement: torch.Tensor) -> None:
    """A copy made on the way must not swallow what is added in place."""
    warped = displacement[0]
    pull = torch.zeros(*displacement.shape[1:], 3, dtype=warped.dtype).permute(3, 0, 1, 2)
    with pytest.raises(ValueError, match="contiguous"):
        lattice_loops.boundary_pull(warped, warped, (warped, warped), 1.0, pull, torch.zeros_like(warped))


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bytes_for_any_number_of_threads(threads: int) -> None:
    field = torch.randn(3, 60, 61, 62, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    once = smooth(field, 1.5, 1.0), lattice_loops.warp(field, field, 1.0)
    torch.set_num_threads(threads)
    try:
        again = smooth(field, 1.5, 1.0), lattice_loops.warp(field, field, 1.0)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(first, second) for first, second in zip(once, again, strict=True))
