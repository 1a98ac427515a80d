"""Polygonal data in VTK's legacy files, the format in which 3D Slicer and ParaView exchange meshes.

The format is that of "VTK File Formats" (The VTK User's Guide, 11th edition, chapter 19): versions up to 4.2
list each cell as its size and its points, version 5.1 keeps offsets and points apart.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.point_sets import CELL_KINDS, Cells, PointSet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_KEYWORDS = dict(zip(("VERTICES", "LINES", "POLYGONS", "TRIANGLE_STRIPS"), CELL_KINDS, strict=True))
_TYPES = {
    "float": "f4",
    "double": "f8",
    "int": "i4",
    "unsigned_int": "u4",
    "long": "i8",
    "vtktypeint64": "i8",
    "vtkidtype": "i4",
}
_DIGITS = "%.12g"


class _Cursor:
    """A place in the bytes of a file, from which lines and blocks of numbers are read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0
        self.binary = False

    def line(self) -> str | None:
        """Return the next line that is not empty, or None at the end."""
        while self.place < len(self.data):
            end = self.data.find(b"\n", self.place)
            end = len(self.data) if end < 0 else end
            text = self.data[self.place : end].decode("ascii", errors="replace").strip()
            self.place = end + 1
            if text:
                return text
        return None

    def numbers(self, count: int, kind: str) -> NDArray[Any]:
        """Return the next `count` numbers of a VTK type, as float64 or int64."""
        if kind.lower() not in _TYPES:
            raise InputError(f"numbers of the type {kind!r} cannot be read; save the file with float points")
        stored = np.dtype(">" + _TYPES[kind.lower()])
        wanted = np.float64 if stored.kind == "f" else np.int64
        if self.binary:
            end = self.place + count * stored.itemsize
            if count < 0 or end > len(self.data):
                raise InputError(f"the file is truncated: it ends before {count} numbers that it announces")
            values = np.frombuffer(self.data, stored, count, self.place).astype(wanted)
            self.place = end
            return values
        return self._text_numbers(count, wanted)

    def _text_numbers(self, count: int, wanted: type[np.float64 | np.int64]) -> NDArray[Any]:
        words: list[bytes] = []
        while len(words) < count and self.place < len(self.data):
            end = self.data.find(b"\n", self.place)
            end = len(self.data) if end < 0 else end
            words += self.data[self.place : end].split()
            self.place = end + 1
        if len(words) != count:
            raise InputError(f"the file is damaged: it announces {count} numbers and holds {len(words)}")
        try:
            return np.array(words).astype(wanted)
        except ValueError as error:
            raise InputError(f"numbers are expected ({error}); export the file again") from error


def read_vtk(path: Path) -> PointSet:
    """Read the points and cells of a legacy ``.vtk`` file of polygonal data, ASCII or binary.

    Coordinates are taken as LPS mm; where the title says ``SPACE=RAS``, as older 3D Slicer writes it, they
    are converted. Data on points and cells are not read.

    Raises
    ------
    InputError
        The file is no such file, truncated or damaged.
    """
    cursor = _Cursor(path.read_bytes())
    title = _read_head(cursor)
    points: NDArray[np.float64] | None = None
    cells: list[Cells] = []
    while line := cursor.line():
        words = line.split()
        keyword = words[0].upper()
        if keyword == "POINTS":
            points = _points(cursor, words)
        elif keyword in _KEYWORDS:
            cells.append(_cells(cursor, words))
        elif keyword == "FIELD":
            _skip_field(cursor, words)
        elif keyword in ("POINT_DATA", "CELL_DATA"):
            break
    if points is None:
        raise InputError("the file has no POINTS; export it again as polygonal data (a model)")
    return PointSet(points * ras_signs(title), tuple(cells))


