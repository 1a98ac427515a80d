"""What napari's menus open: the docks. What they rest on is imported while the window goes on drawing.

Torch, SciPy and Numba take seconds the first time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import napari

from napari_shapereg.plugin.awake import awake

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_shapereg.plugin.inspection_dock import InspectionDock
    from napari_shapereg.plugin.registration_dock import RegistrationDock


def register_labels() -> RegistrationDock:
    """Return the dock "Register labels" for the window that is in use."""
    viewer = _ready()
    from napari_shapereg.plugin.registration_dock import RegistrationDock

    return RegistrationDock(viewer)


def inspect_registration() -> InspectionDock:
    """Return the dock "Inspect registration" for the window that is in use."""
    viewer = _ready()
    from napari_shapereg.plugin.inspection_dock import InspectionDock

    return InspectionDock(viewer)


def _ready() -> Viewer:
    # Only what has no part in Qt is imported on another thread than the window's.
    awake(lambda: import_module("napari_shapereg.registration"))
    viewer = napari.current_viewer()
    assert viewer is not None  # noqa: S101 (napari opens docks in a window only)
    return viewer
