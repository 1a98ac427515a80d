"""The Hausdorff divergence: a SoftMin fidelity that is zero at equality only, from a few soft minima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_shapereg.fidelities import parameters
from napari_shapereg.fidelities.pairing import pairing
from napari_shapereg.fidelities.soft_minimum import SoftMinimum
from napari_shapereg.fidelities.variations import VariationalFidelity

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.measures import Measure

MOST_UPDATES = 1000
"""Where a tolerance is asked for and never met."""


@dataclass(frozen=True)
class HausdorffDivergence(VariationalFidelity):
    r"""The Hausdorff divergence: ½⟨α-β, b-a⟩ with the symmetric Sinkhorn potentials a of α and b of β.

    a solves a = Smin_{ε,α}[C - a], by updates a ← ½ (a + Smin_{ε,α}[C - a]) from 0; at last
    a = Smin_{ε,α}[C - a] extends it to the other measure (Feydy & Trouvé, "Global divergences between
    measures", 2018). Where exp(-C / ε) is a positive kernel, as for p = 1 and 2,
    0 ≤ Hausdorff ≤ Sinkhorn between equal masses, and it is 0 for α = β only. It tends to ½‖α-β‖²_{-C} as
    blur → ∞ (p = 1: the energy distance), and to half of SoftMin's limit as blur → 0. Masses are not
    normalised, and a difference of mass costs.

    Value and derivatives are those of the updates that were made, not of their limit.

    Parameters
    ----------
    blur : float
        √[p]ε, mm: details below it are not seen.
    p : int
        Exponent of the cost, 1 or 2.
    iterations : int
        Number of updates, at least 1; each halves the error at least.
    tolerance : float, optional
        Where given, updates go on after `iterations` (1000 at most) until the share of mass that the
        potential misplaces is below it.
    engine : str or Engine
        See `Fidelity`.

    Raises
    ------
    InputError
        An argument is out of range; the message names it.
    """

    blur: float
    p: int = 2
    iterations: int = 3
    tolerance: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        object.__setattr__(self, "blur", parameters.length("blur", self.blur))
        object.__setattr__(self, "p", parameters.exponent(self.p))
        object.__setattr__(self, "iterations", parameters.count("iterations", self.iterations))
        if self.tolerance is not None:
            object.__setattr__(self, "tolerance", parameters.positive("tolerance", self.tolerance))

    def _solve(self, source: Measure, target: Measure) -> _Difference:
        soft = SoftMinimum(self.blur**self.p, self.p, self.engine)
        own = (_SelfPotential(measure, soft, self.iterations, self.tolerance) for measure in (source, target))
        return _Difference(*own)


class _SelfPotential:
    """The potential of a measure with itself, and the updates that led to it."""

    def __init__(self, measure: Measure, soft: SoftMinimum, fewest: int, tolerance: float | None) -> None:
        self.measure, self.soft = measure, soft
        potential = torch.zeros_like(measure.weights)
        image = soft(measure.points, measure, potential)
        # Each potential at the points with its soft minimum there.
        self._updates = [(potential, image)]
        while len(self._updates) <= fewest or (
            tolerance is not None and self._error() > tolerance and len(self._updates) <= MOST_UPDATES
        ):
            potential = (potential + image) / 2
            image = soft(measure.points, measure, potential)
            self._updates.append((potential, image))
        self.here = image

    def at(self, points: Tensor) -> Tensor:
        """Return the extended potential at places (K, D)."""
        return self.soft(points, self.measure, self._updates[-1][0])

    def variation(self, points: Tensor, others: Tensor, values: Tensor, cotangent: Tensor) -> Tensor:
        """Return the variation at places of Σ_w c_w a(w) in the measure, through all updates.

        Parameters
        ----------
        points : (K, D) tensor
            Places z.
        others : (L, D) tensor
            The points w.
        values : (L,) tensor
            The extended potential a(w) there.
        cotangent : (L,) tensor
            c_w.
        """
        measure, soft = self.measure, self.soft
        # An image S = Smin[C - a] varies by -exp((S(w) + a(z) - C) / ε) times ε δα(z) + α δa(z): the first
        # is what is asked for, the second leads to the update before.
        total, carried = torch.zeros_like(points[:, 0]), torch.zeros_like(measure.weights)
        images = [values, *(image for _, image in reversed(self._updates[:-1]))]
        potentials = [potential for potential, _ in reversed(self._updates)]
        for image, potential, height in zip(
            images, potentials, reversed(self._extended(points)), strict=True
        ):
            total = total - soft.epsilon * soft.plan(points, others, image, cotangent, height)
            carried = carried / 2 - measure.weights * soft.plan(
                measure.points, others, image, cotangent, potential
            )
            others, cotangent = measure.points, carried / 2
        return total

    def _extended(self, points: Tensor) -> list[Tensor]:
        """Return each potential of the updates at places."""
        potentials = [torch.zeros_like(points[:, 0])]
        for potential, _ in self._updates[:-1]:
            potentials.append((potentials[-1] + self.soft(points, self.measure, potential)) / 2)
        return potentials

    def _error(self) -> float:
        """Return the share of mass that the plan of the last potential misplaces."""
        potential, image = self._updates[-1]
        excess = torch.expm1((potential - image) / self.soft.epsilon).abs()
        return float(pairing(self.measure.weights, excess)) / float(self.measure.mass)


class _Difference:
    """Both self-potentials at the points of both measures."""

    def __init__(self, source: _SelfPotential, target: _SelfPotential) -> None:
        self._source, self._target = source, target
        self._source_there = source.at(target.measure.points)
        self._target_there = target.at(source.measure.points)

    @property
    def value(self) -> Tensor:
        here = pairing(self._source.measure.weights, self._target_there - self._source.here)
        there = pairing(self._target.measure.weights, self._target.here - self._source_there)
        return (here - there) / 2

    def source_potential(self, points: Tensor) -> Tensor:
        return _variation(points, self._source, self._target, self._source_there)

    def target_potential(self, points: Tensor) -> Tensor:
        return _variation(points, self._target, self._source, self._target_there)


def _variation(points: Tensor, moving: _SelfPotential, other: _SelfPotential, there: Tensor) -> Tensor:
    """Return the variation of the divergence in `moving`, whose potential at the other points is given."""
    positions = torch.cat((moving.measure.points, other.measure.points))
    signed = torch.cat((moving.measure.weights, -other.measure.weights))
    values = torch.cat((moving.here, there))
    through = moving.variation(points, positions, values, -signed / 2)
    return (other.at(points) - moving.at(points)) / 2 + through
