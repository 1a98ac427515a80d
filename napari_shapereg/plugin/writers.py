"""Save layers in physical space: what another program reads lies where it lay in napari.

Each writer takes what npe2 gives for one layer, ``(path, data, attributes)``, and returns the files written.
What cannot be written is told in napari's window, and raised as ShapeRegError where there is none.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.plugin.frames import drawn_in, open_layers
from napari_shapereg.plugin.layer_affine import METADATA
from napari_shapereg.plugin.layer_points import arrows_of, points_of
from napari_shapereg.plugin.layer_reading import image_of, volume_of
from napari_shapereg.plugin.notifications import tell_or_raise
from napari_shapereg.transforms import Cells, PointSet, write_arrows, write_points, write_transform
from napari_shapereg.volumes import write_labels
from napari_shapereg.volumes.images import write_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Attributes = Mapping[str, Any]
    Writer = Callable[[str, Any, Attributes], list[str]]


def _telling(writer: Writer) -> Writer:
    @wraps(writer)
    def told(path: str, data: Any, attributes: Attributes) -> list[str]:  # noqa: ANN401 (any layer's data)
        try:
            return writer(path, data, attributes)
        except ShapeRegError as error:
            tell_or_raise(error)
            return []

    return told


@_telling
def write_labels_layer(path: str, data: Any, attributes: Attributes) -> list[str]:  # noqa: ANN401
    """Write a labels layer with its names and colours, where the format has a place for them."""
    return [str(write_labels(volume_of(_layer(data, attributes, "labels")), path))]


@_telling
def write_image_layer(path: str, data: Any, attributes: Attributes) -> list[str]:  # noqa: ANN401
    """Write an image layer."""
    return [str(write_image(image_of(_layer(data, attributes, "image")), path))]


@_telling
def write_points_layer(path: str, data: Any, attributes: Attributes) -> list[str]:  # noqa: ANN401
    """Write a points layer in LPS mm."""
    layer = _layer(data, attributes, "points")
    return [str(write_points(PointSet(points_of(layer, drawn_in(layer, open_layers()))), path))]


@_telling
def write_surface_layer(path: str, data: Any, attributes: Attributes) -> list[str]:  # noqa: ANN401
    """Write a surface layer in LPS mm."""
    layer = _layer(data, attributes, "surface")
    faces = np.asarray(layer.data[1], dtype=np.int64)
    cells = Cells("polygons", np.full(len(faces), 3, dtype=np.int64), faces.ravel())
    vertices = points_of(layer, drawn_in(layer, open_layers()))
    return [str(write_points(PointSet(vertices, (cells,)), path))]


@_telling
def write_vectors_layer(path: str, data: Any, attributes: Attributes) -> list[str]:  # noqa: ANN401
    """Write a vectors layer: the feet of the arrows and the arrows, LPS mm."""
    layer = _layer(data, attributes, "vectors")
    feet, arrows = arrows_of(layer, drawn_in(layer, open_layers()))
    return [str(write_arrows(feet, arrows, path))]


@_telling
def write_transform_of_layer(path: str, data: Any, attributes: Attributes) -> list[str]:  # noqa: ANN401, ARG001
    """Write the transform that a layer carries; of a registration, fixed to moving."""
    known = attributes["metadata"].get(METADATA, {})
    result, transform = known.get("result"), known.get("transform")
    if transform is None and result is not None:
        transform = result.transform
    if transform is None:
        raise InputError(
            f"layer {attributes['name']!r} carries no transform: choose the warped labels of a registration, "
            "or the arrows of a transform that was opened"
        )
    return [str(write_transform(transform, path))]


def _layer(data: Any, attributes: Attributes, kind: str) -> Layer:  # noqa: ANN401
    return Layer.create(data, dict(attributes), kind)
