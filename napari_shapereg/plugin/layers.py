"""From the domain to napari: label volumes, images, points, surfaces and vectors as layer data.

Each function returns what npe2's readers return, ``(data, keyword arguments, layer type)``, so that
``napari.layers.Layer.create(*layer_data)`` and ``viewer.add_layer`` take it. The way back is in
`layer_reading` and `layer_points`, and imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import SimpleITK as sitk
from napari.utils.colormaps import label_colormap

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import DisplayFrame, flat, frame_of
from napari_shapereg.plugin.label_table import label_table
from napari_shapereg.plugin.layer_affine import METADATA
from napari_shapereg.plugin.layer_points import arrows_of, points_of
from napari_shapereg.plugin.layer_reading import adopt, frame_of_layer, grid_of, volume_of
from napari_shapereg.transforms import resample_labels
from napari_shapereg.volumes import ImageGrid, LabelVolume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.utils.colormaps import DirectLabelColormap
    from numpy.typing import ArrayLike

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments of the layer, and its type."""

__all__ = [
    "METADATA",
    "LayerData",
    "adopt",
    "arrows_of",
    "frame_of_layer",
    "grid_of",
    "image_layer",
    "labels_layer",
    "points_layer",
    "points_of",
    "shown_in",
    "surface_layer",
    "vectors_layer",
    "volume_of",
]


def labels_layer(
    volume: LabelVolume,
    name: str | None = None,
    *,
    frame: DisplayFrame | None = None,
    copy: bool = True,
    **kwargs: object,
) -> LayerData:
    """Return a labels layer that shows a volume where it lies.

    Parameters
    ----------
    volume : LabelVolume
    name : str, optional
        The name of the file, without its ending, if not given.
    frame : DisplayFrame, optional
        That of the volume if not given; `shown_in` brings a volume of another direction to a frame.
    copy : bool
        Give the layer an array of its own, which can be painted on. Without a copy it shows the volume's,
        which is read-only: for layers that only show.
    **kwargs
        Further arguments of the layer. ``result`` goes into ``metadata["shapereg"]``.

    Returns
    -------
    LayerData
        Colours are those of the volume where it has any (napari's own for its other labels). Its names are
        kept in the layer's metadata.

    Raises
    ------
    InputError
        The volume has another direction than the frame.
    """
    here = frame or frame_of(volume.grid)
    source = volume.source
    # Names stay out of the layer's features, where napari would show them under the mouse: napari 0.9.2 fails
    # on labels that have features when a layer is added to a 3-D view before the mouse has moved in it.
    extra = {"colormap": _colormap(volume)} if volume.colors else {}
    about = {"grid": volume.grid, "frame": here, "names": dict(volume.names), "source": source}
    if "result" in kwargs:
        about["result"] = kwargs.pop("result")
    return (
        volume.data.copy() if copy else volume.data,
        {
            "name": name or (stem(source.name) if source else "labels"),
            **here.placement(volume.grid),
            **extra,
            **_with_metadata(kwargs, about),
        },
        "labels",
    )


def shown_in(volume: LabelVolume, frame: DisplayFrame) -> LabelVolume:
    """Return a volume as it lies, on a grid of a frame's direction.

    A volume of that direction is returned as it is, another is resampled by nearest neighbour onto
    `DisplayFrame.covering` of its grid.
    """
    grid = frame.covering(volume.grid)
    if grid is volume.grid:
        return volume
    return resample_labels(volume, grid, sitk.Transform(3, sitk.sitkIdentity))


