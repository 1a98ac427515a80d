"""Read label volumes."""

from __future__ import annotations

import os
from pathlib import Path

import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import dicom_seg, ome_zarr
from napari_shapereg.volumes.files import naming
from napari_shapereg.volumes.images import read_image
from napari_shapereg.volumes.labels import LabelVolume

LabelSource = str | os.PathLike[str] | sitk.Image | LabelVolume


def read_labels(source: LabelSource) -> LabelVolume:
    """Read a label volume.

    Parameters
    ----------
    source : path, SimpleITK.Image or LabelVolume
        A path ends in ``.nii``, ``.nii.gz``, ``.nrrd``, ``.seg.nrrd``, ``.mha``, ``.mhd`` or, for a DICOM
        segmentation, ``.dcm``, or is an OME-Zarr folder, ``.zarr``, or one inside it. A float image that
        holds whole numbers only is accepted. A LabelVolume is returned as it is.

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
    MissingExtraError
        A DICOM file is given and the extra "dicom" is not installed, or an OME-Zarr folder and "zarr".

    Warns
    -----
    UserWarning
        A NIfTI file states no orientation, or two that contradict each other.
    """
    volume = _volume_of(source)
    if not volume.labels:
        where = f"{volume.source}: " if volume.source else ""
        raise InputError(
            f"{where}the volume has no foreground: every voxel is 0; check that this is the segmentation"
        )
    return volume


def _volume_of(source: LabelSource) -> LabelVolume:
    if isinstance(source, LabelVolume):
        return source
    if isinstance(source, sitk.Image):
        return LabelVolume.from_image(source)
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(
            f"labels come from a path, a SimpleITK.Image or a LabelVolume, got {type(source).__name__}; "
            "for a NumPy array use LabelVolume.from_array(array, grid)"
        )
    if "://" in str(source):
        raise InputError(f"{source}: only local files are read; fetch it first and give the path of the copy")
    path = Path(source).expanduser()
    if path.name.lower().endswith(dicom_seg.ENDING) and path.is_file():
        with naming(path):
            return dicom_seg.read_segmentation(path)
    if path.is_dir() and any(part.lower().endswith(ome_zarr.ENDING) for part in path.parts):
        with naming(path):
            return ome_zarr.read_ome_zarr(path)
    image = read_image(path)
    with naming(path):
        return LabelVolume.from_image(image, source=path)
