"""A registration at work on one thread, and what another thread may see of it, at most ten times a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.followers import MovingSurface
from napari_shapereg.plugin.gradient_arrows import spread
from napari_shapereg.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.plugin.scene import Shape
    from napari_shapereg.registration import RegistrationResult, RegistrationSettings, RegistrationState
    from napari_shapereg.registration.landmarks import Landmarks
    from napari_shapereg.volumes import LabelVolume

INTERVAL = 0.1
"""Seconds between two views of a run."""
MOST_ARROWS = 400
"""Arrows in a view: napari builds the mesh of each of them anew."""

STAGES = {"linear": "linear", "measures": "global", "voxels": "local"}
"""What the stages of a registration are called on the screen."""

_ENOUGH_TO_TELL = 0.03


@dataclass(frozen=True)
class CostPoint:
    """The cost after one step; it falls within a level, and each level has a cost of its own."""

    iteration: int
    level: str
    cost: float


@dataclass(frozen=True, eq=False)
class View:
    """What a run shows of one step.

    Parameters
    ----------
    stage : str
        Stage and level, for people.
    cost, progress, seconds : float
        Of the step; see `RegistrationState`.
    feet, arrows : (K, 3) float64 array
        Some of the moving points where the map carries them, and what the step moved them by, display
        coordinates z, y, x in mm.
    surface : Shape, optional
        The moving surface where the map carries it; its vertices are display coordinates, too.
    """

    stage: str
    cost: float
    progress: float
    seconds: float
    feet: NDArray[np.float64]
    arrows: NDArray[np.float64]
    surface: Shape | None = None

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the share of the work that is done; None where it is too early to tell."""
        if self.progress < _ENOUGH_TO_TELL:
            return None
        return self.seconds * (1 - self.progress) / self.progress


class Run:
    """One registration. `work` is called on a thread of its own; everything else may be called on any.

    Parameters
    ----------
    moving, fixed : LabelVolume
        Copies, if somebody may paint on the originals.
    settings : RegistrationSettings
    landmarks : (moving, fixed), optional
        See `Registration`.
    clock : callable
        Seconds; for tests.

    Raises
    ------
    InputError, EngineError
        As `Registration`.
    """

    def __init__(
        self,
        moving: LabelVolume,
        fixed: LabelVolume,
        settings: RegistrationSettings,
        landmarks: Landmarks | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registration = Registration(moving, fixed, settings, landmarks=landmarks)
        self.moving, self.fixed = moving, fixed
        self.frame = frame_of(fixed.grid)
        self.costs: list[CostPoint] = []
        self.cancelled = False
        self._clock = clock
        self._surface = MovingSurface()
        self._few: NDArray[np.intp] | None = None
        self._counted = 0
        self._view: View | None = None
        self._due = -1.0
        self._lock = threading.Lock()

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels that are compared."""
        return self.registration.labels

    def work(self) -> None:
        """Step until the registration ends or is cancelled."""
        state = None
        for state in self.registration:
            if self.cancelled:
                return
            self.costs.append(CostPoint(state.iteration, stage_of(state), state.objective))
            points, arrows = _pooled(state.points), _pooled(state.arrows)
            self._surface.track(points - arrows, points)
            if self._clock() >= self._due:
                self._due = self._clock() + INTERVAL
                self._keep(state)
        if state is not None:
            self._keep(state)

    def cancel(self) -> None:
        """Stop before the next step. `result` holds the best state so far at once, whenever the step ends."""
        self.cancelled = True
        self.registration.cancel()

    def carry(self, shape: Shape) -> None:
        """Show the moving surface from now on, where the map carries it.

        Parameters
        ----------
        shape : Shape
            At rest, LPS mm.
        """
        self._surface.shape = shape

    def take(self) -> View | None:
        """Return the newest view, once; None where nobody has seen anything newer since."""
        with self._lock:
            view, self._view = self._view, None
        return view

    def result(self) -> RegistrationResult:
        """Return the map as it stands."""
        return self.registration.result()

    def _keep(self, state: RegistrationState) -> None:
        view = self._view_of(state)
        with self._lock:
            self._view = view

    def _view_of(self, state: RegistrationState) -> View:
        points, arrows = _pooled(state.points), _pooled(state.arrows)
        if self._few is None or self._counted != len(points):
            # Once for the whole run, so that each point can be followed; where the overlap is partial, there
            # are fewer points once it is known.
            labels = np.repeat(list(state.points), [len(cloud) for cloud in state.points.values()])
            self._counted = len(points)
            self._few = spread(points, np.ones(len(points)), labels, MOST_ARROWS)
        surface = self._surface.shown()
        return View(
            stage=stage_of(state),
            cost=state.objective,
            progress=state.progress,
            seconds=state.seconds,
            feet=self.frame.to_display(points[self._few]),
            arrows=self.frame.turn_to_display(arrows[self._few]),
            surface=surface and replace(surface, vertices=self.frame.to_display(surface.vertices)),
        )


def stage_of(state: RegistrationState) -> str:
    """Return stage and level as the form of the settings calls them, levels counted from 1."""
    name = STAGES.get(state.stage, state.stage)
    return name if state.stage == "linear" else f"{name} {state.level + 1}"


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def _pooled(clouds: Mapping[int, Tensor]) -> NDArray[np.float64]:
    pooled: NDArray[np.float64] = np.concatenate([cloud.double().cpu().numpy() for cloud in clouds.values()])
    return pooled
