"""The best map of a run so far: what is left of it when it is cut short."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from napari_shapereg.registration.level import carry

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.deformations import Lattice
    from napari_shapereg.registration.shapes import Shapes

    Field = tuple[Lattice, Tensor]


class BestField:
    """The field, of those that were offered, whose map brings the shapes nearest.

    Each level lowers a cost of its own, and costs of two levels cannot be compared. A coarse lattice hardly
    sees a thin shape: on the way through it a map may be worse than it was before. What is compared here is
    how far the points of the fixed shapes lie from those of the moving ones under the map, and back, on the
    mean over points and labels.

    Parameters
    ----------
    shapes : Shapes
        Coarse measures, linearly aligned, in the frame of the lattices.
    """

    def __init__(self, shapes: Shapes) -> None:
        self._field: Field | None = None
        self._distance = math.inf
        self._sources = {label: measure.points for label, measure in shapes.sources.items()}
        self._targets = {label: measure.points.cpu().numpy() for label, measure in shapes.targets.items()}
        self._weights = shapes.weights

    def offer(self, field: Field | None) -> Field | None:
        """Keep a field if it is better than the one kept, and return the one that is."""
        if field is None:
            return self._field
        distance = self._mean_distance(*field)
        if distance < self._distance:
            self._field, self._distance = field, distance
        return self._field

    def _mean_distance(self, lattice: Lattice, displacement: Tensor) -> float:
        moved = carry(self._sources, displacement, lattice.pitch)
        total = 0.0
        for label, share in self._weights.items():
            ours, theirs = moved[label].cpu().numpy(), self._targets[label]
            there, _ = KDTree(theirs).query(ours)
            back, _ = KDTree(ours).query(theirs)
            total += share * float(np.mean(there) + np.mean(back)) / 2
        return total
