"""Read an image of any pixel type with the same care as label volumes, or only the grid that it lies on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.transforms.whole_files import reason, whole_file
from napari_shapereg.volumes import ImageGrid
from napari_shapereg.volumes.integrity import check_complete, check_compression, damaged
from napari_shapereg.volumes.memory import require_memory
from napari_shapereg.volumes.nifti import read_nifti_header
from napari_shapereg.volumes.quiet import quiet_itk
from napari_shapereg.volumes.readers import IMAGE_IO, file_ending

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_grid(path: Path) -> ImageGrid:
    """Return the grid of an image file from its header.

    Raises
    ------
    InputError
        The file is missing, a directory, no image that can be read, or not 3-D.
    """
    with _naming(path), quiet_itk():
        return _open(path)[1]


def read_image(path: Path) -> sitk.Image:
    """Read a 3-D image of one number per voxel.

    Raises
    ------
    InputError
        The file is missing, a directory, truncated, corrupt, or of another kind.
    ResourceError
        It is larger than the memory available.
    """
    with _naming(path), quiet_itk():
        reader, grid = _open(path)
        if reader.GetNumberOfComponents() != 1:
            raise InputError(
                f"one number per voxel is needed, got {reader.GetNumberOfComponents()}; save one channel"
            )
        bytes_stored = grid.voxels * sitk.Image([1, 1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
        require_memory(3 * bytes_stored, f"resampling {grid.size} voxels")
        check_complete(path, file_ending(path), bytes_stored)
        return grid.stamp(reader.Execute())


def write_image(image: sitk.Image, path: Path) -> Path:
    """Write an image compressed, whole or not at all.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    with whole_file(path) as temporary, quiet_itk():
        sitk.WriteImage(image, str(temporary), useCompression=True)
    return path


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


def _open(path: Path) -> tuple[sitk.ImageFileReader, ImageGrid]:
    if path.is_dir():
        raise InputError("this is a directory; give the file of one image")
    if not path.is_file():
        raise InputError("no such file; check the path")
    ending = file_ending(path)
    stated = None
    if ending.startswith(".nii"):
        check_compression(path, ending)
        stated = read_nifti_header(path).grid()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(IMAGE_IO[ending])
    reader.ReadImageInformation()
    size = tuple(reader.GetSize())
    if len(size) != 3:
        raise InputError(f"a 3-D image is needed, this one is {len(size)}-D of size {size}; save one volume")
    return reader, stated or ImageGrid(size, reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ShapeRegError as error:
        raise type(error)(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); check permissions") from error
    except RuntimeError as error:
        raise InputError(f"{path}: {damaged(reason(error))}") from error
