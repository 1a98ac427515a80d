"""Diffeomorphisms as exponentials of stationary velocity fields, by scaling and squaring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_shapereg.deformations.fields import sample, sample_points
from napari_shapereg.deformations.smoothing import smooth
from napari_shapereg.measures.sums import steady_sum

if TYPE_CHECKING:
    from napari_shapereg.deformations.lattice import Lattice

LARGEST_STEP = 0.5
"""Displacement of the first, unsquared step, in pitches."""
MOST_SQUARINGS = 12


@dataclass(frozen=True)
class StationaryVelocity:
    """The maps φ = exp(v), the flow of a velocity field v for a unit of time; φ⁻¹ = exp(-v).

    exp(v) is exp(v / 2ⁿ) composed n times with itself, where v / 2ⁿ moves no point by more than half a pitch
    (Arsigny, Commowick, Pennec and Ayache, "A log-Euclidean framework for statistics on diffeomorphisms",
    2006). The parameters are a density of momenta m, (3, z, y, x) frame mm, and v = w Σ_σ s_σ G_σ ⋆ (w m),
    G_σ Gaussians of unit mass, w a window that falls to zero at the border. With s_σ = (σ / σ₁)³ / n it is
    the kernel of `GeodesicShooting`, and the energy ½ ∫ m · v dx / (2π σ₁²)^(3/2) is its H, in mm².

    Parameters
    ----------
    lattice : Lattice
        Outside it the map is the identity.
    widths : tuple of float
        The σ, mm; σ₁ is the smallest.
    fade : float
        Width of the rim in which velocities fade to zero, mm.
    """

    lattice: Lattice
    widths: tuple[float, ...]
    fade: float

    def identity(self) -> Tensor:
        """Return zero momenta, (3, z, y, x) float32."""
        return torch.zeros(3, *self.lattice.shape)

    def velocity(self, parameters: Tensor) -> Tensor:
        """Return v of momenta, (3, z, y, x) frame mm; differentiable."""
        window = self.lattice.window(self.fade, parameters)
        smallest = min(self.widths)
        total = torch.zeros_like(parameters)
        for width in self.widths:
            share = (width / smallest) ** 3 / len(self.widths)
            total = total + share * _smooth(window * parameters, width, self.lattice.pitch)
        velocity: Tensor = window * total
        return velocity

    def displacement(self, parameters: Tensor, *, inverse: bool = False) -> Tensor:
        """Return the (3, z, y, x) u of φ = id + u, or of φ⁻¹, at the nodes, frame mm; differentiable."""
        velocity = self.velocity(parameters)
        return exponential(-velocity if inverse else velocity, self.lattice)

    def flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) points, LPS mm, forward: exp(v); differentiable in both arguments."""
        return self._carried(self.displacement(parameters), points)

    def flow_and_energy(self, parameters: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return `flow` and `energy`, from one velocity."""
        velocity = self.velocity(parameters)
        return self._carried(exponential(velocity, self.lattice), points), self._energy(parameters, velocity)

    def inverse_flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) points, LPS mm, back: exp(-v); differentiable in both arguments."""
        return self._carried(self.displacement(parameters, inverse=True), points)

    def energy(self, parameters: Tensor) -> Tensor:
        """Return ½ ∫ m · v dx / (2π σ₁²)^(3/2), 0-d, mm²."""
        return self._energy(parameters, self.velocity(parameters))

    def _energy(self, parameters: Tensor, velocity: Tensor) -> Tensor:
        density = (parameters * velocity).reshape(-1)
        cell = self.lattice.pitch**3 / (2 * math.pi * min(self.widths) ** 2) ** 1.5
        energy: Tensor = steady_sum(density) * (cell / 2)
        return energy

    def _carried(self, displacement: Tensor, points: Tensor) -> Tensor:
        # Velocities are zero on the border, where points outside are sampled.
        moves = sample_points(displacement, self.lattice.to_frame(points), self.lattice.pitch)
        return points + self.lattice.turn_to_physical(moves)


def exponential(velocity: Tensor, lattice: Lattice) -> Tensor:
    """Return the displacement of exp(v) at the nodes, by scaling and squaring; differentiable.

    Parameters
    ----------
    velocity : (3, z, y, x) Tensor
        v, frame mm.
    lattice : Lattice
        Where its nodes lie.
    """
    largest = float(velocity.detach().abs().amax()) / (LARGEST_STEP * lattice.pitch)
    squarings = min(MOST_SQUARINGS, max(0, math.ceil(math.log2(max(largest, 1e-30)))))
    nodes = lattice.nodes(velocity)
    displacement: Tensor = velocity / 2**squarings
    for _ in range(squarings):
        displacement = displacement + sample(displacement, nodes + displacement, lattice.pitch)
    return displacement


class _Smooth(torch.autograd.Function):
    """`smooth`, whose transpose is itself."""

    @staticmethod
    def forward(ctx: Any, field: Tensor, width: float, pitch: float) -> Tensor:  # noqa: ANN401
        ctx.width, ctx.pitch = width, pitch
        return smooth(field, width, pitch)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return smooth(incoming.contiguous(), ctx.width, ctx.pitch), None, None


def _smooth(field: Tensor, width: float, pitch: float) -> Tensor:
    smoothed: Tensor = _Smooth.apply(field, width, pitch)  # type: ignore[no-untyped-call]
    return smoothed
