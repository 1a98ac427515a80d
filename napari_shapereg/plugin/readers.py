"""Open label volumes, images, transforms, meshes and results in napari, where they truly lie.

Nothing here imports torch for a label volume: the first file opened must not wait for it.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.plugin.awake import awake
from napari_shapereg.plugin.display_frame import DisplayFrame
from napari_shapereg.plugin.frames import current_frame, prepare_window
from napari_shapereg.plugin.layers import (
    LayerData,
    image_layer,
    labels_layer,
    points_layer,
    shown_in,
    stem,
    surface_layer,
)
from napari_shapereg.plugin.notifications import tell_or_raise
from napari_shapereg.plugin.transform_preview import transform_layer
from napari_shapereg.transforms import PointSet, read_points, read_transform
from napari_shapereg.volumes import LabelVolume, read_labels
from napari_shapereg.volumes.grid import IDENTITY
from napari_shapereg.volumes.images import IMAGE_IO, holds_labels, read_image
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Paths = str | Sequence[str]

TRANSFORM_ENDINGS = (".h5", ".hdf5", ".tfm")
MESH_ENDINGS = (".vtk", ".ply")
RESULT_FILES = ("metrics.json", "fixed_to_moving.h5")
NOTHING: list[Any] = [(None,)]
"""What napari takes for: the file was dealt with, and there is no layer."""


def get_reader(path: Paths) -> Callable[[Paths], list[Any]] | None:
    """Return the function that opens a path, or None where it is none of ours: npe2's reader."""
    first = Path(path if isinstance(path, str) else path[0])
    if first.is_dir():
        return read_told if all((first / name).is_file() for name in RESULT_FILES) else None
    return read_told if first.name.lower().endswith((*IMAGE_IO, *TRANSFORM_ENDINGS, *MESH_ENDINGS)) else None


def read_told(path: Paths) -> list[Any]:
    """Open a path; in a napari window, say what is wrong with it in a notification instead of raising.

    The window goes on drawing meanwhile: volumes of a hundred million voxels take seconds.
    A window that is still empty gets a camera for patients; see `napari_shapereg.plugin.frames.unmirror`.
    """
    try:
        frame = current_frame()
        layers = awake(lambda: read(path, frame)) if napari.current_viewer() else read(path, frame)
    except ShapeRegError as error:
        tell_or_raise(error)
        return NOTHING
    prepare_window()
    return list(layers)


def read(path: Paths, frame: DisplayFrame | None) -> list[LayerData]:
    """Read a file or the folder of a result.

    Parameters
    ----------
    path : str
        - ``.nii``, ``.nii.gz``, ``.nrrd``, ``.seg.nrrd``, ``.mha``, ``.mhd``: labels stay labels, an
          intensity image becomes an image layer, a field of displacements arrows;
        - ``.h5``, ``.hdf5``, ``.tfm``: a transform with a displacement field, as arrows;
        - ``.vtk``, ``.ply``: a surface where there are faces, else points, in the frame of the volume that is
          open;
        - a folder that a registration wrote: fixed, moving (as it lies) and warped labels.
    frame : DisplayFrame or None
        In which what has no volume of its own is drawn; see `napari_shapereg.plugin.frames.current_frame`.

    Returns
    -------
    list of LayerData

    Raises
    ------
    InputError
        The file cannot be used; the message says why, and what to do.
    """
    if not isinstance(path, str):
        if len(path) > 1:
            raise InputError(
                f"{len(path)} files cannot be stacked: each has a place of its own; open them one by one"
            )
        path = path[0]
    place = Path(path)
    if place.is_dir():
        return read_folder(place)
    name = place.name.lower()
    if name.endswith(TRANSFORM_ENDINGS):
        return [transform_layer(read_transform(place), stem(place.name), frame=frame)]
    if name.endswith(MESH_ENDINGS):
        return [mesh_layer(read_points(place), stem(place.name), frame)]
    return [read_volume(place, frame)]


def read_volume(path: Path, frame: DisplayFrame | None) -> LayerData:
    """Read a label volume, an intensity image or a displacement field.

    Raises
    ------
    InputError
        The file is none of these, or damaged.
    """
    if _holds_vectors(path):
        return transform_layer(read_transform(path), stem(path.name), frame=frame)
    image = read_image(path)
    if not (path.name.lower().endswith(".seg.nrrd") or holds_labels(image)):
        return image_layer(image, stem(path.name))
    volume = LabelVolume.from_image(image, source=path)
    # ITK's voxels go before the layer's own are made: two copies at a time, not three.
    del image
    return labels_layer(volume)


def mesh_layer(mesh: PointSet, name: str, frame: DisplayFrame | None) -> LayerData:
    """Return a surface where the mesh has faces, else its points; in LPS reversed where no frame is given."""
    here = frame or DisplayFrame(IDENTITY)
    faces = triangles(mesh)
    if len(faces):
        return surface_layer(mesh.points, faces, here, name)
    return points_layer(mesh.points, here, name, features=dict(mesh.columns))


def triangles(mesh: PointSet) -> NDArray[np.int64]:
    """Return the polygons and strips of a mesh as (M, 3) triangles, polygons cut into fans."""
    found: list[NDArray[np.int64]] = []
    for cells in mesh.cells:
        if cells.kind not in ("polygons", "strips"):
            continue
        starts = np.concatenate([[0], np.cumsum(cells.sizes)[:-1]]).astype(np.int64)
        for corner in range(int(cells.sizes.max(initial=0)) - 2):
            first = starts[cells.sizes > corner + 2]
            if cells.kind == "polygons":
                offsets = np.array([0, corner + 1, corner + 2])
            else:
                # Every second triangle of a strip is listed the other way round.
                offsets = corner + np.array([0, 2, 1] if corner % 2 else [0, 1, 2])
            found.append(cells.indices[first[:, None] + offsets])
    return np.concatenate(found) if found else np.zeros((0, 3), dtype=np.int64)


def read_folder(folder: Path) -> list[LayerData]:
    """Read what a registration wrote: fixed, moving and warped labels, the last with the result.

    Where the volumes registered are no longer where they were, a warning says so and the warped labels come
    alone.

    Raises
    ------
    InputError
        The folder holds no result, or a damaged one.
    """
    from napari_shapereg.registration import read_result

    try:
        result = read_result(folder)
    except InputError as error:
        warped = folder / "warped_labels.nii.gz"
        if not warped.is_file() or not _was_registered(folder):
            raise
        warnings.warn(f"{error}. Only the warped labels are shown", UserWarning, stacklevel=2)
        return [labels_layer(read_labels(warped), f"{folder.name}: warped")]
    frame = DisplayFrame(result.fixed.grid.direction)
    return [
        labels_layer(result.fixed, f"{folder.name}: fixed"),
        labels_layer(
            shown_in(result.moving, frame), f"{folder.name}: moving (before)", frame=frame, visible=False
        ),
        labels_layer(result.warped, f"{folder.name}: warped", result=result),
    ]


def _holds_vectors(path: Path) -> bool:
    """Tell whether an image file holds three floating-point numbers per voxel, as displacements are."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet_itk():
            reader.ReadImageInformation()
    except RuntimeError:
        # The reading proper says what is wrong.
        return False
    kinds = (sitk.sitkVectorFloat32, sitk.sitkVectorFloat64)
    return bool(reader.GetNumberOfComponents() == 3 and reader.GetPixelID() in kinds)


def _was_registered(folder: Path) -> bool:
    try:
        return "provenance" in json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
