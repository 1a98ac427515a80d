"""The optimal plan between two measures: its potentials, what it costs and where it sends each point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_shapereg.fidelities.pairing import pairing

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.fidelities.marginal_penalty import MarginalPenalty
    from napari_shapereg.fidelities.sinkhorn_loop import Relaxed
    from napari_shapereg.fidelities.soft_minimum import SoftMinimum
    from napari_shapereg.measures import Measure


@dataclass(frozen=True, eq=False)
class TransportPlan:
    """The solution of entropic optimal transport between two measures, as the updates left it.

    Attributes
    ----------
    source, target : Measure
        Between which mass is moved: of mass 1 where transport is balanced.
    soft : SoftMinimum
        At the last temperature.
    penalty : MarginalPenalty
        For other marginals than those.
    relaxed : Relaxed
        What the updates returned.
    """

    source: Measure
    target: Measure
    soft: SoftMinimum
    penalty: MarginalPenalty
    relaxed: Relaxed

    @property
    def source_potential(self) -> Tensor:
        """The potential f at the points of the source (N,), mm^p."""
        return self.relaxed.potentials[0]

    @property
    def target_potential(self) -> Tensor:
        """The potential g at the points of the target (M,), mm^p."""
        return self.relaxed.potentials[-1]

    @property
    def marginal_error(self) -> float:
        """Share of the mass that the plan misplaces."""
        return self.relaxed.error

    @property
    def iterations(self) -> int:
        """Updates at the last temperature, between all points."""
        return self.relaxed.iterations

    def barycenters(self) -> Tensor:
        """Return where each point of the source is sent: the mean (N, D) of the target under its row, mm.

        T(x_i) = Σ_j π_ij y_j / Σ_j π_ij, defined for points of weight 0 too. With p = 2 and blur → 0 it is
        Monge's map where there is one; with a blur it shrinks towards the mean of what lies within it.
        """
        places, others = self.source.points, self.target.points
        center = self.target.center
        # Normalised by the soft minimum itself: each row sums to 1.
        height = self.soft(places, self.target, self.target_potential)
        columns = [
            self.soft.plan(places, others, self.target_potential, self.target.weights * column, height)
            for column in (others - center).unbind(dim=1)
        ]
        return center + torch.stack(columns, dim=1)

    def values(self) -> tuple[Tensor, Tensor]:
        """Return what each side adds to the dual value, 0-d, in the widest type."""
        return self._value(self.source, 0), self._value(self.target, -1)

    def source_variation(self, points: Tensor) -> Tensor:
        """Return the variation of the dual value in the source at places, differentiable in them."""
        return self._variation(points, self.target, self.target_potential)

    def target_variation(self, points: Tensor) -> Tensor:
        """Return the variation of the dual value in the target at places, differentiable in them."""
        return self._variation(points, self.source, self.source_potential)

    def _variation(self, points: Tensor, other: Measure, potential: Tensor) -> Tensor:
        epsilon = self.soft.epsilon
        image = self.penalty.damping(epsilon) * self.soft(points, other, potential)
        return self.penalty.variation(epsilon, image)

    def _value(self, measure: Measure, side: int) -> Tensor:
        potential, image = self.relaxed.potentials[side], self.relaxed.images[side]
        return pairing(measure.weights, self.penalty.value(self.soft.epsilon, potential, image))
