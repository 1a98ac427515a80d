"""Points in tables: CSV, and the older ``.fcsv`` of 3D Slicer, a table whose comments say what it holds."""

from __future__ import annotations

import csv
from itertools import dropwhile
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.point_sets import PointSet, to_lps

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = ".12g"
_FRAMES = {"0": "RAS", "1": "LPS"}
"""What Slicer before 4.11 wrote instead of names."""


def read_table(path: Path) -> PointSet:
    """Read a table with the columns x, y and z, in mm; other columns are kept.

    The first line names the columns, or a comment ``# columns = id,x,y,z,...`` does. A comment
    ``# CoordinateSystem = RAS`` says the frame; without one it is LPS, in an ``.fcsv`` file RAS, as there.
    Comments come first: a later row may begin with ``#``, too.

    Raises
    ------
    InputError
        The file is no such table. Without the file's name, which the caller adds.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        table = list(dropwhile(lambda line: line.startswith("#"), lines))
        rows = [row for row in csv.reader(table) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"this is no text table ({error}); save it as CSV in UTF-8") from error
    stated = _comments(lines[: len(lines) - len(table)])
    if "columns" in stated:
        names = stated["columns"].split(",")
    else:
        names, rows = (rows[0], rows[1:]) if rows else ([], [])
    frame = stated.get("coordinatesystem", "RAS" if path.name.lower().endswith(".fcsv") else "LPS")
    return _points([name.strip() for name in names], rows, _FRAMES.get(frame, frame))


def write_table(points: PointSet, path: Path) -> None:
    """Write the columns x, y, z (LPS mm), dx, dy, dz where there are displacements, and the others."""
    columns = dict(points.columns)
    if points.vectors is not None:
        moves = {f"d{axis}": tuple(map(_text, points.vectors[:, k])) for k, axis in enumerate("xyz")}
        columns = {**moves, **{name: values for name, values in columns.items() if name not in moves}}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["x", "y", "z", *columns])
        for place, row in enumerate(points.points):
            writer.writerow([*map(_text, row), *(values[place] for values in columns.values())])


def _comments(lines: list[str]) -> dict[str, str]:
    pairs = (line.lstrip("#").partition("=") for line in lines)
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def _points(names: list[str], rows: list[list[str]], frame: str) -> PointSet:
    places = {name.lower(): place for place, name in enumerate(names)}
    if not {"x", "y", "z"} <= places.keys():
        raise InputError(f"the first line must name the columns x, y and z (LPS mm), got {names}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise InputError(f"row {number} has {len(row)} values, the header {len(names)}; correct it")
    try:
        points = np.array([[float(row[places[axis]]) for axis in "xyz"] for row in rows]).reshape(-1, 3)
    except ValueError as error:
        raise InputError(f"coordinates must be numbers ({error}); write them with a decimal point") from error
    others = [name for name in names if name.lower() not in ("x", "y", "z")]
    columns = {name: tuple(row[names.index(name)] for row in rows) for name in others}
    return PointSet(to_lps(points, frame), columns=columns)


def _text(value: float) -> str:
    return format(float(value), _DIGITS)
