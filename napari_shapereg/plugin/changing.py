"""Several attributes of a layer at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Layer


def change(layer: Layer, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a layer in their order, and have it drawn once, when all are set.

    napari draws arrows when their places change, not when the numbers do that they are coloured by: set one
    by one, new arrows would be seen in the colours of the old ones.

    Parameters
    ----------
    layer : napari.layers.Layer
    attributes : mapping of str
        Names of attributes, and their values.
    """
    with layer.events.set_data.blocker():
        for name, value in attributes.items():
            setattr(layer, name, value)
    layer.refresh()
