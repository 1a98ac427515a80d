"""Wait for a thread while the window goes on drawing: for what napari calls and waits for, as readers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

_PAUSE = 0.02  # seconds between two looks at the thread


def awake(task: Callable[[], Value], meanwhile: Callable[[], None] = lambda: None) -> Value:
    """Return what a task returns.

    Parameters
    ----------
    task : callable
        Run on a thread of its own; it touches neither widgets nor the viewer. What it raises is raised.
    meanwhile : callable
        Called again and again on the thread of the window. Clicks and keys wait until the task has ended.
    """
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(task)
        while not future.done():
            meanwhile()
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
            time.sleep(_PAUSE)
        return future.result()
