"""The layers in which a run is watched: points on their way to the fixed shape, and arrows of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points, Vectors

from napari_shapereg.plugin.display_frame import flat
from napari_shapereg.plugin.garbage import remove_layers
from napari_shapereg.plugin.gradient_arrows import coloring
from napari_shapereg.plugin.layer_affine import DRAWING
from napari_shapereg.plugin.scene import label_colors

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_shapereg.plugin.live_view import View
    from napari_shapereg.plugin.pairs import Pair

_POINT = 0.03
"""Diameter, in radii of the fixed shape."""
_ARROW = 0.25
"""Drawn length of nearly the longest arrow of a step, in radii: steps become ever smaller."""
_WIDTH = 0.012


class LiveLayers:
    """Two layers that follow a run. One that the user removes stays away.

    Parameters
    ----------
    viewer : ViewerModel
    pair : Pair
        Gives names and colours.
    radius : float
        Of the fixed shape, mm.
    """

    def __init__(self, viewer: ViewerModel, pair: Pair, radius: float) -> None:
        self._viewer = viewer
        self._moving = pair.moving
        self._radius = radius
        self._names = (f"{pair.moving_name} on its way", f"{pair.moving_name} steps")
        self._points: Points | None = None
        self._arrows: Vectors | None = None
        self._labels: NDArray[np.integer] | None = None

    @property
    def complete(self) -> bool:
        """Whether both layers have been made."""
        return self._arrows is not None

    def show(self, view: View) -> None:
        """Move points and arrows to where they are in a view."""
        if self._points is None:
            self._points = self._add_points(view)
            return
        if self._arrows is None:
            # At the second view: a new layer takes napari a tenth of a second.
            self._arrows = self._add_arrows(view)
            return
        if self._points in self._viewer.layers and self._points.visible:
            self._points.data = view.points
            if self._labels is None or not np.array_equal(view.labels, self._labels):
                self._points.face_color = label_colors(self._moving, view.labels)
                self._labels = view.labels
        if self._arrows in self._viewer.layers and self._arrows.visible:
            longest, vectors, lengths = self._drawn(view)
            self._arrows.data = vectors
            self._arrows.features = {"length": lengths}
            self._arrows.edge_contrast_limits = (0.0, longest)

    def remove(self) -> None:
        """Take both layers away."""
        remove_layers(self._viewer, [layer for layer in (self._points, self._arrows) if layer is not None])

    def _drawn(self, view: View) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return the upper end of the colours, the vectors as they are drawn, and their true lengths."""
        lengths = np.linalg.norm(view.arrows, axis=1)
        longest = max(float(np.percentile(lengths, 98)), 1e-12)
        drawn = view.arrows * (_ARROW * self._radius / np.maximum(lengths, longest))[:, None]
        return longest, np.stack([view.feet, drawn], axis=1), lengths

    def _add_points(self, view: View) -> Points:
        points = Points(
            view.points,
            name=self._names[0],
            size=_POINT * self._radius,
            face_color=label_colors(self._moving, view.labels),
            border_width=0,
            metadata=dict(DRAWING),
            **flat(),
        )
        self._viewer.add_layer(points)
        self._labels = view.labels
        return points

    def _add_arrows(self, view: View) -> Vectors:
        longest, vectors, lengths = self._drawn(view)
        arrows = Vectors(
            vectors,
            name=self._names[1],
            features={"length": lengths},
            vector_style="arrow",
            edge_width=_WIDTH * self._radius,
            opacity=1.0,
            **coloring(longest),
            **flat(),
        )
        self._viewer.add_layer(arrows)
        return arrows
