"""Optimal transport as a fidelity: the biased cost W_ε, and the Sinkhorn divergence that has no bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_shapereg.fidelities import parameters
from napari_shapereg.fidelities.detail import MeasureLevel, merged
from napari_shapereg.fidelities.fidelity import check_pair
from napari_shapereg.fidelities.marginal_penalty import MarginalPenalty
from napari_shapereg.fidelities.pairing import pairing
from napari_shapereg.fidelities.sinkhorn_loop import Stage, relax
from napari_shapereg.fidelities.soft_minimum import SoftMinimum
from napari_shapereg.fidelities.transport_plan import TransportPlan
from napari_shapereg.fidelities.variations import VariationalFidelity

if TYPE_CHECKING:
    from typing import TypeAlias

    from torch import Tensor

    from napari_shapereg.fidelities.detail import Pair
    from napari_shapereg.fidelities.variations import Solution
    from napari_shapereg.measures import Measure

    _Steps: TypeAlias = list[tuple[float, Pair]]

PASSING = 0.01
"""Share of the mass that may be misplaced at the temperatures that are passed through, at least."""


@dataclass(frozen=True)
class OptimalTransport(VariationalFidelity):
    r"""Entropic optimal transport W_ε(α, β): the least cost of moving α onto β with a blurred plan.

    min_π Σ π_ij C(x_i, y_j) + ε KL(π | α⊗β) + ρ KL(π_1 | α) + ρ KL(π_2 | β), C = \|x - y\|^p / p,
    ε = blur^p, ρ = reach^p. It is biased: W_ε(α, α) > 0, and the α that is closest to β is not β, but a
    shrunk β (Feydy & Trouvé, "Global divergences between measures", 2018). `SinkhornDivergence` is not.

    Without `reach` transport is *balanced*: it compares measures of mass 1. Measures of other masses m_α, m_β
    are divided by them, and the result multiplied by √(m_α m_β): proportional to the mass where both agree,
    and blind to a difference of mass. With a finite `reach` masses are taken as they are, and what is further
    apart than about the reach is not moved, but paid for (Séjourné et al., "Sinkhorn divergences for
    unbalanced optimal transport", 2019).

    Parameters
    ----------
    blur : float
        √[p]ε, mm: the plan sends each point to a cloud of that size.
    p : int
        Exponent of the cost, 1 or 2.
    reach : float, optional
        √[p]ρ, mm; left out, all of the mass is moved, however far.
    scaling : float
        The blur is annealed from the size of the problem, each length `scaling` times the last.
    tolerance : float
        Share of the mass that the plan may misplace when the updates end, as far as rounding allows. The
        value's error is of the order of its square, the gradient's of the order of itself.
    iterations : int
        Updates at each temperature, at most. `transport_plan` tells the error that remains.
    engine : str or Engine
        See `Fidelity`.

    Raises
    ------
    InputError
        An argument is out of range; the message names it.
    """

    blur: float
    p: int = 2
    reach: float | None = None
    scaling: float = 0.5
    tolerance: float = 0.01
    iterations: int = 30

    def __post_init__(self) -> None:
        """Check the numbers."""
        checked = {
            "blur": parameters.length("blur", self.blur),
            "p": parameters.exponent(self.p),
            "reach": None if self.reach is None else parameters.length("reach", self.reach),
            "scaling": parameters.fraction("scaling", self.scaling),
            "tolerance": parameters.positive("tolerance", self.tolerance),
            "iterations": parameters.count("iterations", self.iterations),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def transport_plan(self, source: Measure, target: Measure) -> TransportPlan:
        """Return the optimal plan from the source to the target, with its potentials and its error.

        Raises
        ------
        InputError
            The measures do not match; the message says how.
        """
        check_pair(source, target)
        source, target = self._scaled(source.detach()), self._scaled(target.detach())
        return self._plan(self._steps(source, target))

    def transport_map(self, source: Measure, target: Measure) -> Tensor:
        """Return where the optimal plan sends each point of the source, (N, D), mm.

        T(x_i) = Σ_j π_ij y_j / Σ_j π_ij, outside of any graph; see `TransportPlan.barycenters`.

        Raises
        ------
        InputError
            The measures do not match; the message says how.
        """
        return self.transport_plan(source, target).barycenters()

    def _solve(self, source: Measure, target: Measure) -> Solution:
        masses = source.mass, target.mass
        source, target = self._scaled(source), self._scaled(target)
        plans = self._plans(self._steps(source, target))
        if self._penalty.balanced:
            return _Balanced(plans, masses)
        return self._unbalanced(plans)

    def _plans(self, steps: _Steps) -> _Plans:
        return _Plans(self._plan(steps))

    def _unbalanced(self, plans: _Plans) -> Solution:
        return _UnbalancedCost(plans)

    def _plan(self, steps: _Steps) -> TransportPlan:
        """Solve the dual problem between two measures, or of one with itself where they are one object."""
        *_, (_, (source, target)) = steps
        passing = max(self.tolerance, PASSING)
        stages = []
        for blur, pair in steps:
            # Where points are merged an update is cheap, and what it leaves undone the next ones inherit.
            tolerance = passing if pair[0] is source else passing / 4
            stages.append(Stage(blur**self.p, MeasureLevel(*pair, self.p, self.engine), tolerance))
        stages[-1] = stages[-1]._replace(tolerance=self.tolerance)
        relaxed = relax(stages, self._penalty, self.iterations)
        soft = SoftMinimum(stages[-1].epsilon, self.p, self.engine)
        return TransportPlan(source, target, soft, self._penalty, relaxed)

    def _steps(self, source: Measure, target: Measure) -> _Steps:
        return merged(source, target, self.p, annealing(_extent(source, target), self.blur, self.scaling))

    def _scaled(self, measure: Measure) -> Measure:
        return measure.normalized() if self._penalty.balanced else measure

    @property
    def _penalty(self) -> MarginalPenalty:
        return MarginalPenalty(math.inf if self.reach is None else self.reach**self.p)


@dataclass(frozen=True)
class SinkhornDivergence(OptimalTransport):
    r"""The Sinkhorn divergence: S = W_ε(α, β) - ½ W_ε(α, α) - ½ W_ε(β, β), optimal transport without bias.

    Where exp(-C / ε) is a positive kernel, as for p = 1 and 2, it is at least 0 and 0 for α = β only (Feydy
    et al., "Interpolating between optimal transport and MMD using Sinkhorn divergences", 2019). It tends to
    the cost of optimal transport as blur → 0, and to ½‖α-β‖²_{-C} as blur → ∞. With p = 2, between equal
    masses, its descent field is the displacement T_αβ(x) - T_αα(x) of the plans' barycentres, in mm: it
    moves each point to where it belongs.

    With a finite `reach`, S also holds ε/2 (m_α - m_β)² (Séjourné et al., "Sinkhorn divergences for
    unbalanced optimal transport", 2019): it is at least 0 for any masses.

    Parameters
    ----------
    blur, p, reach, scaling, tolerance, iterations, engine
        See `OptimalTransport`, also for the masses.

    Raises
    ------
    InputError
        An argument is out of range; the message names it.
    """

    def _plans(self, steps: _Steps) -> _Plans:
        return _Plans(
            self._plan(steps),
            self._plan([(blur, (source, source)) for blur, (source, _) in steps]),
            self._plan([(blur, (target, target)) for blur, (_, target) in steps]),
        )

    def _unbalanced(self, plans: _Plans) -> Solution:
        return plans


class _Plans:
    """The dual value of a plan, and less what the plans of each measure with itself take off."""

    def __init__(self, plan: TransportPlan, *own: TransportPlan) -> None:
        self.plan = plan
        self._own = own

    @property
    def value(self) -> Tensor:
        first, last = self.plan.values()
        for own in self._own:
            # Halves of the plans of each measure with itself.
            first = first - own.values()[0]
        return first + last

    def source_potential(self, points: Tensor) -> Tensor:
        variation = self.plan.source_variation(points)
        return variation - self._own[0].source_variation(points) if self._own else variation

    def target_potential(self, points: Tensor) -> Tensor:
        variation = self.plan.target_variation(points)
        return variation - self._own[1].target_variation(points) if self._own else variation


class _Balanced:
    """√(m_α m_β) times the solution between α / m_α and β / m_β."""

    def __init__(self, plans: _Plans, masses: tuple[Tensor, Tensor]) -> None:
        self._plans, self._masses = plans, masses
        self._normalised = plans.value

    @property
    def value(self) -> Tensor:
        source, target = (mass.to(self._normalised.dtype) for mass in self._masses)
        return source.sqrt() * target.sqrt() * self._normalised

    def source_potential(self, points: Tensor) -> Tensor:
        measure, (own, other) = self._plans.plan.source, self._masses
        shift = self._shift(measure, self._plans.source_potential(measure.points))
        return (other / own).sqrt() * (self._plans.source_potential(points) + shift)

    def target_potential(self, points: Tensor) -> Tensor:
        measure, (other, own) = self._plans.plan.target, self._masses
        shift = self._shift(measure, self._plans.target_potential(measure.points))
        return (other / own).sqrt() * (self._plans.target_potential(points) + shift)

    def _shift(self, measure: Measure, variation: Tensor) -> Tensor:
        """Return the constant that makes ⟨α, u⟩ half of the value, which grows with the root of the mass."""
        return (self._normalised / 2 - pairing(measure.weights, variation)).to(variation.dtype)


class _UnbalancedCost:
    """A plan's dual value and variations, with the constants in the masses that cancel in a divergence."""

    def __init__(self, plans: _Plans) -> None:
        self._plans = plans
        plan = plans.plan
        self._epsilon = plan.soft.epsilon
        self._masses = plan.source.mass, plan.target.mass

    @property
    def value(self) -> Tensor:
        value = self._plans.value
        source, target = (mass.to(value.dtype) for mass in self._masses)
        return value + self._epsilon * (source * target - (source + target) / 2)

    def source_potential(self, points: Tensor) -> Tensor:
        return self._plans.source_potential(points) + self._epsilon * (self._masses[1] - 1)

    def target_potential(self, points: Tensor) -> Tensor:
        return self._plans.target_potential(points) + self._epsilon * (self._masses[0] - 1)


def annealing(diameter: float, blur: float, scaling: float) -> tuple[float, ...]:
    """Return the blurs from the diameter of the problem to its own, each `scaling` times the last, mm.

    Parameters
    ----------
    diameter, blur : float
        Lengths, mm.
    scaling : float
        Ratio of two lengths that follow each other, between 0 and 1.
    """
    lengths, length = [], diameter
    while length > blur:
        lengths.append(length)
        length *= scaling
    return (*lengths, blur)


def _extent(source: Measure, target: Measure) -> float:
    """Return twice the radius of a ball around all mass, mm: at least its diameter, whatever the axes."""
    center = (source.center + target.center) / 2
    radii = [
        torch.linalg.vector_norm(measure.points - center, dim=1)[measure.weights > 0].max()
        for measure in (source, target)
    ]
    return 2 * float(max(radii))
