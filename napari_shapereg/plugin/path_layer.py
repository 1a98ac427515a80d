"""The way of the moving shape onto the fixed one, as a surface with a time axis: drag t from 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.plugin.display_frame import AXIS_LABELS, UNITS, DisplayFrame
from napari_shapereg.plugin.layers import METADATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.plugin.layers import LayerData
    from napari_shapereg.plugin.scene import Shape
    from napari_shapereg.registration import RegisteredPair

TIMES = 21
"""Places of the slider."""
MOST_FACES = 60_000
"""Of all labels: napari looks through the vertices of all times at each move of the slider."""


def shape_path(result: RegisteredPair, shape: Shape, times: int = TIMES) -> NDArray[np.float64]:
    """Return where the vertices of a shape are on their way.

    Parameters
    ----------
    result : RegisteredPair
    shape : Shape
        Of the moving volume. All labels move as one: they share the turn of the linear part.
    times : int
        How many, from t = 0 to t = 1, at least 2.

    Returns
    -------
    (T, V, 3) float64 array
        LPS mm.
    """
    return result.path(shape.vertices, np.linspace(0, 1, times))


def path_layer(places: NDArray[np.float64], shape: Shape, frame: DisplayFrame, name: str) -> LayerData:
    """Return a 4-D surface layer.

    Parameters
    ----------
    places : (T, V, 3) array
        Of the vertices, LPS mm.
    shape : Shape
        Gives the triangles and the colours.
    frame : DisplayFrame
    name : str

    Returns
    -------
    LayerData
        Axes t, z, y, x. napari slices a surface with more axes than three by its vertices: those of one time
        share their first coordinate, and triangles join vertices of one time only.
    """
    times, count, _ = places.shape
    steps = np.repeat(np.arange(times, dtype=np.float32), count)
    shown = frame.to_display(places.reshape(-1, 3)).astype(np.float32)
    vertices = np.column_stack([steps, shown])
    faces = (shape.faces + count * np.arange(times)[:, None, None]).reshape(-1, 3)
    about: dict[str, Any] = {"grid": None, "frame": frame, "names": {}, "source": None}
    keywords: dict[str, Any] = {
        "name": name,
        "scale": (1 / (times - 1), 1.0, 1.0, 1.0),
        "units": ("dimensionless", *UNITS),
        "axis_labels": ("t", *AXIS_LABELS),
        "vertex_colors": np.tile(shape.colors, (times, 1)),
        "shading": "smooth",
        "metadata": {METADATA: about},
    }
    return (vertices, faces), keywords, "surface"
