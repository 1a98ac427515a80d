"""Write label volumes, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes.quiet import quiet_itk
from napari_shapereg.volumes.readers import IMAGE_IO, file_ending

if TYPE_CHECKING:
    import os

    from napari_shapereg.volumes.labels import LabelVolume


def write_labels(volume: LabelVolume, path: str | os.PathLike[str]) -> Path:
    """Write a label volume, compressed.

    The file is written beside its place and moved there when it is complete: an interrupted write leaves
    neither half a file nor a lost old one.

    Parameters
    ----------
    volume : LabelVolume
    path : path
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd``, ``.seg.nrrd``, ``.mha`` or ``.mhd`` (whose voxels go to a
        ``.zraw`` file beside it). Segment names and colours are kept in ``.nrrd`` and ``.seg.nrrd``, where 3D
        Slicer finds them, and in ``.mha`` and ``.mhd``; NIfTI has no place for them. NIfTI headers hold the
        geometry in 32-bit numbers: about 1e-5 mm at 100 mm. The other formats keep it exactly.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The ending is unknown, the folder does not exist, or the file cannot be written.
    """
    target = Path(path).expanduser()
    try:
        ending = file_ending(target)
    except InputError as error:
        msg = f"{target}: {error}"
        raise InputError(msg) from error
    if not target.parent.is_dir():
        msg = f"{target}: the folder {target.parent} does not exist; create it first"
        raise InputError(msg)
    if target.is_dir():
        msg = f"{target}: this is a directory; give the name of a file"
        raise InputError(msg)
    try:
        _write(volume.to_image(), target, IMAGE_IO[ending])
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        msg = f"{target}: cannot be written ({reason}); check permissions and space"
        raise InputError(msg) from error
    return target


def _write(image: sitk.Image, target: Path, image_io: str) -> None:
    # A folder of its own beside the target: .mhd names its data file, which must have its final name already.
    folder = Path(tempfile.mkdtemp(prefix=".shapereg-", dir=target.parent))
    try:
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(folder / target.name))
        writer.SetImageIO(image_io)
        writer.UseCompressionOn()
        with quiet_itk():
            writer.Execute(image)
        # The header last: it must not appear before the voxels that it names.
        for file in sorted(folder.iterdir(), key=lambda file: file.name == target.name):
            file.replace(target.parent / file.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
