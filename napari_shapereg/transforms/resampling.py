"""Bring an image from the moving space onto a grid of the fixed space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.containers import require_3d
from napari_shapereg.transforms.reach import reaching_voxels
from napari_shapereg.volumes import LabelVolume

if TYPE_CHECKING:
    from napari_shapereg.volumes import ImageGrid

    Box = tuple[slice, slice, slice]

INTERPOLATORS = {
    "nearest": sitk.sitkNearestNeighbor,
    "linear": sitk.sitkLinear,
    "bspline": sitk.sitkBSpline,
    "lanczos": sitk.sitkLanczosWindowedSinc,
}
"""Names of the interpolators that `resample_image` takes, and SimpleITK's numbers for them."""


def resample_labels(moving: LabelVolume, grid: ImageGrid, transform: sitk.Transform) -> LabelVolume:
    """Resample labels by nearest neighbour.

    Voxel for voxel what ``SimpleITK.Resample(moving, fixed, transform, SimpleITK.sitkNearestNeighbor)``
    gives.

    Parameters
    ----------
    moving : LabelVolume
    grid : ImageGrid
        Grid of the result, of the fixed image as a rule.
    transform : SimpleITK.Transform
        Maps points of `grid` to points of `moving`, LPS mm (fixed to moving).

    Returns
    -------
    LabelVolume
        On `grid`, with the type, names and colours of `moving`; 0 where the map leaves the moving volume.

    Raises
    ------
    InputError
        The transform is not 3-D.
    """
    require_3d(transform)
    data = np.zeros(grid.shape, dtype=moving.data.dtype)
    places = _reaching_labels(moving, grid, transform)
    if data[places].size:
        part = grid.cropped(*_start_and_size(places))
        warped = _resample(moving.to_image(), part, transform, sitk.sitkNearestNeighbor, 0.0)
        data[places] = sitk.GetArrayViewFromImage(warped)
    return LabelVolume(data, grid, moving.names, moving.colors)


def _reaching_labels(moving: LabelVolume, grid: ImageGrid, transform: sitk.Transform) -> Box:
    """Return where labels can come from: most voxels end far from any, and each takes ITK as long."""
    if not moving.labels:
        return (slice(0, 0),) * 3
    if transform.IsLinear():  # ITK needs no help, and its roundings are those of the whole grid.
        z, y, x = (slice(0, count) for count in grid.shape)
        return z, y, x
    labelled = moving.grid.cropped(*_start_and_size(moving.bounding_box()))
    return reaching_voxels(transform, grid, labelled.corners())


def _start_and_size(places: Box) -> tuple[list[int], list[int]]:
    """Return the first voxel of a (z, y, x) box and its voxels along each axis, x, y, z."""
    return [part.start for part in places[::-1]], [part.stop - part.start for part in places[::-1]]


def resample_image(
    image: sitk.Image,
    grid: ImageGrid,
    transform: sitk.Transform,
    *,
    interpolator: str = "linear",
    default: float = 0.0,
) -> sitk.Image:
    """Resample an intensity image.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D, of any pixel type, which the result keeps (interpolated values are rounded for whole-number
        types).
    grid : ImageGrid
        Grid of the result.
    transform : SimpleITK.Transform
        Maps points of `grid` to points of `image`, LPS mm (fixed to moving).
    interpolator : {"linear", "nearest", "bspline", "lanczos"}
    default : float
        Value where the map leaves the image.

    Returns
    -------
    SimpleITK.Image

    Raises
    ------
    InputError
        The image or the transform is not 3-D, or the interpolator is unknown.
    """
    if interpolator not in INTERPOLATORS:
        raise InputError(f"interpolator must be one of {', '.join(INTERPOLATORS)}, got {interpolator!r}")
    if image.GetDimension() != 3:
        raise InputError(
            f"a 3-D image is needed, got a {image.GetDimension()}-D one of size {image.GetSize()}"
        )
    return _resample(image, grid, transform, INTERPOLATORS[interpolator], default)


def _resample(
    image: sitk.Image, grid: ImageGrid, transform: sitk.Transform, interpolator: int, default: float
) -> sitk.Image:
    require_3d(transform)
    return sitk.Resample(
        image,
        grid.size,
        transform,
        interpolator,
        grid.origin,
        grid.spacing,
        grid.direction,
        default,
        image.GetPixelID(),
    )
