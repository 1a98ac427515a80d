"""How far two maps that should undo each other leave points from where they started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.quality.curved_region import require_3d

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_shapereg.volumes import LabelVolume

_SLAB_VOXELS = 1 << 20


@dataclass(frozen=True)
class InverseConsistency:
    """The distances |S(T(x)) - x| over the labelled voxels x of a volume.

    Parameters
    ----------
    mean, p95, maximum : float
        Mean, 95th percentile and largest distance, mm.
    voxels : int
        Number of voxels that were followed.
    """

    mean: float
    p95: float
    maximum: float
    voxels: int


def inverse_consistency(
    fixed_to_moving: sitk.Transform, moving_to_fixed: sitk.Transform, fixed: LabelVolume
) -> InverseConsistency:
    """Follow every labelled voxel of a volume there and back (G. E. Christensen and H. J. Johnson, 2001).

    Parameters
    ----------
    fixed_to_moving, moving_to_fixed : SimpleITK.Transform
        3-D; each should be the inverse of the other. Exchange them to start from the moving volume.
    fixed : LabelVolume
        The volume to start from: the centres of its voxels with a label.

    Returns
    -------
    InverseConsistency

    Raises
    ------
    InputError
        A transform is not 3-D, or the volume has no foreground.
    """
    require_3d(fixed_to_moving)
    require_3d(moving_to_fixed)
    # The last one listed is applied first.
    there_and_back = sitk.CompositeTransform([moving_to_fixed, fixed_to_moving])
    lengths = np.concatenate(list(_lengths(there_and_back, fixed)))
    return InverseConsistency(
        float(lengths.mean()), float(np.percentile(lengths, 95)), float(lengths.max()), lengths.size
    )


def _lengths(transform: sitk.Transform, volume: LabelVolume) -> Iterator[NDArray[np.float64]]:
    """Yield the lengths of the displacement at the labelled voxels, slab by slab."""
    planes, rows, columns = volume.bounding_box()
    size = (columns.stop - columns.start, rows.stop - rows.start)
    thickness = max(1, _SLAB_VOXELS // (size[0] * size[1]))
    for first in range(planes.start, planes.stop, thickness):
        last = min(first + thickness, planes.stop)
        part = volume.grid.cropped((columns.start, rows.start, first), (*size, last - first))
        sampled = sitk.TransformToDisplacementField(
            transform, sitk.sitkVectorFloat64, part.size, part.origin, part.spacing, part.direction
        )
        inside = volume.data[first:last, rows, columns] != 0
        yield np.linalg.norm(sitk.GetArrayViewFromImage(sampled)[inside], axis=1)
