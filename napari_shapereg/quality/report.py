"""The report of a registration: one HTML or PDF file that holds everything and needs no network."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_shapereg.errors import MissingExtraError
from napari_shapereg.quality.anatomy import describe_point
from napari_shapereg.quality.flicker import before_and_after, fixed_and_warped
from napari_shapereg.quality.map_pictures import jacobian_map_picture
from napari_shapereg.quality.orientation import orientation_rows
from napari_shapereg.quality.pictures import mosaic_picture, write_comparison_picture
from napari_shapereg.quality.plots import cost_plot, jacobian_plot
from napari_shapereg.quality.report_pdf import page_as_pdf
from napari_shapereg.quality.surface_pictures import displacement_picture
from napari_shapereg.quality.worst_pictures import worst_points_picture
from napari_shapereg.volumes.files import file_ending, naming, whole_file

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import SimpleITK as sitk
    from jinja2 import Template
    from numpy.typing import NDArray

    from napari_shapereg.quality.regularity import Regularity
    from napari_shapereg.quality.surface_pictures import Displacement
    from napari_shapereg.volumes import LabelVolume

__all__ = [
    "Page",
    "ReportedMap",
    "draw_histogram",
    "draw_labels",
    "draw_map",
    "report_page",
    "write_comparison_picture",
    "write_page",
]

ENDINGS = (".html", ".pdf")
_TEMPLATE = "report.html.j2"
_SEED = "none: no random numbers are drawn"


class ReportedMap(NamedTuple):
    """The map of a registration, as its pictures need it.

    Attributes
    ----------
    transform : SimpleITK.Transform
        Fixed to moving points, y ↦ A⁻¹(y + u(y)), LPS mm.
    displacement : callable
        Takes (N, 3) fixed points and returns u there, LPS mm.
    """

    transform: sitk.Transform
    displacement: Displacement


class Page(NamedTuple):
    """A report as one HTML page."""

    title: str
    html: str


def draw_map(fixed: LabelVolume, mapping: ReportedMap) -> dict[str, Any]:
    """Draw the pictures of a report that need no warped labels: the displacement and det J.

    Parameters
    ----------
    fixed : LabelVolume
    mapping : ReportedMap

    Returns
    -------
    dict
        Pictures by their names in the page.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    return {
        "displacement": _embedded(displacement_picture(fixed, mapping.displacement)),
        "map": _embedded(jacobian_map_picture(mapping.transform, fixed)),
    }


def draw_histogram(regularity: Regularity) -> dict[str, Any]:
    """Draw the picture of a report that needs the determinants of the map, as `draw_map` does its own."""
    plot = jacobian_plot(regularity.histogram_edges, regularity.histogram_counts)
    return {"histogram": _embedded(plot)}


def draw_labels(fixed: LabelVolume, moving: LabelVolume, after: LabelVolume) -> dict[str, Any]:
    """Draw the pictures of a report that need no measurements: silhouettes and slices.

    Parameters
    ----------
    fixed, moving, after : LabelVolume
        See `report_page`.

    Returns
    -------
    dict
        Pictures by their names in the page.

    Raises
    ------
    InputError
        The fixed and the warped labels lie on different grids.
    MissingExtraError
        matplotlib is not installed.
    """
    return {
        "in_turn": [_embedded(picture) for picture in before_and_after(fixed, moving, after)],
        "slices_in_turn": [_embedded(picture) for picture in fixed_and_warped(fixed, after)],
        "mosaic": _embedded(mosaic_picture(fixed, after)),
    }


