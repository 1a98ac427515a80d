"""Pictures of two label volumes in three planes: the fixed one filled, the other as lines over it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError, MissingExtraError
from napari_shapereg.quality.anatomy import describe_coordinate, planes
from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_shapereg.quality.anatomy import Plane
    from napari_shapereg.volumes import ImageGrid, LabelVolume

    Box = tuple[slice, slice, slice]

# Fills from light to dark and lines that are dark in every colour, so that a grey print tells them apart.
_FILLS = ("0.82", "0.66", "0.74", "0.58")
_LINES = ("#b3261e", "#0b57a4", "#1e6b34", "#6a2c91")
_MARGIN = 4.0
"""Around the labels shown, mm."""
_BAR = 10.0
"""Length of the scale bar, mm."""
_SLICES = 5
_LEGEND_LABELS = 4


def write_comparison_picture(
    path: str | os.PathLike[str], fixed: LabelVolume, before: LabelVolume, after: LabelVolume
) -> Path:
    """Draw the fixed labels with the moving ones before and after the registration, in three planes.

    Parameters
    ----------
    path : path
        A ``.png`` file, written whole or not at all.
    fixed, before, after : LabelVolume
        On one grid.

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
    picture = comparison_picture(fixed, before, after)
    with whole_file(target) as temporary:
        temporary.write_bytes(picture)
    return target


def comparison_picture(fixed: LabelVolume, before: LabelVolume, after: LabelVolume) -> bytes:
    """Return the PNG of `write_comparison_picture`: a row before, a row after, a column for each plane."""
    _require_one_grid(fixed, before, after)
    box = _box(fixed, before, after)
    views = planes(fixed.grid)
    places = [_busiest(fixed, plane) for plane in views]
    widths = [_extent(fixed.grid, box, plane)[0] for plane in views]
    figure = new_figure(9.5, _height(fixed.grid, box, views, 9.5, rows=2))
    axes = figure.subplots(2, 3, width_ratios=widths, squeeze=False)
    for row, (title, moving) in enumerate((("before", before), ("after", after))):
        for column, (plane, place) in enumerate(zip(views, places, strict=True)):
            _draw(axes[row, column], fixed, moving, plane, place, box)
        axes[row, 0].set_ylabel(f"{title}\n", fontsize=11, fontweight="bold")
    for column, plane in enumerate(views):
        axes[0, column].set_title(_heading(plane), fontsize=10)
    _legend(figure, fixed)
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
    _require_one_grid(fixed, moving)
    box = _box(fixed, moving)
    views = planes(fixed.grid)
    extents = [_extent(fixed.grid, box, plane) for plane in views]
    shares = [height / width for width, height in extents]
    figure = new_figure(9.5, 9.5 / _SLICES * sum(shares) + 1.0)
    axes = figure.subplots(3, _SLICES, height_ratios=shares, squeeze=False)
    for row, plane in enumerate(views):
        for column, place in enumerate(_spread(fixed, plane)):
            panel = axes[row, column]
            _draw(panel, fixed, moving, plane, place, box, letters=column == 0)
            panel.set_title(_where(fixed.grid, box, plane, place), fontsize=8, pad=2)
        axes[row, 0].set_ylabel(f"{_heading(plane)}\n", fontsize=9)
    _legend(figure, fixed)
    return to_png(figure)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sizes in inches, that belongs to no window.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "pictures need matplotlib, which is not installed: pip install 'napari-shapereg[report]'"
        ) from error
    return Figure(figsize=(width, height), layout="compressed")


def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def _require_one_grid(fixed: LabelVolume, *others: LabelVolume) -> None:
    for other in others:
        if other.grid.size != fixed.grid.size:
            raise InputError(
                f"the volumes lie on different grids (sizes {fixed.grid.size} and {other.grid.size}); "
                "resample them onto one grid first"
            )


def _box(*volumes: LabelVolume) -> Box:
    """Return the box that holds all labels and a margin, inside the grid."""
    boxes = [volume.bounding_box() for volume in volumes if volume.labels]
    grid = volumes[0].grid
    margins = [max(1, round(_MARGIN / length)) for length in grid.spacing[::-1]]
    first = [max(0, min(box[k].start for box in boxes) - margins[k]) for k in range(3)]
    last = [min(grid.shape[k], max(box[k].stop for box in boxes) + margins[k]) for k in range(3)]
    return (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))


