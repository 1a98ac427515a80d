"""Read the transforms of many tools, and write them in the files of ITK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.containers import chain, members, require_3d
from napari_shapereg.transforms.elastix import is_elastix, read_elastix
from napari_shapereg.transforms.itk_hdf5 import read_hdf5
from napari_shapereg.transforms.itk_text import read_matlab, read_text
from napari_shapereg.transforms.matrices import is_matrix, read_matrix
from napari_shapereg.volumes.files import file_ending, naming, reason, require_space, whole_file
from napari_shapereg.volumes.images import read_image
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

HDF5_ENDINGS = (".h5", ".hdf5")
TEXT_ENDINGS = (".tfm", ".txt")
MATRIX_ENDING = ".mat"
IMAGE_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
"""Endings of displacement fields kept as images."""
_HEAD = 4096


def read_transform(path: str | os.PathLike[str]) -> sitk.Transform:
    """Read a 3-D transform.

    Parameters
    ----------
    path : path
        A file of `FORMATS`, which is told by its ending and first bytes. Vectors of displacement images are
        LPS mm, or RAS mm in a NIfTI file of intent 1006 (displacement vector).

    Returns
    -------
    SimpleITK.Transform
        Of LPS mm, and of the class that the file holds; a displacement image gives a
        DisplacementFieldTransform.

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
        # ITK's HDF5 library breaks the whole program when the disk is full.
        require_space(target.parent, _bytes(transform) * (3 if ending in TEXT_ENDINGS else 1))
    with whole_file(target) as temporary, quiet_itk():
        sitk.WriteTransform(_unpacked(transform), str(temporary))
    return target


def _read(source: Path) -> sitk.Transform:
    ending = file_ending(source, tuple(ending for form in FORMATS for ending in form.endings))
    if source.is_dir():
        raise InputError("this is a directory; give the file of one transform")
    if not source.is_file():
        raise InputError("no such file; check the path")
    try:
        with source.open("rb") as file:
            head = file.read(_HEAD)
        form = next(form for form in FORMATS if ending in form.endings and form.recognises(head))
        with quiet_itk():
            return form.read(source)
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        # (SimpleITK fails to decode its own message where a damaged name is part of it.)
        raise InputError(
            f"the file is truncated, corrupt or not what its ending says ({reason(error)}); write it again"
        ) from error


def _read_field(source: Path) -> sitk.DisplacementFieldTransform:
    return sitk.DisplacementFieldTransform(read_image(source, components=3))


def _require_finite(transform: sitk.Transform) -> None:
    for member in members(transform):
        if isinstance(member, sitk.DisplacementFieldTransform):
            values = sitk.GetArrayViewFromImage(member.GetDisplacementField())
        else:
            values = np.asarray(member.GetParameters())
        if not np.isfinite(values).all():
            raise InputError(f"its {member.GetName()} holds NaN or infinite values; compute it again")


def _bytes(transform: sitk.Transform) -> int:
    """Return about how many bytes a binary file of a transform takes."""
    return 20_000 + sum(8 * int(member.GetNumberOfParameters()) for member in members(transform))


def _is_one_matrix(transform: sitk.Transform) -> bool:
    return transform.IsLinear() and not isinstance(transform, sitk.CompositeTransform)


def _unpacked(transform: sitk.Transform) -> sitk.Transform:
    return chain(transform) if isinstance(transform, sitk.CompositeTransform) else transform


def _anything(_head: bytes) -> bool:
    return True


class Format(NamedTuple):
    """A kind of transform file.

    Parameters
    ----------
    name : str
        And whose it is.
    endings : tuple of str
    recognises : callable
        Whether a file with such an ending and these first bytes is one, where the formats above it are not.
    read : callable
        Returns the transform of LPS mm, fixed → moving, as the others do.
    """

    name: str
    endings: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    read: Callable[[Path], sitk.Transform]


FORMATS = (
    Format("HDF5 (ITK, ANTs, 3D Slicer)", HDF5_ENDINGS, _anything, read_hdf5),
    Format("parameters (elastix)", TEXT_ENDINGS, is_elastix, read_elastix),
    Format("text (ITK, 3D Slicer)", TEXT_ENDINGS, _anything, read_text),
    Format("matrix of RAS points (Greedy, c3d, ITK-SNAP)", (MATRIX_ENDING,), is_matrix, read_matrix),
    Format("binary matrix (ITK, ANTs)", (MATRIX_ENDING,), _anything, read_matlab),
    Format("displacements (ITK, ANTs, Greedy, 3D Slicer)", IMAGE_ENDINGS, _anything, _read_field),
)
"""What `read_transform` reads; the first one that fits a file is taken."""
