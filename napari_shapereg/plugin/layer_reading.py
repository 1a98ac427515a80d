"""From napari to the domain: which volume a layer shows, where it truly lies, and in which frame.

A layer's place is read from three things, the first that holds:

1. what this plugin keeps in ``metadata["shapereg"]``, as long as the layer was not moved since;
2. what another reader keeps: napari-nifti and napari-nibabel show oblique volumes unrotated and keep the true
   matrix, RAS mm of the reversed voxel index, in ``metadata["affine"]``;
3. the layer's own scale, translation, rotation and affine, in mm: world z, y, x are LPS mm reversed.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from napari.layers import Image, Labels, Layer

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.plugin.display_frame import DisplayFrame, frame_of
from napari_shapereg.plugin.layer_affine import METADATA, kind_of, known, known_frame, say, world
from napari_shapereg.volumes import ImageGrid, LabelVolume
from napari_shapereg.volumes.grid import IDENTITY

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAME_PLACE = 1e-6
_LARGEST_SHEAR = 1e-4
_SAME_SIZE = 1e-3
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


def volume_of(layer: Layer, *, copy: bool = False) -> LabelVolume:
    """Return the label volume that a layer shows, on its true grid.

    Parameters
    ----------
    layer : napari.layers.Labels or napari.layers.Image
        3-D; an image layer must hold whole numbers.
    copy : bool
        Take a copy of the voxels, which stays when the layer is painted on. Otherwise it is a view.

    Returns
    -------
    LabelVolume
        With the names and the colours that the layer has.

    Raises
    ------
    InputError
        The layer cannot be a label volume, is empty, or lies where no grid can; the message names the layer
        and the remedy.

    Warns
    -----
    UserWarning
        The layer was moved, scaled or cropped since it was read: its own place counts.
    """
    grid = grid_of(layer)
    kept = known(layer)
    data = np.array(layer.data) if copy else np.asarray(layer.data)
    try:
        volume = LabelVolume(data, grid, kept.get("names") or {}, _colors(layer), kept.get("source"))
    except ShapeRegError as error:
        raise InputError(say(layer, str(error))) from error
    if not volume.labels:
        raise InputError(say(layer, "it has no labelled voxel; paint some, or choose another layer"))
    return volume


def image_of(layer: Layer) -> sitk.Image:
    """Return the image that a layer shows, on its true grid (a copy).

    Raises
    ------
    InputError
        As `grid_of`, or the layer shows colours.
    """
    grid = grid_of(layer)
    voxels = np.asarray(layer.data)
    # ITK has no half precision and no booleans.
    if voxels.dtype == np.float16:
        voxels = voxels.astype(np.float32)
    if voxels.dtype == bool:
        voxels = voxels.view(np.uint8)
    return grid.stamp(sitk.GetImageFromArray(voxels))


def frame_of_layer(layer: Layer) -> DisplayFrame:
    """Return the frame in which what belongs to a layer is drawn over it.

    That of its grid for labels and images, that in which it was made for points, surfaces and vectors of
    this plugin, and LPS reversed for all others. Labels and images of other readers may be shown elsewhere:
    `adopt` moves them.

    Raises
    ------
    InputError
        As `grid_of`.
    """
    if isinstance(layer, (Labels, Image)):
        return frame_of(grid_of(layer))
    return known_frame(layer) or DisplayFrame(IDENTITY)


def adopt(layer: Layer, volume: LabelVolume | None = None) -> bool:
    """Show a labels or image layer where it truly lies, and keep its geometry in its metadata.

    Parameters
    ----------
    layer : napari.layers.Labels or napari.layers.Image
        Changed in place: its scale, translation, rotation, affine, units and axis labels. The data stay.
    volume : LabelVolume, optional
        Of the layer, where it is known already.

    Returns
    -------
    bool
        Whether the layer moved on the screen. It does not if this plugin read it.

    Raises
    ------
    InputError
        As `grid_of`.
    """
    grid = volume.grid if volume else grid_of(layer)
    frame = frame_of(grid)
    wanted = frame.placement(grid)
    matrix, offset = world(layer)
    moved = not (
        np.allclose(matrix, np.diag(wanted["scale"]), atol=_SAME_PLACE)
        and np.allclose(offset, wanted["translate"], atol=_SAME_PLACE)
    )
    if moved:
        with warnings.catch_warnings():
            # napari slices after each of these, and warns of the rotation that is just being removed.
            warnings.filterwarnings("ignore", "Non-orthogonal slicing")
            layer.rotate, layer.shear = np.eye(3), np.zeros(3)
            layer.affine = np.eye(4)
            layer.scale, layer.translate = wanted["scale"], wanted["translate"]
    layer.units, layer.axis_labels = wanted["units"], wanted["axis_labels"]
    kept = known(layer)
    layer.metadata[METADATA] = {"names": {}, "source": None, **kept, "grid": grid, "frame": frame}
    return moved


def grid_of(layer: Layer) -> ImageGrid:
    """Return where the voxels of a labels or image layer lie.

    Raises
    ------
    InputError
        The layer is of another kind, not 3-D, multiscale, empty, sheared, or measured in something that is no
        length.

    Warns
    -----
    UserWarning
        The layer was moved, scaled or cropped since it was read: its own place counts.
    """
    _check_voxels(layer)
    kept = known(layer)
    matrix, offset = world(layer)
    grid, frame = kept.get("grid"), kept.get("frame")
    if not isinstance(grid, ImageGrid) or not isinstance(frame, DisplayFrame):
        return _foreign_grid(layer, matrix, offset)
    if grid.shape == layer.data.shape:
        shown = frame.placement(grid)
        if np.allclose(matrix, np.diag(shown["scale"]), atol=_SAME_PLACE) and np.allclose(
            offset, shown["translate"], atol=_SAME_PLACE
        ):
            return grid
    warnings.warn(
        f"layer {layer.name!r} was moved, scaled or cropped since it was read: it is taken as it lies now",
        UserWarning,
        stacklevel=2,
    )
    return _grid(layer, frame.axes @ _reversed(matrix), frame.to_physical(offset[None])[0])


def _foreign_grid(layer: Layer, matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> ImageGrid:
    stated = layer.metadata.get("affine")
    if stated is None:
        return _grid(layer, _reversed(matrix), offset[::-1])
    affine = np.asarray(stated, dtype=np.float64)
    sizes = np.linalg.norm(affine[:3, :3], axis=0) if affine.shape == (4, 4) else np.full(3, np.nan)
    seen = np.linalg.norm(matrix, axis=0)[::-1]
    # napari-nibabel shows the diagonal of an oblique matrix only, napari-nifti the true voxel sizes.
    shown = [sizes, np.abs(np.diag(affine)[:3])]
    if not any(np.allclose(seen, expected, rtol=_SAME_SIZE) for expected in shown):
        message = (
            f"its metadata give the voxels another size ({np.round(sizes, 4).tolist()} mm) than its scale "
            f"({np.round(seen, 4).tolist()}); open its file with napari-shapereg instead"
        )
        raise InputError(say(layer, message))
    return _grid(layer, _LPS_FROM_RAS @ affine[:3, :3], _LPS_FROM_RAS @ affine[:3, 3])


def _grid(layer: Layer, matrix: NDArray[np.float64], origin: NDArray[np.float64]) -> ImageGrid:
    """Return the grid of a matrix from voxel index steps x, y, z to LPS mm."""
    spacing = np.linalg.norm(matrix, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        direction = matrix / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > _LARGEST_SHEAR:
        message = (
            "it is sheared, which no image file can hold; undo the shear (layer.shear = 0), or resample it"
        )
        raise InputError(say(layer, message))
    z, y, x = layer.data.shape
    try:
        return ImageGrid((x, y, z), tuple(spacing), tuple(origin), tuple(direction.ravel()))
    except ShapeRegError as error:
        raise InputError(say(layer, str(error))) from error


def _check_voxels(layer: Layer) -> None:
    if not isinstance(layer, (Labels, Image)):
        message = f"labels are needed, this is a {kind_of(layer)} layer; choose a labels layer"
        raise InputError(say(layer, message))
    if getattr(layer, "rgb", False):
        raise InputError(
            say(layer, "one number per voxel is needed, this image has colours; choose one channel")
        )
    if layer.multiscale:
        message = "it is multiscale; add its finest level, layer.data[0], as a layer of its own"
        raise InputError(say(layer, message))
    if len(layer.data.shape) != 3:
        message = f"a 3-D volume is needed, its data have shape {tuple(layer.data.shape)}; " + (
            "split the stack and choose one volume" if layer.ndim > 3 else "open the whole volume"
        )
        raise InputError(say(layer, message))


def _reversed(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return matrix[::-1, ::-1]


def _colors(layer: Layer) -> dict[int, tuple[float, float, float]]:
    table = getattr(getattr(layer, "colormap", None), "color_dict", None)
    if not table or not isinstance(layer, Labels):
        return {}
    # napari keeps colours in 32 bits: 0.8 is 0.800000012 there.
    return {
        int(label): (round(float(rgba[0]), 6), round(float(rgba[1]), 6), round(float(rgba[2]), 6))
        for label, rgba in table.items()
        if label not in (None, 0) and rgba[3] > 0
    }
