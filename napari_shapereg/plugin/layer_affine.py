"""What any layer says of itself: this plugin's metadata, and the map from its data to napari's world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import DisplayFrame

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pint
    from napari.layers import Layer
    from numpy.typing import NDArray

METADATA = "shapereg"
"""Key of a layer's metadata under which this plugin keeps ``grid``, ``frame``, ``names``, ``source`` and,
on the warped labels of a registration, ``result``."""
DRAWING: Mapping[str, Any] = {METADATA: {"drawing": True}}
"""Metadata of points that only show something: nobody means them as landmarks."""


def known(layer: Layer) -> dict[str, Any]:
    """Return what this plugin keeps in a layer's metadata; empty for a layer of others."""
    kept = layer.metadata.get(METADATA)
    return kept if isinstance(kept, dict) else {}


def known_frame(layer: Layer) -> DisplayFrame | None:
    """Return the frame that this plugin keeps in a layer's metadata, or None for a layer of others."""
    frame = known(layer).get("frame")
    return frame if isinstance(frame, DisplayFrame) else None


def is_drawing(layer: Layer) -> bool:
    """Tell whether a layer was made with `DRAWING` as its metadata."""
    return bool(known(layer).get("drawing"))


def world(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix and the offset from the voxel index z, y, x to napari's world, in mm."""
    affine = np.asarray(layer.affine.affine_matrix)
    rotate = np.asarray(layer.rotate, dtype=np.float64)
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = layer.shear
    matrix = affine[:3, :3] @ rotate @ shear @ np.diag(layer.scale)
    offset = affine[:3, :3] @ np.asarray(layer.translate) + affine[:3, 3]
    lengths = np.array([_millimetres(layer, unit) for unit in layer.units])
    return lengths[:, None] * matrix, lengths * offset


def kind_of(layer: Layer) -> str:
    """Return what a layer is called: labels, image, points and so on."""
    return type(layer).__name__.lower()


def say(layer: Layer, message: str) -> str:
    """Put a layer's name before a message."""
    return f"layer {layer.name!r}: {message}"


def _millimetres(layer: Layer, unit: pint.Unit) -> float:
    """Return how many mm a unit is. Pixels, which napari takes where nobody says more, are taken as mm."""
    if str(unit) == "pixel":
        return 1.0
    if not unit.is_compatible_with("mm"):
        message = f"it is measured in {unit}, which is no length; set layer.units to mm"
        raise InputError(say(layer, message))
    return float((1 * unit).to("mm").magnitude)
