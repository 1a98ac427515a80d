"""Pairs of label volumes to try registration on: File > Open Sample > Shape registration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari
from napari.utils import progress

from napari_shapereg.plugin.awake import awake
from napari_shapereg.plugin.frames import prepare_window
from napari_shapereg.plugin.layers import LayerData, labels_layer
from napari_shapereg.volumes import sample_pair

if TYPE_CHECKING:
    from napari_shapereg.volumes import LabelVolume


_FETCHING = "Fetching two knees of the OAI"


def knees() -> list[LayerData]:
    """Return two synthetic knees of different build, far apart."""
    return pair_layers("knee", *sample_pair("knees"))


def known() -> list[LayerData]:
    """Return the pair whose true deformation is known."""
    return pair_layers("known deformation", *sample_pair("known"))


def oai() -> list[LayerData]:
    """Return the cartilage of two real knees, downloaded once; the window says how far it is and lives on.

    Raises
    ------
    ShapeRegError
        They cannot be downloaded. (napari takes no sample without layers: it shows this with its traceback.)
    """
    if napari.current_viewer() is None:
        return pair_layers("OAI", *sample_pair("oai"))
    with progress(total=0, desc=_FETCHING) as bar:
        news: list[str] = []

        def heard(done: int, total: int) -> None:
            news[:] = [f"{_FETCHING}: {done / 1e6:.1f} of {total / 1e6:.1f} MB"]

        def tell() -> None:
            if news:
                bar.set_description(news.pop())

        return pair_layers("OAI", *awake(lambda: sample_pair("oai", progress=heard), tell))


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
