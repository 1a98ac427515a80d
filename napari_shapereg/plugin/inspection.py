"""Inspection without a window: which result, which label, what is drawn over it, what is exported."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.utils.events import EmitterGroup, Event

from napari_shapereg.errors import InputError
from napari_shapereg.plugin import overlay_choices as choices
from napari_shapereg.plugin.agreement_table import write_agreement
from napari_shapereg.plugin.comparing import Comparing, results_in
from napari_shapereg.plugin.former_results import open_volumes, read_former
from napari_shapereg.plugin.inspected import Inspected, Side
from napari_shapereg.plugin.maps import QUANTITIES
from napari_shapereg.plugin.overlay_choices import FOLDS, GRID, LINES, WORST, contour_name, map_name
from napari_shapereg.plugin.overlays import Overlays, at_once
from napari_shapereg.plugin.scene import look_at
from napari_shapereg.plugin.timely import Timely

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_shapereg.plugin.comparison import Mode
    from napari_shapereg.plugin.maps import Quantity
    from napari_shapereg.plugin.overlay_choices import LineKind
    from napari_shapereg.plugin.overlays import Overlay, Runner
    from napari_shapereg.registration import RegisteredPair


class Inspection:
    """What the inspection dock binds to.

    Parameters
    ----------
    viewer : ViewerModel
        A `napari.Viewer`, or a model without a window.
    run : callable
        Takes a title, a function that computes, and one that takes what it returns: the dock computes in a
        worker, one thing at a time. By default everything is done at once.

    Attributes
    ----------
    events : EmitterGroup
        ``results``: there are others to choose from; ``chosen``: another one is inspected; ``measured``: its
        table is there; ``drawn``: overlays were shown or removed; ``isolated``: one label is shown alone, or
        all again.
    """

    def __init__(self, viewer: ViewerModel, run: Runner = at_once) -> None:
        """Choose nothing yet, and listen to the layers."""
        self.viewer = viewer
        self._run = run
        self.events = EmitterGroup(
            source=self, results=Event, chosen=Event, measured=Event, drawn=Event, isolated=Event
        )
        self.inspected: Inspected | None = None
        self.comparing: Comparing | None = None
        self.label: int | None = None
        self.measured = False
        self._quantity: Quantity | None = None
        self._from_layer = False
        self._start = Timely(run, lambda: self.inspected)
        self.overlays = Overlays(viewer, self._start, self._on_dropped)
        viewer.layers.events.inserted.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_layers)
        viewer.dims.events.ndisplay.connect(self._tidy)

    # ------------------------------------------------------------------------------------------------ results

    def results(self) -> dict[str, RegisteredPair]:
        """Return the results that layers carry, by the name of the layer."""
        return results_in(self.viewer.layers)

    def choose(self, pair: RegisteredPair | None) -> None:
        """Inspect a result, or none: what was drawn for the last one goes, its own layers stay."""
        if self.inspected and self.inspected.pair is pair:
            return
        if self.comparing:
            self.comparing.close()
        self.overlays.clear()
        self.comparing, self.label, self.measured, self._quantity = None, None, False, None
        self.inspected = Inspected(pair) if pair is not None else None
        self._from_layer = self._is_carried()
        self.events.chosen()
        if self.inspected is None:
            return
        inspected = self.inspected
        sides = Side.FIXED, Side.AFTER
        self._start("Resampling the labels", lambda: [*map(inspected.volume, sides)], self._show_volumes)
        self._start("Measuring the agreement", lambda: inspected.agreement, self._on_measured)

    def load(self, folder: str | os.PathLike[str]) -> None:
        """Read a result from its folder, show its labels and inspect it.

        The volumes that were registered are read from where they were, or taken from the labels layers that
        are open.

        Parameters
        ----------
        folder : path

        Raises
        ------
        InputError
            The folder holds no result, or a volume is found nowhere.
        """
        read = partial(read_former, folder, open_volumes(self.viewer))
        self._run("Reading the result", read, self.choose)

    # ------------------------------------------------------------------------------------------------- labels

    def isolate(self, label: int | None) -> None:
        """Show one label alone, or all where it is None."""
        self.label = label
        if self.comparing:
            self.comparing.isolate(label)
        self.overlays.redraw(*(name for name in self.overlays.names if name not in (GRID, FOLDS, WORST)))
        if label is None:
            self.overlays.hide(WORST)
        self.events.isolated()

    def colors(self) -> dict[int, tuple[float, float, float]]:
        """Return the colours of the labels on the screen, from 0 to 1."""
        return self.comparing.colors() if self.comparing else {}

    def show_worst(self, label: int) -> None:
        """Show a label alone and look at its worst point: where the two contours are furthest apart.

        A label that is missing in one of the volumes has no such point, and is only shown alone.
        """
        inspected = self._needed()
        self.isolate(label)
        row = inspected.agreement.row(label)
        point = row.after.worst_point if row else None
        if point is None:
            self.overlays.hide(WORST)
            return
        self.overlays.show(WORST, choices.worst_point(inspected, point))
        self.look_at(point)

    def look_at(self, point: Sequence[float]) -> None:
        """Move the slices and the camera to a point, LPS mm."""
        look_at(self.viewer, self._needed().frame.to_display([point])[0])

    # ----------------------------------------------------------------------------------------------- overlays

    def show_contours(self, side: Side, *, shown: bool) -> None:
        """Outline the labels of a side in 2-D, draw their surfaces in 3-D, or stop doing so."""
        overlay = choices.contours(self._needed(), side, self._labels, lambda: self._quantity is not None)
        self._draw(contour_name(side), overlay if shown else None)

    def show_map(self, quantity: Quantity | None) -> None:
        """Draw a quantity on the slices in 2-D and on the warped surface in 3-D, or none."""
        inspected, self._quantity = self._needed(), quantity
        for other in QUANTITIES:
            if other is not quantity:
                self.overlays.hide(map_name(other))
        if quantity is not None:
            self.overlays.show(map_name(quantity), choices.colors_of(inspected, quantity, self._labels))
        self.overlays.redraw(contour_name(Side.FIXED), contour_name(Side.AFTER))
        self._after_drawing()

    def show_grid(self, spacing: float | None) -> None:
        """Draw the deformed grid with lines so far apart (mm), or none.

        Raises
        ------
        InputError
            The spacing is not positive.
        """
        inspected = self._needed()
        self._draw(GRID, None if spacing is None else choices.grid(inspected, spacing))

    def show_lines(self, kind: LineKind | None, most: int = 1000) -> None:
        """Draw which place corresponds to which, or nothing.

        Parameters
        ----------
        kind : "map", "plan before", "plan after" or None
            From the moving surface to where the map carries it; from the moving surface as it lies, or as it
            was warped, to where the optimal plan of transport to the fixed surface sends it.
        most : int
            Number of lines, at most.
        """
        inspected = self._needed()
        self._draw(LINES, None if kind is None else choices.lines(inspected, kind, self._labels, most))

    # --------------------------------------------------------------------------------------------- comparison

    def compare(self, mode: Mode | None, first: Side = Side.FIXED, second: Side = Side.AFTER) -> None:
        """Compare two volumes in a mode of `napari_shapereg.plugin.comparison`, or stop comparing."""
        inspected = self._needed()
        self._start(
            "Resampling the labels",
            lambda: [inspected.box, *map(inspected.volume, (Side.FIXED, Side.AFTER, first, second))],
            lambda _needed: self._compare(mode, first, second),
        )

    # ------------------------------------------------------------------------------------------------- export

    def export_table(self, path: str | os.PathLike[str]) -> Path:
        """Write the table as CSV.

        Raises
        ------
        InputError
            No result is chosen, or the file cannot be written.
        """
        return write_agreement(self._needed().agreement, path)

    def export_result(self, folder: str | os.PathLike[str], **options: bool) -> None:
        """Write everything that the command line writes; `options` are those of `RegisteredPair.save`."""
        save = self._needed().pair.save
        self._start("Writing the result", partial(save, folder, **options), lambda _files: None)

    def close(self) -> None:
        """Remove what was drawn, leave the layers as they were found, and stop listening."""
        self.choose(None)
        self.overlays.close()
        self.viewer.layers.events.inserted.disconnect(self._on_layers)
        self.viewer.layers.events.removed.disconnect(self._on_layers)
        self.viewer.dims.events.ndisplay.disconnect(self._tidy)

    # ------------------------------------------------------------------------------------------------ private

    def _needed(self) -> Inspected:
        if self.inspected is None:
            raise InputError("no result is chosen; register a pair first, or load the folder of a result")
        return self.inspected

    def _is_carried(self) -> bool:
        pairs = self.results().values()
        return self.inspected is not None and any(pair is self.inspected.pair for pair in pairs)

    def _labels(self) -> tuple[int, ...]:
        return self._needed().pair.labels if self.label is None else (self.label,)

    def _show_volumes(self, _volumes: object) -> None:
        inspected = self._needed()
        if self._from_layer and not self._is_carried():
            self.choose(None)
            return
        comparing = Comparing(self.viewer, inspected)
        comparing.start(None, Side.FIXED, Side.AFTER)
        # Not before: the layers of a result from a folder come one after the other.
        self.comparing = comparing
        # The two volumes have the same colours: their contours tell them apart.
        for side in (Side.FIXED, Side.AFTER):
            self.show_contours(side, shown=True)

    def _compare(self, mode: Mode | None, first: Side, second: Side) -> None:
        if self.comparing:
            self.comparing.start(mode, first, second)
            self._tidy()

    def _on_measured(self, _agreement: object) -> None:
        self.measured = True
        inspected = self._needed()
        found = inspected.agreement.folds
        if found.total:
            self.overlays.show(FOLDS, choices.folds(inspected, found))
        self.events.measured()

    def _draw(self, name: str, overlay: Overlay | None) -> None:
        if overlay is None:
            self.overlays.hide(name)
        else:
            self.overlays.show(name, overlay)
        self._after_drawing()

    def _after_drawing(self) -> None:
        self._tidy()
        self.events.drawn()

    def _tidy(self) -> None:
        """Hide the filled volumes in 3-D where surfaces are drawn, which they would cover."""
        if self.comparing:
            surfaces = any(name.startswith(("map", "contour")) for name in self.overlays.names)
            self.comparing.filled = not (surfaces and self.viewer.dims.ndisplay == 3)
            self.comparing.arrange()

    def _on_dropped(self, name: str) -> None:
        if self._quantity and name == map_name(self._quantity):
            self._quantity = None
        self._after_drawing()

    def _on_layers(self) -> None:
        if self.comparing and not self._is_carried():
            self.choose(None)
        self.events.results()
