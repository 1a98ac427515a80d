"""Read and write points and meshes: tables, VTK and PLY files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.ply import read_ply, write_ply
from napari_shapereg.transforms.point_sets import PointSet
from napari_shapereg.transforms.vtk_polydata import read_vtk, write_vtk
from napari_shapereg.volumes.files import file_ending, naming, reason, whole_file

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike

POINT_ENDINGS = (".csv", ".vtk", ".ply")
_ARROW_ENDINGS = (".csv", ".vtk")
_DIGITS = ".12g"


def read_points(path: str | os.PathLike[str]) -> PointSet:
    """Read points or a mesh.

    Parameters
    ----------
    path : path
        ``.csv``: a header line with the columns x, y and z, LPS mm, and any others, which are kept. ``.vtk``:
        legacy polygonal data. ``.ply``. A VTK or PLY file that says ``SPACE=RAS`` is converted to LPS.

    Returns
    -------
    PointSet
        LPS mm.

    Raises
    ------
    InputError
        The file is missing, a directory, of an unknown kind, truncated or damaged.
    """
    source = Path(path).expanduser()
    with naming(source):
        ending = file_ending(source, POINT_ENDINGS)
        if source.is_dir():
            raise InputError("this is a directory; give the file of one point set")
        if not source.is_file():
            raise InputError("no such file; check the path")
        try:
            return {".csv": _read_csv, ".vtk": read_vtk, ".ply": read_ply}[ending](source)
        except OSError as error:
            raise InputError(f"cannot be read ({reason(error)}); check permissions") from error


def write_points(points: PointSet, path: str | os.PathLike[str]) -> Path:
    """Write points or a mesh, whole or not at all, in LPS mm with 12 digits.

    Parameters
    ----------
    points : PointSet
    path : path
        ``.csv`` keeps the points and their columns, ``.vtk`` and ``.ply`` the points and their cells.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The ending is unknown, the format has no place for the cells, or the file cannot be written.
    """
    target = Path(path).expanduser()
    with naming(target):
        ending = file_ending(target, POINT_ENDINGS)
    with whole_file(target) as temporary:
        {".csv": _write_csv, ".vtk": write_vtk, ".ply": write_ply}[ending](points, temporary)
    return target


def write_arrows(points: ArrayLike, vectors: ArrayLike, path: str | os.PathLike[str]) -> Path:
    """Write points with a vector at each, whole or not at all, in LPS mm with 12 digits.

    Parameters
    ----------
    points : (N, 3) array-like
        Feet of the arrows.
    vectors : (N, 3) array-like
        The arrows.
    path : path
        ``.vtk``: vertices with the point vectors ``displacement`` (Glyph in ParaView and 3D Slicer draws
        them). ``.csv``: the columns x, y, z, dx, dy, dz.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The shapes differ, a number is not finite, the ending is unknown, or the file cannot be written.
    """
    target = Path(path).expanduser()
    feet = PointSet(np.asarray(points, dtype=np.float64))
    arrows = np.asarray(vectors, dtype=np.float64)
    if arrows.shape != feet.points.shape or not np.isfinite(arrows).all():
        raise InputError(
            f"each of the {len(feet.points)} points needs a finite vector, got a shape of {arrows.shape}"
        )
    with naming(target):
        ending = file_ending(target, _ARROW_ENDINGS)
    with whole_file(target) as temporary:
        if ending == ".vtk":
            write_vtk(feet, temporary, arrows)
        else:
            columns = {f"d{axis}": tuple(map(_text, arrows[:, k])) for k, axis in enumerate("xyz")}
            _write_csv(PointSet(feet.points, columns=columns), temporary)
    return target


def _text(value: float) -> str:
    return format(float(value), _DIGITS)


def _read_csv(path: Path) -> PointSet:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"this is no text table ({error}); save it as CSV in UTF-8") from error
    names = [name.strip() for name in rows[0]] if rows else []
    places = {name.lower(): place for place, name in enumerate(names)}
    if not {"x", "y", "z"} <= places.keys():
        raise InputError(f"the first line must name the columns x, y and z (LPS mm), got {names}")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise InputError(f"row {number} has {len(row)} values, the header {len(names)}; correct it")
    try:
        points = np.array([[float(row[places[axis]]) for axis in "xyz"] for row in rows[1:]]).reshape(-1, 3)
    except ValueError as error:
        raise InputError(f"coordinates must be numbers ({error}); write them with a decimal point") from error
    others = [name for name in names if name.lower() not in ("x", "y", "z")]
    columns = {name: tuple(row[names.index(name)] for row in rows[1:]) for name in others}
    return PointSet(points, columns=columns)


def _write_csv(points: PointSet, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["x", "y", "z", *points.columns])
        for place, row in enumerate(points.points):
            writer.writerow([*map(_text, row), *(values[place] for values in points.columns.values())])
