"""Diffeomorphisms as greedy compositions of small smooth steps on a lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d, pad

from napari_shapereg.deformations.fields import dirichlet, sample_points, warp
from napari_shapereg.deformations.lattice_inversion import solve

if TYPE_CHECKING:
    from napari_shapereg.deformations.lattice import Lattice


@dataclass(frozen=True)
class LatticeFlow:
    """The maps φ with φ⁻¹ = id + u, u a displacement on the nodes of a lattice.

    The parameters are u itself, a (3, z, y, x) tensor of frame vectors in mm, zero on the border. A step
    replaces φ⁻¹ by φ⁻¹ ∘ (id + w). As long as w has a Lipschitz constant below 1, id + w is a
    homeomorphism, and so is every composition (Christensen et al. 1996; Vercauteren et al. 2009).

    Parameters
    ----------
    lattice : Lattice
        Outside it the map is the identity.
    """

    lattice: Lattice

    def identity(self, like: Tensor | None = None) -> Tensor:
        """Return the zero displacement, (3, z, y, x), in the dtype and on the device of `like`."""
        dtype, device = (torch.float32, None) if like is None else (like.dtype, like.device)
        return torch.zeros(3, *self.lattice.shape, dtype=dtype, device=device)

    def compose(self, parameters: Tensor, step: Tensor) -> Tensor:
        """Return the displacement of φ⁻¹ ∘ (id + step), for a (3, z, y, x) step in mm."""
        return warp(parameters, step, self.lattice).add_(step)

    def inverse_flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) LPS mm points back: x + u(x), and x itself outside the lattice."""
        frame = self.lattice.to_frame(points)
        moved = frame + sample_points(parameters, frame, self.lattice.pitch)
        return self._unless_outside(frame, points, self.lattice.to_physical(moved))

    def flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) LPS mm points forward: the solution of p + u(p) = x, and x itself outside."""
        frame = self.lattice.to_frame(points)
        moved = solve(parameters, frame, self.lattice.pitch)
        return self._unless_outside(frame, points, self.lattice.to_physical(moved))

    def inverse(self, parameters: Tensor) -> Tensor:
        """Return the (3, z, y, x) displacement whose linear interpolant is nearly that of φ, frame mm.

        Where φ bends, an interpolant of its values at the nodes is off to one side everywhere between them.
        Here the nodes take two thirds of what the cells around them lack in their middles: for a parabola
        that makes the mean of the error 0.
        """
        pitch = self.lattice.pitch
        nodes = self.lattice.nodes(parameters)
        exact = self._inverse_at(parameters, nodes)
        lacking = self._inverse_at(parameters, nodes[:, :-1, :-1, :-1] + pitch / 2) - _means(exact)
        # The border stays where it is: beyond it the map is the identity.
        return exact + pad(_means(lacking), (1, 1, 1, 1, 1, 1)) * (2 / 3)

    def _inverse_at(self, parameters: Tensor, places: Tensor) -> Tensor:
        targets = places.reshape(3, -1).T
        moved = solve(parameters, targets, self.lattice.pitch)
        return (moved - targets).T.reshape(places.shape)

    def energy(self, parameters: Tensor) -> Tensor:
        """Return the Dirichlet energy ½ ∫ |Du|² dx = -½ ∫ u · Δu dx, mm³."""
        return self.energy_and_gradient(parameters)[0]

    def energy_and_gradient(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return the energy and its derivative in u, (3, z, y, x) mm²."""
        return dirichlet(parameters, self.lattice.pitch)

    def _unless_outside(self, frame: Tensor, points: Tensor, moved: Tensor) -> Tensor:
        ends = torch.tensor(self.lattice.grid.size, dtype=frame.dtype, device=frame.device) - 1
        inside = ((frame >= 0) & (frame <= ends * self.lattice.pitch)).all(dim=1, keepdim=True)
        return torch.where(inside, moved, points)


def _means(field: Tensor) -> Tensor:
    """Return the means over each two neighbours along each axis, (C, z - 1, y - 1, x - 1)."""
    return avg_pool3d(field[None], 2, stride=1)[0]
