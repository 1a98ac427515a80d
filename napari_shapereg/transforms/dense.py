"""The displacement of a map at every voxel of a grid, as an image."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
import SimpleITK as sitk

from napari_shapereg.transforms.containers import require_3d
from napari_shapereg.volumes.files import file_ending, naming, whole_file
from napari_shapereg.volumes.memory import require_memory
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    import nibabel
    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid

_NIFTI = (".nii", ".nii.gz")
_WHOLE = (".nrrd", ".mha")
_SLAB_VOXELS = 1 << 20
_MILLIMETRES = 2
_SCANNER = 1


def write_displacement(
    transform: sitk.Transform,
    grid: ImageGrid,
    path: str | os.PathLike[str],
    *,
    frame: Literal["LPS", "RAS"] = "LPS",
) -> Path:
    """Write the displacement ``T(x) - x`` of a map at every voxel of a grid.

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D.
    grid : ImageGrid
        Of the image written; for ``fixed_to_moving`` the grid of the fixed image.
    path : path
        ``.nii`` or ``.nii.gz``: 5-D (x, y, z, 1, 3), float32, written slab by slab. ``.nrrd`` or ``.mha``: a
        float32 vector image, made in memory.
    frame : {"LPS", "RAS"}
        Of the vectors. LPS, in NIfTI with the intent 1007 (vector), is what ITK, ANTs, Greedy and 3D Slicer
        take. RAS, with the intent 1006 (displacement vector), is what the NIfTI standard says; for NIfTI
        alone. ITK (5.4 and later) converts it when it reads.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The transform is not 3-D, the ending is unknown or not for that frame, or the file cannot be written.
    ResourceError
        The ending asks for an image in memory that is larger than that.
    """
    require_3d(transform)
    target = Path(path).expanduser()
    with naming(target):
        ending = file_ending(target, _NIFTI if frame == "RAS" else (*_NIFTI, *_WHOLE))
    if ending in _WHOLE:
        _write_whole(transform, grid, target)
        return target
    header = nifti_header((*grid.size, 1, 3), grid)
    header.set_intent("displacement vector" if frame == "RAS" else "vector")
    signs = np.array((-1, -1, 1) if frame == "RAS" else (1, 1, 1), dtype=np.float32)
    write_vectors(target, header, grid, lambda part: signs * sitk.GetArrayFromImage(_sample(transform, part)))
    return target


def write_vectors(
    target: Path, header: nibabel.Nifti1Header, grid: ImageGrid, vectors: Callable[[ImageGrid], NDArray[Any]]
) -> None:
    """Write a NIfTI file of three float32 numbers a voxel, slab by slab.

    Parameters
    ----------
    target : Path
    header : nibabel.Nifti1Header
        From `nifti_header`.
    grid : ImageGrid
        Of the whole image.
    vectors : callable
        Returns the vectors of a part of the grid, of which the last axis are the components and the others
        together z, y, x in C order.
    """
    with _nifti_stream(target, header) as file:
        # NIfTI keeps the components one after the other, so the map is sampled once for each.
        for component in range(3):
            for part in _slabs(grid):
                file.write(np.ascontiguousarray(vectors(part)[..., component], dtype="<f4").tobytes())


def _slabs(grid: ImageGrid) -> Iterator[ImageGrid]:
    """Yield the parts of a grid, of about a million voxels, along z."""
    x, y, z = grid.size
    thickness = max(1, _SLAB_VOXELS // (x * y))
    for first in range(0, z, thickness):
        yield grid.cropped((0, 0, first), (x, y, min(thickness, z - first)))


def _sample(transform: sitk.Transform, grid: ImageGrid) -> sitk.Image:
    image: sitk.Image = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat32, grid.size, grid.origin, grid.spacing, grid.direction
    )
    return image


def _write_whole(transform: sitk.Transform, grid: ImageGrid, target: Path) -> None:
    require_memory(grid.voxels * 24, f"{target}: a displacement field of {grid.size} voxels")
    with whole_file(target) as temporary, quiet_itk():
        sitk.WriteImage(_sample(transform, grid), str(temporary), useCompression=True)


def nifti_header(shape: tuple[int, ...], grid: ImageGrid) -> nibabel.Nifti1Header:
    """Return the header of a float32 file on a grid, whose sform and qform are RAS as NIfTI has it."""
    import nibabel  # Few programs come here, and all would wait for the import.

    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    to_ras = np.diag([-1.0, -1.0, 1.0])
    affine = np.eye(4)
    affine[:3, :3] = to_ras @ grid.matrix
    affine[:3, 3] = to_ras @ np.asarray(grid.origin)
    header.set_qform(affine, _SCANNER)
    header.set_sform(affine, _SCANNER)
    header["xyzt_units"] = _MILLIMETRES
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = 352
    return header


@contextmanager
def _nifti_stream(target: Path, header: nibabel.Nifti1Header) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a NIfTI file for writing, its header done, so that the block adds the voxels."""
    with whole_file(target) as temporary, temporary.open("wb") as plain:
        if target.name.lower().endswith(".nii"):
            plain.write(header.binaryblock + bytes(4))
            yield plain
            return
        # No name and no time in the archive: the same map gives the same bytes. Level 1: noise hardly
        # compresses, and zeros do at any level.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=plain, mtime=0) as packed:
            packed.write(header.binaryblock + bytes(4))
            yield packed
