"""Weighted point measures: from voxels, from surfaces, and coarser ones."""

from __future__ import annotations

from napari_shapereg.measures.coarsening import coarsen
from napari_shapereg.measures.from_labels import measure_from_labels
from napari_shapereg.measures.measure import Measure
from napari_shapereg.measures.surfaces import SurfaceMesh, measure_from_mesh, surface_from_labels

__all__ = [
    "Measure",
    "SurfaceMesh",
    "coarsen",
    "measure_from_labels",
    "measure_from_mesh",
    "surface_from_labels",
]
