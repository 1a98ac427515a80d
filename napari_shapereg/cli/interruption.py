"""Ctrl-C: once to stop and keep what there is, twice to stop at once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Self


class Interruption:
    """While it is entered, the first Ctrl-C calls `stop` and the second raises KeyboardInterrupt.

    Nothing is printed here: a signal may arrive in the middle of a write to the same stream.

    Parameters
    ----------
    stop : callable
        Asks the work to end soon.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.asked = False
        self._stop = stop

    def __enter__(self) -> Self:
        """Take over Ctrl-C."""
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give Ctrl-C back."""
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._stop()
