"""Compositions of steps on a lattice, and their inverses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_shapereg.deformations import LatticeFlow
from napari_shapereg.deformations.fields import jacobian_determinant, sample_points

if TYPE_CHECKING:
    from napari_shapereg.deformations import Lattice


def points_inside(lattice: Lattice, count: int = 500) -> torch.Tensor:
    ends = torch.tensor(lattice.grid.size, dtype=torch.float64) - 1
    unit = torch.rand(count, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return lattice.to_physical(unit * ends * lattice.pitch)


def test_the_fixture_folds_nothing_yet_is_far_from_the_identity(
    lattice: Lattice, swirl: torch.Tensor
) -> None:
    determinant = jacobian_determinant(swirl, lattice.pitch)
    assert 0.1 < determinant.min() < 0.6
    assert swirl.norm(dim=0).max() > 1.5


def test_forth_and_back(lattice: Lattice, swirl: torch.Tensor) -> None:
    flow = LatticeFlow(lattice)
    points = points_inside(lattice)
    there = flow.flow(swirl, points)
    # The tolerance of the inversion is 1e-3 of the pitch.
    assert (flow.inverse_flow(swirl, there) - points).norm(dim=1).max() < 2e-3 * lattice.pitch
    assert (there - points).norm(dim=1).max() > 1.5


def test_the_inverse_field_inverts(lattice: Lattice, swirl: torch.Tensor) -> None:
    flow = LatticeFlow(lattice)
    points = points_inside(lattice)
    inverse = flow.inverse(swirl)
    through_field = flow.inverse_flow(inverse, points)
    error = (through_field - flow.flow(swirl, points)).norm(dim=1)
    # Both fields are interpolated between nodes 0.7 mm apart, and bend sharply near the border.
    assert error.mean() < 0.05
    assert error.max() < 0.7


def test_the_inverse_field_is_nearer_than_one_that_is_exact_at_nodes(
    lattice: Lattice, swirl: torch.Tensor
) -> None:
    flow = LatticeFlow(lattice)
    nodes = lattice.nodes(swirl).reshape(3, -1).T
    moved = lattice.to_frame(flow.flow(swirl, lattice.to_physical(nodes)))
    at_nodes = (moved - nodes).T.reshape(swirl.shape)
    points = points_inside(lattice)
    errors = [
        (flow.inverse_flow(field, points) - flow.flow(swirl, points)).norm(dim=1).mean()
        for field in (flow.inverse(swirl), at_nodes)
    ]
    assert errors[0] < 0.8 * errors[1]


def test_the_border_of_the_inverse_stays_where_it_is(lattice: Lattice, swirl: torch.Tensor) -> None:
    border = torch.ones_like(swirl, dtype=torch.bool)
    border[:, 1:-1, 1:-1, 1:-1] = False
    still = swirl.masked_fill(border, 0)
    # Elsewhere nodes next to the border take a share of what lies between.
    assert LatticeFlow(lattice).inverse(still)[border].abs().max() < 1e-12


def test_composition_is_one_map_after_the_other(lattice: Lattice, swirl: torch.Tensor) -> None:
    flow = LatticeFlow(lattice)
    step = 0.2 * swirl.flip(0)
    composed = flow.compose(swirl, step)
    nodes = lattice.nodes(swirl).reshape(3, -1).T
    moved = nodes + sample_points(step, nodes, lattice.pitch)
    expected = moved + sample_points(swirl, moved, lattice.pitch)
    assert torch.allclose(nodes + composed.reshape(3, -1).T, expected)


def test_many_small_steps_fold_nothing(lattice: Lattice, swirl: torch.Tensor) -> None:
    flow = LatticeFlow(lattice)
    step = 0.15 * swirl
    total = flow.identity(swirl)
    for _ in range(12):
        total = flow.compose(total, step)
    # Added up, the same steps fold; composed, they do not.
    assert jacobian_determinant(12 * step, lattice.pitch).min() < 0
    assert jacobian_determinant(total, lattice.pitch).min() > 0


def test_outside_nothing_moves(lattice: Lattice, swirl: torch.Tensor) -> None:
    flow = LatticeFlow(lattice)
    outside = lattice.to_physical(torch.tensor([[-3.0, 2.0, 2.0], [1e3, 0.0, 0.0]], dtype=torch.float64))
    assert torch.equal(flow.flow(swirl, outside), outside)
    assert torch.equal(flow.inverse_flow(swirl, outside), outside)


def test_energy_of_a_shear(lattice: Lattice) -> None:
    flow = LatticeFlow(lattice)
    shear = torch.zeros(3, *lattice.shape, dtype=torch.float64)
    shear[0] = 0.3 * lattice.nodes(shear)[1]
    x, y, z = lattice.grid.size
    # |Du|² = 0.3², on the edges along y, each standing for a volume of pitch³.
    expected = 0.5 * 0.3**2 * x * (y - 1) * z * lattice.pitch**3
    assert float(flow.energy(shear)) == pytest.approx(expected)
    assert float(flow.energy(flow.identity())) == 0
