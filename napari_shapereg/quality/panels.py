"""One panel of a picture: a slice or a silhouette of two label volumes, drawn to be told apart in grey."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_shapereg.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_shapereg.quality.anatomy import Plane
    from napari_shapereg.volumes import ImageGrid, LabelVolume

    Box = tuple[slice, slice, slice]

# Fills from light to dark and lines that are dark in every colour, so that a grey print tells them apart.
_FILLS = ("0.82", "0.66", "0.74", "0.58")
_LINES = ("#b3261e", "#0b57a4", "#1e6b34", "#6a2c91")
_STROKES: tuple[Literal["solid", "dashed", "dashdot", "dotted"], ...] = (
    "solid",
    "dashed",
    "dashdot",
    "dotted",
)
WIDTH = 9.5
"""Of a page, inches."""
MARGIN = 4.0
"""Around the labels shown, mm."""
_DOTS = 130
"""In an inch."""
_PADDING = 13
"""Around a figure, dots."""
_BAR = 10.0
"""Length of the scale bar, mm."""
_LEGEND_LABELS = 4


class Panel(NamedTuple):
    """What one picture shows: its size in mm, and the masks of the labels as they lie on the page."""

    width: float
    height: float
    fixed: list[NDArray[np.bool_]]
    moving: list[NDArray[np.bool_]]


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
    return Figure(figsize=(width, height), dpi=_DOTS, layout="compressed")


def to_png(figure: Figure) -> bytes:
    """Return a figure, cut to what is drawn, as the bytes of a PNG file, the same for the same figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        # The solver of layouts adds in the order of addresses in memory: its last bits vary.
        axes.set_position(tuple(np.round(axes.get_position(original=True).bounds, 6)))
    # Not `Figure.savefig`, which draws all twice more to find out what it should cut.
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    drawn = _cut(np.asarray(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    Image.fromarray(drawn).save(buffer, "png", compress_level=3)
    return buffer.getvalue()


def _cut(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the part of an image that is not white, and some white around it."""
    ink = (pixels[..., :3] < pixels.max()).any(axis=2)
    parts = []
    for axis in (1, 0):
        drawn = np.flatnonzero(ink.any(axis=axis))
        parts.append(slice(max(0, drawn[0] - _PADDING), drawn[-1] + 1 + _PADDING))
    return pixels[tuple(parts)]


def row_height(sizes: Iterable[tuple[float, float]]) -> float:
    """Return the height in inches at which panels of some widths and heights fill the width of the page."""
    widths, heights = zip(*sizes, strict=True)
    height: float = WIDTH * max(heights) / sum(widths)
    return height


def require_one_grid(fixed: LabelVolume, *others: LabelVolume) -> None:
    """Refuse volumes of different sizes.

    Raises
    ------
    InputError
        They are.
    """
    for other in others:
        if other.grid.size != fixed.grid.size:
            raise InputError(
                f"the volumes lie on different grids (sizes {fixed.grid.size} and {other.grid.size}); "
                "resample them onto one grid first"
            )


def label_box(*volumes: LabelVolume) -> Box:
    """Return the box that holds all labels and a margin, inside the grid."""
    boxes = [volume.bounding_box() for volume in volumes if volume.labels]
    grid = volumes[0].grid
    margins = [max(1, round(MARGIN / length)) for length in grid.spacing[::-1]]
    first = [max(0, min(box[k].start for box in boxes) - margins[k]) for k in range(3)]
    last = [min(grid.shape[k], max(box[k].stop for box in boxes) + margins[k]) for k in range(3)]
    return (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))


def extent(grid: ImageGrid, box: Box, plane: Plane) -> tuple[float, float]:
    """Return the width and the height of a slice of the box, mm."""
    lengths = [(part.stop - part.start) * grid.spacing[2 - axis] for axis, part in enumerate(box)]
    return lengths[plane.across], lengths[plane.down]


def shadow_panels(fixed: LabelVolume, moving: LabelVolume, views: tuple[Plane, ...], box: Box) -> list[Panel]:
    """Return the silhouettes of two volumes on one grid, in each plane."""
    return [
        Panel(
            *extent(fixed.grid, box, plane),
            [plane.shadow(fixed.data[box] == label) for label in fixed.labels],
            [plane.shadow(moving.data[box] == label) for label in fixed.labels],
        )
        for plane in views
    ]


def slice_panel(fixed: LabelVolume, moving: LabelVolume, plane: Plane, place: int, box: Box) -> Panel:
    """Return the slice of two volumes on one grid at voxel `place` along the normal of a plane."""
    ours, theirs = (plane.cut(volume.data[_but(box, plane.through)], place) for volume in (fixed, moving))
    return Panel(
        *extent(fixed.grid, box, plane),
        [ours == label for label in fixed.labels],
        [theirs == label for label in fixed.labels],
    )


def busiest(volume: LabelVolume, plane: Plane) -> int:
    """Return the slice that holds most labelled voxels."""
    others = tuple({0, 1, 2} - {plane.through})
    return int(np.count_nonzero(volume.data, axis=others).argmax())


def draw(place: Axes, panel: Panel, plane: Plane, *, letters: bool = True) -> None:
    """Draw the fixed labels filled, the moving ones as lines, a bar of 10 mm and the letters of the edges."""
    width, height = panel.width, panel.height
    for number, mask in enumerate(panel.fixed):
        fill(place, panel, mask, _FILLS[number % len(_FILLS)])
    for number, mask in enumerate(panel.moving):
        outline(place, panel, mask, number)
    place.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[], aspect="equal")
    draw_bar(place, width - 2, height - 2)
    if letters:
        write_letters(place, plane.edges)


def draw_bar(place: Axes, right: float, level: float) -> None:
    """Draw a bar of 10 mm that ends at a place on the page, mm."""
    place.plot([right - _BAR, right], [level, level], color="black", linewidth=2)


def _but(box: Box, axis: int) -> Box:
    parts = list(box)
    parts[axis] = slice(None)
    return (parts[0], parts[1], parts[2])


def fill(place: Axes, panel: Panel, mask: NDArray[np.bool_], colour: str) -> None:
    """Fill a mask with a colour."""
    if mask.any() and not mask.all():
        place.contourf(*_heights(panel, mask), levels=[0.5, 1.5], colors=[colour])


def outline(place: Axes, panel: Panel, mask: NDArray[np.bool_], number: int) -> None:
    """Draw the line around a mask in the colour and the stroke of the label of that number."""
    if mask.any() and not mask.all():
        place.contour(
            *_heights(panel, mask),
            levels=[0.5],
            colors=[_LINES[number % len(_LINES)]],
            linestyles=[_STROKES[number % len(_STROKES)]],
            linewidths=1.1,
        )


def _heights(panel: Panel, mask: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return x and y of the pixels on the page, mm, and the mask as heights for contours."""
    for axis in (0, 1):
        if mask.shape[axis] == 1:  # Contours take two rows and two columns at least.
            mask = mask.repeat(2, axis=axis)
    rows, columns = mask.shape
    x = (np.arange(columns) + 0.5) * panel.width / columns
    y = (np.arange(rows) + 0.5) * panel.height / rows
    return x, y, mask.astype(np.float32)


def write_letters(panel: Axes, edges: tuple[str, str, str, str]) -> None:
    """Write letters such as R, L, A, P at the left, right, top and bottom edge."""
    left, right, top, bottom = edges
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


def heading(plane: Plane) -> str:
    """Return the name of a plane, and how far the grid is tilted from it."""
    return plane.name if plane.tilt < 0.5 else f"{plane.name} (tilted by {plane.tilt:.0f}°)"


def legend(figure: Figure, fixed: LabelVolume) -> None:
    """Say below a figure which label is which, while they are few."""
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
        colour, stroke = _LINES[number % len(_LINES)], _STROKES[number % len(_STROKES)]
        handles.append(Line2D([], [], color=colour, linestyle=stroke, label=f"{name}, moving"))
    return handles
