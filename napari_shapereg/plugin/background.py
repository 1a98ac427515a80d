"""Slow work for a dock, one thing after the other, so that two never compute the same."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QObject, Signal

from napari_shapereg.plugin.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable


class _Task(NamedTuple):
    title: str
    work: Callable[[], Any]
    done: Callable[[Any], None]


class Background(QObject):
    """A queue of functions for napari's worker threads: a runner for `Inspection`.

    Parameters
    ----------
    parent : QObject
        The dock; what is at work when it goes is dropped.
    """

    busy = Signal(str)
    """What is at work now; empty when nothing is left."""

    def __init__(self, parent: QObject) -> None:
        """Wait for work."""
        super().__init__(parent)
        self._waiting: deque[_Task] = deque()
        self._job: Job | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is at work and nothing waits."""
        return self._job is None

    def __call__(self, title: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Compute `work()` in a worker when all that came before is done, and give it to `done` here."""
        self._waiting.append(_Task(title, work, done))
        if self._job is None:
            self._next()

    def drop(self) -> None:
        """Forget everything; what is at work runs to its end, and nobody hears of it."""
        self._waiting.clear()
        if self._job is not None:
            self._job.drop()
            self._job = None

    def _next(self) -> None:
        if not self._waiting:
            self._job = None
            self.busy.emit("")
            return
        task = self._waiting.popleft()
        self.busy.emit(task.title)
        self._job = Job(task.work, lambda value: self._finish(task, value), self._next, parent=self)

    def _finish(self, task: _Task, value: object) -> None:
        try:
            task.done(value)
        finally:
            self._next()
