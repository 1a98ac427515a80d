"""What can be drawn over an inspected result: one function for each kind of overlay, and their names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from napari_shapereg.errors import InputError
from napari_shapereg.plugin import drawings
from napari_shapereg.plugin.inspected import Side
from napari_shapereg.plugin.overlays import Overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_shapereg.plugin.folds import Folds
    from napari_shapereg.plugin.inspected import Inspected
    from napari_shapereg.plugin.maps import Quantity

    Labels = Callable[[], tuple[int, ...]]

LineKind = Literal["map", "plan before", "plan after"]
LINE_KINDS: tuple[LineKind, ...] = get_args(LineKind)

FOLDS, GRID, LINES, WORST = "folds", "grid", "lines", "worst point"
_RANKS = {"maps": 0, GRID: 1, "contours": 2, LINES: 3, FOLDS: 4, WORST: 5}


def contour_name(side: Side) -> str:
    """Return the name of the overlay with the contours of a side."""
    return f"contour {side.name}"


def map_name(quantity: Quantity) -> str:
    """Return the name of the overlay with the map of a quantity."""
    return f"map {quantity.name}"


def contours(inspected: Inspected, side: Side, labels: Labels, mapped: Callable[[], bool]) -> Overlay:
    """Return the outlines of labels on slices and their surfaces in space.

    Parameters
    ----------
    inspected : Inspected
    side : Side
    labels : callable
        Returns which labels to show, when they are drawn.
    mapped : callable
        Returns whether a surface has the colours of a map then: it is to be seen, in its place this one not.
    """
    return Overlay(
        f"Contours: {side.value.lower()}",
        lambda: drawings.outline(inspected, side, labels()),
        lambda: (
            []
            if side in (Side.FIXED, Side.AFTER) and mapped()
            else drawings.surface(inspected, side, labels())
        ),
        _RANKS["contours"],
    )


def colors_of(inspected: Inspected, quantity: Quantity, labels: Labels) -> Overlay:
    """Return a quantity in colours, on slices and on the warped surface."""
    return Overlay(
        quantity.title,
        lambda: drawings.map_image(inspected, quantity),
        lambda: drawings.map_surface(inspected, quantity, labels()),
        _RANKS["maps"],
    )


def grid(inspected: Inspected, spacing: float) -> Overlay:
    """Return the deformed grid with lines so far apart, mm.

    Raises
    ------
    InputError
        The spacing is not positive.
    """
    if spacing <= 0:
        raise InputError(f"grid: received a spacing of {spacing} mm; give a positive length in mm")
    return Overlay(
        "Deformed grid",
        lambda: drawings.grid_on_slices(inspected, spacing),
        lambda: drawings.grid_in_space(inspected, spacing),
        _RANKS[GRID],
    )


def lines(inspected: Inspected, kind: LineKind, labels: Labels, most: int) -> Overlay:
    """Return at most so many lines from places to those that correspond to them."""
    make = {
        "map": lambda: drawings.lines_of_map(inspected, labels(), most),
        "plan before": lambda: drawings.lines_of_plan(inspected, Side.BEFORE, labels(), most),
        "plan after": lambda: drawings.lines_of_plan(inspected, Side.AFTER, labels(), most),
    }[kind]
    return Overlay("Correspondences", make, make, _RANKS[LINES])


def worst_point(inspected: Inspected, point: Sequence[float]) -> Overlay:
    """Return a mark at a point, LPS mm."""
    mark = partial(drawings.place, inspected, point)
    return Overlay("Marking the worst point", mark, mark, _RANKS[WORST])


def folds(inspected: Inspected, found: Folds) -> Overlay:
    """Return marks at folded voxels."""
    mark = partial(drawings.folds, inspected, found)
    return Overlay("Marking folded voxels", mark, mark, _RANKS[FOLDS])
