"""Pairs of label volumes to try registration on: File > Open Sample > Shape registration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.layers import LayerData, labels_layer
from napari_shapereg.volumes import sample_pair

if TYPE_CHECKING:
    from napari_shapereg.volumes import LabelVolume


def knees() -> list[LayerData]:
    """Return two synthetic knees of different build, far apart."""
    return pair_layers("knee", *sample_pair("knees"))


def known() -> list[LayerData]:
    """Return the pair whose true deformation is known."""
    return pair_layers("known deformation", *sample_pair("known"))


def oai() -> list[LayerData]:
    """Return the cartilage of two real knees, downloaded once, with a progress bar.

    Raises
    ------
    ShapeRegError
        They cannot be downloaded.
    """
    return pair_layers("OAI", *sample_pair("oai"))


def pair_layers(name: str, moving: LabelVolume, fixed: LabelVolume) -> list[LayerData]:
    """Return the layers of a pair to register, each on its own true grid.

    The moving one is last, so that it is selected and drawn on top.
    """
    return [
        labels_layer(fixed, f"{name}: fixed", frame=frame_of(fixed.grid)),
        labels_layer(moving, f"{name}: moving", frame=frame_of(moving.grid)),
    ]
