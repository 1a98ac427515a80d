"""How far a map is from the true deformation of the known pair, along the normals of a surface and across."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_shapereg.transforms import transform_points
from napari_shapereg.volumes import known_deformation

if TYPE_CHECKING:
    import SimpleITK as sitk

    from napari_shapereg.volumes import LabelVolume


class KnownError(NamedTuple):
    """Mean distances over points of the fixed surface, mm."""

    along: float
    across: float


def known_error(transform: sitk.Transform, fixed: LabelVolume, label: int = 1) -> KnownError:
    """Return the error of a map from fixed to moving points, carried back by the true deformation.

    What slides along a smooth shell leaves no trace in its labels: errors across normals show how far the
    smoothness of a model guesses it, errors along normals how well it fits.
    """
    slopes = np.stack(np.gradient(gaussian_filter((fixed.data == label).astype(float), 1.5)), axis=-1)
    rim = np.argwhere((fixed.data == label) & (np.linalg.norm(slopes, axis=-1) > 0.1))[::13]
    points = fixed.grid.to_points(rim[:, ::-1])
    # From slopes along indices to slopes in space: the transposed inverse of the grid's matrix.
    normals = slopes[tuple(rim.T)][:, ::-1] @ np.linalg.inv(fixed.grid.matrix)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    off = known_deformation().moving_to_fixed(transform_points(transform, points)) - points
    along = (off * normals).sum(axis=1)
    across = np.linalg.norm(off - along[:, None] * normals, axis=1)
    return KnownError(float(np.abs(along).mean()), float(across.mean()))
