"""The Jacobian determinant of a map as an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.quality.jacobians import jacobian_planes
from napari_shapereg.volumes.files import whole_file
from napari_shapereg.volumes.memory import require_memory
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    import os

    from napari_shapereg.volumes import ImageGrid

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_jacobian(transform: sitk.Transform, grid: ImageGrid, path: str | os.PathLike[str]) -> Path:
    """Write the determinant of the Jacobian of a map at every voxel of a grid, whole or not at all.

    It is below 1 where the map shrinks and above 1 where it stretches, and is not positive where it folds; of
    a map that mirrors, it is that of the map without its mirroring.
    For a fixed-to-moving map, above 1 means that the moving anatomy is larger there.

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D.
    grid : ImageGrid
        Of the image written; `jacobian_determinants` says how derivatives are taken on it.
    path : path
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``; float32, compressed.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The transform is not 3-D, the ending is unknown, or the file cannot be written.
    ResourceError
        The image does not fit in memory.
    """
    target = Path(path).expanduser()
    if not target.name.lower().endswith(_ENDINGS):
        raise InputError(f"{target}: the ending is unknown; use one of {', '.join(_ENDINGS)}")
    require_memory(12 * grid.voxels, f"{target}: an image of {grid.size} voxels")
    values = np.empty(grid.shape, dtype=np.float32)
    for place, plane in enumerate(jacobian_planes(transform, grid)):
        values[place] = plane
    with whole_file(target) as temporary, quiet_itk():
        sitk.WriteImage(grid.stamp(sitk.GetImageFromArray(values)), str(temporary), useCompression=True)
    return target
