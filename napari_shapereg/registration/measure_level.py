"""The global levels: a fidelity between coarse measures that the flow carries (the density action)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_shapereg.deformations.fields import splat
from napari_shapereg.deformations.normals import normals_after_flow
from napari_shapereg.deformations.smoothing import smooth
from napari_shapereg.fidelities import descent_field
from napari_shapereg.measures import Measure
from napari_shapereg.registration.level import Position

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.deformations import LatticeFlow
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.level import Points
    from napari_shapereg.registration.shapes import Shapes

FAINT = 0.02
"""Of the largest smoothed density: where there is less mass, the velocity fades to zero."""
FIRST_STEP = 0.25
"""Largest displacement of a natural step, in smoothing lengths."""


@dataclass(frozen=True, eq=False)
class MeasureLevel:
    """The cost Σ_l share_l d(φ(α_l), β_l), whose only regularisation is the smoothness of the steps.

    The velocity is the descent field of the fidelity, averaged over the mass within the smoothing length
    (normalised convolution), so that thin and thick parts move alike.

    Parameters
    ----------
    flow : LatticeFlow
        The map, on the lattice of this level.
    shapes : Shapes
        Both shapes, in the frame of the lattice, mm.
    loss : Fidelity
        d.
    smoothness : float
        Standard deviation of the smoothing, mm.
    window : (z, y, x) Tensor
        Falls to zero at the border.
    """

    flow: LatticeFlow
    shapes: Shapes
    loss: Fidelity
    smoothness: float
    window: Tensor
    momentum: ClassVar[float] = 0.0  # Nothing but few and smooth steps keeps the map from crumpling here.

    def position(self, displacement: Tensor, points: Points) -> Position:
        """Evaluate the cost; see `Level`."""
        fidelity = sum(
            share * float(self.loss(self._moved(label, displacement, points), self.shapes.targets[label]))
            for label, share in self.shapes.weights.items()
        )
        energy = float(self.flow.energy(displacement))
        return Position(displacement, points, fidelity, energy, cost=fidelity)

    def direction(self, position: Position) -> Tensor:
        """Return the smoothed arrows, turned round; see `Level`."""
        lattice = self.flow.lattice
        total = 0 * self.window.expand(4, *self.window.shape)
        for label, share in self.shapes.weights.items():
            source = self._moved(label, position.displacement, position.points)
            arrows = descent_field(self.loss, source, self.shapes.targets[label])
            mass = share * source.weights[:, None]
            total[:3] += splat(mass * arrows, source.points, lattice)
            total[3:] += splat(mass, source.points, lattice)
        total = smooth(total, self.smoothness, lattice.pitch)
        velocity = total[:3] / (total[3] + FAINT * total[3].amax()) * self.window
        return -velocity * (FIRST_STEP * self.smoothness / velocity.abs().amax().clamp_min(1e-30))

    def _moved(self, label: int, displacement: Tensor, points: Points) -> Measure:
        source = self.shapes.sources[label]
        if source.normals is None:
            return Measure(points[label], source.weights)
        pitch = self.flow.lattice.pitch
        normals = normals_after_flow(source.normals, displacement, points[label], pitch)
        return Measure(points[label], source.weights, normals)
