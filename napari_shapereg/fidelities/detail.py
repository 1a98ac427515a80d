"""In which detail entropic transport is solved at which blur: points that no plan resolves are merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from napari_shapereg.fidelities.soft_minimum import SoftMinimum
from napari_shapereg.measures import Measure, coarsen
from napari_shapereg.reductions.shortcuts import note_shortcut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_shapereg.reductions.engine import Engine

CELL = {1: 1.5, 2: 1.0}
"""Edge of the cells in which points are merged, over the blur, by exponent: a plan hardly resolves them.

What merging changes, the last updates undo on the scale of the blur only. Between two knees at a blur of 1 mm
it is .4 % of the gradient in L² for p = 1 and .7 % for p = 2, where wider cells left more than 1 %.
"""

FEWER = 0.5
"""Share of the pairs of points that merging must leave at most, to be worth it."""

Pair = tuple[Measure, Measure]


@dataclass(frozen=True)
class MeasureLevel:
    """Two measures, or one with itself where they are one object: a `Level` of Sinkhorn's loop.

    Parameters
    ----------
    source, target : Measure
        Constants.
    p : int
        Exponent of the cost.
    engine : str or Engine
        Of the sums.
    """

    source: Measure
    target: Measure
    p: int
    engine: str | Engine

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Of the measure on each side."""
        if self.source is self.target:
            return (self.source.weights,)
        return self.source.weights, self.target.weights

    def images(self, epsilon: float, potentials: Sequence[Tensor], there: Self) -> tuple[Tensor, ...]:
        """Return Smin_ε[C - the potential on the other side], at the points of each side of a level."""
        soft = SoftMinimum(epsilon, self.p, self.engine)
        if self.source is self.target:
            return (soft(there.source.points, self.source, potentials[0]),)
        f, g = potentials
        return soft(there.source.points, self.target, g), soft(there.target.points, self.source, f)


def merged(source: Measure, target: Measure, p: int, blurs: Sequence[float]) -> list[tuple[float, Pair]]:
    """Return which measures to solve transport between at each blur, the given ones last.

    At a blur σ the potentials are smooth on that scale: merging points in cells of `CELL` σ moves them by
    little, and the potentials on the cells extend to the points by one soft minimum. At the last blur, both
    are solved. Points that are merged already are merged further, so that the whole costs little more than
    its finest level.

    Parameters
    ----------
    source, target : Measure
        One object where a measure is transported onto itself: it remains one.
    p : int
        Exponent of the cost.
    blurs : sequence of float
        Descending, mm.
    """
    whole = pair = (source, target)
    steps = [(blurs[-1], whole)]
    for blur in reversed(blurs):
        coarse = _merge(pair, CELL[p] * blur)
        if len(coarse[0]) * len(coarse[1]) <= FEWER * len(source) * len(target):
            note_shortcut("transport begun on merged points")
            pair = coarse
            steps.append((blur, pair))
        elif blur != blurs[-1]:
            steps.append((blur, whole))
    return steps[::-1]


def _merge(pair: Pair, cell: float) -> Pair:
    # Normals would be averaged for nothing.
    first, last = (Measure(measure.points, measure.weights) for measure in pair)
    coarse = coarsen(first, cell)
    return coarse, (coarse if pair[1] is pair[0] else coarsen(last, cell))
