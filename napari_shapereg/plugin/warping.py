"""Apply a registration, or its inverse, to any layer.

Labels are resampled by nearest neighbour and images linearly, onto a grid of the space that they go to.
Points and the vertices of surfaces are carried. A vector is carried by its two ends, v ↦ T(x + v) - T(x): an
arrow that pointed at a place still does. (The Jacobian, DT(x) v, is the limit for short arrows and would miss
that place.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from napari.layers import Image, Labels, Layer, Points, Surface, Vectors

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import DisplayFrame, flat, frame_of
from napari_shapereg.plugin.layer_affine import METADATA, kind_of, say, world
from napari_shapereg.plugin.layer_points import arrows_of, points_of
from napari_shapereg.plugin.layer_reading import image_of, volume_of
from napari_shapereg.plugin.layers import LayerData, image_layer, labels_layer
from napari_shapereg.plugin.map_pair import DIRECTIONS, FORWARD_FILE, INVERSE_FILE, Direction, MapPair
from napari_shapereg.transforms import resample_image, resample_labels, transform_points

if TYPE_CHECKING:
    from napari_shapereg.volumes import ImageGrid

_KEPT_OF_IMAGES = ("colormap", "contrast_limits", "gamma", "opacity", "blending", "rendering", "attenuation")
_PLACED = {"scale": None, "translate": None, "rotate": None, "shear": None, "affine": None, **flat()}


def warp_layer(
    layer: Layer,
    maps: MapPair,
    direction: Direction = "moving to fixed",
    *,
    grid: ImageGrid | None = None,
    drawn: DisplayFrame | None = None,
) -> LayerData:
    """Apply a map to a layer.

    Parameters
    ----------
    layer : napari.layers.Layer
        Labels, image, points, surface or vectors.
    maps : MapPair
    direction : {"moving to fixed", "fixed to moving"}
        Which way the layer goes; it lies in the space named first.
    grid : ImageGrid, optional
        Onto which labels and images are resampled, and in whose frame all is drawn; that of the maps if not
        given.
    drawn : DisplayFrame, optional
        In which points, a surface or vectors made by hand are drawn (see `napari_shapereg.plugin.frames`).

    Returns
    -------
    LayerData
        A new layer with the looks of the old one. Labels and images are 0 and their least value outside.

    Raises
    ------
    InputError
        The layer is of another kind or cannot be used, or the map that this direction takes is not known.
    """
    goal = grid or maps.goal(direction)
    if goal is None:
        raise InputError(
            "this transform says nothing of a grid; choose a layer on whose grid to draw the result"
        )
    name = f"{layer.name} ({direction})"
    if isinstance(layer, Labels):
        warped = resample_labels(volume_of(layer), goal, _pull(layer, maps, direction))
        return labels_layer(warped, name, opacity=layer.opacity)
    if isinstance(layer, Image):
        return _warp_image(layer, _pull(layer, maps, direction), goal, name)
    carry = _carry(layer, maps, direction)
    frame = frame_of(goal)
    if isinstance(layer, Points):
        places = frame.to_display(transform_points(carry, points_of(layer, drawn)))
        looks: dict[str, Any] = {"size": np.asarray(layer.size) * _size(layer)}
        return _redrawn(layer, places, frame, name, looks)
    if isinstance(layer, Surface):
        vertices = frame.to_display(transform_points(carry, points_of(layer, drawn)))
        return _redrawn(layer, (vertices, *layer.data[1:]), frame, name, {})
    if isinstance(layer, Vectors):
        feet, arrows = arrows_of(layer, drawn)
        start, end = transform_points(carry, feet), transform_points(carry, feet + arrows)
        data = np.stack([frame.to_display(start), frame.turn_to_display(end - start)], axis=1)
        looks = {"edge_width": layer.edge_width * _size(layer), "length": 1.0}
        return _redrawn(layer, data, frame, name, looks)
    raise InputError(
        say(
            layer,
            f"a {kind_of(layer)} layer cannot be warped; labels, image, points, surface and vectors can",
        )
    )


def _warp_image(layer: Image, pull: sitk.Transform, grid: ImageGrid, name: str) -> LayerData:
    image = image_of(layer)
    least = float(sitk.GetArrayViewFromImage(image).min())
    warped = resample_image(image, grid, pull, interpolator="linear", default=least)
    return image_layer(warped, name, **{key: getattr(layer, key) for key in _KEPT_OF_IMAGES})


def _redrawn(layer: Layer, data: Any, frame: DisplayFrame, name: str, looks: dict[str, Any]) -> LayerData:  # noqa: ANN401
    _, kwargs, kind = layer.as_layer_data_tuple()
    about: dict[str, Any] = {"grid": None, "frame": frame, "names": {}, "source": None}
    metadata = {**layer.metadata, METADATA: about}
    return data, {**kwargs, **_PLACED, **looks, "name": name, "metadata": metadata}, kind


def _size(layer: Layer) -> float:
    """Return how much larger a layer is drawn than its data say."""
    matrix, _ = world(layer)
    return float(np.abs(np.linalg.det(matrix)) ** (1 / 3))


def _pull(layer: Layer, maps: MapPair, direction: Direction) -> sitk.Transform:
    return _known(layer, maps.pulling(direction), direction)


def _carry(layer: Layer, maps: MapPair, direction: Direction) -> sitk.Transform:
    return _known(layer, maps.carrying(direction), direction)


def _known(layer: Layer, transform: sitk.Transform | None, direction: Direction) -> sitk.Transform:
    if transform is not None:
        return transform
    other = DIRECTIONS[1 - DIRECTIONS.index(direction)]
    raise InputError(
        say(
            layer,
            f"{kind_of(layer)} layers go from {direction} by the inverse of this transform, which is not "
            f"known; put {INVERSE_FILE}.h5 beside {FORWARD_FILE}.h5, as `shapereg register` does, or choose "
            f"{other!r}",
        )
    )
