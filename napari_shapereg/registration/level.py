"""A level of a registration: a cost on a lattice, and the descent that lowers it step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

from napari_shapereg.deformations.fields import least_determinant, lipschitz_bound
from napari_shapereg.deformations.lattice_inversion import solve
from napari_shapereg.deformations.smoothing import smooth
from napari_shapereg.registration.cancellation import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from napari_shapereg.deformations import LatticeFlow
    from napari_shapereg.registration.settings import RegistrationSettings

    Points = Mapping[int, Tensor]

SHORTEST_STEP = 1e-3
"""Of the first step of a level: below it, the direction is taken to be no descent."""
STEP_GROWTH = 1.5
SHORTER_WHERE_SQUEEZED = 0.9
"""Factor of a step that squeezes too much: there the flow is held, elsewhere the length is right."""
PATIENCE = 2
"""Steps in a row that lower the cost too little, before a level ends: one may have met an obstacle."""
BRAKE = 2.0
"""Standard deviation, in nodes, of the fading of the flow around a squeezed node,"""
BRAKE_KEPT = 0.95
"""and the share of the fading that is left at the next step."""


@dataclass(frozen=True, eq=False)
class Position:
    """Where a level stands.

    Parameters
    ----------
    displacement : (3, z, y, x) Tensor
        u of φ⁻¹ = id + u on the lattice of the level, frame mm.
    points : mapping of int to (N, 3) Tensor
        The coarse moving points of each label, carried by φ, frame mm.
    fidelity, energy, cost : float
        cost = fidelity + weight · energy.
    """

    displacement: Tensor
    points: Points
    fidelity: float
    energy: float
    cost: float


PositionT = TypeVar("PositionT", bound=Position)


class Level(Protocol[PositionT]):
    """A cost on one lattice, with a smooth direction along which it falls."""

    @property
    def flow(self) -> LatticeFlow:
        """The map, on the lattice of the level."""
        ...

    @property
    def momentum(self) -> float:
        """Share of the last direction that the next one takes along."""
        ...

    def position(self, displacement: Tensor, points: Points) -> PositionT:
        """Evaluate the cost of a displacement."""
        ...

    def direction(self, position: PositionT) -> Tensor:
        """Return the step w, (3, z, y, x) frame mm, of φ⁻¹ ← φ⁻¹ ∘ (id + w), at its natural length."""
        ...


def descend(
    level: Level[PositionT],
    start: PositionT,
    sources: Points,
    settings: RegistrationSettings,
) -> Iterator[PositionT]:
    """Lower the cost of a level by gradient descent with momentum and backtracking.

    A direction takes along a share of the last one (Polyak, "Some methods of speeding up the convergence of
    iteration methods", 1964), so that fewer steps are needed. A step is accepted if the cost falls; else it
    is halved and the momentum forgotten. Where it would squeeze a volume of the lattice below `min_jacobian`,
    the flow is held for the next steps, so that the rest can go on. The Lipschitz constant of a step stays
    below `max_strain`, so that each factor of the composition is a homeomorphism. The descent ends when two
    steps in a row lower the cost by less than the fraction `tolerance`, when none lowers it, or after
    `max_steps`.

    Parameters
    ----------
    level : Level
        The cost and its direction.
    start : Position
        Where to begin.
    sources : mapping of int to (N, 3) Tensor
        The coarse moving points of each label before the flow, frame mm.
    settings : RegistrationSettings
        `max_steps`, `tolerance`, `max_strain` and `min_jacobian`.

    Yields
    ------
    Position
        Of falling cost. A cost that is not a number is yielded as it is, and is the last.
    """
    here, length, slow = start, 1.0, 0
    pitch = level.flow.lattice.pitch
    floor = min(settings.min_jacobian, float(least_determinant(here.displacement, pitch).amin()))
    brake = torch.ones_like(here.displacement[0])
    momentum = torch.zeros_like(here.displacement)
    for _ in range(settings.max_steps):
        checkpoint()
        downhill = level.direction(here)
        direction = downhill.add(momentum, alpha=level.momentum).mul_(brake)
        length = _bounded(length, direction, pitch, settings)
        shortest = SHORTEST_STEP * length
        while True:
            checkpoint()
            displacement = level.flow.compose(here.displacement, length * direction)
            squeezed = least_determinant(displacement, pitch) < floor
            if squeezed.any():
                around = _around(squeezed)
                brake, direction = brake * around, around * direction
                length *= SHORTER_WHERE_SQUEEZED
            else:
                there = level.position(displacement, carry(sources, displacement, pitch))
                if not there.cost >= here.cost:  # lower, or not a number
                    break
                length /= 2
                if momentum.any():
                    momentum = torch.zeros_like(momentum)
                    direction = brake * downhill
                    length = _bounded(length, direction, pitch, settings)
            if length <= shortest:  # both are 0 where the direction overflows
                return
        yield there
        slow = slow + 1 if there.cost > here.cost * (1 - settings.tolerance) else 0
        if not math.isfinite(there.cost) or slow == PATIENCE:
            return
        here, length, momentum = there, length * STEP_GROWTH, direction
        brake = 1 - BRAKE_KEPT * (1 - brake)


def _bounded(length: float, direction: Tensor, pitch: float, settings: RegistrationSettings) -> float:
    return min(length, settings.max_strain / max(lipschitz_bound(direction, pitch), 1e-12))


def _around(squeezed: Tensor) -> Tensor:
    """Return the (z, y, x) factor that is 0 on and next to the marked nodes and rises smoothly to 1."""
    alone = smooth(_single_node(squeezed), BRAKE, 1.0).amax()
    near = smooth(squeezed[None].float(), BRAKE, 1.0)[0] / alone
    return (1 - 2 * near).clamp(0, 1)


def _single_node(like: Tensor) -> Tensor:
    node = torch.zeros(1, 3, 3, 3, device=like.device)
    node[0, 1, 1, 1] = 1
    return node


def carry(points: Points, displacement: Tensor, pitch: float) -> Points:
    """Return where φ takes (N, 3) frame points, which φ⁻¹ = id + u takes back."""
    return {label: solve(displacement, cloud, pitch) for label, cloud in points.items()}
