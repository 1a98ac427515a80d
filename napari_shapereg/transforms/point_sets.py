"""Points, and the cells of a mesh that join them."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 (dataclass fields are looked up by users' tools)
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CELL_KINDS = ("vertices", "lines", "polygons", "strips")


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of one kind, each a list of points.

    Parameters
    ----------
    kind : {"vertices", "lines", "polygons", "strips"}
        As in VTK's polygonal data; a triangle is a polygon of three points.
    sizes : (K,) int64 array
        Number of points of each cell.
    indices : (sum of sizes,) int64 array
        The points of the first cell, of the second, and so on.
    """

    kind: str
    sizes: NDArray[np.int64]
    indices: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PointSet:
    """Points in LPS mm with what must survive when they are moved.

    Parameters
    ----------
    points : (N, 3) float64 array
        LPS mm, finite.
    cells : tuple of Cells, optional
        Of a mesh.
    columns : mapping from str to tuple of str, optional
        Further columns of a table, one text for each point.
    vectors : (N, 3) float64 array, optional
        A displacement at each point, LPS mm, finite.

    Raises
    ------
    InputError
        The points are not (N, 3) or not finite, the vectors are not as many or not finite, cells name points
        that do not exist, or a column has another length.
    """

    points: NDArray[np.float64]
    cells: tuple[Cells, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vectors: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check the points, the cells against them, and the columns."""
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise InputError(f"points must have shape (N, 3), got {points.shape}")
        if not np.isfinite(points).all():
            first = int(np.argmin(np.isfinite(points).all(axis=1)))
            raise InputError(f"point {first} is {points[first].tolist()}: coordinates must be finite")
        for cells in self.cells:
            _check_cells(cells, len(points))
        if self.vectors is not None and (
            np.shape(self.vectors) != points.shape or not np.isfinite(self.vectors).all()
        ):
            raise InputError(
                f"each of the {len(points)} points needs a finite vector, got {np.shape(self.vectors)}"
            )
        for name, values in self.columns.items():
            if len(values) != len(points):
                raise InputError(f"column {name!r} has {len(values)} values for {len(points)} points")
        object.__setattr__(self, "points", points)

    def moved(self, points: ArrayLike) -> PointSet:
        """Return the same set with other coordinates, and without vectors.

        Parameters
        ----------
        points : (N, 3) array-like
            LPS mm, as many as before.

        Raises
        ------
        InputError
            Their number differs, or they are not finite.
        """
        return replace(self, points=np.asarray(points, dtype=np.float64), vectors=None)


def to_lps(points: NDArray[np.float64], frame: str) -> NDArray[np.float64]:
    """Return (N, 3) points of the frame ``LPS`` or ``RAS`` in LPS.

    Raises
    ------
    InputError
        The frame is another one.
    """
    if frame not in ("LPS", "RAS"):
        raise InputError(f"the frame of coordinates must be LPS or RAS, got {frame!r}")
    return points * [-1.0, -1.0, 1.0] if frame == "RAS" else points


def _check_cells(cells: Cells, count: int) -> None:
    if cells.kind not in CELL_KINDS:
        raise InputError(f"cells must be one of {', '.join(CELL_KINDS)}, got {cells.kind!r}")
    if cells.sizes.sum() != cells.indices.size or (cells.sizes.size and cells.sizes.min() < 0):
        raise InputError(f"the {cells.kind} list {cells.sizes.sum()} points, {cells.indices.size} are given")
    if cells.indices.size and not 0 <= cells.indices.min() <= cells.indices.max() < count:
        raise InputError(
            f"the {cells.kind} name points {cells.indices.min()} to {cells.indices.max()}, there are {count}"
        )
