"""Voxels and where they lie: grids, label volumes, files, phantoms and sample data."""

from __future__ import annotations

from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.labels import LabelVolume
from napari_shapereg.volumes.phantoms import (
    Knee,
    KnownDeformation,
    ball_volume,
    knee_pair,
    knee_volume,
    known_deformation,
    known_pair,
    shell_volume,
)
from napari_shapereg.volumes.readers import read_labels
from napari_shapereg.volumes.samples import sample_pair, sample_path
from napari_shapereg.volumes.writers import write_labels

__all__ = [
    "ImageGrid",
    "Knee",
    "KnownDeformation",
    "LabelVolume",
    "ball_volume",
    "knee_pair",
    "knee_volume",
    "known_deformation",
    "known_pair",
    "read_labels",
    "sample_pair",
    "sample_path",
    "shell_volume",
    "write_labels",
]
