"""A registration that runs step by step: iterate it, show its states, cancel it, take its result."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_shapereg.deformations import AffineMap
from napari_shapereg.deformations.fields import refine
from napari_shapereg.reductions.selection import get_engine, resolve_device
from napari_shapereg.reductions.threads import loops_before_torch
from napari_shapereg.registration.best_field import BestField
from napari_shapereg.registration.cancellation import Cancelled, stopping_when
from napari_shapereg.registration.common_view import cropped_fractions, cropped_shapes
from napari_shapereg.registration.initial import initial_map
from napari_shapereg.registration.landmark_level import PAIRS
from napari_shapereg.registration.landmarks import checked_landmarks, with_pairs
from napari_shapereg.registration.level import carry, descend
from napari_shapereg.registration.linear_stage import KINDS, MAX_STEPS, linear_steps, refining_steps
from napari_shapereg.registration.momentum_plan import annealed_fidelities, laid, momenta_for
from napari_shapereg.registration.momentum_stage import momentum_steps, scaled_objective
from napari_shapereg.registration.plan import (
    chosen_fidelity,
    in_frame,
    lattice_for,
    measure_levels,
    planned_work,
    voxel_levels,
)
from napari_shapereg.registration.poses import best_partial_pose
from napari_shapereg.registration.result import RegistrationResult
from napari_shapereg.registration.settings import MeasureSettings, RegistrationSettings
from napari_shapereg.registration.shapes import pooled, radius, shapes_from_volumes, shared_labels
from napari_shapereg.registration.state import RegistrationState, Status
from napari_shapereg.registration.voxel_level import Fractions, label_fractions
from napari_shapereg.transforms import transform_points
from napari_shapereg.volumes import LabelVolume, read_labels

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    import numpy as np
    import SimpleITK as sitk
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.deformations import Lattice, LinearKind
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.initial import Initial
    from napari_shapereg.registration.landmarks import Landmarks
    from napari_shapereg.registration.linear_stage import LinearStep
    from napari_shapereg.registration.momentum_plan import Momenta
    from napari_shapereg.registration.plan import Lengths, PlannedLevel
    from napari_shapereg.registration.settings import Preset
    from napari_shapereg.registration.shapes import Shapes

    Labels: TypeAlias = str | Path | sitk.Image | LabelVolume

LINEAR_SHARE = 0.1
"""Of the progress bar. The rest is shared among the levels of the flow by their work."""


def register(
    moving: Labels,
    fixed: Labels,
    preset: Preset = "balanced",
    *,
    settings: RegistrationSettings | None = None,
    initial: Initial | None = None,
    landmarks: Landmarks | None = None,
) -> RegistrationResult:
    """Register one label volume onto another.

    Parameters
    ----------
    moving, fixed : path, SimpleITK.Image or LabelVolume
        The label volume to move, and the one to move it onto.
    preset : {"fast", "balanced", "accurate"}
        Used where no settings are given.
    settings : RegistrationSettings, optional
        Everything a registration can be told.
    initial : path, SimpleITK.Transform or sequence of them, optional
        A map from fixed to moving points to start from, of any tool whose files `read_transform` reads; of
        several the first one is applied to points first. The result's transforms contain it. With
        ``linear="none"`` in the settings the flow follows it at once.
    landmarks : (moving, fixed), optional
        (K, 3) array-likes each, LPS mm in the moving and in the fixed image: points that belong together pair
        by pair, beside the labels. `settings.landmark_weight` says how much they count.

    Returns
    -------
    RegistrationResult
        Its `transform` maps fixed to moving points, LPS mm: what `SimpleITK.Resample(moving, fixed, ...)`
        takes. Its `status` says how the run ended; a numerical failure is a status, not an exception.

    Raises
    ------
    InputError
        A volume or the initial map cannot be used, the volumes do not have the labels asked for, or there is
        no such preset.
    EngineError
        The engine or the device does not work here.
    """
    registration = iter_registration(
        moving, fixed, preset, settings=settings, initial=initial, landmarks=landmarks
    )
    for _ in registration:
        pass
    return registration.result()


def iter_registration(
    moving: Labels,
    fixed: Labels,
    preset: Preset = "balanced",
    *,
    settings: RegistrationSettings | None = None,
    initial: Initial | None = None,
    landmarks: Landmarks | None = None,
) -> Registration:
    """Return a registration to be iterated; the parameters and errors are those of `register`."""
    chosen = settings or RegistrationSettings.preset(preset)
    return Registration(moving, fixed, chosen, initial, landmarks)


class Registration:
    """One registration: an iterator of states, and a result that can be taken at any time.

    Parameters
    ----------
    moving, fixed : path, SimpleITK.Image or LabelVolume
        The label volume to move, and the one to move it onto.
    settings : RegistrationSettings
        Everything a registration can be told.
    initial : path, SimpleITK.Transform or sequence of them, optional
        See `register`.
    landmarks : (moving, fixed), optional
        See `register`.

    Raises
    ------
    InputError, EngineError
        See `register`.
    """

    def __init__(
        self,
        moving: Labels,
        fixed: Labels,
        settings: RegistrationSettings,
        initial: Initial | None = None,
        landmarks: Landmarks | None = None,
    ) -> None:
        self._began = time.perf_counter()
        self.settings = settings
        self.moving, self.fixed = read_labels(moving), read_labels(fixed)
        self.labels = shared_labels(self.moving, self.fixed, settings)
        self._initial = None if initial is None else initial_map(initial, self.moving, self.fixed)
        self._landmarks = None if landmarks is None else checked_landmarks(landmarks)
        self.device = resolve_device(settings.device)
        self.engine = get_engine(settings.engine, self.device).name
        self._status = Status.CONVERGED
        self._history: list[RegistrationState] = []
        self._affine = AffineMap.identity()
        self._field: tuple[Lattice, Tensor] | None = None
        self._best: BestField | None = None
        self._momenta: Momenta | None = None
        self._cancelled = False
        self._finished = False
        self._states = self._run()

    def __iter__(self) -> Iterator[RegistrationState]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> RegistrationState:
        """Make one step and return the state after it."""
        if self._cancelled:
            self._states.close()
        try:
            with loops_before_torch(), stopping_when(lambda: self._cancelled):
                state = next(self._states)
        except Cancelled:
            raise StopIteration from None
        self._history.append(replace(state, points={}, arrows={}))
        return state

    def cancel(self) -> None:
        """Stop before the next step, or in the middle of a long one. Another thread may call this."""
        self._cancelled = True

    def result(self) -> RegistrationResult:
        """Return the map as it stands: the final one, or the best one so far if the run was cut short."""
        return RegistrationResult(
            moving=self.moving,
            fixed=self.fixed,
            labels=self.labels,
            initial=self._initial,
            linear=self._affine,
            field=self._momenta.field() if self._momenta else self._kept_field(),
            status=self._status if self._finished else Status.CANCELLED,
            settings=self.settings,
            history=tuple(self._history),
            engine=self.engine,
            device=str(self.device),
            seconds=time.perf_counter() - self._began,
            ended=datetime.now(UTC),
            momenta=self._momenta,
            landmarks=self._landmarks,
        )

    def _kept_field(self) -> tuple[Lattice, Tensor] | None:
        if self._best is None or (self._finished and self._status is not Status.DIVERGED):
            return self._field
        return self._best.offer(self._field)

    def _run(self) -> Generator[RegistrationState]:
        settings = self.settings
        shapes = self._shapes(settings.measure_kind)
        if self._landmarks:
            shapes = self._with_landmarks(shapes, *self._landmarks)
        if settings.linear_model != "none":
            yield from self._run_linear(shapes, settings.linear_model)
        if self._status is not Status.DIVERGED and settings.flow_model != "none":
            run = self._run_flow if settings.flow_model == "lattice" else self._run_momenta
            yield from run(self._shared(shapes))
        self._finished = True

    def _shapes(self, kind: Literal["voxel", "surface"]) -> Shapes:
        return shapes_from_volumes(
            self.moving,
            self.fixed,
            self.labels,
            self.settings.label_weights,
            points=(self.settings.measures or MeasureSettings()).points,
            kind=kind,
            device=self.device,
            initial=self._initial,
        )

    def _with_landmarks(
        self, shapes: Shapes, moving: NDArray[np.float64], fixed: NDArray[np.float64]
    ) -> Shapes:
        posed = transform_points(self._initial.backward, moving) if self._initial else moving
        object_radius = radius(pooled(shapes.targets, shapes.weights))
        return with_pairs(shapes, posed, fixed, self.settings.landmark_weight, object_radius)

    def _run_linear(self, shapes: Shapes, kind: LinearKind) -> Iterator[RegistrationState]:
        planned = MAX_STEPS * (KINDS.index(kind) + 1)
        before = shapes.moved_points(self._affine)
        object_radius = radius(pooled(shapes.targets, shapes.weights))
        loss = chosen_fidelity(self.settings.linear_fidelity, object_radius, self.settings.engine)
        for step in self._linear_steps(shapes, kind, loss):
            if not math.isfinite(step.cost):
                self._status = Status.DIVERGED
                return
            self._affine = step.affine
            after = shapes.moved_points(step.affine)
            iteration = len(self._history) + 1
            yield RegistrationState(
                stage="linear",
                level=0,
                iteration=iteration,
                objective=step.cost,
                fidelity=step.cost,
                energy=step.energy,
                points=after,
                arrows={label: after[label] - before[label] for label in self.labels},
                seconds=time.perf_counter() - self._began,
                progress=LINEAR_SHARE * iteration / planned,
            )
            before = after

    def _linear_steps(self, shapes: Shapes, kind: LinearKind, loss: Fidelity) -> Iterator[LinearStep]:
        if self.settings.overlap == "full":
            return linear_steps(shapes, kind, loss, self.settings.mirror)
        mirrored = self.settings.mirror == "always"
        solid = replace(self._shapes("voxel"), pairs=shapes.pairs)
        model = best_partial_pose(solid, mirrored=mirrored, engine=loss.engine).model
        self._affine = model.affine_map(model.identity())
        return refining_steps(model, self._shared(shapes), kind, loss)

    @property
    def _back(self) -> AffineMap:
        """From fixed points to those of the moving image, as far as it is linear."""
        whole = self._affine.after(self._initial.linear) if self._initial else self._affine
        return whole.inverse()

    def _shared(self, shapes: Shapes) -> Shapes:
        """Return what is compared: where the overlap is partial, only what both images show."""
        if self.settings.overlap == "full":
            return shapes
        return cropped_shapes(shapes, self._affine, self._back, self.moving.grid, self.fixed.grid)

    def _run_flow(self, shapes: Shapes) -> Iterator[RegistrationState]:
        object_radius = radius(pooled(shapes.targets, shapes.weights))
        lattice, lengths = lattice_for(shapes, self._affine, self.fixed, object_radius, self.settings)
        framed = in_frame(shapes, self._affine, lattice)
        self._best = BestField(framed)
        points = {label: measure.points for label, measure in framed.sources.items()}
        if framed.pairs:
            points[PAIRS] = framed.pairs.moving
        work = planned_work(lattice, self.settings)
        done = LINEAR_SHARE
        for planned, nodes in zip(self._levels(framed, lattice, lengths), work, strict=True):
            share = nodes / sum(work) * (1 - LINEAR_SHARE)
            yield from self._descend(planned, points, done, share)
            if self._status is Status.DIVERGED:
                return
            self._best.offer(self._field)
            done += share

    def _run_momenta(self, shapes: Shapes) -> Iterator[RegistrationState]:
        settings, object_radius = self.settings, radius(pooled(shapes.targets, shapes.weights))
        shapes = laid(shapes, self._affine)
        self._momenta = momenta_for(shapes, self.fixed.grid.direction, object_radius, settings)
        losses = annealed_fidelities(settings, object_radius)
        before = {label: measure.points for label, measure in shapes.sources.items()}
        for level, loss in enumerate(losses):
            objective = scaled_objective(self._momenta.model, shapes, loss, object_radius, settings)
            self._status = Status.CONVERGED
            for number, step in enumerate(momentum_steps(objective, self._momenta.parameters, settings), 1):
                if not math.isfinite(step.cost):
                    self._status = Status.DIVERGED
                    return
                self._momenta = replace(self._momenta, parameters=step.parameters)
                done = (level + number / settings.momenta.max_steps) / len(losses)
                yield RegistrationState(
                    stage="measures",
                    level=level,
                    iteration=len(self._history) + 1,
                    objective=step.cost,
                    fidelity=step.parts.fidelity,
                    energy=step.parts.energy,
                    points=step.parts.points,
                    arrows={label: step.parts.points[label] - before[label] for label in self.labels},
                    seconds=time.perf_counter() - self._began,
                    progress=min(1.0, LINEAR_SHARE + (1 - LINEAR_SHARE) * done),
                )
                before = dict(step.parts.points)
                if number == settings.momenta.max_steps and not step.last:
                    self._status = Status.MAX_STEPS

    def _levels(self, framed: Shapes, lattice: Lattice, lengths: Lengths) -> Iterator[PlannedLevel]:
        settings = self.settings
        if settings.measures:
            yield from measure_levels(framed, lattice, lengths, settings, settings.measures)
        if settings.voxels:
            still = AffineMap.identity()
            fractions = Fractions(
                {
                    k: label_fractions(self.moving, k, self._affine, lattice, self.device, self._initial)
                    for k in self.labels
                },
                {k: label_fractions(self.fixed, k, still, lattice, self.device) for k in self.labels},
            )
            if settings.overlap == "partial":
                grids = self.moving.grid, self.fixed.grid
                fractions = cropped_fractions(fractions, self._back, *grids, lattice)
            yield from voxel_levels(fractions, framed, lattice, lengths, settings, settings.voxels)

    def _descend(
        self, planned: PlannedLevel, points: dict[int, Tensor], done: float, share: float
    ) -> Iterator[RegistrationState]:
        """Descend one level from where the run stands; `points` lie where the linear map left them."""
        settings, flow = planned.settings, planned.level.flow
        displacement = flow.identity(next(iter(points.values())))
        if self._field:
            displacement = refine(self._field[1], flow.lattice)
        here = planned.level.position(displacement, carry(points, displacement, flow.lattice.pitch))
        self._status = Status.CONVERGED
        for steps, there in enumerate(descend(planned.level, here, points, settings), 1):
            if not math.isfinite(there.cost):
                self._status = Status.DIVERGED
                return
            if steps == settings.max_steps and there.cost < here.cost * (1 - settings.tolerance):
                self._status = Status.MAX_STEPS
            self._field = (flow.lattice, there.displacement)
            yield RegistrationState(
                stage=planned.stage,
                level=planned.number,
                iteration=len(self._history) + 1,
                objective=there.cost,
                fidelity=there.fidelity,
                energy=there.energy,
                points={label: flow.lattice.to_physical(there.points[label]) for label in self.labels},
                arrows={
                    label: flow.lattice.turn_to_physical(there.points[label] - here.points[label])
                    for label in self.labels
                },
                seconds=time.perf_counter() - self._began,
                progress=min(1.0, done + share * steps / settings.max_steps),
            )
            here = there
