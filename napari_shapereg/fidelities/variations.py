r"""Fidelities that are known by their value and their first variations, whatever loop finds them.

Where d(α, β) has the first variation u in α, moving and reweighting the atoms of α changes it by
Σ u(x_i) dα_i + Σ α_i ∇u(x_i)·dx_i: the value and two functions of a place are all that autograd needs. It
holds at atoms of weight 0 too, where the logarithm of the weight has no derivative.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_shapereg.fidelities.fidelity import Fidelity, check_pair
from napari_shapereg.fidelities.first_order import first_order
from napari_shapereg.fidelities.pairing import pairing

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.measures import Measure


class Solution(Protocol):
    """A fidelity between two given measures, evaluated."""

    @property
    def value(self) -> Tensor:
        """The value of d, 0-d, in the widest type."""
        ...

    def source_potential(self, points: Tensor) -> Tensor:
        """Return δd/δα at places (K, D) as (K,), differentiable in the places."""
        ...

    def target_potential(self, points: Tensor) -> Tensor:
        """Return δd/δβ at places (K, D) as (K,), differentiable in the places."""
        ...


@dataclass(frozen=True)
class VariationalFidelity(Fidelity):
    """A fidelity whose subclasses write `_solve` alone."""

    def potentials(self, source: Measure, target: Measure) -> tuple[Tensor, Tensor]:
        """Return both first variations where the measures live; see `Fidelity.potentials`."""
        check_pair(source, target)
        source, target = source.detach(), target.detach()
        solution = self._solve(source, target)
        return solution.source_potential(source.points), solution.target_potential(target.points)

    def _value(self, source: Measure, target: Measure) -> Tensor:
        solution = self._solve(source.detach(), target.detach())
        value = solution.value
        sides = ((source, solution.source_potential), (target, solution.target_potential))
        for measure, potential in sides:
            if measure.points.requires_grad or measure.weights.requires_grad:
                change = pairing(measure.weights, potential(measure.points))
                value = value + (change - change.detach())
        return value.to(source.dtype)

    def _potential(self, points: Tensor, source: Measure, target: Measure) -> Tensor:
        return self._solve(source, target).source_potential(first_order(points))

    @abstractmethod
    def _solve(self, source: Measure, target: Measure) -> Solution:
        """Evaluate d between two measures that lie outside of any graph."""
