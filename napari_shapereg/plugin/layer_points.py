"""From napari to LPS mm: the points, vertices and arrows of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Layer, Points, Surface, Vectors

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.layer_affine import kind_of, say, world
from napari_shapereg.plugin.layer_reading import frame_of_layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.plugin.display_frame import DisplayFrame


def points_of(layer: Layer, frame: DisplayFrame | None = None) -> NDArray[np.float64]:
    """Return the points of a points layer or the vertices of a surface layer, (N, 3) LPS mm.

    Parameters
    ----------
    layer : napari.layers.Points or napari.layers.Surface
    frame : DisplayFrame, optional
        In which the layer is drawn, for one made by hand (see `napari_shapereg.plugin.frames.drawn_in`); that
        of `frame_of_layer` if not given.

    Raises
    ------
    InputError
        The layer is of another kind, not 3-D, or measured in something that is no length.
    """
    if not isinstance(layer, (Points, Surface)):
        message = f"points or a surface are needed, this is a {kind_of(layer)} layer"
        raise InputError(say(layer, message))
    places = layer.data[0] if isinstance(layer, Surface) else layer.data
    matrix, offset = _world_in_3d(layer)
    here = frame or frame_of_layer(layer)
    return here.to_physical(np.asarray(places, dtype=np.float64) @ matrix.T + offset)


def arrows_of(
    layer: Layer, frame: DisplayFrame | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the feet and the vectors of a vectors layer as they are drawn, each (N, 3) LPS mm.

    The parameters are those of `points_of`.

    Raises
    ------
    InputError
        As `points_of`.
    """
    if not isinstance(layer, Vectors):
        raise InputError(say(layer, f"vectors are needed, this is a {kind_of(layer)} layer"))
    matrix, offset = _world_in_3d(layer)
    here = frame or frame_of_layer(layer)
    data = np.asarray(layer.data, dtype=np.float64)
    feet = here.to_physical(data[:, 0] @ matrix.T + offset)
    return feet, here.turn_to_physical(layer.length * data[:, 1] @ matrix.T)


def _world_in_3d(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if layer.ndim != 3:
        raise InputError(say(layer, f"it is {layer.ndim}-D; a 3-D layer is needed"))
    return world(layer)
