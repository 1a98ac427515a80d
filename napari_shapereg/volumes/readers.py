"""Read label volumes, and refuse what is none before anything large is allocated."""

from __future__ import annotations

import os
import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.integrity import check_complete, check_compression, damaged
from napari_shapereg.volumes.labels import LabelVolume, check_single_component
from napari_shapereg.volumes.memory import require_memory
from napari_shapereg.volumes.nifti import read_nifti_header
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    from collections.abc import Iterator

    LabelSource = str | os.PathLike[str] | sitk.Image | LabelVolume

IMAGE_IO = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
"""File name endings that can be read and written, and the ITK class that does it (``.seg.nrrd`` too)."""

_BYTES = {
    sitk.sitkInt8: 1,
    sitk.sitkUInt8: 1,
    sitk.sitkInt16: 2,
    sitk.sitkUInt16: 2,
    sitk.sitkInt32: 4,
    sitk.sitkUInt32: 4,
    sitk.sitkFloat32: 4,
}

# Header numbers are float32: two readings of one geometry differ by their rounding, far below this many mm.
_SAME_PLACE = 1e-3


def read_labels(source: LabelSource) -> LabelVolume:
    """Read a label volume.

    Parameters
    ----------
    source : path, SimpleITK.Image or LabelVolume
        A path ends in ``.nii``, ``.nii.gz``, ``.nrrd``, ``.seg.nrrd``, ``.mha`` or ``.mhd``. A float image
        that holds whole numbers only is accepted. A LabelVolume is returned as it is.

    Returns
    -------
    LabelVolume
        With segment names and colours where the file has them. The geometry of a NIfTI file is that of the
        sform where its code is above 0, else of the qform, as nibabel has it; where SimpleITK reads the
        same file differently a warning says so.

    Raises
    ------
    InputError
        The file is missing, a directory, truncated, corrupt or of an unknown kind; the image is not 3-D, has
        several components, a singular, sheared or non-finite geometry, values that are no labels, or no
        foreground.
    ResourceError
        The volume is larger than the memory available.

    Warns
    -----
    UserWarning
        A NIfTI file states no orientation, or two that contradict each other.
    """
    if isinstance(source, LabelVolume):
        volume = source
    elif isinstance(source, sitk.Image):
        volume = LabelVolume.from_image(source)
    else:
        path = _as_path(source)
        with _naming(path):
            volume = _read_file(path)
    if not volume.labels:
        where = f"{volume.source}: " if volume.source else ""
        msg = f"{where}the volume has no foreground: every voxel is 0; check that this is the segmentation"
        raise InputError(msg)
    return volume


def file_ending(path: Path) -> str:
    """Return which of the supported endings a file name has, in lower case.

    Raises
    ------
    InputError
        It has none of them.
    """
    name = path.name.lower()
    for ending in sorted(IMAGE_IO, key=len, reverse=True):
        if name.endswith(ending):
            return ending
    msg = f"the ending {path.suffix or '(none)'!r} is unknown; use one of .seg.nrrd, {', '.join(IMAGE_IO)}"
    raise InputError(msg)


def _as_path(source: object) -> Path:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).expanduser()
    msg = (
        f"labels come from a path, a SimpleITK.Image or a LabelVolume, got {type(source).__name__}; "
        "for a NumPy array use LabelVolume.from_array(array, grid)"
    )
    raise InputError(msg)


def _read_file(path: Path) -> LabelVolume:
    if path.is_dir():
        msg = "this is a directory; give the file of one label volume"
        raise InputError(msg)
    if not path.is_file():
        msg = "no such file; check the path"
        raise InputError(msg)
    ending = file_ending(path)
    if ending.startswith(".nii"):
        check_compression(path, ending)
        # ITK refuses a sheared matrix without naming it: look at the geometry first.
        read_nifti_header(path).grid()
    with quiet_itk():
        reader = _read_header(path, ending)
    grid = _nifti_grid(path, reader) if ending.startswith(".nii") else _header_grid(reader)
    check_single_component(reader.GetNumberOfComponents(), sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    # ITK's image, NumPy's copy of it, and at most one conversion to 32 bits.
    stored = grid.voxels * _BYTES.get(reader.GetPixelID(), 8)
    require_memory(2 * stored + 4 * grid.voxels, f"reading {grid.size} voxels")
    check_complete(path, ending, stored)
    with quiet_itk():
        image = _execute(reader)
    return LabelVolume.from_image(grid.stamp(image), source=path)


def _read_header(path: Path, ending: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(IMAGE_IO[ending])
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(error) from error
    return reader


def _execute(reader: sitk.ImageFileReader) -> sitk.Image:
    try:
        image: sitk.Image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(error) from error
    return image


def _header_grid(reader: sitk.ImageFileReader) -> ImageGrid:
    size = reader.GetSize()
    if len(size) == 4 and size[3] == 1:
        return _only_frame(reader)
    if len(size) != 3:
        msg = f"a 3-D volume is needed, this one is {len(size)}-D of size {tuple(size)}; save one 3-D volume"
        raise InputError(msg)
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


def _unreadable(error: RuntimeError) -> InputError:
    # The last line says what is wrong; "Reason:" is whatever errno happened to be, and addresses help nobody.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith("Reason:")]
    return damaged(re.sub(r"^.*\(0x[0-9a-f]+\): ", "", reasons[-1])[:200] if reasons else "no reason given")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ShapeRegError as error:
        if str(error).startswith(str(path)):
            raise
        msg = f"{path}: {error}"
        raise type(error)(msg) from error
    except OSError as error:
        msg = f"{path}: the file cannot be read ({error.strerror}); check its permissions"
        raise InputError(msg) from error
