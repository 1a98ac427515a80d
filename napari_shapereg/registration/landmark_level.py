"""A level of the lattice flow with a landmark term beside its own cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic

from torch.nn import functional

from napari_shapereg.deformations.fields import splat
from napari_shapereg.deformations.smoothing import smooth
from napari_shapereg.registration.level import Level, PositionT

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_shapereg.deformations import LatticeFlow
    from napari_shapereg.registration.landmarks import PointPairs
    from napari_shapereg.registration.level import Points
    from napari_shapereg.registration.voxel_level import VoxelLevel

PAIRS = 0
"""The label, which no structure has, under which landmarks travel with the points of a run."""
WIDTH = 3.0
"""Standard deviation of what a landmark takes along, in the length r₁,"""
WIDTH_IN_PITCHES = 1.5
"""and in pitches, at least."""


@dataclass(frozen=True, eq=False)
class LandmarkLevel(Generic[PositionT]):
    """The cost of a level plus unit · weight · mean_k |φ(x_k) - y_k|² / r₁².

    The level's direction and the one that brings landmarks home count by their terms' shares of the cost.

    Parameters
    ----------
    level : Level
        Without landmarks.
    pairs : PointPairs
        In the frame of the lattice, mm.
    unit : float
        What the level costs where shapes are r₁ out of place.
    """

    level: Level[PositionT]
    pairs: PointPairs
    unit: float

    @property
    def flow(self) -> LatticeFlow:
        """See `Level`."""
        return self.level.flow

    @property
    def momentum(self) -> float:
        """See `Level`."""
        return self.level.momentum

    def position(self, displacement: Tensor, points: Points) -> PositionT:
        """Evaluate the cost; see `Level`."""
        own = self.level.position(displacement, points)
        extra = self.unit * float(self.pairs.share(points[PAIRS]))
        return replace(own, fidelity=own.fidelity + extra, cost=own.cost + extra)

    def direction(self, position: PositionT) -> Tensor:
        """Return both directions, blended; see `Level`."""
        lattice, moved = self.flow.lattice, position.points[PAIRS]
        values = functional.pad(moved - self.pairs.fixed, (0, 1), value=1.0)
        width = max(WIDTH * self.pairs.length, WIDTH_IN_PITCHES * lattice.pitch)
        spread = smooth(splat(values, moved, lattice), width, lattice.pitch)
        home = spread[:3] / spread[3].amax().clamp_min(1e-30)
        share = self.unit * float(self.pairs.share(moved)) / max(position.cost, 1e-30)
        return (1 - share) * self.level.direction(position) + share * home


def beside(
    level: Level[PositionT], pairs: PointPairs | None, unit: Callable[[PointPairs], float]
) -> Level[PositionT]:
    """Return the level with a landmark term if there are landmarks; `unit` is then asked for the unit."""
    return LandmarkLevel(level, pairs, unit(pairs)) if pairs else level


def misplaced_images(level: VoxelLevel, pairs: PointPairs) -> float:
    """Return Σ_l share_l ½ ∫ (b_l - b_l(· - r₁ e_x))² dx, the cost of shapes that are r₁ off, mm³."""
    pitch = level.flow.lattice.pitch
    nodes = max(1, round(pairs.length / pitch))
    total = 0.0
    for label, share in level.weights.items():
        image = level.fixed[label]
        total += share * float((image - image.roll(nodes, dims=-1)).square().sum())
    return total * pitch**3 / 2
