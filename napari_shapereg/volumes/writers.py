"""Write label volumes, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.volumes.images import write_image

if TYPE_CHECKING:
    import os
    from pathlib import Path

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
    return write_image(volume.to_image(), path)
