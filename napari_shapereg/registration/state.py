"""What a running registration shows of itself, and how it can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Status(Enum):
    """How a registration ended; the value is a sentence for people."""

    CONVERGED = "Converged: the last level ended because its cost no longer fell."
    MAX_STEPS = "Done: the last level took all the steps it may; more would lower its cost further."
    CANCELLED = "Cancelled: the result is the best map that was reached."
    DIVERGED = "Diverged: the cost was not a number or rose; the result is the best map before that."


@dataclass(frozen=True, eq=False)
class RegistrationState:
    """One accepted step of a registration.

    Parameters
    ----------
    stage : str
        "linear", "measures" or "voxels".
    level : int
        Of the stage, from 0, coarse to fine.
    iteration : int
        Steps accepted so far, over all stages.
    objective : float
        The cost, energy and fidelity together. It falls within a level; each level has a cost of its own.
    fidelity : float
        d(φ(A), B) of this level, weighted over the labels.
    energy : float
        The regularisation energy of the map, unweighted.
    points : mapping of int to (N, 3) Tensor
        For each label, the coarse points of the moving shape where the map carries them now, LPS mm.
    arrows : mapping of int to (N, 3) Tensor
        What this step moved each of them by, mm.
    seconds : float
        Since the registration began.
    progress : float
        Estimated share of the work that is done, from 0 to 1.
    """

    stage: str
    level: int
    iteration: int
    objective: float
    fidelity: float
    energy: float
    points: Mapping[int, Tensor]
    arrows: Mapping[int, Tensor]
    seconds: float
    progress: float
