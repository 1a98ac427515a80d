"""What entropic transport pays for mass that it creates or destroys, and its terms of the dual problem."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class MarginalPenalty(NamedTuple):
    r"""The penalty ρ KL(π_1 | α) + ρ KL(π_2 | β) of unbalanced transport; ρ = ∞ forbids other marginals.

    With the dual potentials f, g the problem is (Séjourné, Feydy, Vialard, Trouvé & Peyré, "Sinkhorn
    divergences for unbalanced optimal transport", 2019)

        sup -ρ⟨α, e^{-f/ρ} - 1⟩ - ρ⟨β, e^{-g/ρ} - 1⟩ - ε⟨α⊗β, e^{(f+g-C)/ε} - 1⟩,

    solved by f = ρ/(ρ+ε) Smin_β[C - g] and its mirror image. At the solution the last sum is
    ⟨α, e^{-f/ρ}⟩ = ⟨β, e^{-g/ρ}⟩: the value collects (ρ + ε/2) (1 - e^{-f/ρ}) on either side, while the
    variation in α, at constant f and g, is (ρ + ε) (1 - e^{-f/ρ}).

    Attributes
    ----------
    rho : float
        reach^p, mm^p, or infinity.
    """

    rho: float

    def damping(self, epsilon: float) -> float:
        """Return what a soft minimum is multiplied by: ρ / (ρ + ε)."""
        return 1.0 if self.balanced else 1 / (1 + epsilon / self.rho)

    def stiffness(self, epsilon: float) -> float:
        """Return the d log π_1 / df of the residual of f: 1/ε + 1/ρ."""
        return 1 / epsilon + 1 / self.rho

    @property
    def balanced(self) -> bool:
        """Whether the marginals are those of the measures."""
        return math.isinf(self.rho)

    def translated(self, potentials: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return (f + c, g - c) with the constant c at which the dual value is largest.

        c = ρ/2 log(⟨α, e^{-f/ρ}⟩ / ⟨β, e^{-g/ρ}⟩). Sinkhorn's updates alone would take ρ/ε steps to find it
        (Séjourné, Vialard & Peyré, "Faster unbalanced optimal transport: translation invariant Sinkhorn and
        1-D Frank-Wolfe", 2022). One potential alone, of a measure with itself, stays as it is.
        """
        if self.balanced or len(potentials) == 1:
            return tuple(potentials)
        f, g = potentials
        first, last = (
            torch.logsumexp(side.log() - potential / self.rho, dim=0)
            for potential, side in zip(potentials, weights, strict=True)
        )
        shift = self.rho / 2 * (first - last)
        return f + shift, g - shift

    def value(self, epsilon: float, potential: Tensor, image: Tensor) -> Tensor:
        """Return what one side adds to the dual value, per unit of mass, up to constants in the masses.

        It is the mean of the dual values at (image, other potential) and at (potential, other image), both
        of which solve half of the problem exactly: an error of the potentials enters squared.
        """
        if self.balanced:
            return (potential + image) / 2
        here = self._excess(image)
        return -(self.rho / 2) * (self._excess(potential) + here) - epsilon / 2 * here

    def variation(self, epsilon: float, image: Tensor) -> Tensor:
        """Return the variation of that value in the measure, up to constants in the masses."""
        if self.balanced:
            return image
        return -(self.rho + epsilon) * self._excess(image)

    def _excess(self, potential: Tensor) -> Tensor:
        """Return e^{-f/ρ} - 1: by how much the mass at a point grows."""
        # It overflows where there is no mass to grow, beside mass that is out of reach of all other.
        largest = math.log(torch.finfo(potential.dtype).max) / 2
        return torch.expm1((-potential / self.rho).clamp_max(largest))
