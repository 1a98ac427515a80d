"""Keep Python's collections of garbage short while somebody watches.

A full collection looks at every object, with torch and napari loaded for a quarter of a second, in which no
thread runs. napari asks for one after each removal of a layer, and the work of a registration brings about
others. What exists already can be set aside meanwhile: it is not looked at, and goes, if it must, with a
collection later.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer

_holders: list[object] = []


def set_aside(holder: object) -> None:
    """Keep what exists now out of collections until `take_back`. Called on the thread of the window."""
    if not _holders:
        gc.freeze()
    _holders.append(holder)


def take_back(holder: object) -> None:
    """End what `set_aside` began for the same holder; once more does nothing."""
    if holder in _holders:
        _holders.remove(holder)
        if not _holders:
            gc.unfreeze()


@contextmanager
def aside() -> Iterator[None]:
    """Keep what exists now out of collections for the length of a block."""
    holder = object()
    set_aside(holder)
    try:
        yield
    finally:
        take_back(holder)


def remove_layers(viewer: ViewerModel, layers: Iterable[Layer]) -> None:
    """Remove those of the layers that are still in the viewer, without a full collection for each."""
    with aside():
        for layer in layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
