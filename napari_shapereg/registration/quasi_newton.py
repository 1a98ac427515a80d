"""L-BFGS with backtracking, one step at a time, on tensors of any device."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import torch

from napari_shapereg.measures.sums import steady_sum
from napari_shapereg.registration.cancellation import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    History = deque[tuple[Tensor, Tensor, float]]

MEMORY = 8
SUFFICIENT = 1e-4
"""Share of the decrease that the slope promises which a step must reach (Armijo)."""
HALVINGS = 20
LONGEST = 50.0
"""Largest entry of any step, in first steps: along a flat valley the model of the cost promises too much."""


Parts = TypeVar("Parts")


class Descended(NamedTuple, Generic[Parts]):
    """Parameters, their cost, what else was found out with it, and its gradient."""

    parameters: Tensor
    cost: float
    parts: Parts
    slope: Tensor


def descended(
    objective: Callable[[Tensor], tuple[Tensor, Parts]], parameters: Tensor, first_step: float
) -> Iterator[Descended[Parts]]:
    """Lower a function step by step (Liu and Nocedal, "On the limited memory BFGS method", 1989).

    Each step goes along the quasi-Newton direction, halved until the cost falls. (SciPy's and torch's own
    cannot be left between two steps.)

    Parameters
    ----------
    objective : callable
        Parameters to a 0-d cost, differentiable, and to whatever else is to be known of a step.
    parameters : Tensor
        Where to start.
    first_step : float
        Largest entry of the first step, in units of the parameters.

    Yields
    ------
    Descended
        Of falling cost, until no step lowers it. Where even the shortest step has a cost that is not a
        number, it is yielded as it is, and is the last.
    """
    here = _evaluated(objective, parameters)
    history: History = deque(maxlen=MEMORY)
    while True:
        direction = _direction(here.slope, history, first_step)
        promised = _inner(direction, here.slope)
        if not promised < 0:
            history.clear()
            direction = _direction(here.slope, history, first_step)
            promised = _inner(direction, here.slope)
        length = min(1.0, LONGEST * first_step / max(float(direction.abs().amax()), 1e-30))
        for _ in range(HALVINGS):
            there = _evaluated(objective, here.parameters + length * direction)
            if there.cost < here.cost + SUFFICIENT * length * promised:
                break
            length /= 2
        else:
            if not math.isfinite(there.cost):
                yield there
            return
        yield there
        move, bend = there.parameters - here.parameters, there.slope - here.slope
        curvature = _inner(move, bend)
        if curvature > 0:
            history.append((move, bend, curvature))
        here = there


def _evaluated(objective: Callable[[Tensor], tuple[Tensor, Parts]], parameters: Tensor) -> Descended[Parts]:
    checkpoint()
    leaf = parameters.detach().requires_grad_()
    with torch.enable_grad():
        cost, parts = objective(leaf)
        (slope,) = torch.autograd.grad(cost, leaf)
    return Descended(leaf.detach(), float(cost.detach()), parts, slope)


def _direction(slope: Tensor, history: History, first_step: float) -> Tensor:
    """Apply the inverse Hessian of the history to the slope, by two loops, and turn round."""
    if not history:
        return slope * (-first_step / slope.abs().amax().clamp_min(1e-30))
    direction = slope
    shares = []
    for move, bend, curvature in reversed(history):
        share = _inner(move, direction) / curvature
        direction = direction - share * bend
        shares.append(share)
    _, bend, curvature = history[-1]
    direction = direction * (curvature / _inner(bend, bend))
    for (move, bend, curvature), share in zip(history, reversed(shares), strict=True):
        direction = direction + move * (share - _inner(bend, direction) / curvature)
    return -direction


def _inner(first: Tensor, second: Tensor) -> float:
    return float(steady_sum((first * second).reshape(-1)))
