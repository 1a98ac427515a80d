"""To stop in the middle of a long step: what takes long asks at its own checkpoints whether to go on."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_asked: ContextVar[Callable[[], bool]] = ContextVar("asked", default=lambda: False)


class Cancelled(Exception):  # noqa: N818 - no error: somebody asked for it
    """A checkpoint was reached after somebody asked to stop."""


@contextmanager
def stopping_when(asked: Callable[[], bool]) -> Iterator[None]:
    """Let the checkpoints of a block, and of all that it calls, raise `Cancelled` once `asked` returns true.

    Each thread has its own: work beside it goes on.
    """
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def checkpoint() -> None:
    """Go on, unless somebody asked to stop.

    Raises
    ------
    Cancelled
    """
    if _asked.get()():
        raise Cancelled
