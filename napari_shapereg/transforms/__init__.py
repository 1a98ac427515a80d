"""Maps of space as SimpleITK holds them: made, chained, applied, written and read."""

from __future__ import annotations

from napari_shapereg.transforms.containers import affine_transform, chain, displacement_transform
from napari_shapereg.transforms.dense import write_displacement
from napari_shapereg.transforms.files import read_transform, write_transform
from napari_shapereg.transforms.fsl import read_fsl, write_fsl
from napari_shapereg.transforms.inversion import inverse_of
from napari_shapereg.transforms.landmarks import LandmarkPairs, paired_landmarks
from napari_shapereg.transforms.matrices import write_matrix
from napari_shapereg.transforms.point_sets import Cells, PointSet
from napari_shapereg.transforms.points import transform_points
from napari_shapereg.transforms.points_io import read_points, write_arrows, write_points
from napari_shapereg.transforms.resampling import resample_image, resample_labels

__all__ = [
    "Cells",
    "LandmarkPairs",
    "PointSet",
    "affine_transform",
    "chain",
    "displacement_transform",
    "inverse_of",
    "paired_landmarks",
    "read_fsl",
    "read_points",
    "read_transform",
    "resample_image",
    "resample_labels",
    "transform_points",
    "write_arrows",
    "write_displacement",
    "write_fsl",
    "write_matrix",
    "write_points",
    "write_transform",
]
