"""From settings and data to lengths in mm and a list of levels, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_shapereg.deformations import Lattice, LatticeFlow
from napari_shapereg.deformations.linear import turned
from napari_shapereg.fidelities import EnergyDistance, KernelNorm
from napari_shapereg.measures import Measure
from napari_shapereg.reductions.kernels import GaussianKernel, LaplacianKernel
from napari_shapereg.registration.measure_level import MeasureLevel
from napari_shapereg.registration.shapes import Shapes
from napari_shapereg.registration.voxel_level import Fractions, VoxelLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_shapereg.deformations import AffineMap
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.level import Level
    from napari_shapereg.registration.settings import MeasureSettings, RegistrationSettings, VoxelSettings
    from napari_shapereg.volumes import LabelVolume

MARGIN_IN_RADII = 0.3
"""Distance from the shapes to the border of the lattice: room for the displacement to fade."""
FADE = 0.5
"""Of the margin, over which steps fade to zero at the border."""
MEASURE_COARSENING = 4
"""Pitch of the lattice of the global stage, in pitches of the finest: its steps are far smoother."""
STEP_OVERHEAD = 100_000
"""Work of a step that does not depend on the lattice, in nodes."""


@dataclass(frozen=True)
class Lengths:
    """The lengths that a registration works with, mm, as they follow from settings and data."""

    radius: float
    pitch: float
    margin: float

    @property
    def fade(self) -> float:
        """Width of the rim of the lattice in which steps fade to zero."""
        return FADE * self.margin


class PlannedLevel(NamedTuple):
    """A level and its place in the plan."""

    stage: str
    number: int
    level: Level[Any]


def planned_work(lattice: Lattice, settings: RegistrationSettings) -> list[float]:
    """Return how the work is shared among the levels, in their order, for a progress bar."""
    work = []
    if settings.measures:
        work += [STEP_OVERHEAD] * len(settings.measures.smoothness)
    if settings.voxels:
        for factor, blurs in zip(settings.voxels.coarsening, settings.voxels.blurs, strict=True):
            work += [STEP_OVERHEAD + lattice.coarsened(factor).grid.voxels] * len(blurs)
    return [float(nodes) for nodes in work]


def lattice_for(
    shapes: Shapes, affine: AffineMap, fixed: LabelVolume, radius: float, settings: RegistrationSettings
) -> tuple[Lattice, Lengths]:
    """Lay the finest lattice around both shapes, along the axes of the fixed image.

    Parameters
    ----------
    shapes : Shapes
        Coarse measures of both, LPS mm.
    affine : AffineMap
        Of the linear stage.
    fixed : LabelVolume
        Gives axes and voxel size.
    radius : float
        Of the fixed shape, mm.
    settings : RegistrationSettings
        `pitch` or `pitch_in_voxels`, and `max_nodes`.
    """
    moved = [affine.apply(_points(measure)) for measure in shapes.sources.values()]
    points = np.concatenate(moved + [_points(measure) for measure in shapes.targets.values()])
    voxel = fixed.grid.voxel_volume ** (1 / 3)
    pitch = settings.pitch or settings.pitch_in_voxels * voxel
    margin = max(MARGIN_IN_RADII * radius, 6 * pitch)
    multiple = max([1, *(settings.voxels.coarsening if settings.voxels else ()), MEASURE_COARSENING])
    while True:
        lattice = Lattice.around(points, fixed.grid.direction, pitch=pitch, margin=margin, multiple=multiple)
        if lattice.grid.voxels <= settings.max_nodes:
            return lattice, Lengths(radius, pitch, margin)
        pitch *= max(1.02, (lattice.grid.voxels / settings.max_nodes) ** (1 / 3))


def measure_levels(
    shapes: Shapes,
    lattice: Lattice,
    lengths: Lengths,
    settings: RegistrationSettings,
    chosen: MeasureSettings,
) -> Iterator[PlannedLevel]:
    """Yield the global levels, from the smoothest steps down.

    Parameters
    ----------
    shapes : Shapes
        Linearly aligned, in the frame of the lattice.
    """
    flow = LatticeFlow(lattice.coarsened(MEASURE_COARSENING))
    window = flow.lattice.window(lengths.fade, _like(shapes))
    loss = global_fidelity(chosen, lengths.radius, settings.engine)
    for number, smoothness in enumerate(chosen.smoothness):
        level = MeasureLevel(flow, shapes, loss, smoothness * lengths.radius, window)
        yield PlannedLevel("measures", number, level)


def global_fidelity(chosen: MeasureSettings, radius: float, engine: str) -> Fidelity:
    """Return the fidelity that the settings name, with its default length for an object of this radius."""
    length = chosen.length or radius / 4
    if chosen.fidelity == "energy":
        return EnergyDistance(engine=engine)
    kernel = GaussianKernel(length) if chosen.fidelity == "gaussian" else LaplacianKernel(length)
    return KernelNorm(kernel, engine=engine)


def voxel_levels(
    fractions: Fractions,
    shapes: Shapes,
    lattice: Lattice,
    lengths: Lengths,
    settings: RegistrationSettings,
    chosen: VoxelSettings,
) -> Iterator[PlannedLevel]:
    """Yield the local levels, from the coarsest lattice and the largest blur down."""
    number = 0
    for factor, blurs in zip(chosen.coarsening, chosen.blurs, strict=True):
        flow = LatticeFlow(lattice.coarsened(factor))
        pitch = flow.lattice.pitch
        images = fractions.coarsened(factor)
        window = flow.lattice.window(max(lengths.fade, 3 * pitch), _like(shapes))
        for blur in blurs:
            level = VoxelLevel(
                flow,
                images.moving,
                images.fixed,
                shapes.weights,
                blur=blur * pitch,
                smoothness=chosen.smoothness * pitch,
                window=window,
                regularity=settings.regularity,
            )
            yield PlannedLevel("voxels", number, level)
            number += 1


def in_frame(shapes: Shapes, affine: AffineMap, lattice: Lattice) -> Shapes:
    """Return the shapes in the frame of a lattice, the moving one carried by the linear map."""
    sources = {
        label: Measure(_moved(measure.points, affine, lattice), measure.weights)
        for label, measure in shapes.sources.items()
    }
    targets = {
        label: Measure(lattice.to_frame(measure.points), measure.weights)
        for label, measure in shapes.targets.items()
    }
    return Shapes(shapes.weights, sources, targets)


def _moved(points: Tensor, affine: AffineMap, lattice: Lattice) -> Tensor:
    matrix = torch.as_tensor(affine.matrix, device=points.device)
    translation = torch.as_tensor(affine.translation, device=points.device)
    return lattice.to_frame(turned(points.double(), matrix) + translation).to(points.dtype)


def _points(measure: Measure) -> np.ndarray:
    points: np.ndarray = measure.points.double().cpu().numpy()
    return points


def _like(shapes: Shapes) -> Tensor:
    return next(iter(shapes.targets.values())).points
