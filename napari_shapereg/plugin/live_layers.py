"""The layers in which a run is watched: the moving surface on its way to the fixed one, and each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Layer, Surface, Vectors

from napari_shapereg.plugin.changing import change
from napari_shapereg.plugin.cross_section import cross_section
from napari_shapereg.plugin.display_frame import flat
from napari_shapereg.plugin.garbage import remove_layers
from napari_shapereg.plugin.gradient_arrows import coloring
from napari_shapereg.plugin.scene import lit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import Dims, ViewerModel

    from napari_shapereg.plugin.live_view import View
    from napari_shapereg.plugin.pairs import Pair
    from napari_shapereg.plugin.scene import Shape

_ARROW = 0.25
"""Drawn length of nearly the longest arrow of a step, in radii: steps become ever smaller."""
_WIDTH = 0.012
_PALER = 0.6
"""How much white is in an outline, which lies over labels of the same colours."""


class _Drawing(NamedTuple):
    """What a layer shows of one view, and what it keeps from the first one on."""

    kind: type[Layer]
    name: str
    shown: dict[str, Any]
    kept: dict[str, Any]


class LiveLayers:
    """Two layers that follow a run: in 3-D the moving surface and arrows, in 2-D its outline and arrows.

    One that the user removes stays away.

    Parameters
    ----------
    viewer : ViewerModel
    pair : Pair
        Gives the names.
    radius : float
        Of the fixed shape, mm.
    """

    def __init__(self, viewer: ViewerModel, pair: Pair, radius: float) -> None:
        self._viewer = viewer
        self._radius = radius
        self._name = pair.moving_name
        self._made: dict[str, Layer] = {}
        self._turn = 0

    def show(self, view: View) -> bool:
        """Show a view; return whether the layers were all there already.

        One layer is made, or one is changed, and the next one by the next view: each keeps the window waiting
        for a moment.
        """
        seen = []
        for drawing in self._drawings(view):
            layer = self._made.get(drawing.name)
            if layer is not None and (layer not in self._viewer.layers or not layer.visible):
                continue
            if type(layer) is not drawing.kind:
                self._replace(layer, drawing)
                return False
            seen.append((layer, drawing.shown))
        self._turn += 1
        if seen:
            change(*seen[self._turn % len(seen)])
        return True

    def remove(self) -> None:
        """Take both layers away."""
        remove_layers(self._viewer, self._made.values())

    def _replace(self, layer: Layer | None, drawing: _Drawing) -> None:
        if layer is not None:
            remove_layers(self._viewer, [layer])
        made = drawing.kind(name=drawing.name, **drawing.shown, **drawing.kept, **flat())
        self._made[drawing.name] = made
        self._viewer.add_layer(made)

    def _drawings(self, view: View) -> Iterator[_Drawing]:
        if view.surface is not None:
            name, dims = f"{self._name} on its way", self._viewer.dims
            if dims.ndisplay == 3:
                yield _surface(name, view.surface)
            else:
                yield _outline(name, view.surface, dims, self._radius)
        yield _steps(f"{self._name} steps", view, self._radius)


def _surface(name: str, shape: Shape) -> _Drawing:
    kept = {"vertex_colors": lit(shape.colors), "shading": "smooth"}
    return _Drawing(Surface, name, {"data": (shape.vertices, shape.faces)}, kept)


def _outline(name: str, shape: Shape, dims: Dims, radius: float) -> _Drawing:
    axis = next(axis for axis in dims.not_displayed if axis >= dims.ndim - 3)
    segments, corners = cross_section(shape.vertices, shape.faces, axis - dims.ndim, dims.point[axis])
    lines = np.stack([segments[:, 0], segments[:, 1] - segments[:, 0]], axis=1)
    colors = (1 - _PALER) * shape.colors[corners] + _PALER
    # napari warns of a table of no colours.
    shown = {"data": lines, "edge_color": colors if len(colors) else "white"}
    kept = {"vector_style": "line", "edge_width": _WIDTH * radius, "opacity": 1.0}
    return _Drawing(Vectors, name, shown, kept)


def _steps(name: str, view: View, radius: float) -> _Drawing:
    lengths = np.linalg.norm(view.arrows, axis=1)
    longest = max(float(np.percentile(lengths, 98)), 1e-12)
    drawn = view.arrows * (_ARROW * radius / np.maximum(lengths, longest))[:, None]
    colors = coloring(longest)
    shown = {
        "data": np.stack([view.feet, drawn], axis=1),
        "features": {"length": lengths},
        "edge_contrast_limits": colors.pop("edge_contrast_limits"),
    }
    # Most points lie inside the surface: their arrows are seen through it.
    look = {"opacity": 1.0, "blending": "translucent_no_depth"}
    kept = {"vector_style": "arrow", "edge_width": _WIDTH * radius, **look, **colors}
    return _Drawing(Vectors, name, shown, kept)
