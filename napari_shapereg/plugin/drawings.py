"""How what is inspected becomes layers: contours, maps, folds, the deformed grid, lines, the worst point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_shapereg.plugin.contours import Outlines
from napari_shapereg.plugin.correspondences import landings, transported
from napari_shapereg.plugin.deformed_grid import LinesOnSlices, lines_in_space
from napari_shapereg.plugin.inspected import Side
from napari_shapereg.plugin.label_table import label_table
from napari_shapereg.plugin.layer_affine import DRAWING
from napari_shapereg.plugin.layers import (
    image_layer,
    points_layer,
    surface_layer,
    vectors_layer,
)
from napari_shapereg.plugin.meshes import merged
from napari_shapereg.plugin.overlays import Drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_shapereg.plugin.correspondences import Correspondences
    from napari_shapereg.plugin.folds import Folds
    from napari_shapereg.plugin.inspected import Inspected
    from napari_shapereg.plugin.layers import LayerData
    from napari_shapereg.plugin.maps import Quantity

_LINE = 0.4
"""Width of a line in space, mm."""
_GREY = (0.6, 0.6, 0.6)
"""Seen on a dark canvas as on a light one."""
_RING = 6.0
"""Diameter of the ring around a point, mm."""
_ALERT = "#ff2640"

SEQUENTIAL = ensure_colormap("viridis")
DIVERGING = Colormap(
    [[0.13, 0.40, 0.67], [0.57, 0.77, 0.87], [0.97, 0.97, 0.97], [0.96, 0.65, 0.51], [0.70, 0.09, 0.17]],
    name="smaller-larger",
)
"""Blue below 0, white at 0, red above."""


def colormap_of(quantity: Quantity) -> Colormap:
    """Return the colours of a quantity."""
    return DIVERGING if quantity.diverging else SEQUENTIAL


def outline(inspected: Inspected, side: Side, labels: Sequence[int]) -> list[Drawing]:
    """Outline labels of a side on every slice."""
    volume = inspected.volume(side)
    colors = {label: np.array([*side.color, 1.0]) for label in labels}
    keywords = {
        "name": f"{side.value} contour",
        **inspected.frame.placement(volume.grid),
        "colormap": label_table(colors, volume.data.dtype),
        "opacity": 1.0,
    }
    return [Drawing((Outlines(volume.data), keywords, "labels"), ("colormap",), _locked)]


def surface(inspected: Inspected, side: Side, labels: Sequence[int]) -> list[Drawing]:
    """Draw the surfaces of labels of a side in its colour; the fixed one can be seen through."""
    meshes = inspected.meshes(side)
    mesh = merged(meshes[label] for label in labels if label in meshes)
    if not len(mesh.faces):
        return []
    data = surface_layer(
        mesh.vertices,
        mesh.faces,
        inspected.frame,
        f"{side.value} surface",
        values=np.ones(len(mesh.vertices), dtype=np.float32),
        colormap=Colormap([side.color, side.color], name=f"{side.value} colour"),
        contrast_limits=(0.0, 1.0),
        opacity=0.45 if side is Side.FIXED else 0.9,
        shading="smooth",
    )
    return [Drawing(data)]


def map_image(inspected: Inspected, quantity: Quantity) -> list[Drawing]:
    """Draw a quantity on every slice."""
    drawn = inspected.map(quantity)
    data = image_layer(
        drawn.values,
        quantity.title,
        grid=drawn.grid,
        frame=inspected.frame,
        colormap=colormap_of(quantity),
        contrast_limits=inspected.limits(quantity),
        opacity=0.6,
        blending="translucent",
    )
    return [Drawing(data, finish=_with_colorbar)]


def map_surface(inspected: Inspected, quantity: Quantity, labels: Sequence[int]) -> list[Drawing]:
    """Colour the warped surfaces of labels by a quantity."""
    meshes = inspected.meshes(Side.AFTER)
    present = [label for label in labels if label in meshes]
    if not present:
        return []
    mesh = merged(meshes[label] for label in present)
    values = np.concatenate([inspected.on_surface(quantity, label) for label in present])
    data = surface_layer(
        mesh.vertices,
        mesh.faces,
        inspected.frame,
        f"{quantity.title} on the surface",
        values=values.astype(np.float32),
        colormap=colormap_of(quantity),
        contrast_limits=inspected.limits(quantity),
        # Light and shadow would be read as values.
        shading="none",
    )
    return [Drawing(data, finish=_with_colorbar)]


def folds(inspected: Inspected, found: Folds) -> list[Drawing]:
    """Mark folded voxels."""
    data = points_layer(
        found.points,
        inspected.frame,
        "Folded voxels",
        symbol="cross",
        size=2 * max(inspected.pair.fixed.grid.spacing),
        face_color=_ALERT,
        border_width=0,
        metadata=DRAWING,
    )
    return [Drawing(data)]


def grid_on_slices(inspected: Inspected, spacing: float) -> list[Drawing]:
    """Draw the deformed grid on every slice."""
    pair = inspected.pair
    lines = LinesOnSlices(pair.transform, pair.fixed.grid, pair.moving.grid, spacing)
    keywords = {
        "name": "Deformed grid",
        **inspected.frame.placement(pair.fixed.grid),
        "colormap": Colormap([[*_GREY, 0.0], [*_GREY, 1.0]], name="lines"),
        "contrast_limits": (0.0, 1.0),
        "opacity": 0.8,
        "blending": "translucent",
    }
    return [Drawing((lines, keywords, "image"))]


def grid_in_space(inspected: Inspected, spacing: float) -> list[Drawing]:
    """Draw the deformed grid as lines in space."""
    lines = lines_in_space(inspected.pair.moving, inspected.pair.inverse_transform, spacing)
    data = vectors_layer(
        lines.starts,
        lines.moves,
        inspected.frame,
        f"Deformed grid, {lines.spacing:g} mm",
        vector_style="line",
        edge_width=_LINE,
        edge_color="#999999",
        opacity=0.5,
    )
    return [Drawing(data, ("name",))]


def lines_of_map(inspected: Inspected, labels: Sequence[int], most: int) -> list[Drawing]:
    """Draw lines from the moving surface to where the map carries it."""
    meshes = inspected.meshes(Side.BEFORE)
    chosen = {label: meshes[label] for label in labels if label in meshes}
    pairs = landings(chosen, inspected.pair.inverse_transform, most)
    return _lines(inspected, pairs, "Where the surface lands")


def lines_of_plan(inspected: Inspected, side: Side, labels: Sequence[int], most: int) -> list[Drawing]:
    """Draw lines from the surface of a side to where optimal transport to the fixed one sends it."""
    sources, targets = inspected.meshes(side), inspected.meshes(Side.FIXED)
    chosen = {label: sources[label] for label in labels if label in sources}
    pairs = transported(chosen, targets, most)
    return _lines(inspected, pairs, f"Transport, {side.value.lower()} to fixed")


def place(inspected: Inspected, point: Sequence[float]) -> list[Drawing]:
    """Mark a point, LPS mm."""
    data = points_layer(
        [point],
        inspected.frame,
        "Worst point",
        size=_RING,
        face_color="transparent",
        border_color=_ALERT,
        border_width=0.08,
        metadata=DRAWING,
    )
    return [Drawing(data)]


def _lines(inspected: Inspected, pairs: Correspondences, name: str) -> list[Drawing]:
    if not len(pairs.starts):
        return []
    lengths = pairs.lengths()
    top = max(float(lengths.max()), 1e-3)
    data: LayerData = vectors_layer(
        pairs.starts,
        pairs.ends - pairs.starts,
        inspected.frame,
        f"{name} (to {top:.1f} mm)",
        vector_style="line",
        edge_width=_LINE,
        edge_color="length_mm",
        edge_colormap=SEQUENTIAL,
        edge_contrast_limits=(0.0, top),
        features={"length_mm": lengths, "label": pairs.labels},
    )
    return [Drawing(data, ("name", "features", "edge_color", "edge_contrast_limits"))]


def _locked(layer: Layer) -> None:
    layer.editable = False


def _with_colorbar(layer: Layer) -> None:
    layer.colorbar.visible = True
