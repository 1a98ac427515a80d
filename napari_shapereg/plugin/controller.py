"""What the registration dock shows in the viewer: arrows, a run that can be watched, its result and its path.

No Qt: it works on any `ViewerModel`, with or without a window. It is used on the thread of the viewer; what
is slow lies in `napari_shapereg.plugin.tasks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer, Vectors
from napari.utils.colormaps import CyclicLabelColormap

from napari_shapereg.plugin.changing import change
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.garbage import remove_layers
from napari_shapereg.plugin.gradient_arrows import MOST_ARROWS, arrows_layer
from napari_shapereg.plugin.layer_affine import DRAWING, known
from napari_shapereg.plugin.layers import points_layer
from napari_shapereg.plugin.live_layers import LiveLayers
from napari_shapereg.plugin.scene import Scene, label_colors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.utils.colormaps import DirectLabelColormap

    from napari_shapereg.plugin.gradient_arrows import Field
    from napari_shapereg.plugin.layers import LayerData
    from napari_shapereg.plugin.live_view import View
    from napari_shapereg.plugin.pairs import Pair
    from napari_shapereg.plugin.scene import Shape
    from napari_shapereg.plugin.tasks import Compared, Finished, Prepared
    from napari_shapereg.registration import RegisteredPair
    from napari_shapereg.volumes import LabelVolume

ARROWS = "−∇d "
"""Begins the names of layers of arrows."""

_FIXED_COLOR = (0.6, 0.6, 0.6, 0.35)
_CLOSER = 1.3
"""napari leaves room around shapes for every way they could be turned."""
_PALER = 0.6
"""How much white is in the outlines of a result."""
_POINT = 0.02
"""Diameter of the points in a grid of fidelities, in radii of the fixed shape."""


class RegistrationController:
    """The viewer side of the registration dock.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.scene = Scene(viewer)
        self.most_arrows = MOST_ARROWS
        self._arrows: Vectors | None = None
        self._compared: Compared | None = None
        self._overlay: tuple[Layer, list[Layer]] | None = None
        self._grid: list[Layer] = []
        self._grid_before: tuple[bool, int] = (False, 1)
        self._live: LiveLayers | None = None
        self._path: Layer | None = None

    # ------------------------------------------------------------------------------------------------ arrows

    def show_field(self, compared: Compared, field: Field, *, in_3d: bool) -> Vectors:
        """Show the arrows of a fidelity; those of another one, shown before, become these.

        Parameters
        ----------
        compared : Compared
        field : Field
        in_3d : bool
            Turn the viewer to 3-D, where surfaces stand for the labels.
        """
        self._hide_grid()
        frame, radius = compared.pair.frame, compared.measures.radius
        pair = compared.pair
        if in_3d and not (self.scene.on and compared is self._compared):
            self._compared = compared
            self.scene.leave()
            self.scene.turn(frame)
            self.scene.add(frame, f"{pair.moving_name} surface", compared.moving, solid=True)
            self.scene.add(frame, f"{pair.fixed_name} surface", compared.fixed, solid=False)
        if not in_3d and self._overlay is None and compared.overlay is not None:
            self._lay_over(compared.overlay, pair.moving_name)
        data, keywords, kind = arrows_layer(
            field, frame, radius, name=ARROWS + field.title, most=self.most_arrows
        )
        old = self._arrows
        if old is None or old not in self.viewer.layers:
            self._arrows = self._added((data, keywords, kind))
            return self._arrows
        names = "features", "length", "edge_width", "edge_contrast_limits", "name"
        change(old, {"data": data, **{name: keywords[name] for name in names}})
        return old

    def show_grid(self, compared: Compared, fields: Sequence[Field]) -> list[Vectors]:
        """Show fidelities side by side in 3-D: in each cell both shapes as points, arrows, and the name."""
        self.hide_arrows()
        viewer, frame, radius = self.viewer, compared.pair.frame, compared.measures.radius
        self.scene.leave()
        self.scene.turn(frame)
        arrows = []
        # A negative stride counts cells from the last layer, whatever lies below.
        for field in reversed(fields):
            data = arrows_layer(field, frame, radius, name=ARROWS + field.title, most=self.most_arrows // 2)
            self._grid.append(self._added(_both_shapes(compared, field)))
            arrows.append(self._added(data))
            arrows[-1].name_overlay.visible = True
        self._grid += arrows
        self._grid_before = (viewer.canvas.grid.enabled, viewer.canvas.grid.stride)
        viewer.canvas.grid.stride, viewer.canvas.grid.enabled = -2, True
        viewer.fit_to_view(layers=self._grid)
        viewer.scene.camera.zoom *= _CLOSER
        return arrows[::-1]

    def hide_arrows(self) -> None:
        """Take all arrows away, and the grid."""
        self._hide_grid()
        self._compared = None
        if self._arrows is not None:
            remove_layers(self.viewer, [self._arrows])
            self._arrows = None
        if self._overlay is not None:
            overlay, hidden = self._overlay
            remove_layers(self.viewer, [overlay])
            self._overlay = None
            for layer in hidden:
                layer.visible = True

    def _lay_over(self, overlay: LayerData, name: str) -> None:
        """Show the moving labels under their arrows, in place of their own layer, which lies elsewhere."""
        hidden = [layer for layer in self.viewer.layers if layer.name == name and layer.visible]
        for layer in hidden:
            layer.visible = False
        self._overlay = self._added(overlay), hidden

    def _hide_grid(self) -> None:
        if not self._grid:
            return
        remove_layers(self.viewer, self._grid)
        self._grid = []
        self.viewer.canvas.grid.enabled, self.viewer.canvas.grid.stride = self._grid_before
        self.scene.leave()

    # --------------------------------------------------------------------------------------------------- run

    def begin(self, prepared: Prepared, *, in_3d: bool) -> None:
        """Clear the stage for a run."""
        self.end_view()
        self.hide_arrows()
        self.hide_path()
        if in_3d:
            # Of arrows that were shown: the view stays as the user has turned it.
            self.scene.clear()
            self.scene.turn(prepared.pair.frame)
        else:
            self.scene.leave()
        self._live = LiveLayers(self.viewer, prepared.pair, prepared.radius)

    def show_goal(self, pair: Pair, goal: Shape) -> None:
        """Show the fixed shape of a run as a veil, in 3-D, where the moving one will go."""
        if self._live is not None:
            self.scene.add(pair.frame, f"{pair.fixed_name} surface", goal, solid=False)

    def show_view(self, view: View) -> bool:
        """Show where a run stands; return whether the layers were all there already."""
        if self._live is None:
            return True
        return self._live.show(view)

    def end_view(self) -> None:
        """Take away the moving surface and the arrows of a run."""
        if self._live is not None:
            self._live.remove()
            self._live = None

    def end(self) -> None:
        """Take away all that showed a run, and turn the viewer back."""
        self.end_view()
        self.scene.leave()

    # ------------------------------------------------------------------------------------------------ result

    def show_result(self, finished: Finished, moving: Labels | None) -> Labels:
        """Show the warped labels as outlines over the fixed ones; hide the moving ones and former results.

        Parameters
        ----------
        finished : Finished
        moving : napari.layers.Labels, optional
            The moving layer, if it is still there.
        """
        # The colours of the moving layer as they are: napari compiles for half a second where it is given a
        # table of colours for the first time.
        here = moving is not None and moving in self.viewer.layers
        colors = {"colormap": _outlining(moving.colormap)} if moving is not None and here else {}
        data, keywords, kind = finished.layer
        for other in self.viewer.layers:
            if known(other).get("result") is not None:
                self.scene.hide(other)
        # In 3-D, where surfaces stand for labels, there are no outlines.
        shown = not self.scene.on
        layer: Labels = self._added((data, {**keywords, **colors, "visible": shown}, kind))
        layer.contour = 1
        if not shown:
            self.scene.end_with(layer)
        if moving is not None and here:
            self.scene.hide(moving)
        return layer

    def show_extent(self, layer: Labels, volume: LabelVolume) -> None:
        """Show other labels in a result's layer: moved by no map, by its affine part, or by all of it."""
        if layer in self.viewer.layers:
            layer.data = volume.data

    # -------------------------------------------------------------------------------------------------- path

    def show_path(self, result: RegisteredPair, path: LayerData, fixed: Shape) -> Layer:
        """Show the way of the moving shape in 3-D, from its start; the slider t moves it."""
        self.hide_arrows()
        self.hide_path()
        self.scene.leave()
        self._path = self._added(path)
        frame = frame_of(result.fixed.grid)
        self.scene.turn(frame)
        self.scene.add(frame, f"{path[1]['name']}: goal", fixed, solid=False)
        self.viewer.dims.set_point(0, 0.0)
        return self._path

    @property
    def path_shown(self) -> bool:
        """Whether the way is there to be looked at."""
        return self._path is not None and self._path in self.viewer.layers and self.scene.on

    def hide_path(self) -> None:
        """Take the way away, and its time axis."""
        if self._path is None:
            return
        remove_layers(self.viewer, [self._path])
        self._path = None
        self.scene.leave()

    def close(self) -> None:
        """Take away everything but results."""
        self.hide_arrows()
        self.hide_path()
        self.end()

    def _added(self, data: LayerData) -> Any:  # noqa: ANN401 - each caller knows what it asked for
        # What a plugin's viewer returns is only a stand-in for the layer, which nobody else holds.
        layer = Layer.create(*data)
        self.viewer.add_layer(layer)
        return layer


def _outlining(
    colormap: CyclicLabelColormap | DirectLabelColormap,
) -> CyclicLabelColormap | DirectLabelColormap:
    """Return colours that show over the fixed labels, where napari gives both layers the same ones."""
    if not isinstance(colormap, CyclicLabelColormap):
        return colormap
    paler = (1 - _PALER) * np.asarray(colormap.colors) + _PALER
    return CyclicLabelColormap(colors=paler, name="outlines", background_value=colormap.background_value)


def _both_shapes(compared: Compared, field: Field) -> LayerData:
    """Return the points that are compared: moving ones in the colours of their labels, fixed ones grey."""
    targets = [measure.points.double().cpu().numpy() for measure in compared.measures.targets.values()]
    goal = np.concatenate(targets)
    colors = [label_colors(compared.pair.moving, field.labels), np.tile(_FIXED_COLOR, (len(goal), 1))]
    return points_layer(
        np.concatenate([field.points, goal]),
        compared.pair.frame,
        f"{field.title}: points",
        face_color=np.concatenate(colors),
        border_width=0,
        size=_POINT * compared.measures.radius,
        metadata=DRAWING,
    )