def _extent(grid: ImageGrid, box: Box, plane: Plane) -> tuple[float, float]:
    """Return the width and the height of a slice of the box, mm."""
    lengths = [(part.stop - part.start) * grid.spacing[2 - axis] for axis, part in enumerate(box)]
    return lengths[plane.across], lengths[plane.down]


def _height(grid: ImageGrid, box: Box, views: tuple[Plane, ...], width: float, rows: int) -> float:
    extents = [_extent(grid, box, plane) for plane in views]
    return rows * width * max(height for _, height in extents) / sum(across for across, _ in extents) + 0.8


def _busiest(volume: LabelVolume, plane: Plane) -> int:
    others = tuple({0, 1, 2} - {plane.through})
    return int(np.count_nonzero(volume.data, axis=others).argmax())


def _spread(volume: LabelVolume, plane: Plane) -> list[int]:
    """Return slices spread evenly over the inner part of the labels, in the order of the page."""
    part = volume.bounding_box()[plane.through]
    return [int(place) for place in np.linspace(part.start, part.stop - 1, _SLICES + 2)[1:-1].round()]


def _draw(
    panel: Axes,
    fixed: LabelVolume,
    moving: LabelVolume,
    plane: Plane,
    place: int,
    box: Box,
    *,
    letters: bool = True,
) -> None:
    width, height = _extent(fixed.grid, box, plane)
    ours, theirs = (plane.cut(volume.data[_but(box, plane.through)], place) for volume in (fixed, moving))
    x = (np.arange(ours.shape[1]) + 0.5) * width / ours.shape[1]
    y = (np.arange(ours.shape[0]) + 0.5) * height / ours.shape[0]
    for number, label in enumerate(fixed.labels):
        _outline(panel, x, y, ours == label, fill=_FILLS[number % len(_FILLS)])
    for number, label in enumerate(fixed.labels):
        _outline(panel, x, y, theirs == label, line=_LINES[number % len(_LINES)])
    panel.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[], aspect="equal")
    panel.plot([width - 2 - _BAR, width - 2], [height - 2, height - 2], color="black", linewidth=2)
    if letters:
        _write_letters(panel, plane)


def _but(box: Box, axis: int) -> Box:
    parts = list(box)
    parts[axis] = slice(None)
    return (parts[0], parts[1], parts[2])


def _outline(
    panel: Axes, x: NDArray[Any], y: NDArray[Any], mask: NDArray[np.bool_], *, fill: str = "", line: str = ""
) -> None:
    if not mask.any() or mask.all():
        return
    values = mask.astype(np.float32)
    if fill:
        panel.contourf(x, y, values, levels=[0.5, 1.5], colors=[fill])
    else:
        panel.contour(x, y, values, levels=[0.5], colors=[line], linewidths=1.1)


def _write_letters(panel: Axes, plane: Plane) -> None:
    left, right, top, bottom = plane.edges
    for letter, x, y, across, down in (
        (left, 0.02, 0.5, "left", "center"),
        (right, 0.98, 0.5, "right", "center"),
        (top, 0.5, 0.98, "center", "top"),
        (bottom, 0.5, 0.02, "center", "bottom"),
    ):
        panel.text(
            *(x, y, letter),
            transform=panel.transAxes,
            horizontalalignment=across,
            verticalalignment=down,
            fontsize=9,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7},
        )


def _heading(plane: Plane) -> str:
    return plane.name if plane.tilt < 0.5 else f"{plane.name} (tilted by {plane.tilt:.0f}°)"


def _where(grid: ImageGrid, box: Box, plane: Plane, place: int) -> str:
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    middle[plane.through] = place
    point = grid.to_points([middle[::-1]])[0]
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[plane.name]
    return f"{describe_coordinate(axis, point[axis])} mm"


def _legend(figure: Figure, fixed: LabelVolume) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if len(fixed.labels) > _LEGEND_LABELS:
        handles: list[Any] = [Patch(color=_FILLS[0], label="areas: fixed")]
        handles.append(Line2D([], [], color=_LINES[0], label="lines: moving"))
    else:
        handles = _label_handles(fixed)
    handles.append(Line2D([], [], color="black", linewidth=2, label=f"{_BAR:.0f} mm"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(5, len(handles)), frameon=False, fontsize=9
    )


def _label_handles(fixed: LabelVolume) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for number, label in enumerate(fixed.labels):
        name = fixed.names.get(label) or f"label {label}"
        handles.append(Patch(color=_FILLS[number % len(_FILLS)], label=f"{name}, fixed"))
        handles.append(Line2D([], [], color=_LINES[number % len(_LINES)], label=f"{name}, moving"))
    return handles
