"""What is drawn over the volumes of a result: made when it is wanted, one form in 2-D and one in 3-D."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from napari.layers import Layer

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
    finish : callable, optional
        What to set on the layer that its arguments do not take.
    """

    data: LayerData
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

    def form(self, ndisplay: int) -> Make | None:
        """Return what is drawn for a number of displayed dimensions."""
        return self.plane if ndisplay == 2 else self.space


@dataclass
class _Shown:
    """An overlay with the layers that its forms have become, once they were asked for."""

    overlay: Overlay
    layers: dict[Make, list[Layer]] = field(default_factory=dict)


def at_once(_title: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
    """Do some work and what follows it, here and now: the runner of scripts and tests."""
    done(work())


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
        self._busy = False
        viewer.dims.events.ndisplay.connect(self._on_turn)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def names(self) -> tuple[str, ...]:
        """The overlays that are shown, or about to be."""
        return tuple(self._shown)

    def layers(self, name: str) -> tuple[Layer, ...]:
        """Return the layers of an overlay, those of the other view too; none where it is not shown."""
        shown = self._shown.get(name)
        return tuple(layer for group in shown.layers.values() for layer in group) if shown else ()

    def show(self, name: str, overlay: Overlay) -> None:
        """Show an overlay in place of what had its name."""
        self.hide(name)
        self._shown[name] = _Shown(overlay)
        self._draw(name)

    def hide(self, name: str) -> None:
        """Remove an overlay, or do nothing where it is not shown."""
        layers = self.layers(name)
        self._shown.pop(name, None)
        self._remove(layers)

    def redraw(self, *names: str) -> None:
        """Compute overlays anew, those that are shown."""
        for name in names:
            if name in self._shown:
                self.show(name, self._shown[name].overlay)

    def clear(self) -> None:
        """Remove all overlays."""
        for name in self.names:
            self.hide(name)

    def close(self) -> None:
        """Remove all overlays and stop listening."""
        self.clear()
        self._viewer.dims.events.ndisplay.disconnect(self._on_turn)
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _draw(self, name: str) -> None:
        shown = self._shown[name]
        make = shown.overlay.form(self._viewer.dims.ndisplay)
        if make is None:
            return
        if make in shown.layers:
            self._put(name, [layer for layer in shown.layers[make] if layer not in self._viewer.layers])
            return
        shown.layers[make] = []
        self._run(shown.overlay.title, make, partial(self._add, name, shown, make))

    def _add(self, name: str, shown: _Shown, make: Make, drawings: Sequence[Drawing]) -> None:
        if self._shown.get(name) is not shown:
            return  # another was wanted meanwhile
        here = make is shown.overlay.form(self._viewer.dims.ndisplay)
        for drawing in drawings:
            layer = Layer.create(*drawing.data)
            shown.layers[make].append(layer)
            if drawing.finish:
                drawing.finish(layer)
        if here:
            self._put(name, shown.layers[make])

    def _put(self, name: str, layers: Sequence[Layer]) -> None:
        with keeping_active(self._viewer):
            for layer in layers:
                self._viewer.layers.insert(self._place(self._shown[name].overlay.rank), layer)

    def _place(self, rank: int) -> int:
        """Return where in the list of layers one of a rank belongs: below the overlays of higher ones."""
        above = [
            self._viewer.layers.index(layer)
            for name, shown in self._shown.items()
            if shown.overlay.rank > rank
            for layer in self.layers(name)
            if layer in self._viewer.layers
        ]
        return min(above, default=len(self._viewer.layers))

    def _remove(self, layers: Sequence[Layer]) -> None:
        self._busy = True
        try:
            with keeping_active(self._viewer):
                for layer in layers:
                    if layer in self._viewer.layers:
                        self._viewer.layers.remove(layer)
        finally:
            self._busy = False

    def _on_turn(self) -> None:
        """Take what belongs to the other view out of the list of layers, and put in what belongs to this."""
        for name, shown in list(self._shown.items()):
            wanted = shown.overlay.form(self._viewer.dims.ndisplay)
            for make, layers in shown.layers.items():
                if make is not wanted:
                    self._remove(layers)
            self._draw(name)

    def _on_removed(self, event: Event) -> None:
        if self._busy:
            return
        for name in self.names:
            if event.value in self.layers(name):
                self.hide(name)
                self._dropped(name)
