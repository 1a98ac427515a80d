"""Landmarks in the ``.mrk.json`` files of 3D Slicer.

See the section "Markups" of 3D Slicer's documentation of its file formats, and its markups-schema-v1.0.3.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.point_sets import PointSet, to_lps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The name by which Slicer knows the format; nothing is fetched from there.
_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_TEXTS = ("label", "description")
_DAMAGED = "this is no markups file of 3D Slicer, or it is damaged"


def read_markups(path: Path) -> PointSet:
    """Read the control points of all markups of a file, with their ``label`` and ``description`` as columns.

    Points that are not placed (position status other than "defined") are left out.

    Raises
    ------
    InputError
        The file is no markups file, its unit is not mm, or its frame neither LPS nor RAS. Without the file's
        name, which the caller adds.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        markups = content["markups"]
        found = [pair for markup in markups for pair in _placed(markup)]
        points = np.array([position for _, position in found], dtype=np.float64).reshape(-1, 3)
        columns = {name: tuple(str(control.get(name, "")) for control, _ in found) for name in _TEXTS}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{_DAMAGED} ({error!r}); save it again") from error
    return PointSet(points, columns={name: values for name, values in columns.items() if any(values)})


def write_markups(points: PointSet, path: Path) -> None:
    """Write a point list in LPS mm; the columns ``label`` (or ``name``) and ``description`` are kept."""
    labels = names_of(points) or tuple(str(number) for number in range(1, len(points.points) + 1))
    notes = points.columns.get("description", ("",) * len(labels))
    controls = [
        {
            "id": str(number),
            "label": label,
            "description": note,
            "position": position,
            "positionStatus": "defined",
        }
        for number, (label, note, position) in enumerate(
            zip(labels, notes, points.points.tolist(), strict=True), start=1
        )
    ]
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": controls,
    }
    text = json.dumps({"@schema": _SCHEMA, "markups": [markup]}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def names_of(points: PointSet) -> tuple[str, ...] | None:
    """Return the column ``label`` or ``name`` of landmarks, or None where they have neither."""
    return points.columns.get("label") or points.columns.get("name")


def _placed(markup: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[float]]]:
    unit = markup.get("coordinateUnits", "mm")
    if (unit[0] if isinstance(unit, list) else unit) != "mm":
        raise InputError(f"positions must be in mm, got {unit!r}; change the unit in Slicer")
    for control in markup.get("controlPoints", ()):
        if control.get("positionStatus", "defined") == "defined":
            position = np.asarray(control["position"], dtype=np.float64).reshape(1, 3)
            yield control, to_lps(position, str(markup.get("coordinateSystem", "LPS")))[0].tolist()
