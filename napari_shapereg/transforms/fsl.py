"""The warps and matrices of FSL, which live in coordinates of FSL's own.

FSL counts mm from the first voxel along the axes of the voxels, whatever the orientation of the image, and
from the last voxel along x where the voxel axes are right-handed ("FSL coordinates" in the documentation of
FLIRT; `fsl.transform.affine` of fslpy). So a file means nothing without both images.

FLIRT's matrices map moving to fixed FSL coordinates. FNIRT's relative warps lie on the fixed grid and hold,
at each voxel, what is added to its FSL coordinates to reach those of the moving image.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.containers import affine_transform, chain, displacement_transform
from napari_shapereg.transforms.dense import nifti_header, write_vectors
from napari_shapereg.transforms.matrices import read_rows
from napari_shapereg.transforms.points import transform_points
from napari_shapereg.volumes.files import file_ending, naming, reason
from napari_shapereg.volumes.integrity import check_complete
from napari_shapereg.volumes.memory import require_memory
from napari_shapereg.volumes.nifti import read_nifti_header

if TYPE_CHECKING:
    import os

    import SimpleITK as sitk
    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid

RELATIVE_WARP = 2006
"""NIfTI's intent code of FNIRT's displacement fields."""


def read_fsl(path: str | os.PathLike[str], fixed: ImageGrid, moving: ImageGrid) -> sitk.Transform:
    """Read a matrix of FLIRT (``.mat``) or a relative warp of FNIRT (``.nii``, ``.nii.gz``).

    Parameters
    ----------
    path : path
    fixed, moving : ImageGrid
        Of FSL's reference (``-ref``) and input (``-in``) images.

    Returns
    -------
    SimpleITK.Transform
        Fixed → moving points, LPS mm.

    Raises
    ------
    InputError
        The file is missing or damaged, holds something else, or does not lie on the fixed grid. (Whether a
        warp is absolute cannot be told from the file; ``convertwarp --absin --relout`` makes it relative.)
    """
    source = Path(path).expanduser()
    with naming(source):
        ending = file_ending(source, (".mat", ".nii", ".nii.gz"))
        if not source.is_file():
            raise InputError("no such file; check the path")
        if ending == ".mat":
            return _from_flirt(read_rows(source), fixed, moving)
        # The map from fixed to moving FSL coordinates is the same for all voxels but for the warp: as a field
        # of LPS mm on the fixed grid followed by that map, so that beyond the grid FSL's headers still count.
        field = displacement_transform(_warp(source, ending, fixed), fixed)
        return chain(field, _from_flirt(np.eye(4), fixed, moving))


def write_fsl(
    transform: sitk.Transform, path: str | os.PathLike[str], fixed: ImageGrid, moving: ImageGrid
) -> Path:
    """Write a map as a relative warp, for ``applywarp --rel --warp=FILE``.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Fixed → moving points, LPS mm.
    path : path
        ``.nii`` or ``.nii.gz``: 4-D (x, y, z, 3), float32, intent 2006.
    fixed, moving : ImageGrid

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The transform is not 3-D, the ending is another one, or the file cannot be written.
    """
    target = Path(path).expanduser()
    with naming(target):
        file_ending(target, (".nii", ".nii.gz"))
    header = nifti_header((*fixed.size, 3), fixed)
    header["intent_code"] = RELATIVE_WARP
    from_fixed, from_moving = _from_lps(fixed), _from_lps(moving)

    def moves(part: ImageGrid) -> NDArray[np.float64]:
        points = _nodes(part)
        there = _mapped(from_moving, transform_points(transform, points))
        return there - _mapped(from_fixed, points)

    write_vectors(target, header, fixed, moves)
    return target


def _from_lps(grid: ImageGrid) -> NDArray[np.float64]:
    """Return the (4, 4) matrix from LPS mm to the FSL coordinates of an image."""
    to_index = np.eye(4)
    to_index[:3, :3] = np.linalg.inv(grid.matrix)
    to_index[:3, 3] = -to_index[:3, :3] @ np.asarray(grid.origin)
    scale = np.diag([*grid.spacing, 1.0])
    if np.linalg.det(grid.matrix) > 0:
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        flip[0, 3] = grid.size[0] - 1
        scale = scale @ flip
    return np.asarray(scale @ to_index)


def _mapped(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    mapped: NDArray[np.float64] = points @ matrix[:3, :3].T + matrix[:3, 3]
    return mapped


def _nodes(grid: ImageGrid) -> NDArray[np.float64]:
    return grid.to_points(np.indices(grid.shape)[::-1].reshape(3, -1).T)


def _from_flirt(matrix: NDArray[np.float64], fixed: ImageGrid, moving: ImageGrid) -> sitk.Transform:
    if abs(np.linalg.det(matrix)) < 1e-9:
        raise InputError(f"the matrix {matrix.tolist()} is singular: it has no inverse")
    whole = np.linalg.inv(_from_lps(moving)) @ np.linalg.inv(matrix) @ _from_lps(fixed)
    return affine_transform(whole[:3, :3], whole[:3, 3])


def _warp(path: Path, ending: str, fixed: ImageGrid) -> NDArray[np.float64]:
    """Return the (z, y, x, 3) displacements of a warp file, turned from fixed FSL coordinates to LPS, mm."""
    header = read_nifti_header(path)
    if header.dimensions != (*fixed.size, 3):
        raise InputError(
            f"a relative warp has the size of the fixed image and 3 components, {(*fixed.size, 3)}, got "
            f"{header.dimensions}; `fnirtfileutils --outformat=field` makes one of spline coefficients"
        )
    # Twice the field in float64: the array and the transform, or the transform and its copy in the chain.
    require_memory(fixed.voxels * 52, f"reading a warp of {fixed.size} voxels")
    check_complete(path, ending, 12 * fixed.voxels)
    # Few programs come here, and all would wait for the import.
    import nibabel
    from nibabel.imageglobals import LoggingOutputSuppressor

    to_lps = np.linalg.inv(_from_lps(fixed))[:3, :3]
    moves = np.empty((*fixed.shape, 3))
    try:
        with LoggingOutputSuppressor():
            stored = np.asanyarray(nibabel.Nifti1Image.from_filename(path).dataobj)
        for z, plane in enumerate(moves):
            np.matmul(stored[:, :, z].transpose(1, 0, 2), to_lps.T, out=plane)
    except Exception as error:
        # Whatever a damaged header leads to.
        raise InputError(f"the file is damaged ({reason(error)}); write it again") from error
    return moves
