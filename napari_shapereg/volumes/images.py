"""Read and write images of any pixel type, and refuse what is none before anything large is allocated."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import files
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.integrity import (
    check_complete,
    check_compression,
    check_meta_header,
    check_nrrd_header,
    damaged,
)
from napari_shapereg.volumes.labels import check_single_component
from napari_shapereg.volumes.memory import require_memory
from napari_shapereg.volumes.nifti import read_nifti_header
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

IMAGE_IO = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".seg.nrrd": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
"""File name endings that can be read and written, and the ITK class that does it."""

_BYTES = {
    sitk.sitkInt8: 1,
    sitk.sitkUInt8: 1,
    sitk.sitkInt16: 2,
    sitk.sitkUInt16: 2,
    sitk.sitkInt32: 4,
    sitk.sitkUInt32: 4,
    sitk.sitkFloat32: 4,
    sitk.sitkVectorInt8: 1,
    sitk.sitkVectorUInt8: 1,
    sitk.sitkVectorInt16: 2,
    sitk.sitkVectorUInt16: 2,
    sitk.sitkVectorInt32: 4,
    sitk.sitkVectorUInt32: 4,
    sitk.sitkVectorFloat32: 4,
}
"""Of a number, 8 where it is not said."""

# Header numbers are float32: two readings of one geometry differ by their rounding, far below this many mm.
_SAME_PLACE = 1e-3


def read_image(path: str | os.PathLike[str], *, components: Literal[1, 3] = 1) -> sitk.Image:
    """Read a 3-D image.

    Parameters
    ----------
    path : path
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd``, ``.seg.nrrd``, ``.mha`` or ``.mhd``.
    components : {1, 3}
        Numbers per voxel: one, or the three of a vector, which are read as float64.

    Returns
    -------
    SimpleITK.Image
        Its geometry is that of the sform of a NIfTI file where its code is above 0, else of the qform, as
        nibabel has it.

    Raises
    ------
    InputError
        The file is missing, a directory, truncated, corrupt or of an unknown kind; the image is not 3-D, has
        several components, or a singular, sheared or non-finite geometry.
    ResourceError
        It is larger than the memory available.

    Warns
    -----
    UserWarning
        A NIfTI file states no orientation, or two that contradict each other.
    """
    place = Path(path).expanduser()
    with _reading(place):
        reader, grid = _open(place)
        kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
        stored = grid.voxels * _BYTES.get(reader.GetPixelID(), 8)
        if components == 1:
            check_single_component(reader.GetNumberOfComponents(), kind)
            # ITK's image, NumPy's copy of it, and at most one conversion to 32 bits.
            require_memory(2 * stored + 4 * grid.voxels, f"reading {grid.size} voxels")
        else:
            _check_vectors(reader.GetNumberOfComponents(), kind)
            stored *= 3
            require_memory(stored + 48 * grid.voxels, f"reading {grid.size} vectors")
            reader.SetOutputPixelType(sitk.sitkVectorFloat64)
        check_complete(place, _ending(place), stored)
        return grid.stamp(reader.Execute())


def read_grid(path: str | os.PathLike[str]) -> ImageGrid:
    """Return the grid of an image file from its header.

    Raises
    ------
    InputError
        The file is missing, a directory, no image that can be read, or not 3-D.
    """
    place = Path(path).expanduser()
    with _reading(place):
        return _open(place)[1]


def write_image(image: sitk.Image, path: str | os.PathLike[str]) -> Path:
    """Write an image compressed, whole or not at all.

    Raises
    ------
    InputError
        The ending is unknown, the folder does not exist, or the file cannot be written.
    """
    target = Path(path).expanduser()
    with files.naming(target):
        image_io = IMAGE_IO[_ending(target)]
    with files.whole_file(target) as temporary:
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(temporary))
        writer.SetImageIO(image_io)
        writer.UseCompressionOn()
        with quiet_itk():
            writer.Execute(image)
    return target


def holds_labels(image: sitk.Image) -> bool:
    """Tell a label volume from an intensity image.

    Labels are whole numbers from 0, and most neighbours within the foreground have the same. In intensity
    images, noise and shading make neighbours differ.
    """
    voxels = sitk.GetArrayViewFromImage(image)
    if voxels.min() < 0 or (voxels.dtype.kind == "f" and not (voxels == np.floor(voxels)).all()):
        return False
    here, beside = voxels[..., :-1], voxels[..., 1:]
    inside = (here > 0) & (beside > 0)
    return int(((here == beside) & inside).sum()) > int(inside.sum()) / 2


def _check_vectors(components: int, kind: str) -> None:
    if components != 3 or "complex" in kind:
        raise InputError(
            f"a displacement field is an image of 3 numbers per voxel, got one of {components}; give "
            f"displacements in LPS mm (voxels are {kind})"
        )


def _ending(path: Path) -> str:
    return files.file_ending(path, tuple(IMAGE_IO))


def _open(path: Path) -> tuple[sitk.ImageFileReader, ImageGrid]:
    """Return a reader that has read the header, and the grid that the header states."""
    if path.is_dir():
        raise InputError("this is a directory; give the file of one image")
    if not path.is_file():
        raise InputError("no such file; check the path")
    ending = _ending(path)
    if ending.startswith(".nii"):
        check_compression(path, ending)
        # ITK refuses a sheared matrix without naming it: look at the geometry first.
        read_nifti_header(path).grid()
    elif ending.startswith(".mh"):
        check_meta_header(path)
    else:
        check_nrrd_header(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(IMAGE_IO[ending])
    reader.ReadImageInformation()
    return reader, _nifti_grid(path, reader) if ending.startswith(".nii") else _header_grid(reader)


def _header_grid(reader: sitk.ImageFileReader) -> ImageGrid:
    size = reader.GetSize()
    if len(size) == 4 and size[3] == 1:
        return _only_frame(reader)
    if len(size) != 3:
        raise InputError(
            f"a 3-D volume is needed, this one is {len(size)}-D of size {tuple(size)}; save one 3-D volume"
        )
    return ImageGrid(size, reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())


def _only_frame(reader: sitk.ImageFileReader) -> ImageGrid:
    """Have the reader drop a fourth dimension of one frame; return the grid of that frame."""
    size = reader.GetSize()[:3]
    reader.SetExtractSize((*size, 0))
    direction = np.asarray(reader.GetDirection()).reshape(4, 4)[:3, :3]
    return ImageGrid(size, reader.GetSpacing()[:3], reader.GetOrigin()[:3], tuple(direction.ravel()))


def _nifti_grid(path: Path, reader: sitk.ImageFileReader) -> ImageGrid:
    itk = _header_grid(reader)
    header = read_nifti_header(path)
    stated = header.grid()
    if stated is None:
        _warn(
            path, "its qform and sform code are 0, so it states no orientation: taken as SimpleITK takes it"
        )
        return itk
    apart = np.linalg.norm(stated.corners() - itk.corners(), axis=1).max()
    if apart < _SAME_PLACE:
        return itk
    _warn(
        path,
        f"SimpleITK places voxels up to {apart:.3g} mm from where the sform (code {header.sform_code}) has "
        f"them, which is used here: the qform (code {header.qform_code}) or the voxel size contradicts it; "
        "save the file again with one orientation",
    )
    return stated


def _warn(path: Path, message: str) -> None:
    warnings.warn(f"{path}: {message}", UserWarning, stacklevel=5)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Name the file in what goes wrong, and keep ITK quiet."""
    with files.naming(path):
        try:
            with quiet_itk():
                yield
        except OSError as error:
            raise InputError(
                f"the file cannot be read ({files.reason(error)}); check its permissions"
            ) from error
        except RuntimeError as error:
            # "Reason:" is whatever errno happened to be, and addresses help nobody.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reasons = [line for line in lines if not line.startswith("Reason:")] or ["no reason given"]
            raise damaged(re.sub(r"^.*\(0x[0-9a-f]+\): ", "", reasons[-1])[:200]) from error
