"""Sinkhorn's iterations, which see soft minima and a schedule of temperatures, and never a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch

from napari_shapereg.fidelities.pairing import pairing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_shapereg.fidelities.marginal_penalty import MarginalPenalty

Images: TypeAlias = "Callable[[float, Sequence[Tensor]], Sequence[Tensor]]"
"""(ε, potentials) -> for each of them Smin_ε[C - the potential on the other side], where it lives."""


@dataclass(frozen=True)
class Schedule:
    """From which temperatures to which error.

    Parameters
    ----------
    epsilons : tuple of float
        Descending, mm^p; one update at each but the last.
    iterations : int
        Updates at the last one, at most.
    tolerance : float
        Share of mass that the plan may misplace when the updates end.
    """

    epsilons: tuple[float, ...]
    iterations: int
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
        Updates at the last temperature.
    """

    potentials: tuple[Tensor, ...]
    images: tuple[Tensor, ...]
    error: float
    iterations: int


def annealing(diameter: float, blur: float, p: int, scaling: float) -> tuple[float, ...]:
    """Return the temperatures from the diameter of the problem to its blur, each `scaling`^p of the last.

    Parameters
    ----------
    diameter, blur : float
        Lengths, mm.
    p : int
        Exponent of the cost.
    scaling : float
        Ratio of two lengths that follow each other, between 0 and 1.
    """
    lengths, length = [], diameter
    while length > blur:
        lengths.append(length)
        length *= scaling
    return tuple(length**p for length in (*lengths, blur))


def relax(
    images_of: Images, weights: Sequence[Tensor], penalty: MarginalPenalty, schedule: Schedule
) -> Relaxed:
    """Solve the dual problem of entropic transport by symmetric, averaged updates f ← ½ (f + Smin[C - g]).

    Both sides are updated at once, so that exchanging the measures exchanges the results. One update is made
    at each temperature of the schedule, and at the last one as many as the tolerance asks for (Feydy,
    "Geometric data analysis, beyond convolutions", 2020, section 3.3.3; Kosowsky & Yuille, 1994, for the
    annealing).

    Parameters
    ----------
    images_of : callable
        The soft minima.
    weights : sequence of tensors
        Of the measure on each side.
    penalty : MarginalPenalty
        What a plan pays for other marginals than those.
    schedule : Schedule
        Temperatures and error.
    """
    potentials = tuple(torch.zeros_like(side) for side in weights)
    first, *others = schedule.epsilons
    potentials = penalty.translated(_damped(images_of, potentials, penalty, first), weights)
    for epsilon in others:
        images = _damped(images_of, potentials, penalty, epsilon)
        potentials = penalty.translated(_averages(potentials, images), weights)
    epsilon = schedule.epsilons[-1]
    for iteration in range(schedule.iterations + 1):
        images = _damped(images_of, potentials, penalty, epsilon)
        error = _error(potentials, images, weights, penalty.stiffness(epsilon))
        if error <= schedule.tolerance or iteration == schedule.iterations:
            break
        potentials = penalty.translated(_averages(potentials, images), weights)
    return Relaxed(potentials, images, error, iteration)


def _damped(
    images_of: Images, potentials: Sequence[Tensor], penalty: MarginalPenalty, epsilon: float
) -> tuple[Tensor, ...]:
    factor = penalty.damping(epsilon)
    return tuple(factor * image for image in images_of(epsilon, potentials))


def _averages(potentials: Sequence[Tensor], images: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple((old + new) / 2 for old, new in zip(potentials, images, strict=True))


def _error(
    potentials: Sequence[Tensor], images: Sequence[Tensor], weights: Sequence[Tensor], stiffness: float
) -> float:
    errors = []
    for old, new, side in zip(potentials, images, weights, strict=True):
        # Rounding moves a potential by a few units in its last place: less cannot be asked for.
        noise = 4 * torch.finfo(old.dtype).eps * new.abs()
        excess = torch.expm1(((old - new).abs() - noise).clamp_min(0) * stiffness)
        errors.append(float(pairing(side, excess) / pairing(side, torch.ones_like(side))))
    return max(errors)
