"""Runs that were cancelled: what they had reached is resampled beside whatever is done next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.tasks import finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_shapereg.plugin.live_view import Run
    from napari_shapereg.plugin.tasks import Finished


class KeptRuns(QObject):
    """Finishes runs, and shows what they came to as soon as the viewer has time for it.

    Parameters
    ----------
    parent : QObject
        The panel; what is at work when it goes is dropped.
    free : callable
        Returns whether the viewer shows no run now.
    show : callable
        Takes a result and the moving layer of its run.
    patience : int
        Milliseconds between `look` and what it finds.
    """

    def __init__(
        self,
        parent: QObject,
        free: Callable[[], bool],
        show: Callable[[Finished, Labels | None], None],
        patience: int,
    ) -> None:
        super().__init__(parent)
        self._free, self._show = free, show
        self._jobs: list[Job] = []
        self.finished: list[tuple[Finished, Labels | None]] = []
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(patience)
        self._soon.timeout.connect(self._show_all)

    def keep(self, run: Run, moving: Labels | None) -> None:
        """Resample the best state of a run, which may still be at work on its last step."""
        name = moving.name if moving is not None else "moving"

        def done(finished: Finished) -> None:
            self._jobs.remove(job)
            self.finished.append((finished, moving))
            self._show_all()

        job = Job(lambda: finish(run, name), done, lambda: self._jobs.remove(job), parent=self, long=True)
        self._jobs.append(job)

    def look(self) -> None:
        """Show soon what waits for a free viewer."""
        self._soon.start()

    def drop(self) -> None:
        """Hear of nothing more."""
        for job in self._jobs:
            job.drop()
        self._jobs.clear()
        self.finished.clear()

    def _show_all(self) -> None:
        while self.finished and self._free():
            self._show(*self.finished.pop(0))
