"""The arrows of a fidelity as napari shows them: few enough to see, evenly spread, coloured by length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_shapereg.fidelities.named import BLURRED
from napari_shapereg.plugin.layers import vectors_layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.fidelities.named import FidelityName
    from napari_shapereg.plugin.display_frame import DisplayFrame
    from napari_shapereg.plugin.layers import LayerData

MOST_ARROWS = 2000
"""Shown by default, over all labels."""

_LONGEST = 0.35
"""Drawn length, in radii of the fixed shape, of arrows that are no displacements in mm."""
_TOO_LONG = 4.0
"""In radii of the fixed shape: arrows in mm that are longer lead nowhere, and are drawn as others are."""
_WIDTH = 0.012
"""Of a shaft, in radii of the fixed shape."""
_OUTLIERS = 3.0
_CLOSE_ENOUGH = 0.95
"""Of the cap: where the search for the edge of the cells ends."""
_SEARCH = 24


@dataclass(frozen=True, eq=False)
class Field:
    """What one fidelity says about all labels together.

    Parameters
    ----------
    title : str
        Of the fidelity, for people.
    unit : str
        Of the arrows: "mm", "1/mm", or "" for a number without unit.
    transport : bool
        Whether the fidelity looks for a place to go for each point, rather than adding up pulls that fade.
    points, vectors : (N, 3) float64 array
        The moving points, LPS mm, and v = -∇_{x_i} d / α_i at each.
    weights : (N,) float64 array
        Of the moving points.
    labels : (N,) integer array
        Which label each point belongs to.
    fixed_points : int
        How many points they are compared with.
    value : float
        d, summed over the labels.
    seconds : float
        For value and arrows.
    """

    title: str
    unit: str
    transport: bool
    points: NDArray[np.float64]
    vectors: NDArray[np.float64]
    weights: NDArray[np.float64]
    labels: NDArray[np.integer[Any]]
    fixed_points: int
    value: float
    seconds: float

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Lengths of the arrows (N,), in `unit`."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.vectors, axis=1)
        return lengths

    @cached_property
    def top(self) -> float:
        """The upper end of the colours, in `unit`: nearly all arrows are shorter.

        Where shapes are far apart, a few points are the nearest ones of all others and take the pull of all:
        in a SoftMin or Hausdorff divergence their arrows are a thousand times longer than the rest.
        """
        most, nearly_all = (float(value) for value in np.percentile(self.lengths, (90, 99)))
        outliers = self.transport and nearly_all > _OUTLIERS * most
        return max(most if outliers else nearly_all, 1e-30)


def unit_of(name: FidelityName, p: int) -> str:
    """Return the unit of the arrows of a fidelity between measures of unit mass.

    The cost |x - y|^p / p has the gradient mm^(p - 1); kernels without a unit have a gradient in 1/mm, and
    the energy distance, whose kernel is a length, has one without unit.
    """
    if name == "energy":
        return ""
    if name in BLURRED:
        return "mm" if p == 2 else ""
    return "1/mm"


def spread(
    points: NDArray[np.float64], weights: NDArray[np.float64], groups: NDArray[np.integer[Any]], most: int
) -> NDArray[np.intp]:
    """Choose points that cover a shape evenly, whatever the density of its points.

    Space is cut into cubes whose edge is the smallest that leaves at most `most` of them occupied, each group
    for itself; the point nearest to the centre of mass of each cube stands for it. So equal areas of a
    surface, or equal volumes, get about equally many, and the same input gives the same choice.

    Parameters
    ----------
    points : (N, 3) float64 array
        mm.
    weights : (N,) float64 array
        Masses.
    groups : (N,) integer array
        Points of different groups are never merged.
    most : int
        How many to choose at most, at least 1.

    Returns
    -------
    (K,) integer array
        Ascending. All points where there are no more than `most`.
    """
    if len(points) <= most:
        return np.arange(len(points))
    places = points - points.min(axis=0)
    owners, count = _cells(places, groups, _edge(places, groups, most))
    mass = np.bincount(owners, weights, count) + np.finfo(float).tiny
    centers = np.stack([np.bincount(owners, weights * axis, count) / mass for axis in places.T], axis=1)
    distances = np.square(places - centers[owners]).sum(axis=1)
    order = np.lexsort((distances, owners))
    first = order[np.unique(owners[order], return_index=True)[1]]
    chosen: NDArray[np.intp] = np.sort(first)[:most]
    return chosen


def _edge(places: NDArray[np.float64], groups: NDArray[np.integer[Any]], most: int) -> float:
    """Return the smallest edge, nearly, of cubes of which at most `most` are occupied."""
    wide = 2 * float(places.max()) + 1e-9
    narrow = wide
    while _cells(places, groups, narrow)[1] <= most and narrow > 1e-6 * wide:
        wide, narrow = narrow, narrow / 2
    for _ in range(_SEARCH):
        middle = (narrow * wide) ** 0.5
        count = _cells(places, groups, middle)[1]
        if count > most:
            narrow = middle
            continue
        wide = middle
        if count >= _CLOSE_ENOUGH * most:
            break
    return wide


def _cells(
    places: NDArray[np.float64], groups: NDArray[np.integer[Any]], edge: float
) -> tuple[NDArray[np.intp], int]:
    """Return the number (N,) of the cube of each place, and how many cubes there are."""
    cubes = np.floor(places / edge).astype(np.int64)
    sizes = cubes.max(axis=0) + 1
    keys = ((groups.astype(np.int64) * sizes[0] + cubes[:, 0]) * sizes[1] + cubes[:, 1]) * sizes[2] + cubes[
        :, 2
    ]
    found, owners = np.unique(keys, return_inverse=True)
    return owners, len(found)


def arrows_layer(
    field: Field,
    frame: DisplayFrame,
    radius: float,
    *,
    name: str,
    most: int = MOST_ARROWS,
    **kwargs: object,
) -> LayerData:
    """Return the vectors layer of a field.

    Parameters
    ----------
    field : Field
    frame : DisplayFrame
        Of the fixed volume.
    radius : float
        Of the fixed shape, mm.
    name : str
        Of the layer.
    most : int
        Arrows to show at most.
    **kwargs
        Further arguments of the layer.

    Returns
    -------
    LayerData
        The features hold the lengths as they are, in the unit of the field; the layer's ``length`` stretches
        what is drawn. Arrows of a Sinkhorn divergence with p = 2 are drawn to scale: each ends where its
        point would go. What is longer than nearly all others is drawn shorter than it is.
    """
    chosen = spread(field.points, field.weights, field.labels, most)
    lengths = field.lengths[chosen]
    shortened = np.minimum(1, field.top / np.maximum(lengths, 1e-30))
    return vectors_layer(
        field.points[chosen],
        field.vectors[chosen] * shortened[:, None],
        frame,
        name,
        features={"length": lengths, "label": field.labels[chosen]},
        length=stretch(field, radius),
        edge_width=_WIDTH * radius,
        opacity=1.0,
        **coloring(field.top),
        **kwargs,
    )


def stretch(field: Field, radius: float) -> float:
    """Return the factor from the arrows of a field to mm on the screen."""
    if field.unit == "mm" and field.top < _TOO_LONG * radius:
        return 1.0
    return _LONGEST * radius / field.top


def coloring(top: float) -> dict[str, Any]:
    """Return the arguments that colour a vectors layer by its feature "length", from 0 to `top`."""
    return {"edge_color": "length", "edge_colormap": colors(), "edge_contrast_limits": (0.0, top)}


def colors() -> Colormap:
    """Return the colours of lengths: those of turbo that show on black as on white."""
    return Colormap(ensure_colormap("turbo").map(np.linspace(0.1, 0.93, 64)), name="lengths")
