"""Tell the user what went wrong, and what to do about it, in napari's own notifications."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import napari
from napari.utils.notifications import show_error

from napari_shapereg.errors import ShapeRegError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def telling() -> Iterator[None]:
    """Show an error that napari-shapereg raises on purpose as a notification, and go on after the block.

    As a decorator (``@telling()``) it makes a function return None where it would have raised. Everything
    that is no `ShapeRegError` is a defect and passes through, so that napari offers its traceback.
    """
    try:
        yield
    except ShapeRegError as error:
        show_error(str(error))


def tell_or_raise(error: ShapeRegError) -> None:
    """Show an error in napari's window; without a window, as in a script, raise it.

    For what napari calls by itself, readers and writers: it would show its own words for an exception of
    theirs, and takes a ValueError (which InputError is) for "no such writer".

    Raises
    ------
    ShapeRegError
        There is no window. Never one that is a ValueError.
    """
    if napari.current_viewer() is None:
        raise ShapeRegError(str(error)) from error
    show_error(str(error))
