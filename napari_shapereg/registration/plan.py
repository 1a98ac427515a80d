"""From settings and data to lengths in mm and a list of levels, coarse to fine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_shapereg.deformations import AffineMap, Lattice, LatticeFlow
from napari_shapereg.deformations.fields import refine
from napari_shapereg.fidelities.named import BLURRED, named_fidelity
from napari_shapereg.measures import Measure
from napari_shapereg.registration.far_field import far_field
from napari_shapereg.registration.landmark_level import beside, misplaced_images
from napari_shapereg.registration.measure_level import MeasureLevel
from napari_shapereg.registration.shapes import Shapes, carried
from napari_shapereg.registration.voxel_level import Fractions, VoxelLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.level import Level
    from napari_shapereg.registration.settings import (
        FidelitySettings,
        MeasureSettings,
        RegistrationSettings,
        VoxelSettings,
    )
    from napari_shapereg.volumes import LabelVolume

MARGIN_IN_RADII = 0.2
"""Distance from the shapes to the border of the lattice: room for the displacement to fade."""
FADE = 0.5
"""Of the margin, over which steps fade to zero at the border."""
KERNEL_IN_RADII = 0.25
BLUR_IN_RADII = 0.1
"""Default lengths of fidelities: a kernel pulls as far as it is wide, a blur only smooths what it matches."""
MEASURE_COARSENING = 4
"""Pitch of the lattice of the global stage, in pitches of the finest: its steps are far smoother."""
ROOM = 0.25
"""What a level squeezes to its bound, no later one squeezes further: n octaves above the last level, the
bound is the (1 + ROOM n)-th root of that of the last."""
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
    """A level, its place in the plan, and the settings of its descent."""

    stage: str
    number: int
    level: Level[Any]
    settings: RegistrationSettings


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
    loss = chosen_fidelity(chosen.fidelity, lengths.radius, settings.engine)
    for number, smoothness in enumerate(chosen.smoothness):
        level = MeasureLevel(flow, shapes, loss, smoothness * lengths.radius, window)
        whole = beside(level, shapes.pairs, lambda pairs: pairs.unit(shapes, loss))
        yield PlannedLevel("measures", number, whole, _leaving_room(settings, MEASURE_COARSENING))


def chosen_fidelity(chosen: FidelitySettings, radius: float, engine: str, *, factor: float = 1.0) -> Fidelity:
    """Return the fidelity that the settings name, its length times a factor; `radius`: of the object, mm."""
    share = BLUR_IN_RADII if chosen.name in BLURRED else KERNEL_IN_RADII
    length = factor * (chosen.length or share * radius)
    return named_fidelity(chosen.name, length=length, p=chosen.p, reach=chosen.reach, engine=engine)


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
        far = _far_fields(fractions, factor, chosen.far_slope, flow.lattice)
        for blur in blurs:
            level = VoxelLevel(
                flow,
                images.moving,
                images.fixed,
                far,
                shapes.weights,
                blur=blur * pitch,
                smoothness=chosen.smoothness * pitch,
                window=window,
                regularity=settings.regularity,
            )
            whole = beside(level, shapes.pairs, partial(misplaced_images, level))
            yield PlannedLevel("voxels", number, whole, _leaving_room(settings, factor))
            number += 1


def _leaving_room(settings: RegistrationSettings, factor: int) -> RegistrationSettings:
    """Return the settings with a bound on squeezing that is higher the coarser a level is; see `ROOM`."""
    *_, last = MEASURE_COARSENING, *(settings.voxels.coarsening if settings.voxels else ())
    root = 1 + ROOM * math.log2(max(1, factor / last))
    return settings.model_copy(update={"min_jacobian": settings.min_jacobian ** (1 / root)})


def _far_fields(fractions: Fractions, factor: int, slope: float, lattice: Lattice) -> dict[int, Tensor]:
    # Distances of several pitches need no finer lattice than every second node, for an eighth of the time.
    coarse = max(2, factor)
    images = fractions.coarsened(coarse).fixed
    return {
        label: refine(far_field(image, slope, coarse / factor)[None], lattice)[0]
        for label, image in images.items()
    }


def in_frame(shapes: Shapes, affine: AffineMap, lattice: Lattice) -> Shapes:
    """Return the shapes in the frame of a lattice, the moving one carried by the linear map."""
    moved = partial(_framed, affine=affine, lattice=lattice)
    resting = partial(_framed, affine=AffineMap.identity(), lattice=lattice)
    return Shapes(
        shapes.weights,
        {label: moved(measure) for label, measure in shapes.sources.items()},
        {label: resting(measure) for label, measure in shapes.targets.items()},
        shapes.pairs and shapes.pairs.mapped(moved, resting),
    )


def _framed(measure: Measure, affine: AffineMap, lattice: Lattice) -> Measure:
    points, normals = carried(measure, affine)
    framed = None if normals is None else lattice.turn_to_frame(normals).to(measure.dtype)
    return Measure(lattice.to_frame(points).to(measure.dtype), measure.weights, framed)


def _points(measure: Measure) -> np.ndarray:
    points: np.ndarray = measure.points.double().cpu().numpy()
    return points


def _like(shapes: Shapes) -> Tensor:
    return next(iter(shapes.targets.values())).points
