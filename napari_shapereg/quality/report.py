"""The report of a registration: one HTML file that holds everything and needs no network."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_shapereg.errors import MissingExtraError
from napari_shapereg.quality.anatomy import describe_point
from napari_shapereg.quality.pictures import comparison_picture, mosaic_picture, write_comparison_picture
from napari_shapereg.quality.plots import cost_plot, jacobian_plot
from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from jinja2 import Template

    from napari_shapereg.volumes import LabelVolume

__all__ = ["write_comparison_picture", "write_report"]

_TEMPLATE = "report.html.j2"


def write_report(  # noqa: PLR0913 (a report is made of that many things, each named)
    path: str | os.PathLike[str],
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
) -> Path:
    """Write the report of one registration, whole or not at all.

    Everything given is escaped: names and settings cannot become markup. The file holds no script and may
    load nothing, which its own content security policy enforces.

    Parameters
    ----------
    path : path
        The ``.html`` file.
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

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The volumes lie on different grids, or the file cannot be written.
    MissingExtraError
        Jinja2 or matplotlib is not installed.
    """
    target = Path(path).expanduser()
    page = _template().render(
        title=title,
        warnings=list(warnings),
        labels=metrics["labels"],
        jacobian=metrics.get("jacobian"),
        consistency=metrics.get("inverse_consistency"),
        comparison=_embedded(comparison_picture(fixed, moving, after)),
        mosaic=_embedded(mosaic_picture(fixed, after)),
        histogram=_embedded(jacobian_plot(metrics["jacobian"])) if metrics.get("jacobian") else None,
        costs=_embedded(cost_plot(history)) if history else None,
        provenance=list(_rows(provenance)),
        settings=list(_rows(settings)),
    )
    with whole_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return target


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
