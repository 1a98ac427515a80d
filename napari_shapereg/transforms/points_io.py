"""Read and write points and meshes: tables, VTK and PLY files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.markups import read_markups, write_markups
from napari_shapereg.transforms.ply import read_ply, write_ply
from napari_shapereg.transforms.point_sets import PointSet
from napari_shapereg.transforms.point_tables import read_table, write_table
from napari_shapereg.transforms.vtk_polydata import read_vtk, write_vtk
from napari_shapereg.volumes.files import file_ending, naming, reason, whole_file

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike

_READERS = {
    ".csv": read_table,
    ".fcsv": read_table,
    ".mrk.json": read_markups,
    ".vtk": read_vtk,
    ".ply": read_ply,
}
_WRITERS = {".csv": write_table, ".mrk.json": write_markups, ".vtk": write_vtk, ".ply": write_ply}
READ_ENDINGS, WRITE_ENDINGS = tuple(_READERS), tuple(_WRITERS)


def read_points(path: str | os.PathLike[str]) -> PointSet:
    """Read points or a mesh.

    Parameters
    ----------
    path : path
        ``.csv``: a header line with the columns x, y and z, and any others, which are kept. ``.fcsv`` and
        ``.mrk.json``: landmarks of 3D Slicer. ``.vtk``: legacy polygonal data. ``.ply``. What a file says to
        be RAS is converted to LPS; see each reader.

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
        ending = file_ending(source, READ_ENDINGS)
        if source.is_dir():
            raise InputError("this is a directory; give the file of one point set")
        if not source.is_file():
            raise InputError("no such file; check the path")
        try:
            return _READERS[ending](source)
        except OSError as error:
            raise InputError(f"cannot be read ({reason(error)}); check permissions") from error


def write_points(points: PointSet, path: str | os.PathLike[str]) -> Path:
    """Write points or a mesh, whole or not at all, in LPS mm with 12 digits.

    Parameters
    ----------
    points : PointSet
    path : path
        ``.csv`` keeps the points, their columns and their vectors (dx, dy, dz), ``.vtk`` and ``.ply`` the
        points, their cells and their vectors, ``.mrk.json`` the points and their names.

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
        ending = file_ending(target, WRITE_ENDINGS)
    with whole_file(target) as temporary:
        _WRITERS[ending](points, temporary)
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
        them). ``.ply``: the vertex properties dx, dy, dz. ``.csv``: columns of these names.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The shapes differ, a number is not finite, the ending is unknown, or the file cannot be written.
    """
    feet, arrows = (np.asarray(values, dtype=np.float64) for values in (points, vectors))
    with naming(Path(path).expanduser()):
        file_ending(Path(path), (".csv", ".vtk", ".ply"))
    return write_points(PointSet(feet, vectors=arrows), path)
