"""Pictures of two label volumes in three planes: the fixed one filled, the other as lines over it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.quality.anatomy import describe_coordinate, planes
from napari_shapereg.quality.panels import (
    MARGIN,
    WIDTH,
    busiest,
    draw,
    extent,
    heading,
    label_box,
    legend,
    new_figure,
    require_one_grid,
    row_height,
    shadow_panels,
    slice_panel,
    to_png,
)
from napari_shapereg.quality.silhouettes import on_one_grid
from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from matplotlib.figure import SubFigure

    from napari_shapereg.quality.anatomy import Plane
    from napari_shapereg.quality.panels import Box
    from napari_shapereg.volumes import ImageGrid, LabelVolume

_SLICES = 5


def write_comparison_picture(
    path: str | os.PathLike[str], fixed: LabelVolume, moving: LabelVolume, after: LabelVolume
) -> Path:
    """Draw the fixed labels with the moving ones before and after the registration, in three planes.

    Before, silhouettes: the shapes may lie so far apart that no slice meets both. After, slices.

    Parameters
    ----------
    path : path
        A ``.png`` file, written whole or not at all.
    fixed, after : LabelVolume
        On one grid.
    moving : LabelVolume
        As it lies, on any grid.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The volumes lie on different grids, or the file cannot be written.
    MissingExtraError
        matplotlib is not installed.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() != ".png":
        raise InputError(f"{target}: the picture is a .png file, got {target.suffix or 'no ending'!r}")
    picture = comparison_picture(fixed, moving, after)
    with whole_file(target) as temporary:
        temporary.write_bytes(picture)
    return target


def comparison_picture(fixed: LabelVolume, moving: LabelVolume, after: LabelVolume) -> bytes:
    """Return the PNG of `write_comparison_picture`: a row before, a row after, a column for each plane."""
    require_one_grid(fixed, after)
    views = planes(fixed.grid)
    ours, theirs = on_one_grid(fixed, moving, margin=MARGIN)
    shadows = shadow_panels(ours, theirs, views, label_box(ours, theirs))
    box = label_box(fixed, after)
    slices = [slice_panel(fixed, after, plane, busiest(fixed, plane), box) for plane in views]
    rows = {"before: silhouettes": shadows, "after: slices": slices}
    heights = [row_height((panel.width, panel.height) for panel in panels) for panels in rows.values()]
    figure = new_figure(WIDTH, sum(heights) + 1.1)
    parts = cast("Iterable[SubFigure]", figure.subfigures(2, 1, height_ratios=heights))
    for part, (title, panels) in zip(parts, rows.items(), strict=True):
        axes = part.subplots(1, 3, width_ratios=[panel.width for panel in panels])
        for place, plane, panel in zip(axes, views, panels, strict=True):
            draw(place, panel, plane)
            place.set_title(heading(plane), fontsize=10)
        axes[0].set_ylabel(f"{title}\n", fontsize=11, fontweight="bold")
    legend(figure, fixed)
    return to_png(figure)


def mosaic_picture(fixed: LabelVolume, moving: LabelVolume) -> bytes:
    """Return a PNG with a row of slices through the labels for each plane.

    Parameters
    ----------
    fixed, moving : LabelVolume
        On one grid.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        The volumes lie on different grids.
    MissingExtraError
        matplotlib is not installed.
    """
    require_one_grid(fixed, moving)
    box = label_box(fixed, moving)
    views = planes(fixed.grid)
    extents = [extent(fixed.grid, box, plane) for plane in views]
    shares = [height / width for width, height in extents]
    figure = new_figure(WIDTH, WIDTH / _SLICES * sum(shares) + 1.0)
    axes = figure.subplots(3, _SLICES, height_ratios=shares, squeeze=False)
    for row, plane in enumerate(views):
        for column, place in enumerate(_spread(fixed, plane)):
            panel = axes[row, column]
            draw(panel, slice_panel(fixed, moving, plane, place, box), plane, letters=column == 0)
            panel.set_title(_where(fixed.grid, box, plane, place), fontsize=8, pad=2)
        axes[row, 0].set_ylabel(f"{heading(plane)}\n", fontsize=9)
    legend(figure, fixed)
    return to_png(figure)


def _spread(volume: LabelVolume, plane: Plane) -> list[int]:
    """Return slices spread evenly over the inner part of the labels, in the order of the page."""
    part = volume.bounding_box()[plane.through]
    return [int(place) for place in np.linspace(part.start, part.stop - 1, _SLICES + 2)[1:-1].round()]


def _where(grid: ImageGrid, box: Box, plane: Plane, place: int) -> str:
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    middle[plane.through] = place
    point = grid.to_points([middle[::-1]])[0]
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[plane.name]
    return f"{describe_coordinate(axis, point[axis])} mm"
