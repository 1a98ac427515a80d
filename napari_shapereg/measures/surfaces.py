"""The surface of a label as triangles, and triangles as a measure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor

from napari_shapereg.errors import InputError
from napari_shapereg.measures.measure import Measure
from napari_shapereg.measures.occupancy import occupancy

if TYPE_CHECKING:
    from napari_shapereg.volumes.labels import LabelVolume


class SurfaceMesh(NamedTuple):
    """Triangles in space.

    Attributes
    ----------
    vertices : (V, 3) float64 tensor
        Positions, LPS mm.
    faces : (F, 3) int64 tensor
        Rows of `vertices`; seen from outside, the three corners turn counter-clockwise.
    """

    vertices: Tensor
    faces: Tensor


def surface_from_labels(
    volume: LabelVolume, label: int, *, binning: tuple[int, int, int] = (1, 1, 1)
) -> SurfaceMesh:
    """Return the closed surface of one label by marching cubes (Lewiner et al., 2003).

    The surface is where the filled fraction of the bins crosses one half, with everything outside the volume
    empty, so that it is closed even where the label touches the border. Vertices are mapped to LPS mm by the
    volume's grid, and faces are oriented outwards for every grid, also one whose axes are left-handed.

    Parameters
    ----------
    volume : LabelVolume
        The segmented volume.
    label : int
        One of `volume.labels`.
    binning : tuple of 3 int
        Voxels per bin along x, y, z. At (1, 1, 1) the surface cuts the corners of voxels: all of the label is
        kept, but curved and oblique parts are terraced, and their area comes out too large at any resolution
        (by 9 % for a ball of isotropic voxels, 12 % where one spacing is twice the others). Bins of two or
        more voxels along the fine axes smooth that (3 % for both), and lose what is thinner than half a bin.

    Returns
    -------
    SurfaceMesh
        On the CPU, float64.

    Raises
    ------
    InputError
        The label is absent (the message names those present), `binning` is not three positive integers, or no
        bin is half full.
    """
    counts, grid = occupancy(volume, label, binning)
    half = math.prod(binning) / 2
    if counts.max() < half:
        raise InputError(
            f"binning: label {label} fills no bin of {tuple(binning)} voxels by half, so it has no surface "
            f"there; use smaller bins."
        )
    # Never exactly what a bin holds: vertices would meet, and the slivers between them point anywhere.
    level = half if half % 1 else half - 0.02
    corners, faces, _, _ = marching_cubes(np.pad(counts, 1).astype(np.float32), level=level)
    # (z, y, x) in the padded array -> (x, y, z) on the grid. This exchange of axes is a reflection: the
    # faces, which turn clockwise before it, turn counter-clockwise after it. A left-handed grid reflects
    # once more.
    vertices = grid.to_points(corners[:, ::-1].astype(np.float64) - 1.0)
    if np.linalg.det(grid.matrix) < 0:
        faces = faces[:, ::-1]
    return SurfaceMesh(torch.from_numpy(vertices), torch.from_numpy(faces.astype(np.int64)))


def measure_from_mesh(vertices: Tensor, faces: Tensor) -> Measure:
    r"""Return the measure of a triangulated surface, differentiable in the vertices.

    With the area vector of a triangle (p, q, r), s = (q - p) x (r - p) / 2, the measure has a point at
    (p + q + r) / 3 with weight \|s\| and normal s / \|s\|. Called again on moved vertices, it gives the areas
    and normals of the moved surface. Triangles without area are left out.

    Parameters
    ----------
    vertices : (V, 3) tensor
        Positions, mm, float32 or float64, which is kept.
    faces : (F, 3) int64 tensor
        Rows of `vertices`, in the order that makes s point outwards.

    Returns
    -------
    Measure
        Points in mm, weights in mm\ :sup:`2`, unit normals.

    Raises
    ------
    InputError
        An array has another shape, a face names a vertex that does not exist, or no triangle has an area.
    """
    _check_mesh(vertices, faces)
    corners = vertices[faces]
    corners = corners[_norms(_area_vectors(corners.detach())) > 0]
    if len(corners) == 0:
        raise InputError(f"faces: none of the {len(faces)} triangles has an area; give a surface.")
    # Only of what is left: the norm of a vanishing vector has no derivative.
    vectors = _area_vectors(corners)
    areas = _norms(vectors)
    return Measure(corners.mean(dim=1), areas, vectors / areas[:, None])


def _area_vectors(corners: Tensor) -> Tensor:
    first, second, third = corners.unbind(dim=1)
    return torch.cross(second - first, third - first, dim=1) / 2


def _norms(vectors: Tensor) -> Tensor:
    return vectors.square().sum(dim=1).sqrt()


def _check_mesh(vertices: Tensor, faces: Tensor) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"vertices: received shape {tuple(vertices.shape)}; give (V, 3), in mm.")
    if faces.ndim != 2 or faces.shape[1] != 3 or len(faces) == 0:
        raise InputError(
            f"faces: received shape {tuple(faces.shape)}; give (F, 3), three vertices per triangle."
        )
    if faces.dtype != torch.int64:
        raise InputError(f"faces: received {faces.dtype}; convert them to int64.")
    if int(faces.min()) < 0 or int(faces.max()) >= len(vertices):
        raise InputError(
            f"faces: name the vertices {int(faces.min())} to {int(faces.max())}, but there are "
            f"{len(vertices)}; count from 0."
        )
