"""The table of agreement: its columns, and the CSV file of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from napari_shapereg.plugin.agreement import Agreement, Row
    from napari_shapereg.quality import Metrics


@dataclass(frozen=True)
class Column:
    """One measurement of the table.

    Parameters
    ----------
    heading : str
    tooltip : str
    digits : int
        After the point.
    value : callable
        Of a row: what the column is sorted by, None where it does not exist.
    second : callable
        Of a row: what stands below, in brackets.
    """

    heading: str
    tooltip: str
    digits: int
    value: Callable[[Row], float | None]
    second: Callable[[Row], float | None]

    def texts(self, row: Row) -> tuple[str, str]:
        """Return both as text; a dash where there is no number."""
        first, second = self._write(self.value(row)), self._write(self.second(row))
        return first, f"({second})"

    def _write(self, value: float | None) -> str:
        return "–" if value is None else f"{value:.{self.digits}f}"


def _change(heading: str, tooltip: str, digits: int, field: str) -> Column:
    return Column(
        heading,
        f"{tooltip}\nIn brackets: before.",
        digits,
        lambda row: getattr(row.after, field),
        lambda row: getattr(row.before, field),
    )


CAPTION = "Distances in mm; in brackets: before. det J: smallest (median). Inv.: 95 % (largest)."
COLUMNS = (
    _change(
        "Dice",
        "Overlap with the fixed label, 0 to 1: twice the common volume over the sum of both.",
        3,
        "dice",
    ),
    _change("Vol.", "Volume over that of the fixed label: 1 where they are equal.", 2, "volume_ratio"),
    _change("ASSD", "Mean distance between the two contours, mm.", 2, "assd"),
    _change("HD95", "Distance between the two contours that 95 % of them stay below, mm.", 2, "hd95"),
    _change("HD", "Largest distance between the two contours, mm: attained at the worst point.", 2, "hd"),
    Column(
        "det J",
        "Smallest det J (fixed to moving) in the fixed label: volume of the moving tissue over that here.\n"
        "0 or below: the map folds. In brackets: the median.",
        2,
        lambda row: row.jacobian.lowest if row.jacobian else None,
        lambda row: row.jacobian.median if row.jacobian else None,
    ),
    Column(
        "Inv.",
        "How far from their start the two maps bring the voxels of the fixed label, there and back, mm:\n"
        "95th percentile. In brackets: the largest.",
        3,
        lambda row: row.inverse.high if row.inverse else None,
        lambda row: row.inverse.highest if row.inverse else None,
    ),
)


def write_agreement(agreement: Agreement, path: str | os.PathLike[str]) -> Path:
    """Write the table as CSV, with every number that the dock shows, whole or not at all.

    One row for each label, and a last one, ``all``, for the whole map. Lengths in mm, volumes in mm³, the
    worst point in LPS mm; what does not exist is left empty.

    Parameters
    ----------
    agreement : Agreement
    path : path
        The ``.csv`` file.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        It cannot be written.
    """
    lines = [_cells(row) for row in agreement.rows] + [dict(_whole_map(agreement.metrics))]
    header = list(dict.fromkeys(name for line in lines for name in line))
    with (
        whole_file(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(lines)
    return Path(path).expanduser()


def _cells(row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = {"label": row.label, "name": row.name}
    for when, values in (("before", row.before), ("after", row.after)):
        for field in ("dice", "volume_ratio", "assd", "hd95", "hd"):
            unit = "" if field in ("dice", "volume_ratio") else "_mm"
            cells[f"{field}{unit}_{when}"] = getattr(values, field)
    cells["fixed_volume_mm3"] = row.after.fixed_volume
    cells["warped_volume_mm3"] = row.after.warped_volume
    for axis, place in zip("xyz", row.after.worst_point or (None,) * 3, strict=True):
        cells[f"worst_{axis}_mm"] = place
    if row.jacobian:
        cells["det_j_min"], cells["det_j_p50"] = row.jacobian.lowest, row.jacobian.median
        cells["det_j_max"] = row.jacobian.highest
    if row.inverse:
        cells["inverse_p95_mm"], cells["inverse_max_mm"] = row.inverse.high, row.inverse.highest
    return cells


def _whole_map(metrics: Metrics) -> Iterator[tuple[str, Any]]:
    yield "label", "all"
    values = metrics.regularity
    if values:
        yield "det_j_min", values.minimum
        for percent, value in values.percentiles.items():
            yield f"det_j_p{percent}", value
        yield "det_j_max", values.maximum
        yield "folded_fraction", values.fraction_folded
    inverse = metrics.inverse_consistency
    if inverse:
        yield "inverse_mean_mm", inverse.mean
        yield "inverse_p95_mm", inverse.p95
        yield "inverse_max_mm", inverse.maximum
