"""Register and cancel, with what a run shows of itself: progress, stage, cost, time left."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_shapereg.plugin.cost_curve import CostCurve
from napari_shapereg.plugin.garbage import aside, set_aside, take_back
from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.kept_runs import KeptRuns
from napari_shapereg.plugin.live_view import INTERVAL, clock
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.tasks import finish, prepare, surfaces_of
from napari_shapereg.plugin.turns import BREATH, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels, Points

    from napari_shapereg.plugin.controller import RegistrationController
    from napari_shapereg.plugin.live_view import Run, View
    from napari_shapereg.plugin.pair_panel import PairPanel
    from napari_shapereg.plugin.scene import Shape
    from napari_shapereg.plugin.tasks import Finished, Prepared
    from napari_shapereg.registration import RegistrationSettings

_REST = 3
"""From one view to the next passes at least this many times the time that it took."""
_SLOWEST = 0.6
"""Seconds between two views at most."""
_FINE = 1000
"""Steps of the progress bar."""


class RunPanel(QWidget):
    """Two buttons, a progress bar, a line of text and the curve of the cost.

    Parameters
    ----------
    controller : RegistrationController
    pair : PairPanel
    points : callable
        Returns the layers of landmarks that are chosen now, or None.
    settings : callable
        Returns the settings as they are now.
    in_3d : callable
        Returns whether the viewer may be turned to 3-D.
    """

    changed = Signal()
    """A run has begun, or it is over."""
    finished = Signal(object)
    """Carries the `Finished` result of a run, once it is shown, and its layer."""

    def __init__(
        self,
        controller: RegistrationController,
        pair: PairPanel,
        points: Callable[[], tuple[Points, Points] | None],
        settings: Callable[[], RegistrationSettings],
        in_3d: Callable[[], bool],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller, self._pair, self._points = controller, pair, points
        self._settings, self._in_3d = settings, in_3d
        self._job: Job | None = None
        self._moving: Labels | None = None
        self._reason = ""
        self._running: list[Run] = []
        self._tidying = False
        self._holder = object()
        self._due = 0.0
        self._build()
        self._tick = QTimer(self)
        self._tick.timeout.connect(self._look)
        self.kept = KeptRuns(self, lambda: not self.busy and not self._tidying, self._show, BREATH)
        # When the window closes, nobody is left to press Cancel.
        self.destroyed.connect(partial(_abandon, self._running, self._holder))

    @property
    def busy(self) -> bool:
        """Whether a run is prepared, at work, or being finished; not one that was cancelled."""
        return self._job is not None

    def enable(self, *, reason: str) -> None:
        """Enable Register, or disable it with a reason."""
        self._reason = reason
        self.register.setEnabled(not reason and not self.busy)
        self.register.setToolTip(
            reason or "Register the checked labels of the moving layer onto the fixed layer."
        )

    def start(self) -> None:
        """Begin a run, unless one is under way."""
        moving, fixed = self._pair.moving, self._pair.fixed
        if self.busy or self._reason or moving is None or fixed is None:
            return
        with telling():
            self._pair.place()
        self._moving = moving
        set_aside(self._holder)
        self._say("reading…", 0.0)
        self.curve.show_costs([])
        settings, points = self._settings(), self._points()
        self._job = Job(
            lambda: prepare(moving, fixed, settings, points), self._prepared, self._broken, parent=self
        )
        self.enable(reason=self._reason)
        self.cancel.setEnabled(True)
        self.changed.emit()

    def stop(self) -> None:
        """Cancel: the step under way is left to end by itself, and the best state so far is kept.

        The next run can begin at once. The labels of the best map are shown once they are resampled.
        """
        if not self.cancel.isEnabled():
            return
        self.cancel.setEnabled(False)
        if self._job is not None:
            self._job.drop()
            self._job = None
        run = self._running[0] if self._running else None
        if run is None or not run.costs:
            _cancel(self._running)
            self._controller.end()
            self._idle()
            self.line.setText("Cancelled before the first step: nothing was moved.")
            return
        run.cancel()
        self._keep(run)

    def close_down(self) -> None:
        """Cancel, and hear of nothing more."""
        self._tick.stop()
        _abandon(self._running, self._holder)
        self.kept.drop()
        if self._job is not None:
            self._job.drop()
            self._job = None

    def _prepared(self, prepared: Prepared) -> None:
        self._controller.begin(prepared, in_3d=self._in_3d())
        run = prepared.run
        Job(lambda: surfaces_of(prepared), partial(self._show_surfaces, prepared), parent=self)
        self._running[:] = [run]
        self._say("preparing…", 0.0)
        self._wait(INTERVAL)
        self._job = Job(run.work, lambda _: self._finish(run), self._broken, parent=self, long=True)

    def _show_surfaces(self, prepared: Prepared, surfaces: tuple[Shape, Shape]) -> None:
        # On a busy machine they may come when the run has ended, and another one is shown.
        if prepared.run in self._running:
            moving, fixed = surfaces
            self._controller.show_goal(prepared.pair, fixed)
            prepared.run.carry(moving)

    def _look(self) -> None:
        """Show what is new of the run; slow machines are shown less of it."""
        run = self._running[0] if self._running else None
        view = run.take() if run else None
        if run is None or view is None:
            return
        # What the viewer needs to draw shows in how late this is called.
        began = time.perf_counter()
        late = max(0.0, began - self._due)
        settled = self._controller.show_view(view)
        took = time.perf_counter() - began
        self.curve.show_costs(run.costs)
        self._show_progress(view)
        self._wait(min(_SLOWEST, max(INTERVAL, _REST * (took + late))) if settled else INTERVAL)

    def _wait(self, seconds: float) -> None:
        self._due = time.perf_counter() + seconds
        self._tick.start(int(1000 * seconds))

    def _finish(self, run: Run) -> None:
        self._tick.stop()
        self.curve.show_costs(run.costs)
        self.cancel.setEnabled(False)
        self._say("resampling…", 1.0)
        name = self._moving.name if self._moving is not None else "moving"
        self._job = Job(lambda: finish(run, name), self._done, self._broken, parent=self)

    def _keep(self, run: Run) -> None:
        """Give the dock back, and take what showed the run away while it is finished."""
        self.kept.keep(run, self._moving)
        self._tidying = True
        self._idle()
        self.line.setText("Cancelled: the best map is kept. Its labels are being resampled…")
        in_turns(self, self._tidy, self._turn_back)

    def _tidy(self) -> None:
        """Take away what showed a run that was cancelled, unless another one takes its place."""
        if not self.busy:
            self._controller.end_view()

    def _turn_back(self) -> None:
        self._tidying = False
        if not self.busy:
            self._controller.scene.leave()
            self.kept.look()

    def _done(self, finished: Finished) -> None:
        # First of all: in 2-D, Mesa 22.3 crashes where it comes after the layers of the run have gone.
        layer = self._added(finished, self._moving)
        controller = self._controller
        conclude = partial(self._conclude, finished, layer)
        in_turns(self, controller.end_view, controller.scene.leave, conclude)

    def _conclude(self, finished: Finished, layer: Labels) -> None:
        if self._job is not None:
            self._idle()
            self._tell(finished, layer)

    def _show(self, finished: Finished, moving: Labels | None) -> None:
        self._tell(finished, self._added(finished, moving))

    def _added(self, finished: Finished, moving: Labels | None) -> Labels:
        with aside():
            return self._controller.show_result(finished, moving)

    def _tell(self, finished: Finished, layer: Labels) -> None:
        ended = finished.result
        self.line.setText(f"{ended.status.value} {len(ended.history)} steps in {clock(ended.seconds)}.")
        self.finished.emit((finished, layer))

    def _broken(self) -> None:
        _cancel(self._running)
        self._controller.end()
        self._idle()

    def _idle(self) -> None:
        self._tick.stop()
        self._job = None
        self._running.clear()
        take_back(self._holder)
        self._moving = None
        self.bar.hide()
        self.line.setText("")
        self.cancel.setEnabled(False)
        self.enable(reason=self._reason)
        self.changed.emit()
        self.kept.look()

    def _say(self, text: str, progress: float) -> None:
        self.line.setText(text)
        # A progress bar repaints at once, and the canvas beside it too; with the next frame is soon enough.
        self.bar.setUpdatesEnabled(False)
        self.bar.setValue(int(_FINE * progress))
        self.bar.setUpdatesEnabled(True)
        self.bar.show()

    def _show_progress(self, view: View) -> None:
        left = view.seconds_left
        remaining = "" if left is None else f" · {clock(left)} left"
        self._say(f"{view.stage} · cost {view.cost:.4g}{remaining}", view.progress)

    def _build(self) -> None:
        self.register, self.cancel = QPushButton("&Register"), QPushButton("&Cancel")
        self.register.clicked.connect(self.start)
        self.cancel.clicked.connect(self.stop)
        self.cancel.setToolTip("Stop now and keep the best state so far.")
        self.cancel.setEnabled(False)
        row = QHBoxLayout()
        row.addWidget(self.register, 2)
        row.addWidget(self.cancel, 1)
        self.bar, self.line, self.curve = QProgressBar(), QLabel(), CostCurve()
        self.bar.setRange(0, _FINE)
        self.bar.hide()
        self.line.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        for widget in (self.bar, self.line, self.curve):
            layout.addWidget(widget)


def _cancel(running: list[Run]) -> None:
    for run in running:
        run.cancel()
    running.clear()


def _abandon(running: list[Run], holder: object, _widget: object = None) -> None:
    _cancel(running)
    take_back(holder)
