"""Work for something that may have been exchanged for another before the work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_shapereg.plugin.overlays import Runner


class Timely:
    """A runner that drops what comes too late.

    Parameters
    ----------
    run : callable
        Takes a title, a function that computes, and one that takes what it returns.
    subject : callable
        Returns what is worked for now.
    """

    def __init__(self, run: Runner, subject: Callable[[], object]) -> None:
        """Keep both."""
        self._run, self._subject = run, subject

    def __call__(self, title: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Run some work for the subject as it is now; nobody hears of it if there is another one by then."""
        subject = self._subject()
        self._run(title, work, lambda value: done(value) if self._subject() is subject else None)
