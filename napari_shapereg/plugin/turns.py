"""Things that each keep the window waiting for a moment, with the window drawing in between."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

BREATH = 20
"""Milliseconds in which the window can draw and hear."""


def in_turns(owner: QObject, *steps: Callable[[], object]) -> None:
    """Take steps one after the other, soon; those that are left when their owner is deleted are not taken."""
    waiting = deque(steps)
    timer = QTimer(owner)
    timer.setSingleShot(True)

    def take() -> None:
        waiting.popleft()()
        if waiting:
            timer.start(BREATH)
        else:
            timer.deleteLater()

    timer.timeout.connect(take)
    timer.start(BREATH)
