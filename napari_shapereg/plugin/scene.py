"""Two shapes in 3-D: surfaces stand for the labels, which napari would draw as blocks that hide all else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import label_colormap

from napari_shapereg.plugin.frames import unmirror
from napari_shapereg.plugin.garbage import remove_layers
from napari_shapereg.plugin.layers import surface_layer
from napari_shapereg.plugin.meshes import label_mesh, merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_shapereg.plugin.display_frame import DisplayFrame
    from napari_shapereg.plugin.layers import LayerData
    from napari_shapereg.plugin.meshes import Mesh
    from napari_shapereg.volumes import LabelVolume

MOST_FACES = 120_000
"""Of the surfaces of one volume, which must be quick to turn around."""

_LOOK = (0.45, 0.8, -0.4)
"""View direction in LPS: from the front, the right and above."""
_UP = (0.0, 0.0, 1.0)
_CLOSE_UP = 60.0
"""How much of the world (mm) the canvas spans at most when a place is looked at."""
_BRIGHT = 0.8
"""Of the red, green or blue of a solid surface, whichever is largest, at least."""
_PALE = 0.5
"""How much white is in the colours of a veil: dark ones would not be seen on black."""


@dataclass(frozen=True, eq=False)
class Shape:
    """The surfaces of some labels of a volume.

    Parameters
    ----------
    vertices : (V, 3) float64 array
        LPS mm.
    faces : (F, 3) int64 array
    labels : (V,) int64 array
        Which label each vertex belongs to.
    colors : (V, 4) float32 array
        Those of the labels, opaque.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    labels: NDArray[np.int64]
    colors: NDArray[np.float32]


def shape_of(volume: LabelVolume, labels: Sequence[int], most_faces: int = MOST_FACES) -> Shape:
    """Return the surfaces of labels, in bins where voxels would make too many triangles.

    Parameters
    ----------
    volume : LabelVolume
    labels : sequence of int
        At least one; all present.
    most_faces : int
        Of all labels together, as far as bins do not lose what is thin.
    """
    meshes = [_mesh(volume, label, most_faces // len(labels)) for label in labels]
    whole = merged(meshes)
    owners = np.repeat(np.array(labels, dtype=np.int64), [len(mesh.vertices) for mesh in meshes])
    return Shape(whole.vertices, whole.faces, owners, label_colors(volume, owners))


def label_colors(volume: LabelVolume, labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the (N, 4) colours of labels: the volume's, or those that napari gives to labels."""
    found, which = np.unique(labels, return_inverse=True)
    others = label_colormap()
    table = [
        (*volume.colors[label], 1.0) if label in volume.colors else others.map(label)
        for label in found.tolist()
    ]
    return np.array(table, dtype=np.float32).reshape(-1, 4)[which]


def lit(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, 4) colours of the same hues of which none is too dark to be seen on black, in the shade."""
    brightest = colors[:, :3].max(axis=1, keepdims=True)
    factors = np.where((brightest > 0) & (brightest < _BRIGHT), _BRIGHT / np.maximum(brightest, 1e-6), 1.0)
    return np.concatenate([colors[:, :3] * factors, colors[:, 3:]], axis=1).astype(np.float32)


def _mesh(volume: LabelVolume, label: int, most_faces: int) -> Mesh:
    lengths = volume.grid.spacing
    return label_mesh(volume, label, most_faces, edge=min(max(lengths), 2 * min(lengths)))


def look_at(viewer: ViewerModel, place: NDArray[np.float64]) -> None:
    """Move the slices and the camera to a place z, y, x in the world, mm."""
    dims, camera = viewer.dims, viewer.scene.camera
    first = dims.ndim - 3
    dims.set_point(range(first, dims.ndim), place.tolist())
    camera.center = tuple(float(place[axis - first]) for axis in dims.displayed if axis >= first)
    camera.zoom = max(camera.zoom, min(viewer.canvas.size) / _CLOSE_UP)


class _Pose(NamedTuple):
    """How a viewer looks at its layers."""

    ndisplay: int
    center: tuple[float, ...]
    zoom: float
    orientation: tuple[str, ...]

    @classmethod
    def of(cls, viewer: ViewerModel) -> _Pose:
        camera = viewer.scene.camera
        return cls(viewer.dims.ndisplay, tuple(camera.center), camera.zoom, camera.orientation)

    def restore(self, viewer: ViewerModel) -> None:
        camera = viewer.scene.camera
        camera.orientation = self.orientation
        if viewer.dims.ndisplay != self.ndisplay:
            viewer.dims.ndisplay = self.ndisplay
            camera.center, camera.zoom = self.center, self.zoom


class Scene:
    """The viewer turned to 3-D for a pair of shapes, and turned back as it was.

    Labels layers are hidden while the scene is on. It ends by itself when somebody turns the viewer to 2-D,
    where surfaces are invisible.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._hidden: list[Layer] = []
        self._surfaces: list[Layer] = []
        self._before: _Pose | None = None

    @property
    def on(self) -> bool:
        """Whether the scene is shown."""
        return self._before is not None

    def turn(self, frame: DisplayFrame) -> None:
        """Turn the viewer to 3-D and hide the labels."""
        viewer = self._viewer
        if self._before is None:
            self._before = _Pose.of(viewer)
            viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        for layer in viewer.layers:
            if isinstance(layer, Labels) and layer.visible:
                layer.visible = False
                self._hidden.append(layer)
        if viewer.dims.ndisplay == 2:
            viewer.dims.ndisplay = 3
            unmirror(viewer)
            viewer.reset_view()
            look, up = frame.turn_to_display([_LOOK, _UP]).tolist()
            viewer.scene.camera.set_view_direction(look, up)

    def add(self, frame: DisplayFrame, name: str, shape: Shape, *, solid: bool) -> None:
        """Show a shape until the scene ends: solid, or as a veil that others show through."""
        if self.on:
            layer = Layer.create(*_surface(shape, frame, name, solid=solid))
            self._viewer.add_layer(layer)
            self._surfaces.append(layer)

    def clear(self) -> None:
        """Take the shapes away; the viewer stays as it is turned."""
        remove_layers(self._viewer, self._surfaces)
        self._surfaces = []

    def end_with(self, layer: Labels) -> None:
        """Show a layer that is hidden now when the scene ends."""
        self._hidden.append(layer)

    def hide(self, layer: Layer) -> None:
        """Hide a layer, and leave it hidden when the scene ends."""
        layer.visible = False
        if layer in self._hidden:
            self._hidden.remove(layer)

    def leave(self) -> None:
        """Take the shapes away and turn the viewer back; layers that were removed meanwhile stay away."""
        if self._before is None:
            return
        viewer = self._viewer
        before, self._before = self._before, None
        viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self.clear()
        before.restore(viewer)
        for layer in self._hidden:
            layer.visible = True
        self._hidden = []

    def _on_ndisplay(self) -> None:
        if self._viewer.dims.ndisplay == 2:
            self.leave()


def _surface(shape: Shape, frame: DisplayFrame, name: str, *, solid: bool) -> LayerData:
    colors = lit(shape.colors) if solid else (1 - _PALE) * shape.colors + _PALE
    look: dict[str, Any] = {"shading": "smooth", "opacity": 1.0}
    if not solid:
        look = {"shading": "flat", "opacity": 0.35, "blending": "translucent_no_depth"}
    return surface_layer(shape.vertices, shape.faces, frame, name, vertex_colors=colors, **look)
