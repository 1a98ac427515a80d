"""Which volumes of a result are seen, and how two of them are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Labels, Layer

from napari_shapereg.plugin.comparison import Checkerboard, Composite, Pattern, blend, wipe_at
from napari_shapereg.plugin.garbage import remove_layers
from napari_shapereg.plugin.inspected import Inspected, Side
from napari_shapereg.plugin.label_table import label_table
from napari_shapereg.plugin.layer_affine import known
from napari_shapereg.plugin.layers import labels_layer
from napari_shapereg.plugin.overlays import keeping_active, set_visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel

    from napari_shapereg.plugin.comparison import Mode
    from napari_shapereg.registration import RegisteredPair
    from napari_shapereg.volumes import LabelVolume

COMPOSITE = "Comparison"
_SEAM = (0.5, 0.5, 0.5, 1.0)


class _Look(NamedTuple):
    """How a layer looked before the inspection changed it."""

    visible: bool
    opacity: float
    selected_label: int
    show_selected_label: bool


class Comparing:
    """The labels layers of a result: those that are there already are used, others are added when needed.

    Parameters
    ----------
    viewer : ViewerModel
    inspected : Inspected
    """

    def __init__(self, viewer: ViewerModel, inspected: Inspected) -> None:
        """Show nothing yet, and listen to the order of the axes, which the wipe follows."""
        self._viewer, self._inspected = viewer, inspected
        self._layers: dict[Side, Labels] = {}
        self._added: set[Side] = set()
        self._looks: dict[Labels, _Look] = {}
        self._composite: Labels | None = None
        self._pattern: Pattern | None = None
        self._label: int | None = None
        self.sides: tuple[Side, Side] = (Side.FIXED, Side.AFTER)
        self.mode: Mode | None = None
        self.position = 0.5
        self.block = 10.0
        self.filled = True
        self._second_turn = False
        viewer.dims.events.order.connect(self._repattern)
        viewer.dims.events.ndisplay.connect(self._repattern)

    @property
    def layers(self) -> dict[Side, Labels]:
        """The labels layers that are in use, by side."""
        return {side: layer for side, layer in self._layers.items() if layer in self._viewer.layers}

    @property
    def composite(self) -> Labels | None:
        """The layer of the wipe and of the checkerboard, where there is one; it is hidden in other modes."""
        return self._composite if self._composite in self._viewer.layers else None

    def start(self, mode: Mode | None, first: Side, second: Side) -> None:
        """Compare two sides, or show fixed and after as they are where the mode is None.

        The volumes of the sides are asked of `Inspected`: compute them in a worker before.
        """
        self.mode, self.sides = mode, (first, second)
        for side in (Side.FIXED, Side.AFTER, first, second):
            self._layer(side)
        if mode in ("wipe", "checkerboard"):
            self._compose()
        self.arrange()

    def colors(self) -> dict[int, tuple[float, float, float]]:
        """Return the colours of the labels on the screen, from 0 to 1."""
        layer = self.layers[Side.AFTER]
        shown = {label: layer.get_color(label) for label in self._inspected.pair.labels}
        return {
            label: (float(rgba[0]), float(rgba[1]), float(rgba[2]))
            for label, rgba in shown.items()
            if rgba is not None
        }

    def move(self, position: float) -> None:
        """Put the slider of blend and wipe to a place from 0 to 1."""
        self.position = position
        self.arrange() if self.mode == "blend" else self._repattern()

    def resize(self, block: float) -> None:
        """Give the blocks of the checkerboard an edge, mm.

        Raises
        ------
        InputError
            It is not positive.
        """
        Checkerboard.of_size(block, self._inspected.pair.fixed.grid.spacing)
        self.block = block
        self._repattern()

    def flick(self) -> None:
        """Show the other one of the two; nothing happens in other modes than flicker."""
        if self.mode == "flicker":
            self._second_turn = not self._second_turn
            self.arrange()

    def isolate(self, label: int | None) -> None:
        """Show one label alone in all volumes, or all where it is None."""
        self._label = label
        for layer in [*self.layers.values(), *([self._composite] if self.composite else [])]:
            self._isolate(layer)

    def arrange(self) -> None:
        """Make visible what the mode needs, and nothing else of the result's volumes."""
        first, second = self.sides
        opacity = {side: self._looks[layer].opacity for side, layer in self.layers.items()}
        visible = {Side.FIXED: self.filled, Side.AFTER: self.filled}
        if self.mode == "blend":
            shares = blend(self.position)
            visible = {first: True, second: True}
            # Both at their full opacity would hide each other: what is seen is the share of each.
            opacity |= {first: shares[0], second: shares[1]}
        elif self.mode == "flicker":
            visible = {second if self._second_turn else first: True}
        elif self.mode:
            visible = {}
        for side, layer in self.layers.items():
            if layer.opacity != opacity[side]:
                layer.opacity = opacity[side]
            set_visible(layer, seen=visible.get(side, False))
        if self.composite:
            set_visible(self.composite, seen=self.mode in ("wipe", "checkerboard"))

    def close(self) -> None:
        """Leave every layer as it was found, and stop listening; what was added to compare with goes."""
        self._viewer.dims.events.order.disconnect(self._repattern)
        self._viewer.dims.events.ndisplay.disconnect(self._repattern)
        for layer in self.layers.values():
            look = self._looks[layer]
            layer.visible, layer.opacity = look.visible, look.opacity
            layer.selected_label = look.selected_label
            layer.show_selected_label = look.show_selected_label
        made = [
            self.layers[side] for side in (Side.BEFORE, Side.AFFINE) if side in self._added & {*self.layers}
        ]
        with keeping_active(self._viewer):
            remove_layers(self._viewer, [*made, *([self.composite] if self.composite else [])])
        self._layers.clear()
        self._looks.clear()

    def _layer(self, side: Side) -> Labels:
        """Return the layer of a side, found or added."""
        if side not in self.layers:
            volume = self._inspected.volume(side)
            layer = self._find(side, volume) or self._add(side, volume)
            self._layers[side] = layer
            self._looks[layer] = _Look(
                layer.visible, layer.opacity, layer.selected_label, layer.show_selected_label
            )
            self._isolate(layer)
        return self._layers[side]

    def _find(self, side: Side, volume: LabelVolume) -> Labels | None:
        placement = self._inspected.frame.placement(volume.grid)
        for layer in self._viewer.layers:
            if isinstance(layer, Labels) and (
                self._carries(layer) if side is Side.AFTER else _shows(layer, volume)
            ):
                shown = np.concatenate([layer.scale, layer.translate])
                if np.allclose(shown, [*placement["scale"], *placement["translate"]]):
                    return layer
        return None

    def _carries(self, layer: Layer) -> bool:
        return known(layer).get("result") is self._inspected.pair

    def _add(self, side: Side, volume: LabelVolume) -> Labels:
        result: dict[str, Any] = {"result": self._inspected.pair} if side is Side.AFTER else {}
        name = self._inspected.name if side is Side.AFTER else side.value
        data = labels_layer(volume, name, frame=self._inspected.frame, **result)
        layer = Layer.create(*data)
        layer.editable = False
        with keeping_active(self._viewer):
            self._viewer.add_layer(layer)
        self._added.add(side)
        return layer

    def _isolate(self, layer: Labels) -> None:
        look = self._looks.get(layer)
        if self._label is not None:
            layer.selected_label = self._label
        elif look:
            layer.selected_label = look.selected_label
        layer.show_selected_label = self._label is not None

    def _compose(self) -> None:
        """Show the two sides in one layer, which is made once and hidden in between."""
        first, second = (self._inspected.volume(side) for side in self.sides)
        data = Composite(first.data, second.data, self._pattern_now())
        after = self._layer(Side.AFTER).colormap
        colors = {label: after.map(label) for label in {*first.labels, *second.labels}}
        colormap = label_table({**colors, data.mark: _SEAM}, data.dtype)
        composite = self.composite
        if composite is not None:
            composite.data, composite.colormap = data, colormap
        else:
            place = self._inspected.frame.placement(second.grid)
            composite = Labels(data, name=COMPOSITE, colormap=colormap, **place)
            composite.editable = False
            self._composite = composite
            with keeping_active(self._viewer):
                self._viewer.add_layer(composite)
        self._isolate(composite)

    def _repattern(self) -> None:
        composite = self.composite
        if composite is not None:
            composite.data.pattern = self._pattern_now()
            composite.refresh(extent=False)

    def _pattern_now(self) -> Pattern:
        if self.mode == "checkerboard":
            return Checkerboard.of_size(self.block, self._inspected.pair.fixed.grid.spacing)
        # The last displayed axis runs from left to right on the screen.
        axis = self._viewer.dims.displayed[-1] - (self._viewer.dims.ndim - 3)
        return wipe_at(self.position, self._inspected.box, max(0, axis))


def results_in(layers: Iterable[Layer]) -> dict[str, RegisteredPair]:
    """Return the results that layers carry, each once, by the name of the first layer."""
    found: dict[str, Any] = {}
    for layer in layers:
        result = known(layer).get("result")
        if result is not None and not any(result is other for other in found.values()):
            found[layer.name] = result
    return found


def _shows(layer: Labels, volume: LabelVolume) -> bool:
    """Tell whether a layer's data are those of a volume; a registration may have taken a copy of them."""
    data = layer.data
    if not isinstance(data, np.ndarray) or data.shape != volume.data.shape:
        return False
    # Plane by plane: the first that differs answers, and no array of truths as large as the volume is made.
    return all(map(np.array_equal, data, volume.data))
