"""Pictures of two label volumes in three planes: the fixed one filled, the other as lines over it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from napari_shapereg.errors import InputError, MissingExtraError
from napari_shapereg.quality.anatomy import describe_coordinate, planes
from napari_shapereg.quality.silhouettes import on_one_grid
from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
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
_WIDTH = 9.5
"""Of a page, inches."""
_SLICES = 5
_LEGEND_LABELS = 4


class _Panel(NamedTuple):
    """What one picture shows: its size in mm, and the masks of the labels as they lie on the page."""

    width: float
    height: float
    fixed: list[NDArray[np.bool_]]
    moving: list[NDArray[np.bool_]]


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
    _require_one_grid(fixed, after)
    views = planes(fixed.grid)
    shadows = _shadows(*on_one_grid(fixed, moving, margin=_MARGIN), views)
    box = _box(fixed, after)
    slices = [_slice(fixed, after, plane, _busiest(fixed, plane), box) for plane in views]
    rows = {"before: silhouettes": shadows, "after: slices": slices}
    heights = [_row_height(panels) for panels in rows.values()]
    figure = new_figure(_WIDTH, sum(heights) + 1.1)
    parts = cast("Iterable[SubFigure]", figure.subfigures(2, 1, height_ratios=heights))
    for part, (title, panels) in zip(parts, rows.items(), strict=True):
        axes = part.subplots(1, 3, width_ratios=[panel.width for panel in panels])
        for place, plane, panel in zip(axes, views, panels, strict=True):
            _draw(place, panel, plane)
            place.set_title(_heading(plane), fontsize=10)
        axes[0].set_ylabel(f"{title}\n", fontsize=11, fontweight="bold")
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
    figure = new_figure(_WIDTH, _WIDTH / _SLICES * sum(shares) + 1.0)
    axes = figure.subplots(3, _SLICES, height_ratios=shares, squeeze=False)
    for row, plane in enumerate(views):
        for column, place in enumerate(_spread(fixed, plane)):
            panel = axes[row, column]
            _draw(panel, _slice(fixed, moving, plane, place, box), plane, letters=column == 0)
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
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        # The solver of layouts adds in the order of addresses in memory: its last bits vary.
        axes.set_position(tuple(np.round(axes.get_position(original=True).bounds, 6)))
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


def _row_height(panels: list[_Panel]) -> float:
    """Return the height in inches at which panels side by side fill the width of the page."""
    return _WIDTH * max(panel.height for panel in panels) / sum(panel.width for panel in panels)


def _shadows(fixed: LabelVolume, moving: LabelVolume, views: tuple[Plane, ...]) -> list[_Panel]:
    box = _box(fixed, moving)
    return [
        _Panel(
            *_extent(fixed.grid, box, plane),
            [plane.shadow(fixed.data[box] == label) for label in fixed.labels],
            [plane.shadow(moving.data[box] == label) for label in fixed.labels],
        )
        for plane in views
    ]


def _slice(fixed: LabelVolume, moving: LabelVolume, plane: Plane, place: int, box: Box) -> _Panel:
    ours, theirs = (plane.cut(volume.data[_but(box, plane.through)], place) for volume in (fixed, moving))
    return _Panel(
        *_extent(fixed.grid, box, plane),
        [ours == label for label in fixed.labels],
        [theirs == label for label in fixed.labels],
    )


def _busiest(volume: LabelVolume, plane: Plane) -> int:
    others = tuple({0, 1, 2} - {plane.through})
    return int(np.count_nonzero(volume.data, axis=others).argmax())


def _spread(volume: LabelVolume, plane: Plane) -> list[int]:
    """Return slices spread evenly over the inner part of the labels, in the order of the page."""
    part = volume.bounding_box()[plane.through]
    return [int(place) for place in np.linspace(part.start, part.stop - 1, _SLICES + 2)[1:-1].round()]


def _draw(place: Axes, panel: _Panel, plane: Plane, *, letters: bool = True) -> None:
    width, height = panel.width, panel.height
    for number, mask in enumerate(panel.fixed):
        _outline(place, panel, mask, fill=_FILLS[number % len(_FILLS)])
    for number, mask in enumerate(panel.moving):
        _outline(place, panel, mask, line=_LINES[number % len(_LINES)])
    place.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[], aspect="equal")
    place.plot([width - 2 - _BAR, width - 2], [height - 2, height - 2], color="black", linewidth=2)
    if letters:
        _write_letters(place, plane)


def _but(box: Box, axis: int) -> Box:
    parts = list(box)
    parts[axis] = slice(None)
    return (parts[0], parts[1], parts[2])


def _outline(place: Axes, panel: _Panel, mask: NDArray[np.bool_], *, fill: str = "", line: str = "") -> None:
    if not mask.any() or mask.all():
        return
    rows, columns = mask.shape
    x = (np.arange(columns) + 0.5) * panel.width / columns
    y = (np.arange(rows) + 0.5) * panel.height / rows
    values = mask.astype(np.float32)
    if fill:
        place.contourf(x, y, values, levels=[0.5, 1.5], colors=[fill])
    else:
        place.contour(x, y, values, levels=[0.5], colors=[line], linewidths=1.1)


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
