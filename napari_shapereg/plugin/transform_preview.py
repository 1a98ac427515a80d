"""A transform to look at: arrows from points to where it carries them, drawn where its field lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import DisplayFrame, frame_of
from napari_shapereg.plugin.layers import METADATA, LayerData, vectors_layer
from napari_shapereg.transforms import transform_points
from napari_shapereg.transforms.containers import members
from napari_shapereg.volumes import ImageGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STILL = 1e-3
"""mm. Nodes that the field moves less than this are left out."""


def transform_layer(
    transform: sitk.Transform, name: str, *, most: int = 3000, frame: DisplayFrame | None = None
) -> LayerData:
    """Return a vectors layer that shows what a transform does, and carries it.

    Parameters
    ----------
    transform : SimpleITK.Transform
        With at least one displacement field: a linear map says nothing of where it is to be drawn.
    name : str
    most : int
        At most this many arrows, on a regular subset of the field's nodes.
    frame : DisplayFrame, optional
        That of the field if not given.

    Returns
    -------
    LayerData
        Arrows T(x) - x, to scale, coloured by their length; the transform is in
        ``metadata["shapereg"]["transform"]``.

    Raises
    ------
    InputError
        The transform has no displacement field.
    """
    grid = field_grid(transform)
    if grid is None:
        raise InputError(
            f"this is a linear map ({transform.GetName()}), which lies nowhere, so there is nothing to draw; "
            "give it to Layers > Transform > Apply a transform"
        )
    feet = _nodes(grid, most)
    moved = transform_points(transform, feet)
    arrows = moved - feet
    lengths = np.linalg.norm(arrows, axis=1)
    kept = lengths > _STILL
    return vectors_layer(
        feet[kept],
        arrows[kept],
        frame or frame_of(grid),
        name,
        edge_width=min(grid.spacing) / 2,
        features={"length_mm": lengths[kept]},
        edge_color="length_mm" if kept.any() else "white",
        edge_colormap="viridis",
        metadata={METADATA: {"transform": transform}},
    )


def field_grid(transform: sitk.Transform) -> ImageGrid | None:
    """Return the grid of the first displacement field in a transform, or None where it has none."""
    fields = (part for part in members(transform) if isinstance(part, sitk.DisplacementFieldTransform))
    first = next(fields, None)
    return None if first is None else ImageGrid.from_image(first.GetDisplacementField())


def _nodes(grid: ImageGrid, most: int) -> NDArray[np.float64]:
    """Return every k-th node of a grid along each axis, at most `most` of them, (N, 3) LPS mm."""
    step = 1
    while np.prod([-(-count // step) for count in grid.size]) > most:
        step += 1
    axes = [np.arange((count - 1) % step // 2, count, step) for count in grid.size]
    return grid.to_points(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