def image_layer(
    image: sitk.Image | ArrayLike,
    name: str = "image",
    *,
    grid: ImageGrid | None = None,
    frame: DisplayFrame | None = None,
    **kwargs: object,
) -> LayerData:
    """Return an image layer that shows an intensity image where it lies.

    Parameters
    ----------
    image : SimpleITK.Image or (z, y, x) array
        3-D, one number per voxel. An array is not copied.
    name : str
    grid : ImageGrid, optional
        Where the voxels lie; needed for an array.
    frame : DisplayFrame, optional
        That of the image if not given.
    **kwargs
        Further arguments of the layer.

    Returns
    -------
    LayerData

    Raises
    ------
    InputError
        An array comes without a grid or does not fit it, or the image has another direction than the frame.
    """
    if isinstance(image, sitk.Image):
        lattice, data = ImageGrid.from_image(image), sitk.GetArrayFromImage(image)
    elif grid is None:
        raise InputError("an array needs grid=, which says where its voxels lie")
    else:
        lattice, data = grid, np.asarray(image)
    if data.shape != lattice.shape:
        raise InputError(f"the image has shape {data.shape} (z, y, x), its grid {lattice.shape}")
    here = frame or frame_of(lattice)
    about = {"grid": lattice, "frame": here, "names": {}, "source": None}
    return data, {"name": name, **here.placement(lattice), **_with_metadata(kwargs, about)}, "image"


def points_layer(points: ArrayLike, frame: DisplayFrame, name: str = "points", **kwargs: object) -> LayerData:
    """Return a points layer of (N, 3) points, LPS mm, in a frame; `kwargs` are further layer arguments."""
    data = frame.to_display(points)
    return data, {"name": name, **flat(), "ndim": 3, **_with_metadata(kwargs, _about(frame))}, "points"


def surface_layer(
    vertices: ArrayLike,
    faces: ArrayLike,
    frame: DisplayFrame,
    name: str = "surface",
    values: ArrayLike | None = None,
    **kwargs: object,
) -> LayerData:
    """Return a surface layer.

    Parameters
    ----------
    vertices : (N, 3) array
        LPS mm.
    faces : (M, 3) integer array
    frame : DisplayFrame
    name : str
    values : (N,) array, optional
        Of the vertices, to be coloured by.
    **kwargs
        Further arguments of the layer.
    """
    data = [frame.to_display(vertices), np.asarray(faces)]
    if values is not None:
        data.append(np.asarray(values))
    return tuple(data), {"name": name, **flat(), **_with_metadata(kwargs, _about(frame))}, "surface"


def vectors_layer(
    points: ArrayLike, vectors: ArrayLike, frame: DisplayFrame, name: str = "vectors", **kwargs: object
) -> LayerData:
    """Return a vectors layer of arrows drawn to scale.

    Parameters
    ----------
    points : (N, 3) array
        Feet of the arrows, LPS mm.
    vectors : (N, 3) array
        The arrows, LPS mm.
    frame : DisplayFrame
    name : str
    **kwargs
        Further arguments of the layer; ``vector_style="arrow"`` and ``length=1`` are the defaults.

    Raises
    ------
    InputError
        The shapes differ.
    """
    feet, arrows = frame.to_display(points), frame.turn_to_display(vectors)
    if feet.shape != arrows.shape:
        raise InputError(f"each of the {len(feet)} points needs a vector, got {len(arrows)}")
    defaults = {"vector_style": "arrow", "length": 1.0, "ndim": 3}
    keywords = {"name": name, **flat(), **defaults, **_with_metadata(kwargs, _about(frame))}
    return np.stack([feet, arrows], axis=1), keywords, "vectors"


def stem(file: str) -> str:
    """Return a file's name without its ending, ``.nii.gz`` and ``.seg.nrrd`` taken as one."""
    for ending in (".nii.gz", ".seg.nrrd"):
        if file.lower().endswith(ending):
            return file[: -len(ending)]
    return file.rsplit(".", 1)[0]


def _about(frame: DisplayFrame) -> dict[str, Any]:
    return {"grid": None, "frame": frame, "names": {}, "source": None}


def _with_metadata(kwargs: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(kwargs.get("metadata") or {})
    metadata[METADATA] = {**about, **metadata.get(METADATA, {})}
    return {**kwargs, "metadata": metadata}


def _colormap(volume: LabelVolume) -> DirectLabelColormap:
    others = label_colormap()
    colors = {label: others.map(label) for label in volume.labels}
    colors.update({label: np.array([*color, 1.0]) for label, color in volume.colors.items()})
    return label_table(colors, volume.data.dtype)
