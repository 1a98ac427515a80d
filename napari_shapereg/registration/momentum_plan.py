"""From settings and data to a model with momenta, its fidelities, and the field that a result keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import max_pool3d

from napari_shapereg.deformations import GeodesicShooting, Lattice, StationaryVelocity
from napari_shapereg.deformations.fields import least_determinant, refine_smoothly
from napari_shapereg.fidelities import KernelNorm
from napari_shapereg.measures import Measure, coarsen
from napari_shapereg.reductions.kernels import GaussianKernel
from napari_shapereg.registration.plan import chosen_fidelity
from napari_shapereg.registration.settings import MeasureSettings
from napari_shapereg.registration.shapes import Shapes, carried, pooled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.deformations import AffineMap
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.settings import RegistrationSettings

PITCH_IN_WIDTHS = 0.5
"""Pitch of velocities, in widths of the narrowest Gaussian."""
FIELD_IN_WIDTHS = 0.35
"""Pitch of the field that geodesics leave: linear interpolation loses h² / 8σ² of a bump, 1.5 %."""
SQUEEZED = 0.5
"""Determinant below which geodesics are followed from every node,"""
AROUND = 9
"""and in a box of this many nodes around."""
MARGIN_IN_WIDTHS = 2.0
"""From the shapes to the border of the lattice, in widths of the widest Gaussian; over half, maps fade."""
MOST_CONTROL_POINTS = 600


@dataclass(frozen=True, eq=False)
class Momenta:
    """A model with momenta and the parameters that were fitted.

    Parameters
    ----------
    model : GeodesicShooting or StationaryVelocity
        From the moving shape as the linear map lays it to the fixed shape, LPS mm.
    parameters : Tensor
        Of its `identity`.
    lattice : Lattice
        That the map is sampled on in the end.
    fade : float
        Width of the rim of the lattice in which the map fades to the identity, mm.
    """

    model: GeodesicShooting | StationaryVelocity
    parameters: Tensor
    lattice: Lattice
    fade: float

    def field(self) -> tuple[Lattice, Tensor]:
        """Return u of φ⁻¹ = id + u, (3, z, y, x) frame mm, and its lattice."""
        if isinstance(self.model, StationaryVelocity):
            return self.lattice, self.model.displacement(self.parameters, inverse=True)
        # Geodesics are followed from every second node. Between them cubic splines lose 3 h⁴ / 384 σ⁴ of a
        # bump, .2 %: a seventh of what the field loses to linear interpolation. Where many bumps squeeze a
        # place, the map bends more sharply than any of them, and splines would fold it.
        like, coarse = self.parameters, self.lattice.coarsened(2)
        field = refine_smoothly(self._moves(coarse.nodes(like)), self.lattice)
        sharp = _around(least_determinant(field, self.lattice.pitch) < SQUEEZED)
        if sharp.any():
            field[:, sharp] = self._moves(self.lattice.nodes(like)[:, sharp])
        return self.lattice, field * self.lattice.window(self.fade, like)

    def _moves(self, places: Tensor) -> Tensor:
        """Return how far φ⁻¹ moves (3, ...) places, in the frame of the lattice, mm."""
        points = self.lattice.to_physical(places.reshape(3, -1).T)
        moved = self.model.inverse_flow(self.parameters, points)
        return self.lattice.turn_to_frame(moved - points).T.reshape(places.shape)

    def arrows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the control points and momenta of a geodesic at its start, (K, 3) each, LPS mm.

        None where the model has no control points.
        """
        if isinstance(self.model, StationaryVelocity):
            return None
        return self.model.control.double().cpu().numpy(), self.parameters.double().cpu().numpy()

    def to_dict(self) -> dict[str, Any]:
        """Return the widths of the Gaussians, mm, and the energy, mm², as plain values."""
        return {"widths": list(self.model.widths), "energy": float(self.model.energy(self.parameters))}


def _around(nodes: Tensor) -> Tensor:
    """Return the marked nodes, (z, y, x), and those near them."""
    return max_pool3d(nodes[None].float(), AROUND, stride=1, padding=AROUND // 2)[0] > 0


def momenta_for(
    shapes: Shapes, direction: tuple[float, ...], radius: float, settings: RegistrationSettings
) -> Momenta:
    """Lay out the model that the settings name, with zero momenta.

    Parameters
    ----------
    shapes : Shapes
        Both shapes, linearly aligned, LPS mm.
    direction : 9 float
        Axes of the lattice: those of the fixed image.
    radius : float
        Of the fixed shape, mm.
    settings : RegistrationSettings
        `model`, `momenta`, `max_nodes` and `engine`.
    """
    widths = tuple(share * radius for share in settings.momenta.widths)
    geodesics = settings.model == "lddmm"
    pitch = (FIELD_IN_WIDTHS if geodesics else PITCH_IN_WIDTHS) * min(widths)
    margin = MARGIN_IN_WIDTHS * max(widths)
    multiple = 2 if geodesics else 1
    lattice = _lattice(_extent(shapes), direction, pitch, margin, multiple, settings.max_nodes)
    model: GeodesicShooting | StationaryVelocity
    if geodesics:
        control = _control_points(shapes, min(widths))
        model = GeodesicShooting(control, widths, engine=settings.engine)
        start = model.identity()
    else:
        model = StationaryVelocity(lattice, widths, margin / 2)
        start = model.identity().to(next(iter(shapes.targets.values())).device)
    return Momenta(model, start, lattice, margin / 2)


def annealed_fidelities(settings: RegistrationSettings, radius: float) -> list[Fidelity]:
    """Return the fidelities of the levels: the one asked for, from long kernels or blurs down; local ones.

    The energy distance, which has no length, is descended once.
    """
    chosen, momenta = (settings.measures or MeasureSettings()).fidelity, settings.momenta
    factors = (1.0,) if chosen.name == "energy" else momenta.annealing
    levels = [chosen_fidelity(chosen, radius, settings.engine, factor=factor) for factor in factors]
    widths = [length * radius for length in momenta.local]
    return [*levels, *(KernelNorm(GaussianKernel(width), engine=settings.engine) for width in widths)]


def laid(shapes: Shapes, affine: AffineMap) -> Shapes:
    """Return the shapes, the moving one carried by the linear map, LPS mm."""
    moved = partial(_laid, affine=affine)
    return replace(
        shapes,
        sources={label: moved(measure) for label, measure in shapes.sources.items()},
        pairs=shapes.pairs and shapes.pairs.mapped(moved, lambda resting: resting),
    )


def _laid(measure: Measure, affine: AffineMap) -> Measure:
    points, normals = carried(measure, affine)
    turned = None if normals is None else normals.to(measure.dtype)
    return Measure(points.to(measure.dtype), measure.weights, turned)


def _extent(shapes: Shapes) -> NDArray[np.float64]:
    measures = [*shapes.sources.values(), *shapes.targets.values()]
    extent: NDArray[np.float64] = torch.cat([m.points for m in measures]).double().cpu().numpy()
    return extent


def _lattice(
    points: NDArray[np.float64],
    direction: tuple[float, ...],
    pitch: float,
    margin: float,
    multiple: int,
    most: int,
) -> Lattice:
    while True:
        lattice = Lattice.around(points, direction, pitch=pitch, margin=margin, multiple=multiple)
        if lattice.grid.voxels <= most:
            return lattice
        pitch *= 1.1


def _control_points(shapes: Shapes, cell: float) -> Tensor:
    whole = pooled(shapes.sources, shapes.weights)
    while len(merged := coarsen(whole, cell)) > MOST_CONTROL_POINTS:
        cell *= 1.1
    return merged.points
