"""Tell the user what went wrong, and what to do about it, in napari's own notifications."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

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
