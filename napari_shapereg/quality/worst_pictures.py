"""Slices through the points where the contours of two label volumes are farthest apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.quality.anatomy import planes
from napari_shapereg.quality.panels import draw, heading, legend, new_figure, slice_panel, to_png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_shapereg.quality.anatomy import Plane
    from napari_shapereg.quality.panels import Box
    from napari_shapereg.volumes import ImageGrid, LabelVolume

_AROUND = 15.0
"""Shown on each side of a point, mm."""
_ROWS = 4
_SIDE = 2.4
"""Of a panel, inches."""


def worst_points_picture(
    fixed: LabelVolume, after: LabelVolume, points: Mapping[str, Sequence[float]]
) -> bytes:
    """Return a PNG with three slices through each of some points, of the surroundings of 15 mm.

    Parameters
    ----------
    fixed, after : LabelVolume
        On one grid.
    points : mapping from title to point
        LPS mm; the first four are drawn.

    Returns
    -------
    bytes

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    views = planes(fixed.grid)
    chosen = list(points.items())[:_ROWS]
    figure = new_figure(3 * _SIDE, len(chosen) * _SIDE + 0.7)
    axes = figure.subplots(len(chosen), 3, squeeze=False)
    for row, (title, point) in zip(axes, chosen, strict=True):
        index = _nearest(fixed.grid, point)
        for place, plane in zip(row, views, strict=True):
            _draw(place, fixed, after, plane, index)
        row[0].set_ylabel(title, fontsize=9)
    for place, plane in zip(axes[0], views, strict=True):
        place.set_title(heading(plane), fontsize=9)
    legend(figure, fixed)
    return to_png(figure)


def _nearest(grid: ImageGrid, point: Sequence[float]) -> NDArray[np.int64]:
    """Return the (z, y, x) index of the voxel nearest to a point."""
    index = grid.to_indices([point])[0].round()[::-1].astype(np.int64)
    nearest: NDArray[np.int64] = np.clip(index, 0, np.array(grid.shape) - 1)
    return nearest


def _draw(
    place: Axes, fixed: LabelVolume, after: LabelVolume, plane: Plane, index: NDArray[np.int64]
) -> None:
    box = _surroundings(fixed.grid, index)
    panel = slice_panel(fixed, after, plane, int(index[plane.through]), box)
    draw(place, panel, plane)
    across = _on_page(box, index, plane.across, fixed.grid, flip=plane.flip_across)
    down = _on_page(box, index, plane.down, fixed.grid, flip=plane.flip_down)
    place.plot([across], [down], marker="+", markersize=14, markeredgewidth=1.6, color="black")


def _surroundings(grid: ImageGrid, index: NDArray[np.int64]) -> Box:
    reach = [max(2, round(_AROUND / length)) for length in grid.spacing[::-1]]
    first, second, third = (
        slice(max(0, int(place) - width), min(count, int(place) + width + 1))
        for place, width, count in zip(index, reach, grid.shape, strict=True)
    )
    return (first, second, third)


def _on_page(box: Box, index: NDArray[np.int64], axis: int, grid: ImageGrid, *, flip: bool) -> float:
    first, last = int(box[axis].start), int(box[axis].stop)
    place = int(index[axis]) + 0.5
    return grid.spacing[2 - axis] * (last - place if flip else place - first)