def report_page(  # noqa: PLR0913 (a report is made of that many things, each named)
    *,
    title: str,
    fixed: LabelVolume,
    moving: LabelVolume,
    after: LabelVolume,
    metrics: Mapping[str, Any],
    settings: Mapping[str, Any],
    history: Sequence[tuple[str, int, float]],
    provenance: Mapping[str, Any],
    warnings: Sequence[str],
    pictures: Mapping[str, Any],
    matrix: NDArray[np.float64] | None = None,
) -> Page:
    """Lay out the report of one registration.

    Everything given is escaped: names and settings cannot become markup. The page holds no script and may
    load nothing, which its own content security policy enforces.

    Parameters
    ----------
    title : str
    fixed, moving, after : LabelVolume
        The fixed labels, the moving ones as they lie, on a grid of their own, and the warped ones on the
        fixed grid.
    metrics : mapping
        What `Metrics.to_dict` returns.
    settings, provenance : mapping
        Plain values, nested or not: what was asked for; who, what, when, with which versions.
    history : sequence of (stage, iteration, cost)
        In the order of the run; may be empty.
    warnings : sequence of str
        Sentences such as those of `concerns`.
    pictures : mapping
        What `draw_labels` returns and, where the map is known, what `draw_map` and `draw_histogram` return.
    matrix : (3, 3) float64 array, optional
        Of the linear part of the map, moving to fixed.

    Returns
    -------
    Page

    Raises
    ------
    InputError
        The fixed and the warped labels lie on different grids.
    MissingExtraError
        Jinja2 or matplotlib is not installed.
    """
    worst = _worst_points(metrics["labels"])
    html = _template().render(
        title=title,
        warnings=list(warnings),
        labels=metrics["labels"],
        jacobian=metrics.get("jacobian"),
        consistency=metrics.get("inverse_consistency"),
        orientation=orientation_rows(fixed, moving, matrix),
        worst=_embedded(worst_points_picture(fixed, after, worst)) if worst else None,
        costs=_embedded(cost_plot(history)) if history else None,
        provenance=list(_rows(provenance)),
        settings=list(_rows({**settings, "seed": _SEED})),
        **{"displacement": None, "map": None, "histogram": None, **pictures},
    )
    return Page(_sound(title), _sound(html))


def write_page(page: Page, path: str | os.PathLike[str]) -> Path:
    """Write a report, whole or not at all.

    The PDF file is laid out from the page, so that it says the same; letters that its font, DejaVu Sans,
    lacks appear in it as boxes.

    Parameters
    ----------
    page : Page
    path : path
        The ``.html`` or ``.pdf`` file.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The ending is another one, or the file cannot be written.
    MissingExtraError
        For a PDF, fpdf2 is not installed.
    """
    target = Path(path).expanduser()
    with naming(target):
        ending = file_ending(target, ENDINGS)
    content = page.html.encode("utf-8") if ending == ".html" else page_as_pdf(page.html, page.title)
    with whole_file(target) as temporary:
        temporary.write_bytes(content)
    return target


def _worst_points(labels: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the points where contours are farthest apart, the farthest first."""
    rows = [(label, row["after"]) for label, row in labels.items() if row["after"]]
    known = [(label, after) for label, after in rows if after.get("worst_point")]
    known.sort(key=lambda pair: -pair[1]["hd"])
    return {f"label {label}: {after['hd']:.1f} mm": after["worst_point"] for label, after in known}


def _template() -> Template:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError(
            "the report needs Jinja2, which is not installed: pip install 'napari-shapereg[report]'"
        ) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, percent=_percent, point=_point)
    source = resources.files("napari_shapereg.quality").joinpath(_TEMPLATE).read_text("utf-8")
    return environment.from_string(source)


def _sound(text: str) -> str:
    """Write out what is no letter: the names of files may be any bytes."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def _embedded(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def _rows(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested mappings as (path, text)."""
    for name, value in values.items():
        path = f"{prefix}{name}"
        if hasattr(value, "items"):
            yield from _rows(value, f"{path} · ")
        elif isinstance(value, (list, tuple)):
            yield path, ", ".join(map(str, value))
        else:
            yield path, "—" if value is None else str(value)


def _number(value: float | None, digits: int) -> str:
    return "—" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.4%}" if 0 < value < 1e-3 else f"{value:.1%}"


def _point(value: Sequence[float] | None) -> str:
    return "—" if value is None else describe_point(list(value))
