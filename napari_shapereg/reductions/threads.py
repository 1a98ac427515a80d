"""Who works on the processor's cores: torch's threads, or those of the compiled loops."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_lent: ContextVar[int | None] = ContextVar("_lent", default=None)
_lock = Lock()
_lenders: list[int] = []
"""Of the blocks that run now, in all threads: how many threads torch had before the first of them."""


def loop_threads() -> int:
    """Return how many threads a compiled loop may use: as many as torch (`torch.set_num_threads`)."""
    return _lent.get() or torch.get_num_threads()


@contextmanager
def loops_before_torch() -> Iterator[None]:
    """Lend torch's threads to the compiled loops, and leave torch the one that calls it.

    After each operation torch's other threads keep their cores for milliseconds, waiting for the next one,
    and every operation waits for all of them. Between compiled loops on the same cores torch is faster with
    one thread, and much faster where the machine has other work. Results do not depend on it.
    """
    if _lent.get():
        yield
        return
    with _lock:
        # A new thread of Python begins with the number that any other one has set last.
        threads = _lenders[0] if _lenders else torch.get_num_threads()
        _lenders.append(threads)
    token = _lent.set(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _lent.reset(token)
        with _lock:
            _lenders.pop()


@contextmanager
def all_threads_for_torch() -> Iterator[None]:
    """Give torch, or KeOps, whose threads are of the same OpenMP, the lent threads back."""
    threads = _lent.get()
    if threads is None:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(1)
