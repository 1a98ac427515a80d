"""Meshes in PLY files (G. Turk, The PLY Polygon File Format, Stanford University, 1994)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.point_sets import Cells, PointSet
from napari_shapereg.transforms.vtk_polydata import ras_signs, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CODES = {
    "char": "b",
    "int8": "b",
    "uchar": "B",
    "uint8": "B",
    "short": "h",
    "int16": "h",
    "ushort": "H",
    "uint16": "H",
    "int": "i",
    "int32": "i",
    "uint": "I",
    "uint32": "I",
    "float": "f",
    "float32": "f",
    "double": "d",
    "float64": "d",
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_LIST_NAMES = ("vertex_indices", "vertex_index")

_Columns = dict[str, dict[str, list[list[float]]]]
"""Element name, property name, then one list of values for each row."""


@dataclass(frozen=True)
class _Element:
    """An element of the header: a name, how many rows follow, and the properties of a row.

    A property is its name, the type of its values, and the type of the count before them (None: one value).
    """

    name: str
    count: int
    properties: list[tuple[str, str, str | None]] = field(default_factory=list)


def read_ply(path: Path) -> PointSet:
    """Read the vertices, faces and edges of a ``.ply`` file, ASCII or binary.

    Coordinates are taken as LPS mm; where a comment says ``SPACE=RAS``, as 3D Slicer writes it, they are
    converted. Colours, normals and other properties are not read.

    Raises
    ------
    InputError
        The file is no PLY file, truncated or damaged.
    """
    data = path.read_bytes()
    head, mark, body = data.partition(b"end_header\n")
    if not mark:
        head, mark, body = data.partition(b"end_header\r\n")
    if not data.startswith(b"ply") or not mark:
        raise InputError("this is no PLY file, or its header is damaged; export the mesh again")
    text = head.decode("ascii", errors="replace")
    form, elements = _read_header(text)
    value = _text_values(body) if form == "ascii" else _binary_values(body, _ORDERS[form])
    try:
        columns = _read_columns(value, elements)
    except (StopIteration, ValueError, struct.error) as error:
        raise InputError(f"the mesh is truncated or damaged ({error!r}); export it again") from error
    vertex = columns.get("vertex", {})
    if not {"x", "y", "z"} <= vertex.keys():
        raise InputError("the mesh has no vertices with x, y and z; export it again")
    points = np.array([vertex[axis] for axis in "xyz"], dtype=np.float64).reshape(3, -1).T
    return PointSet(points * ras_signs(text), tuple(_cells(columns)))


def write_ply(points: PointSet, path: Path) -> None:
    """Write vertices, polygons and lines of two points as an ASCII ``.ply`` file; vectors as dx, dy, dz.

    Raises
    ------
    InputError
        The set holds cells that PLY has no place for.
    """
    faces = [row for cells in points.cells if cells.kind == "polygons" for row in rows_of(cells)]
    lines = [row for cells in points.cells if cells.kind == "lines" for row in rows_of(cells)]
    if any(cells.kind == "strips" for cells in points.cells) or any(len(row) != 2 for row in lines):
        raise InputError("PLY has no triangle strips and no lines of more than two points; write a .vtk file")
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("ply\nformat ascii 1.0\ncomment napari-shapereg SPACE=LPS\n")
        file.write(f"element vertex {len(points.points)}\n")
        rows, names = points.points, ["x", "y", "z"]
        if points.vectors is not None:
            rows, names = np.hstack([rows, points.vectors]), [*names, "dx", "dy", "dz"]
        file.writelines(f"property double {name}\n" for name in names)
        if faces:
            file.write(f"element face {len(faces)}\nproperty list uchar int vertex_indices\n")
        if lines:
            file.write(f"element edge {len(lines)}\nproperty int vertex1\nproperty int vertex2\n")
        file.write("end_header\n")
        np.savetxt(file, rows, fmt="%.12g")
        file.writelines(f"{len(row)} {' '.join(map(str, row))}\n" for row in faces)
        file.writelines(f"{row[0]} {row[1]}\n" for row in lines)


def _read_header(text: str) -> tuple[str, list[_Element]]:
    form = ""
    elements: list[_Element] = []
    for line in text.splitlines():
        match line.split():
            case ["format", kind, *_] if kind == "ascii" or kind in _ORDERS:
                form = kind
            case ["element", name, count] if count.isdigit():
                elements.append(_Element(name, int(count)))
            case ["property", "list", counts, kind, name] if elements and {counts, kind} <= _CODES.keys():
                elements[-1].properties.append((name, kind, counts))
            case ["property", kind, name] if elements and kind in _CODES:
                elements[-1].properties.append((name, kind, None))
            case ["ply"] | ["comment", *_] | ["obj_info", *_] | []:
                continue
            case _:
                raise InputError(f"the header line {line[:60]!r} cannot be read; export the mesh again")
    if not form:
        raise InputError("the header names no format; export the mesh again")
    return form, elements


def _text_values(body: bytes) -> Callable[[str], float]:
    words = iter(body.split())

    def value(kind: str) -> float:
        word = next(words)
        return float(word) if kind.startswith(("float", "double")) else int(word)

    return value


def _binary_values(body: bytes, order: str) -> Callable[[str], float]:
    layouts = {kind: struct.Struct(order + code) for kind, code in _CODES.items()}
    place = 0

    def value(kind: str) -> float:
        nonlocal place
        layout = layouts[kind]
        number: float = layout.unpack_from(body, place)[0]
        place += layout.size
        return number

    return value


def _read_columns(value: Callable[[str], float], elements: list[_Element]) -> _Columns:
    columns: _Columns = {}
    for element in elements:
        table: dict[str, list[list[float]]] = {name: [] for name, _, _ in element.properties}
        columns[element.name] = table
        for _ in range(element.count):
            for name, kind, counts in element.properties:
                length = 1 if counts is None else int(value(counts))
                table[name].append([value(kind) for _ in range(length)])
    return columns


def _cells(columns: _Columns) -> list[Cells]:
    face = columns.get("face", {})
    cells = [_as_cells("polygons", face[name]) for name in _LIST_NAMES if face.get(name)]
    edge = columns.get("edge", {})
    if edge.get("vertex1") and edge.get("vertex2"):
        ends = [start + end for start, end in zip(edge["vertex1"], edge["vertex2"], strict=True)]
        cells.append(_as_cells("lines", ends))
    return cells


def _as_cells(kind: str, rows: list[list[float]]) -> Cells:
    sizes = np.array([len(row) for row in rows], dtype=np.int64)
    return Cells(kind, sizes, np.array([index for row in rows for index in row], dtype=np.int64))
