"""Take layers out of a viewer without making its window wait."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel
    from napari.layers import Layer


def remove_layers(viewer: ViewerModel, layers: Iterable[Layer]) -> None:
    """Remove those of the layers that are still in the viewer.

    napari collects garbage after each removal, which with torch loaded takes half a second, for every layer.
    What lives before the removal is therefore set aside for as long as it takes; the garbage goes with one of
    Python's own collections.
    """
    gc.freeze()
    try:
        for layer in layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
    finally:
        gc.unfreeze()
