"""Sinkhorn's iterations, which see soft minima and a schedule of temperatures, and never a point."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from napari_shapereg.fidelities.anderson import Anderson
from napari_shapereg.fidelities.pairing import pairing
from napari_shapereg.reductions.threads import loops_before_torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from torch import Tensor

    from napari_shapereg.fidelities.marginal_penalty import MarginalPenalty


class Level(Protocol):
    """Two measures, or one with itself, in some detail: all that the loop knows about them."""

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Of the measure on each side."""
        ...

    def images(self, epsilon: float, potentials: Sequence[Tensor], there: Self) -> tuple[Tensor, ...]:
        """Return Smin_ε[C - the potential on the other side], for each side of a level, this or another."""
        ...


class Stage(NamedTuple):
    """Updates at one temperature.

    Attributes
    ----------
    epsilon : float
        The temperature, mm^p.
    level : Level
        Where they are made.
    tolerance : float
        Share of mass that the plan may misplace when they end.
    """

    epsilon: float
    level: Level
    tolerance: float


class Relaxed(NamedTuple):
    """Where the updates ended.

    Attributes
    ----------
    potentials : tuple of Tensor
        One for each side, mm^p.
    images : tuple of Tensor
        What one more update would average each with.
    error : float
        Share of the mass that the plan misplaces, on the worse side: Σ α_i (e^|log r_i| - 1) / Σ α_i, r_i
        what row i of the plan holds relative to what it should.
    iterations : int
        Updates in the last stage.
    """

    potentials: tuple[Tensor, ...]
    images: tuple[Tensor, ...]
    error: float
    iterations: int


@loops_before_torch()
def relax(stages: Sequence[Stage], penalty: MarginalPenalty, iterations: int) -> Relaxed:
    """Solve the dual problem of entropic transport by symmetric updates f ← ½ (f + Smin[C - g]), accelerated.

    Both sides are updated at once, so that exchanging the measures exchanges the results, and the plan of a
    measure with its copy is its plan with itself. The temperature falls from stage to stage (Kosowsky &
    Yuille, 1994; Feydy, "Geometric data analysis, beyond convolutions", 2020, section 3.3.3), in each of
    which updates are made until its tolerance is met; from one level of detail to the next, soft minima
    extend the potentials.

    Averaged updates alone converge, but slowly where the blur is small beside the shapes. `Anderson` makes
    them fast. It may overshoot where they are far from linear; but an averaged update never lowers the dual
    value, and an accelerated one that does is taken back. What is left for the finest level is fine detail.

    Parameters
    ----------
    stages : sequence of Stage
        From the warmest to the one whose result is asked for.
    penalty : MarginalPenalty
        What a plan pays for other marginals than its weights.
    iterations : int
        Updates in each stage, at most.
    """
    first = stages[0]
    zeros = tuple(torch.zeros_like(side) for side in first.level.weights)
    relaxed = _settle(first, _extended(first, zeros, first, penalty), penalty, iterations)
    for before, stage in pairwise(stages):
        if stage.level == before.level:
            start = _averages(relaxed.potentials, relaxed.images)
        else:
            start = _extended(before, relaxed.potentials, stage, penalty)
        relaxed = _settle(stage, start, penalty, iterations)
    return relaxed


def _extended(
    before: Stage, potentials: Sequence[Tensor], stage: Stage, penalty: MarginalPenalty
) -> tuple[Tensor, ...]:
    images = before.level.images(before.epsilon, potentials, stage.level)
    return _damped(images, penalty, before.epsilon)


def _settle(
    stage: Stage, potentials: tuple[Tensor, ...], penalty: MarginalPenalty, iterations: int
) -> Relaxed:
    epsilon, level, tolerance = stage
    weights = level.weights
    shares = tuple(side / pairing(side, torch.ones_like(side)) for side in weights)
    anderson = Anderson(shares)
    best = potentials, potentials
    highest = -math.inf
    for iteration in range(iterations + 1):
        potentials = penalty.translated(potentials, weights)
        images = _damped(level.images(epsilon, potentials, level), penalty, epsilon)
        error = _error(potentials, images, shares, penalty.stiffness(epsilon))
        if error <= tolerance or iteration == iterations:
            break
        value, noise = _dual_value(potentials, images, weights, penalty, epsilon)
        if value < highest - noise:
            anderson.forget()
            potentials, highest = _averages(*best), -math.inf
        else:
            best, highest = (potentials, images), value
            potentials = anderson.update(potentials, images)
    return Relaxed(potentials, images, error, iteration)


def _damped(images: Sequence[Tensor], penalty: MarginalPenalty, epsilon: float) -> tuple[Tensor, ...]:
    factor = penalty.damping(epsilon)
    return tuple(factor * image for image in images)


def _averages(potentials: Sequence[Tensor], images: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple((old + new) / 2 for old, new in zip(potentials, images, strict=True))


def _dual_value(
    potentials: Sequence[Tensor],
    images: Sequence[Tensor],
    weights: Sequence[Tensor],
    penalty: MarginalPenalty,
    epsilon: float,
) -> tuple[float, float]:
    """Return the dual value and what rounding may change it by."""
    values, noises = [], []
    for old, new, side in zip(potentials, images, weights, strict=True):
        values.append(pairing(side, penalty.value(epsilon, old, new)))
        noises.append(pairing(side, 4 * torch.finfo(new.dtype).eps * new.abs()))
    return float(values[0] + values[-1]), float(noises[0] + noises[-1])


def _error(
    potentials: Sequence[Tensor], images: Sequence[Tensor], shares: Sequence[Tensor], stiffness: float
) -> float:
    errors = []
    for old, new, share in zip(potentials, images, shares, strict=True):
        # Rounding moves a potential by a few units in its last place: less cannot be asked for.
        noise = 4 * torch.finfo(old.dtype).eps * new.abs()
        excess = torch.expm1(((old - new).abs() - noise).clamp_min(0) * stiffness)
        # Out of sight of all others, a point without mass may have infinitely much too little of it.
        errors.append(float(pairing(share, excess.masked_fill(share == 0, 0))))
    return max(errors)
