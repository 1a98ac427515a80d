"""What one click in napari's menus does: overlay layers, place them, and carry landmarks in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from napari.components import ViewerModel  # noqa: TC002 (napari looks it up to know what to fill in)
from napari.layers import Image, Labels, Layer, Points, Surface, Vectors
from napari.utils.notifications import show_info

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.frames import drawn_in
from napari_shapereg.plugin.layer_points import arrows_of, points_of
from napari_shapereg.plugin.layer_reading import frame_of_layer, image_of, volume_of
from napari_shapereg.plugin.layers import (
    LayerData,
    image_layer,
    labels_layer,
    points_layer,
    shown_in,
    surface_layer,
    vectors_layer,
)
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.placing import place
from napari_shapereg.plugin.readers import mesh_layer
from napari_shapereg.transforms import PointSet, read_points, resample_image, write_points
from napari_shapereg.volumes import ImageGrid

if TYPE_CHECKING:
    from napari_shapereg.plugin.display_frame import DisplayFrame


@telling()
def overlay_selected(viewer: ViewerModel) -> None:
    """Show the selected layers as they lie, in the frame of the lowest of them.

    Volumes of different directions are each shown along their own axes, so they do not lie over one another
    on the screen as they do in space. Each selected layer gets a copy that does; the lowest one stays.
    Where one layer is selected, the lowest volume in the list stays.
    """
    chosen = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    if len(chosen) == 1:
        volumes = [layer for layer in viewer.layers if isinstance(layer, (Labels, Image))]
        chosen = [*[layer for layer in volumes if layer is not chosen[0]][:1], *chosen]
    if len(chosen) < 2:
        raise InputError("select the layers to overlay (Ctrl or Shift and click); the lowest stays as it is")
    frame = frame_of_layer(chosen[0])
    made = [over(layer, frame, list(viewer.layers)) for layer in chosen[1:]]
    for data, kwargs, kind in made:
        viewer.add_layer(Layer.create(data, kwargs, kind))


def over(layer: Layer, frame: DisplayFrame, opened: list[Layer]) -> LayerData:
    """Return a layer as it lies, drawn in another frame.

    Raises
    ------
    InputError
        It is of another kind than labels, image, points, surface or vectors, or its place is not known.
    """
    name = f"{layer.name} (as it lies)"
    if isinstance(layer, Labels):
        return labels_layer(shown_in(volume_of(layer), frame), name, frame=frame, opacity=layer.opacity)
    if isinstance(layer, Image):
        image = image_of(layer)
        grid = frame.covering(ImageGrid.from_image(image))
        least = float(np.min(layer.data))
        still = resample_image(image, grid, _identity(), default=least)
        return image_layer(still, name, frame=frame, colormap=layer.colormap, opacity=layer.opacity)
    if isinstance(layer, Points):
        return points_layer(points_of(layer, drawn_in(layer, opened)), frame, name, features=layer.features)
    if isinstance(layer, Surface):
        vertices = points_of(layer, drawn_in(layer, opened))
        values = layer.data[2] if len(layer.data) > 2 else None
        return surface_layer(vertices, layer.data[1], frame, name, values)
    if isinstance(layer, Vectors):
        feet, arrows = arrows_of(layer, drawn_in(layer, opened))
        return vectors_layer(feet, arrows, frame, name, features=layer.features)
    kinds = "labels, images, points, surfaces and vectors"
    raise InputError(f"layer {layer.name!r}: only {kinds} can be overlaid; deselect it")


@telling()
def place_selected(viewer: ViewerModel) -> None:
    """Show the selected labels and images of other readers where they truly lie."""
    volumes = [layer for layer in viewer.layers.selection if isinstance(layer, (Labels, Image))]
    if not volumes:
        raise InputError("select a labels or image layer first")
    moved = [layer.name for layer in volumes if place(layer, viewer.layers)]
    show_info(f"Placed: {', '.join(moved)}" if moved else "Every selected layer is where it belongs already")


@telling()
def save_points_table(viewer: ViewerModel) -> None:
    """Ask for a file, and save the active points layer there as a table of x, y, z in LPS mm."""
    layer = viewer.layers.selection.active
    if not isinstance(layer, Points):
        raise InputError("select a points layer first: its points are what is saved")
    table = points_table(layer, list(viewer.layers))
    path = _ask("save", "Save points as a table in LPS mm")
    if path:
        show_info(f"Saved {write_points(table, path.with_suffix('.csv'))}")


@telling()
def open_points_table(viewer: ViewerModel) -> None:
    """Ask for a table of x, y, z in LPS mm, and show its points over the active layer."""
    path = _ask("open", "Open a table of points in LPS mm")
    if path:
        active = viewer.layers.selection.active
        frame = frame_of_layer(active) if active else None
        data, kwargs, kind = mesh_layer(read_points(path), path.stem, frame)
        viewer.add_layer(Layer.create(data, kwargs, kind))


def points_table(layer: Points, opened: list[Layer]) -> PointSet:
    """Return a points layer as a table in LPS mm, its features as further columns.

    Raises
    ------
    InputError
        The layer is not 3-D, or it is not known over which volume it was drawn.
    """
    features = layer.features
    columns = {str(name): tuple(str(value) for value in features[name]) for name in features}
    taken = {"x", "y", "z"}
    return PointSet(
        points_of(layer, drawn_in(layer, opened)),
        columns={name: values for name, values in columns.items() if name.lower() not in taken},
    )


def _ask(purpose: str, title: str) -> Path | None:
    from qtpy.QtWidgets import QFileDialog

    ask = QFileDialog.getSaveFileName if purpose == "save" else QFileDialog.getOpenFileName
    chosen, _ = ask(None, title, "", "Tables (*.csv)")
    return Path(chosen) if chosen else None


def _identity() -> sitk.Transform:
    return sitk.Transform(3, sitk.sitkIdentity)
