"""Pairs of pictures of one view and size, to be shown in turn: what changes between them leaps to the eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.quality.anatomy import planes
from napari_shapereg.quality.panels import (
    MARGIN,
    WIDTH,
    Panel,
    busiest,
    draw,
    heading,
    label_box,
    new_figure,
    outline,
    require_one_grid,
    row_height,
    shadow_panels,
    slice_panel,
    to_png,
)
from napari_shapereg.quality.silhouettes import on_one_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_shapereg.quality.anatomy import Plane
    from napari_shapereg.volumes import LabelVolume


def before_and_after(fixed: LabelVolume, moving: LabelVolume, after: LabelVolume) -> tuple[bytes, bytes]:
    """Return two PNGs: silhouettes of the fixed labels, with the moving ones as they lay and warped.

    Parameters
    ----------
    fixed, after : LabelVolume
        On one grid.
    moving : LabelVolume
        As it lies, on any grid.

    Returns
    -------
    tuple of 2 bytes
        Of one size.

    Raises
    ------
    InputError
        The volumes lie on different grids.
    MissingExtraError
        matplotlib is not installed.
    """
    require_one_grid(fixed, after)
    views = planes(fixed.grid)
    ours, theirs, warped = on_one_grid(fixed, moving, after, margin=MARGIN)
    box = label_box(ours, theirs, warped)
    before_row, after_row = (shadow_panels(ours, volume, views, box) for volume in (theirs, warped))
    return _frame(before_row, views, "before"), _frame(after_row, views, "after")


def fixed_and_warped(fixed: LabelVolume, after: LabelVolume) -> tuple[bytes, bytes]:
    """Return two PNGs: the same slices of the fixed labels, and of the warped ones.

    Parameters
    ----------
    fixed, after : LabelVolume
        On one grid.

    Returns
    -------
    tuple of 2 bytes
        Of one size.

    Raises
    ------
    InputError
        The volumes lie on different grids.
    MissingExtraError
        matplotlib is not installed.
    """
    require_one_grid(fixed, after)
    views = planes(fixed.grid)
    box = label_box(fixed, after)
    both = [slice_panel(fixed, after, plane, busiest(fixed, plane), box) for plane in views]
    ours = [panel._replace(moving=[]) for panel in both]
    theirs = [panel._replace(fixed=panel.moving, moving=[]) for panel in both]
    return _frame(ours, views, "fixed"), _frame(theirs, views, "warped")


def _frame(panels: Sequence[Panel], views: Sequence[Plane], word: str) -> bytes:
    """Draw panels side by side; the word lies inside one of them, so that all frames are cut to one size."""
    height = row_height((panel.width, panel.height) for panel in panels)
    figure = new_figure(WIDTH, height + 0.6)
    axes = figure.subplots(1, 3, width_ratios=[panel.width for panel in panels])
    for place, plane, panel in zip(axes, views, panels, strict=True):
        draw(place, panel, plane)
        if not panel.moving:
            for number, mask in enumerate(panel.fixed):
                outline(place, panel, mask, number)
        place.set_title(heading(plane), fontsize=10)
    axes[0].text(
        *(0.03, 0.97, word),
        transform=axes[0].transAxes,
        verticalalignment="top",
        fontsize=11,
        fontweight="bold",
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "black", "linewidth": 0.8},
    )
    return to_png(figure)
