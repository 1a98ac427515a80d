"""Surfaces of labels to be drawn: as fine as the voxels where that is quick enough, else of bins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms import transform_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import SimpleITK as sitk
    from numpy.typing import NDArray

    from napari_shapereg.volumes import LabelVolume

MOST_FACES = 400_000
"""How many triangles of one volume are drawn at most: more keep the window waiting."""

_MOST_BINS = 1 << 24
"""Largest box of bins that a surface is cut from: 24 bytes each are needed for a moment."""
_COARSER = 1.25


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


def label_mesh(
    volume: LabelVolume, label: int, most_faces: int = MOST_FACES, *, edge: float | None = None
) -> Mesh:
    """Return the surface of one label, in bins where its voxels would make too many triangles to draw.

    Parameters
    ----------
    volume : LabelVolume
    label : int
        One of `volume.labels`.
    most_faces : int
        Triangles, at most, as far as bins do not lose what is thin.
    edge : float, optional
        Of the bins, about, mm, where that makes few enough triangles; that of the voxels if not given.

    Returns
    -------
    Mesh

    Raises
    ------
    InputError
        The label is absent.
    """
    edge = edge or min(volume.grid.spacing)
    voxels = math.prod(span.stop - span.start for span in volume.bounding_box(label))
    while voxels > _MOST_BINS * math.prod(_bins(volume, edge)):
        edge *= _COARSER
    try:
        mesh = _surface(volume, label, _bins(volume, edge))
        while len(mesh.faces) > most_faces:
            # There are about as many triangles as squares of this edge.
            edge *= max(_COARSER, math.sqrt(len(mesh.faces) / most_faces))
            mesh = _surface(volume, label, _bins(volume, edge))
    except InputError:
        # Thinner than half of such a bin.
        mesh = _surface(volume, label, (1, 1, 1))
    return mesh


def meshes_of(volume: LabelVolume, labels: Iterable[int]) -> Mapping[int, Mesh]:
    """Return the surfaces of those labels that a volume has, of about `MOST_FACES` triangles at most.

    Parameters
    ----------
    volume : LabelVolume
    labels : iterable of int
        Those that the volume does not have are left out.

    Returns
    -------
    mapping from int to Mesh
    """
    meshes = {label: label_mesh(volume, label) for label in labels if label in volume.labels}
    share = MOST_FACES / max(1, sum(len(mesh.faces) for mesh in meshes.values()))
    if share >= 1:
        return meshes
    return {label: label_mesh(volume, label, int(share * len(mesh.faces))) for label, mesh in meshes.items()}


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


def _bins(volume: LabelVolume, edge: float) -> tuple[int, int, int]:
    """Return the voxels (x, y, z) of a bin whose edges are about so long, mm."""
    x, y, z = (max(1, round(edge / length)) for length in volume.grid.spacing)
    return (x, y, z)


def _surface(volume: LabelVolume, label: int, binning: tuple[int, int, int]) -> Mesh:
    from napari_shapereg.measures.surfaces import surface_from_labels

    mesh = surface_from_labels(volume, label, binning=binning)
    return Mesh(mesh.vertices.numpy(), mesh.faces.numpy())
