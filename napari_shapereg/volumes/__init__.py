"""Voxels and where they lie: grids, label volumes, files, phantoms and sample data."""

from __future__ import annotations

from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.labels import LabelVolume
from napari_shapereg.volumes.readers import read_labels
from napari_shapereg.volumes.writers import write_labels

__all__ = ["ImageGrid", "LabelVolume", "read_labels", "write_labels"]
