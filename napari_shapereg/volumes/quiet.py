"""Reading with ITK without its warnings on standard error: the errors raised say what matters."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import SimpleITK as sitk

if TYPE_CHECKING:
    from collections.abc import Iterator

_STANDARD_ERROR = 2


class _Depth:
    """How many threads are inside a quiet section: first in switches off, last out back on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.warnings_were_on = True
        self.saved_descriptor: int | None = None

    def enter(self) -> None:
        with self.lock:
            if self.count == 0:
                self.warnings_were_on = sitk.ProcessObject.GetGlobalWarningDisplay()
                sitk.ProcessObject.GlobalWarningDisplayOff()
                self.saved_descriptor = _redirect_standard_error()
            self.count += 1

    def leave(self) -> None:
        with self.lock:
            self.count -= 1
            if self.count > 0:
                return
            sitk.ProcessObject.SetGlobalWarningDisplay(self.warnings_were_on)
            if self.saved_descriptor is not None:
                os.dup2(self.saved_descriptor, _STANDARD_ERROR)
                os.close(self.saved_descriptor)
                self.saved_descriptor = None


_DEPTH = _Depth()


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Silence ITK inside the block, and restore the settings found at its start afterwards.

    ITK's own warnings are switched off; MetaIO writes to the process's standard error itself, so that
    descriptor points to the null device meanwhile. Safe to nest and to use from several threads.
    """
    _DEPTH.enter()
    try:
        yield
    finally:
        _DEPTH.leave()


def _redirect_standard_error() -> int | None:
    try:
        saved = os.dup(_STANDARD_ERROR)
    except OSError:
        # A windowed program may have no standard error at all: then nothing can leak to it.
        return None
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _STANDARD_ERROR)
    os.close(null)
    return saved
