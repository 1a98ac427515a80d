"""Read and write transforms in the files of ITK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.completeness import check_hdf5, check_text
from napari_shapereg.transforms.containers import chain, require_3d
from napari_shapereg.volumes.files import file_ending, naming, reason, whole_file
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    import os

HDF5_ENDINGS = (".h5", ".hdf5")
TEXT_ENDINGS = (".tfm", ".txt")
MATRIX_ENDING = ".mat"
IMAGE_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
"""Endings of displacement fields kept as images."""


def read_transform(path: str | os.PathLike[str]) -> sitk.Transform:
    """Read a 3-D transform.

    Parameters
    ----------
    path : path
        ``.h5`` or ``.hdf5``, ``.tfm`` or ``.txt``, ``.mat`` (ITK's transform files, as SimpleITK, ANTs and 3D
        Slicer write them); or a displacement field as a vector image in LPS mm: ``.nii``, ``.nii.gz``,
        ``.nrrd``, ``.mha``, ``.mhd``.

    Returns
    -------
    SimpleITK.Transform
        Of the class that the file holds; a displacement image gives a DisplacementFieldTransform.

    Raises
    ------
    InputError
        The file is missing, a directory, truncated or corrupt, of an unknown kind, not 3-D, or holds NaN.
    """
    source = Path(path).expanduser()
    with naming(source):
        transform = _read(source)
        require_3d(transform)
        _require_finite(transform)
    return transform


def write_transform(transform: sitk.Transform, path: str | os.PathLike[str]) -> Path:
    """Write a transform, whole or not at all.

    ``.h5`` holds displacement fields exactly, uncompressed: 24 bytes a node. ``.tfm`` is text with all
    digits, about 2.5 times as large. ``.mat`` holds one linear transform.

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D. Chains in chains are unpacked.
    path : path
        Ends in ``.h5``, ``.hdf5``, ``.tfm``, ``.txt`` or ``.mat``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The transform is not 3-D, the ending does not fit it, the folder does not exist, or writing fails.
    """
    require_3d(transform)
    target = Path(path).expanduser()
    with naming(target):
        ending = file_ending(target, (*HDF5_ENDINGS, *TEXT_ENDINGS, MATRIX_ENDING))
        if ending == MATRIX_ENDING and not _is_one_matrix(transform):
            raise InputError(
                f"{ending} holds one linear transform, got a {transform.GetName()}; write it as .h5"
            )
    with whole_file(target) as temporary, quiet_itk():
        sitk.WriteTransform(_unpacked(transform), str(temporary))
    return target


def _read(source: Path) -> sitk.Transform:
    ending = file_ending(source, (*HDF5_ENDINGS, *TEXT_ENDINGS, MATRIX_ENDING, *IMAGE_ENDINGS))
    if source.is_dir():
        raise InputError("this is a directory; give the file of one transform")
    if not source.is_file():
        raise InputError("no such file; check the path")
    try:
        if ending in HDF5_ENDINGS:
            check_hdf5(source)
        elif ending in TEXT_ENDINGS:
            check_text(source)
        with quiet_itk():
            read = _read_field if ending in IMAGE_ENDINGS else sitk.ReadTransform
            transform: sitk.Transform = read(str(source))
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        # (SimpleITK fails to decode its own message where a damaged name is part of it.)
        raise InputError(
            f"the file is truncated, corrupt or not what its ending says ({reason(error)}); write it again"
        ) from error
    return transform


def _read_field(source: str) -> sitk.DisplacementFieldTransform:
    reader = sitk.ImageFileReader()
    reader.SetFileName(source)
    reader.ReadImageInformation()
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 3:
        raise InputError(
            f"a displacement field is a 3-D image of 3 numbers per voxel, got a {reader.GetDimension()}-D "
            f"image of {reader.GetNumberOfComponents()}; give displacements in LPS mm"
        )
    reader.SetOutputPixelType(sitk.sitkVectorFloat64)
    return sitk.DisplacementFieldTransform(reader.Execute())


def _require_finite(transform: sitk.Transform) -> None:
    if isinstance(transform, sitk.CompositeTransform):
        for number in range(transform.GetNumberOfTransforms()):
            _require_finite(transform.GetNthTransform(number))
        return
    if isinstance(transform, sitk.DisplacementFieldTransform):
        values = sitk.GetArrayViewFromImage(transform.GetDisplacementField())
    else:
        values = np.asarray(transform.GetParameters())
    if not np.isfinite(values).all():
        raise InputError(f"its {transform.GetName()} holds NaN or infinite values; compute it again")


def _is_one_matrix(transform: sitk.Transform) -> bool:
    return transform.IsLinear() and not isinstance(transform, sitk.CompositeTransform)


def _unpacked(transform: sitk.Transform) -> sitk.Transform:
    return chain(transform) if isinstance(transform, sitk.CompositeTransform) else transform
