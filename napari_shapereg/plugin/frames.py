"""Which frame a layer without axes of its own is drawn in: points clicked on a volume, a mesh from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari
from napari.layers import Image, Labels, Layer

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import DisplayFrame
from napari_shapereg.plugin.layer_affine import known_frame
from napari_shapereg.volumes.grid import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel


def open_layers() -> list[Layer]:
    """Return the layers of napari's window, the active one first; [] where there is no window."""
    viewer = napari.current_viewer()
    if viewer is None:
        return []
    return [*filter(None, [viewer.layers.selection.active]), *viewer.layers]


def current_frame() -> DisplayFrame | None:
    """Return the frame of the layer that is selected in napari's window, else of the first that has one.

    What comes from a file without axes of its own, a mesh or arrows, is drawn in it, so that it lies over
    that layer. None where there is no window, or no such layer in it.
    """
    return next(filter(None, map(known_frame, open_layers())), None)


def unmirror(viewer: ViewerModel) -> None:
    """Turn napari's camera so that 3-D views of right-handed frames are no mirror images.

    napari draws x to the right, y down and, since 0.6, z towards the viewer, which shows LPS in a mirror: a
    left knee looks like a right one. With z away from the viewer one looks from the feet, as radiologists do.
    """
    viewer.scene.camera.orientation = ("away", "down", "right")


def prepare_window() -> None:
    """Unmirror the camera of napari's window while it is empty; a view that is in use stays as it is."""
    viewer = napari.current_viewer()
    if viewer is not None and not viewer.layers:
        unmirror(viewer)


def drawn_in(layer: Layer, others: Sequence[Layer]) -> DisplayFrame:
    """Return the frame in which a points, surface or vectors layer is drawn.

    Parameters
    ----------
    layer : napari.layers.Layer
    others : sequence of napari.layers.Layer
        The layers open beside it.

    Returns
    -------
    DisplayFrame
        Its own where this plugin made it. One made by hand was drawn over the volumes that are visible; where
        none is, it is in LPS reversed.

    Raises
    ------
    InputError
        Visible volumes have different frames, so that nobody knows what it was drawn over.
    """
    own = known_frame(layer)
    if own:
        return own
    volumes = [other for other in others if isinstance(other, (Labels, Image)) and other.visible]
    frames = {frame for frame in map(known_frame, volumes) if frame}
    if len(frames) > 1:
        names = ", ".join(repr(volume.name) for volume in dict.fromkeys(volumes))
        raise InputError(
            f"layer {layer.name!r} was drawn over one of {names}, which have different axes, so its place in "
            "LPS is not known; hide the volumes that it does not belong to"
        )
    return frames.pop() if frames else DisplayFrame(IDENTITY)
