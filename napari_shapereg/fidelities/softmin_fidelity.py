"""The SoftMin fidelity: a smooth projection of each measure onto the other."""

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


@dataclass(frozen=True)
class SoftMin(VariationalFidelity):
    r"""The SoftMin fidelity: ⟨α-β, b-a⟩ with the soft distances b, a to each measure.

    b(x) = Smin_{ε,y~β} C(x, y), a likewise for α, C = \|x - y\|^p / p, ε = blur^p (Feydy & Trouvé, "Global
    divergences between measures", 2018). Between measures of mass 1 it tends to the norm ‖α-β‖²_{-C} as
    blur → ∞ (p = 1: twice the energy distance), and to Σ α_i min_y C(x_i, y) + Σ β_j min_x C(x, y_j) as
    blur → 0: each point is drawn to the nearest one of the other measure, however much mass is there. Masses
    are not normalised. It may be negative: it is no distance, and cheap.

    Parameters
    ----------
    blur : float
        √[p]ε, mm: details below it are not seen.
    p : int
        Exponent of the cost, 1 or 2.
    engine : str or Engine
        See `Fidelity`.

    Raises
    ------
    InputError
        `blur` is not a length, or `p` neither 1 nor 2.
    """

    blur: float
    p: int = 2

    def __post_init__(self) -> None:
        """Check the length and the exponent."""
        object.__setattr__(self, "blur", parameters.length("blur", self.blur))
        object.__setattr__(self, "p", parameters.exponent(self.p))

    def _solve(self, source: Measure, target: Measure) -> _SoftDistances:
        return _SoftDistances(source, target, SoftMinimum(self.blur**self.p, self.p, self.engine))


class _SoftDistances:
    """The soft distances to both measures, at the points of both."""

    def __init__(self, source: Measure, target: Measure, soft: SoftMinimum) -> None:
        self._source, self._target, self._soft = source, target, soft
        x, y = source.points, target.points
        # To the source and to the target, each at the points of the source and of the target.
        self._to_source = soft(x, source), soft(y, source)
        self._to_target = soft(x, target), soft(y, target)

    @property
    def value(self) -> Tensor:
        (a_source, a_target), (b_source, b_target) = self._to_source, self._to_target
        return pairing(self._source.weights, b_source - a_source) - pairing(
            self._target.weights, b_target - a_target
        )

    def source_potential(self, points: Tensor) -> Tensor:
        return self._variation(points, self._source, self._target, self._to_source)

    def target_potential(self, points: Tensor) -> Tensor:
        backwards = self._to_target[1], self._to_target[0]
        return self._variation(points, self._target, self._source, backwards)

    def _variation(
        self, points: Tensor, moving: Measure, other: Measure, distances: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Return the variation in `moving`, whose soft distances at both sets of points are given."""
        soft = self._soft
        # Mass at z also lowers the soft distance a: by ε exp((a(x) - C(x, z)) / ε) a unit.
        weights = torch.cat((moving.weights, -other.weights))
        positions = torch.cat((moving.points, other.points))
        lowered = soft.plan(points, positions, torch.cat(distances), weights)
        return soft(points, other) - soft(points, moving) + soft.epsilon * lowered
