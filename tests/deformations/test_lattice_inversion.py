"""Newton's inversion: the compiled loop and the tensor operations of other devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_shapereg.deformations.fields import sample_points
from napari_shapereg.deformations.lattice_inversion import TOLERANCE, solve, solve_by_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_shapereg.deformations import Lattice

    Solve = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def points_around(lattice: Lattice, like: torch.Tensor) -> torch.Tensor:
    """Points in the box of the lattice, and some beyond it."""
    unit = torch.rand(4000, 3, generator=torch.Generator().manual_seed(2), dtype=like.dtype)
    ends = torch.tensor(lattice.grid.size, dtype=like.dtype) - 1
    return (1.2 * unit - 0.1) * ends * lattice.pitch


@pytest.mark.parametrize("inversion", [solve, solve_by_tensors])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_points_go_back_where_they_came_from(
    lattice: Lattice, swirl: torch.Tensor, inversion: Solve, dtype: torch.dtype
) -> None:
    field, targets = swirl.to(dtype), points_around(lattice, swirl.to(dtype))
    points = inversion(field, targets, lattice.pitch)
    assert points.dtype == dtype
    left = points + sample_points(field, points, lattice.pitch) - targets
    # Single precision rounds coordinates of some 20 mm to 2e-6 mm.
    assert left.abs().max() <= TOLERANCE * lattice.pitch + 1e-5


def test_a_field_that_is_a_linear_map_is_inverted_exactly(lattice: Lattice) -> None:
    matrix = torch.tensor([[0.2, 0.1, 0.0], [-0.1, -0.3, 0.05], [0.0, 0.1, 0.4]], dtype=torch.float64)
    nodes = lattice.nodes(torch.zeros(3, 1, 1, 1, dtype=torch.float64))
    middle = nodes.flatten(1).mean(1)
    field = torch.einsum("ab,bzyx->azyx", matrix, nodes - middle[:, None, None, None])
    offsets = 0.3 * torch.randn(200, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    targets = middle + offsets @ (torch.eye(3, dtype=torch.float64) + matrix).T
    assert torch.allclose(solve(field, targets, lattice.pitch), middle + offsets, rtol=0, atol=1e-10)


def test_no_points_and_numbers_that_are_none(lattice: Lattice, swirl: torch.Tensor) -> None:
    assert solve(swirl, torch.zeros(0, 3, dtype=swirl.dtype), lattice.pitch).shape == (0, 3)
    lost = solve(swirl * torch.nan, points_around(lattice, swirl), lattice.pitch)
    assert lost.isnan().any()
