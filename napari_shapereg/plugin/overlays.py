"""What is drawn over the volumes of a result: made when it is wanted, one form in 2-D and one in 3-D.

Layers that are not wanted any more are hidden, and filled anew when they are wanted again: what was computed
is not lost, and napari 0.9 with Mesa's drivers can crash when the last but one visible layer is deleted.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from napari.layers import Layer

from napari_shapereg.plugin.garbage import remove_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.components import ViewerModel
    from napari.utils.events import Event

    from napari_shapereg.plugin.layers import LayerData

    Make = Callable[[], Sequence["Drawing"]]
    Runner: TypeAlias = Callable[[str, Callable[[], Any], Callable[[Any], None]], None]


class Drawing(NamedTuple):
    """A layer to be.

    Attributes
    ----------
    data : LayerData
    anew : tuple of str
        Which of its arguments change with the data, when a layer is filled anew.
    finish : callable, optional
        What to set on a new layer that its arguments do not take.
    """

    data: LayerData
    anew: tuple[str, ...] = ()
    finish: Callable[[Layer], None] | None = None


@dataclass(frozen=True, eq=False)
class Overlay:
    """One thing to be drawn.

    Parameters
    ----------
    title : str
        What is said while it is computed.
    plane, space : callable or None
        Compute the drawings for a 2-D and for a 3-D view; None where there is nothing to draw. Where both are
        the same function its layers stay for both.
    rank : int
        Overlays of a higher rank lie above.
    """

    title: str
    plane: Make | None
    space: Make | None
    rank: int = 0

    def form(self, ndisplay: int) -> str:
        """Return which of its forms a view shows."""
        if self.plane is self.space:
            return "both"
        return "plane" if ndisplay == 2 else "space"

    def make(self, form: str) -> Make | None:
        """Return what computes a form."""
        return self.space if form == "space" else self.plane


@dataclass
class _Form:
    """The layers of one form of an overlay, how many are in use, and what they show, or are about to show."""

    overlay: Overlay
    layers: list[Layer] = field(default_factory=list)
    used: int = 0

    def set_visible(self, *, seen: bool) -> None:
        for place, layer in enumerate(self.layers):
            set_visible(layer, seen=seen and place < self.used)


@dataclass
class _Shown:
    """An overlay, whether it is wanted, and the forms that were made so far."""

    overlay: Overlay
    wanted: bool = True
    forms: dict[str, _Form] = field(default_factory=dict)

    @property
    def layers(self) -> list[Layer]:
        return [layer for form in self.forms.values() for layer in form.layers]


def at_once(_title: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
    """Do some work and what follows it, here and now: the runner of scripts and tests."""
    done(work())


def set_visible(layer: Layer, *, seen: bool) -> None:
    """Show or hide a layer; one that is shown already is not sliced and drawn anew, as napari would."""
    if layer.visible != seen:
        layer.visible = seen


@contextmanager
def keeping_active(viewer: ViewerModel) -> Iterator[None]:
    """Let layers come and go, and leave active the one that the user works on."""
    active = viewer.layers.selection.active
    yield
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


class Overlays:
    """The overlays of a viewer, by name.

    Parameters
    ----------
    viewer : ViewerModel
    run : callable
        Takes a title, a function that computes, and one that takes what it returns; the dock's runs the first
        in a worker.
    dropped : callable
        Told the name of an overlay that the user removed by deleting a layer of it.
    """

    def __init__(self, viewer: ViewerModel, run: Runner, dropped: Callable[[str], None]) -> None:
        """Show nothing yet, and listen to the viewer."""
        self._viewer, self._run, self._dropped = viewer, run, dropped
        self._shown: dict[str, _Shown] = {}
        self._removing = False
        viewer.dims.events.ndisplay.connect(self._on_turn)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def names(self) -> tuple[str, ...]:
        """The overlays that are shown, or about to be."""
        return tuple(name for name, shown in self._shown.items() if shown.wanted)

    def layers(self, name: str) -> tuple[Layer, ...]:
        """Return the layers that an overlay has in the view as it is; none where it is not shown."""
        shown = self._shown.get(name)
        if shown is None or not shown.wanted:
            return ()
        form = shown.forms.get(shown.overlay.form(self._viewer.dims.ndisplay))
        return tuple(layer for layer in form.layers if layer.visible) if form else ()

    def show(self, name: str, overlay: Overlay) -> None:
        """Show an overlay in place of what had its name."""
        shown = self._shown.setdefault(name, _Shown(overlay))
        shown.overlay, shown.wanted = overlay, True
        self._draw(name)

    def hide(self, name: str) -> None:
        """Hide an overlay, or do nothing where it is not shown."""
        shown = self._shown.get(name)
        if shown:
            shown.wanted = False
            for form in shown.forms.values():
                form.set_visible(seen=False)

    def redraw(self, *names: str) -> None:
        """Compute overlays anew: those that are shown now, the others when they are shown again."""
        for name in names:
            shown = self._shown.get(name)
            if shown:
                shown.overlay = replace(shown.overlay)
                if shown.wanted:
                    self._draw(name)

    def clear(self) -> None:
        """Remove all overlays with their layers."""
        layers = [layer for shown in self._shown.values() for layer in shown.layers]
        self._shown.clear()
        self._removing = True
        try:
            with keeping_active(self._viewer):
                remove_layers(self._viewer, layers)
        finally:
            self._removing = False

    def close(self) -> None:
        """Remove all overlays and stop listening."""
        self.clear()
        self._viewer.dims.events.ndisplay.disconnect(self._on_turn)
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _draw(self, name: str) -> None:
        shown = self._shown[name]
        overlay = shown.overlay
        kind = overlay.form(self._viewer.dims.ndisplay)
        for other, form in shown.forms.items():
            form.set_visible(seen=other == kind and form.overlay is overlay)
        form = shown.forms.setdefault(kind, _Form(overlay))
        make = overlay.make(kind)
        if make is not None and (form.overlay is not overlay or not form.layers):
            form.overlay = overlay
            self._run(overlay.title, make, partial(self._fill, name, shown, kind, overlay))

    def _fill(
        self, name: str, shown: _Shown, kind: str, overlay: Overlay, drawings: Sequence[Drawing]
    ) -> None:
        """Put what was drawn into the layers of a form, as far as there are any, and add the others."""
        if self._shown.get(name) is not shown or shown.overlay is not overlay:
            return  # another was wanted meanwhile
        form = shown.forms[kind]
        layers = form.layers
        for layer, drawing in zip(layers, drawings, strict=False):
            _refill(layer, drawing)
        for drawing in drawings[len(layers) :]:
            layer = Layer.create(*drawing.data)
            layers.append(layer)
            with keeping_active(self._viewer):
                self._viewer.layers.insert(self._place(overlay.rank), layer)
            if drawing.finish:
                drawing.finish(layer)
        form.used = len(drawings)
        form.set_visible(seen=shown.wanted and kind == overlay.form(self._viewer.dims.ndisplay))

    def _place(self, rank: int) -> int:
        """Return where in the list of layers one of a rank belongs: below the overlays of higher ones."""
        above = [
            self._viewer.layers.index(layer)
            for shown in self._shown.values()
            if shown.overlay.rank > rank
            for layer in shown.layers
            if layer in self._viewer.layers
        ]
        return min(above, default=len(self._viewer.layers))

    def _on_turn(self) -> None:
        for name in self.names:
            self._draw(name)

    def _on_removed(self, event: Event) -> None:
        if self._removing:
            return
        for name, shown in self._shown.items():
            for kind, form in shown.forms.items():
                if event.value not in form.layers:
                    continue
                form.layers.remove(event.value)
                if shown.wanted and kind == shown.overlay.form(self._viewer.dims.ndisplay):
                    self.hide(name)
                    self._dropped(name)
                return


def _refill(layer: Layer, drawing: Drawing) -> None:
    data, keywords, _ = drawing.data
    layer.data = data
    for name in drawing.anew:
        setattr(layer, name, keywords[name])
