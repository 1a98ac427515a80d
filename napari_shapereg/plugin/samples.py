"""Pairs of label volumes to try registration on: File > Open Sample > Shape registration."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import napari
from napari.utils import progress

from napari_shapereg.plugin.frames import prepare_window
from napari_shapereg.plugin.layers import LayerData, labels_layer
from napari_shapereg.volumes import sample_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_shapereg.volumes import LabelVolume

    Pair = tuple[LabelVolume, LabelVolume]

_PAUSE = 0.02  # seconds between two looks at the thread


def knees() -> list[LayerData]:
    """Return two synthetic knees of different build, far apart."""
    return pair_layers("knee", *sample_pair("knees"))


def known() -> list[LayerData]:
    """Return the pair whose true deformation is known."""
    return pair_layers("known deformation", *sample_pair("known"))


def oai() -> list[LayerData]:
    """Return the cartilage of two real knees, downloaded once; the window shows that it is busy and lives on.

    Raises
    ------
    ShapeRegError
        They cannot be downloaded.
    """
    if napari.current_viewer() is None:
        return pair_layers("OAI", *sample_pair("oai"))
    with progress(total=0, desc="Fetching two knees of the OAI"):
        return pair_layers("OAI", *_in_a_thread(lambda: sample_pair("oai")))


def pair_layers(name: str, moving: LabelVolume, fixed: LabelVolume) -> list[LayerData]:
    """Return the layers of a pair to register, each on its own true grid.

    The moving one is last, so that it is selected and drawn on top; the fixed one is paler. In an empty
    window the view is set to show both: napari itself sets it to the first.
    """
    prepare_window()
    _show_all_of(2)
    return [
        labels_layer(fixed, f"{name}: fixed", opacity=0.35),
        labels_layer(moving, f"{name}: moving"),
    ]


def _in_a_thread(task: Callable[[], Pair]) -> Pair:
    """Return what a task returns, while the window goes on drawing: a slow network must not freeze it."""
    from qtpy.QtWidgets import QApplication

    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(task)
        while not future.done():
            QApplication.processEvents()
            time.sleep(_PAUSE)
        return future.result()


def _show_all_of(count: int) -> None:
    """Have an empty window's view reset when it holds so many layers."""
    viewer = napari.current_viewer()
    if viewer is None or viewer.layers:
        return

    def look(_event: object) -> None:
        if len(viewer.layers) >= count:
            viewer.layers.events.inserted.disconnect(look)
            viewer.reset_view()

    viewer.layers.events.inserted.connect(look)
