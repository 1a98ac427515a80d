"""Which ways around the exact sums a computation took, told to whoever asks."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_noted: ContextVar[set[str] | None] = ContextVar("_noted", default=None)


@contextmanager
def noted_shortcuts() -> Iterator[set[str]]:
    """Collect what is computed to a precision in the block; where all sums are exact the set stays empty.

    Yields
    ------
    set of str
        Such as "kernel sums by a tree, to 0.001", once each.
    """
    noted: set[str] = set()
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def note_shortcut(what: str) -> None:
    """Say what is not computed exactly."""
    noted = _noted.get()
    if noted is not None:
        noted.add(what)