def write_vtk(points: PointSet, path: Path) -> None:
    """Write a legacy ASCII ``.vtk`` file (version 3.0, which every reader of the format knows).

    Parameters
    ----------
    points : PointSet
        A set without cells gets one vertex for each point: viewers show cells only. Its vectors become the
        point vectors ``displacement``.
    path : Path
    """
    count = len(points.points)
    vertices = Cells("vertices", np.ones(count, dtype=np.int64), np.arange(count))
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("# vtk DataFile Version 3.0\nnapari-shapereg SPACE=LPS\nASCII\nDATASET POLYDATA\n")
        file.write(f"POINTS {count} double\n")
        np.savetxt(file, points.points, fmt=_DIGITS)
        for keyword, kind in _KEYWORDS.items():
            blocks = [cells for cells in points.cells or (vertices,) if cells.kind == kind]
            lists = [row for cells in blocks for row in rows_of(cells)]
            if lists:
                file.write(f"{keyword} {len(lists)} {sum(len(row) + 1 for row in lists)}\n")
                file.writelines(f"{len(row)} {' '.join(map(str, row))}\n" for row in lists)
        if points.vectors is not None:
            file.write(f"POINT_DATA {count}\nVECTORS displacement double\n")
            np.savetxt(file, points.vectors, fmt=_DIGITS)


def ras_signs(header: str) -> NDArray[np.float64]:
    """Return the factors that bring coordinates to LPS: -1, -1, 1 where a header says ``SPACE=RAS``."""
    return np.array([-1.0, -1.0, 1.0] if "SPACE=RAS" in header.upper() else [1.0, 1.0, 1.0])


def _read_head(cursor: _Cursor) -> str:
    if not (cursor.line() or "").lower().startswith("# vtk datafile"):
        raise InputError("this is no legacy VTK file; in ParaView save as 'Legacy VTK', in Slicer as .vtk")
    # The title may be empty, which _Cursor.line would skip.
    end = cursor.data.find(b"\n", cursor.place)
    title = cursor.data[cursor.place : end].decode("ascii", errors="replace")
    cursor.place = end + 1
    form, dataset = (cursor.line() or "").upper(), (cursor.line() or "").upper()
    if form not in ("ASCII", "BINARY") or dataset.split() != ["DATASET", "POLYDATA"]:
        raise InputError(f"polygonal data (DATASET POLYDATA) is needed, got {form!r}, {dataset!r}")
    cursor.binary = form == "BINARY"
    return title


def _points(cursor: _Cursor, words: list[str]) -> NDArray[np.float64]:
    count = _count(words, 1)
    values = cursor.numbers(3 * count, words[2] if len(words) > 2 else "float")
    return values.reshape(-1, 3).astype(np.float64)


def _cells(cursor: _Cursor, words: list[str]) -> Cells:
    kind, first, second = _KEYWORDS[words[0].upper()], _count(words, 1), _count(words, 2)
    after_head = cursor.place
    line = cursor.line() if first else None
    if line is not None and line.upper().startswith("OFFSETS"):
        offsets = cursor.numbers(first, line.split()[-1]).astype(np.int64)
        connectivity = (cursor.line() or "CONNECTIVITY missing").split()
        indices = cursor.numbers(second, connectivity[-1]).astype(np.int64)
        return Cells(kind, np.diff(offsets), indices)
    cursor.place = after_head
    return _size_and_points(kind, first, cursor.numbers(second, "int").astype(np.int64))


def _size_and_points(kind: str, count: int, values: NDArray[np.int64]) -> Cells:
    starts = [0]
    for _ in range(count):
        if not 0 <= starts[-1] < len(values) or values[starts[-1]] < 0:
            raise InputError(f"the list of {kind} is damaged; export the file again")
        starts.append(starts[-1] + int(values[starts[-1]]) + 1)
    if starts[-1] != len(values):
        raise InputError(f"the list of {kind} is damaged; export the file again")
    heads = np.array(starts[:-1], dtype=np.int64)
    return Cells(kind, values[heads], np.delete(values, heads))


def rows_of(cells: Cells) -> list[list[int]]:
    """Return the points of each cell."""
    ends = np.concatenate([[0], np.cumsum(cells.sizes)]).tolist()
    indices = cells.indices.tolist()
    return [indices[start:stop] for start, stop in pairwise(ends)]


def _skip_field(cursor: _Cursor, words: list[str]) -> None:
    for _ in range(_count(words, 2)):
        heading = (cursor.line() or "").split()
        cursor.numbers(_count(heading, 1) * _count(heading, 2), heading[3] if len(heading) > 3 else "none")


def _count(words: list[str], place: int) -> int:
    if len(words) <= place or not words[place].isdecimal():
        raise InputError(f"a count is missing in the line {' '.join(words)[:60]!r}; export the file again")
    return int(words[place])
