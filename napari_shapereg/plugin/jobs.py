"""Slow work on napari's worker threads for a widget that may be gone before it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, QThreadPool

from napari_shapereg.errors import ShapeRegError

if TYPE_CHECKING:
    from collections.abc import Callable


class Job(QObject):
    """One function on a worker thread.

    What it returns arrives on the thread of the widget, unless the job was dropped: nothing of a dropped job
    is heard again. A `ShapeRegError` becomes a notification; any other error is a defect, which napari shows
    with its traceback.

    Parameters
    ----------
    function : callable
        Of no arguments. It touches neither widgets nor the viewer.
    done : callable, optional
        Takes what the function returned.
    failed : callable, optional
        Called after an error was told.
    parent : QObject
        The widget; the job goes with it.
    long : bool
        It may take minutes: another job may run beside it, even on a machine with one core.
    """

    def __init__(
        self,
        function: Callable[[], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[], None] | None = None,
        *,
        parent: QObject,
        long: bool = False,
    ) -> None:
        super().__init__(parent)
        self._done, self._failed = done, failed
        self._dropped = False
        worker = create_worker(_beside if long else _caught, function, _start_thread=False)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.start()

    def drop(self) -> None:
        """Forget the job; the function runs to its end, and nobody hears of it."""
        self._dropped = True
        self._done = self._failed = None

    def _on_returned(self, outcome: tuple[Any, ShapeRegError | None]) -> None:
        value, error = outcome
        done, failed = self._done, self._failed
        self._release()
        if self._dropped:
            return
        if error is not None:
            show_error(str(error))
            if failed:
                failed()
        elif done:
            done(value)

    def _on_errored(self, _error: Exception) -> None:
        failed = self._failed
        self._release()
        if failed and not self._dropped:
            failed()

    def _release(self) -> None:
        self._done = self._failed = None
        self.deleteLater()


def _caught(function: Callable[[], Any]) -> tuple[Any, ShapeRegError | None]:
    try:
        return function(), None
    except ShapeRegError as error:
        return None, error


def _beside(function: Callable[[], Any]) -> tuple[Any, ShapeRegError | None]:
    """Call a function, with one thread more in the pool for as long as it takes."""
    pool = QThreadPool.globalInstance()
    if pool is None:
        return _caught(function)
    pool.releaseThread()
    try:
        return _caught(function)
    finally:
        pool.reserveThread()
