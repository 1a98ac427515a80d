"""Contours of labels: outlines on a slice, and the surfaces that they are cut from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.slicewise import Slicewise
from napari_shapereg.transforms import transform_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import SimpleITK as sitk
    from numpy.typing import NDArray

    from napari_shapereg.volumes import LabelVolume

MOST_FACES = 400_000
"""How many triangles of one label are drawn at most, where bins can bring it down to that."""

_MOST_BINS = 1 << 24
"""Largest box of bins that a surface is cut from: 24 bytes each are needed for a moment."""


class Mesh(NamedTuple):
    """Triangles in space.

    Attributes
    ----------
    vertices : (V, 3) float64 array
        LPS mm.
    faces : (F, 3) int64 array
        Rows of `vertices`; seen from outside, the corners turn counter-clockwise.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]

    def areas(self) -> NDArray[np.float64]:
        """Return the area of each triangle (F,), mm²."""
        first, second, third = (self.vertices[corner] for corner in self.faces.T)
        areas: NDArray[np.float64] = np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2
        return areas

    def centers(self) -> NDArray[np.float64]:
        """Return the centroid of each triangle (F, 3), LPS mm."""
        centers: NDArray[np.float64] = self.vertices[self.faces].mean(axis=1)
        return centers


class Outlines(Slicewise):
    """The outlines of labels, cut out of each slice when it is shown.

    A labels layer has contours of its own, which warn the user that they are not drawn each time that the
    view turns to 3-D. These are silent.

    Parameters
    ----------
    data : (z, y, x) integer array
        The labels, without a copy.
    """

    def __init__(self, data: NDArray[np.integer[Any]]) -> None:
        """Keep the array."""
        super().__init__(data.shape, data.dtype)
        self._data = data

    def draw(self, axis: int, place: int) -> NDArray[Any]:
        """Return a slice with the labels of those voxels that have a neighbour of another label in it."""
        cut = self._data.take(place, axis)
        around = np.pad(cut, 1)
        inside = np.ones(cut.shape, dtype=bool)
        for direction in (0, 1):
            for step in (-1, 1):
                inside &= np.roll(around, step, direction)[1:-1, 1:-1] == cut
        return np.where(inside, 0, cut)


def finest_doubled(lengths: Iterable[float]) -> tuple[int, int, int]:
    """Return factors (x, y, z): 2 for the axes whose bins are finest, 1 for those that are coarse already."""
    edges = list(lengths)
    x, y, z = (2 if length < 1.5 * min(edges) else 1 for length in edges)
    return (x, y, z)


def label_mesh(volume: LabelVolume, label: int) -> Mesh:
    """Return the surface of one label, in bins where its voxels would make too many triangles to draw.

    Parameters
    ----------
    volume : LabelVolume
    label : int
        One of `volume.labels`.

    Returns
    -------
    Mesh
        Of about `MOST_FACES` triangles at most, as far as the bins do not lose a thin structure.

    Raises
    ------
    InputError
        The label is absent.
    """
    box = volume.bounding_box(label)
    voxels = math.prod(span.stop - span.start for span in box)
    binning = (1, 1, 1)
    while voxels > _MOST_BINS * math.prod(binning):
        binning = _coarser(volume, binning)
    try:
        mesh = _surface(volume, label, binning)
        while len(mesh.faces) > MOST_FACES:
            binning = _coarser(volume, binning)
            mesh = _surface(volume, label, binning)
    except InputError:
        # Thinner than half of such a bin.
        mesh = _surface(volume, label, (1, 1, 1))
    return mesh


def carried(mesh: Mesh, transform: sitk.Transform) -> Mesh:
    """Carry a mesh through a map of points, such as `moving_to_fixed`.

    Parameters
    ----------
    mesh : Mesh
    transform : SimpleITK.Transform
        3-D, LPS mm.

    Returns
    -------
    Mesh
    """
    return Mesh(transform_points(transform, mesh.vertices), mesh.faces)


def merged(meshes: Iterable[Mesh]) -> Mesh:
    """Put meshes side by side into one."""
    parts = list(meshes)
    if not parts:
        return Mesh(np.empty((0, 3)), np.empty((0, 3), dtype=np.int64))
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
    )


def meshes_of(volume: LabelVolume, labels: Iterable[int]) -> Mapping[int, Mesh]:
    """Return the surfaces of those labels that a volume has.

    Parameters
    ----------
    volume : LabelVolume
    labels : iterable of int
        Those that the volume does not have are left out.

    Returns
    -------
    mapping from int to Mesh
    """
    return {label: label_mesh(volume, label) for label in labels if label in volume.labels}


def _coarser(volume: LabelVolume, binning: tuple[int, int, int]) -> tuple[int, int, int]:
    lengths = [spacing * count for spacing, count in zip(volume.grid.spacing, binning, strict=True)]
    x, y, z = (count * factor for count, factor in zip(binning, finest_doubled(lengths), strict=True))
    return (x, y, z)


def _surface(volume: LabelVolume, label: int, binning: tuple[int, int, int]) -> Mesh:
    from napari_shapereg.measures.surfaces import surface_from_labels

    mesh = surface_from_labels(volume, label, binning=binning)
    return Mesh(mesh.vertices.numpy(), mesh.faces.numpy())
