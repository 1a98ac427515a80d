"""Slices of the Jacobian determinant of a map, with the fixed labels over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.quality.anatomy import planes
from napari_shapereg.quality.jacobians import jacobian_planes
from napari_shapereg.quality.panels import (
    WIDTH,
    busiest,
    extent,
    fill,
    heading,
    label_box,
    new_figure,
    outline,
    row_height,
    slice_panel,
    to_png,
    write_letters,
)

if TYPE_CHECKING:
    import SimpleITK as sitk
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from numpy.typing import NDArray

    from napari_shapereg.quality.anatomy import Plane
    from napari_shapereg.quality.panels import Box
    from napari_shapereg.volumes import LabelVolume

_DOUBLINGS = 2
"""The scale of greys reaches from a quarter to four times the volume."""
_FOLDED = "#b3261e"


def jacobian_map_picture(transform: sitk.Transform, fixed: LabelVolume) -> bytes:
    """Return a PNG of det J in three slices: dark where the map shrinks, light where it stretches.

    The slices are those that hold most of the fixed labels, within a box around these; nothing else is
    sampled. `jacobian_determinants` says how derivatives are taken; greys are those of log2 det J.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Fixed to moving points, LPS mm.
    fixed : LabelVolume

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        The transform is not 3-D.
    MissingExtraError
        matplotlib is not installed.
    """
    views = planes(fixed.grid)
    box = label_box(fixed)
    sizes = [extent(fixed.grid, box, plane) for plane in views]
    figure = new_figure(WIDTH, row_height(sizes) + 1.0)
    axes = figure.subplots(1, 3, width_ratios=[across for across, _ in sizes])
    for place, plane in zip(axes, views, strict=True):
        greys = _draw(place, plane, transform, fixed, box)
        place.set_title(heading(plane), fontsize=10)
    ticks = np.arange(-_DOUBLINGS, _DOUBLINGS + 1)
    bar = figure.colorbar(greys, ax=list(axes), location="bottom", shrink=0.5, aspect=40, ticks=ticks)
    bar.ax.set_xticklabels(["¼ or less", "½", "1", "2", "4 or more"])
    bar.set_label("det J, fixed to moving", fontsize=9)
    return to_png(figure)


def _draw(
    place: Axes, plane: Plane, transform: sitk.Transform, fixed: LabelVolume, box: Box
) -> ScalarMappable:
    panel = slice_panel(fixed, fixed, plane, busiest(fixed, plane), box)
    values = _slice(transform, fixed, plane, box)
    logs = np.log2(np.clip(values, 2.0**-_DOUBLINGS, 2.0**_DOUBLINGS))
    greys = place.imshow(
        logs,
        cmap="gray",
        vmin=-_DOUBLINGS,
        vmax=_DOUBLINGS,
        extent=(0, panel.width, panel.height, 0),
        interpolation="nearest",
    )
    fill(place, panel, values <= 0, _FOLDED)
    for number, mask in enumerate(panel.fixed):
        outline(place, panel, mask, number)
    place.set(xlim=(0, panel.width), ylim=(panel.height, 0), xticks=[], yticks=[], aspect="equal")
    write_letters(place, plane.edges)
    return greys


def _slice(transform: sitk.Transform, fixed: LabelVolume, plane: Plane, box: Box) -> NDArray[np.float32]:
    """Sample det J on one slice of the box, as it lies on the page."""
    parts = list(box)
    first = busiest(fixed, plane)
    parts[plane.through] = slice(first, first + 1)
    start = [part.start for part in parts[::-1]]
    size = [part.stop - part.start for part in parts[::-1]]
    values = np.stack(list(jacobian_planes(transform, fixed.grid.cropped(start, size))))
    return plane.cut(values, 0)
