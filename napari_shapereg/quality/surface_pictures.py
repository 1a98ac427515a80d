"""The fixed surfaces from six sides, and how far the map moves their points beyond its linear part."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.measures import surface_from_labels
from napari_shapereg.quality.panels import WIDTH, draw_bar, new_figure, row_height, to_png, write_letters

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from numpy.typing import NDArray

    from napari_shapereg.volumes import LabelVolume

    Displacement = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_BINS = 80
"""Along the longest side of the labels: triangles are as fine as a picture shows them."""
_ARROWS = 16
"""Along the width of a view."""
_SHADE = 0.25
"""Part of the colour that a triangle seen at a grazing angle loses; more would hide the scale of colours."""
_COLOURS = "YlGnBu"
"""From light to dark, so that a grey print keeps the order."""


class _View(NamedTuple):
    """A direction of sight: LPS axes on the page (with signs) and the letters of the page's edges."""

    name: str
    across: tuple[int, int]
    down: tuple[int, int]
    depth: tuple[int, int]
    edges: tuple[str, str, str, str]

    def seen(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (..., 3) vectors in LPS as (across, down, away from the eye)."""
        return np.stack([sign * vectors[..., axis] for axis, sign in self[1:4]], axis=-1)


_VIEWS = (
    _View("from the front", (0, 1), (2, -1), (1, 1), ("R", "L", "S", "I")),
    _View("from the left", (1, 1), (2, -1), (0, -1), ("A", "P", "S", "I")),
    _View("from above", (0, -1), (1, 1), (2, -1), ("L", "R", "A", "P")),
    _View("from behind", (0, -1), (2, -1), (1, -1), ("L", "R", "S", "I")),
    _View("from the right", (1, -1), (2, -1), (0, 1), ("P", "A", "S", "I")),
    _View("from below", (0, 1), (1, 1), (2, 1), ("R", "L", "A", "P")),
)


class _Faces(NamedTuple):
    """Triangles (F, 3, 3), their outward unit normals (F, 3), and how their centres move (F, 3); LPS mm."""

    corners: NDArray[np.float64]
    normals: NDArray[np.float64]
    moves: NDArray[np.float64]


def displacement_picture(fixed: LabelVolume, displacement: Displacement) -> bytes:
    """Return a PNG of the fixed surfaces from six sides, darker where the map moves them farther.

    Arrows of true length lead from where the linear part of the map alone would carry the moving points to
    the fixed points that the whole map carries them to.

    Parameters
    ----------
    fixed : LabelVolume
    displacement : callable
        Takes (N, 3) fixed points y and returns u(y) of the map y ↦ A⁻¹(y + u(y)); LPS mm.

    Returns
    -------
    bytes

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    faces = _faces(fixed, displacement)
    limit = max(0.1, float(np.percentile(np.linalg.norm(faces.moves, axis=1), 99)))
    spans = [np.ptp(view.seen(faces.corners.reshape(-1, 3)), axis=0)[:2] + 4 for view in _VIEWS[:3]]
    figure = new_figure(WIDTH, 2 * row_height(spans) + 1.3)
    axes = figure.subplots(2, 3, width_ratios=[across for across, _ in spans])
    for place, view in zip(axes.ravel(), _VIEWS, strict=True):
        colours = _draw(place, view, faces, limit)
    bar = figure.colorbar(colours, ax=list(axes.ravel()), location="bottom", shrink=0.5, aspect=40)
    bar.set_label("displacement beyond the linear part, mm", fontsize=9)
    return to_png(figure)


def _faces(fixed: LabelVolume, displacement: Displacement) -> _Faces:
    meshes = [_mesh(fixed, label) for label in fixed.labels]
    corners = np.concatenate([vertices[faces] for vertices, faces in meshes])
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(areas, axis=1, keepdims=True)
    normals = areas / np.maximum(lengths, np.finfo(float).tiny)
    return _Faces(corners, normals, displacement(corners.mean(axis=1)))


def _mesh(fixed: LabelVolume, label: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    spacing = np.array(fixed.grid.spacing)
    box = fixed.bounding_box()[::-1]
    longest = max((part.stop - part.start) * length for part, length in zip(box, spacing, strict=True))
    x, y, z = np.maximum(1, (longest / _BINS / spacing).round()).astype(int).tolist()
    try:
        mesh = surface_from_labels(fixed, label, binning=(x, y, z))
    except InputError:  # A label that is thinner than the bins has a surface at its own voxels.
        mesh = surface_from_labels(fixed, label)
    return mesh.vertices.numpy(), mesh.faces.numpy()


def _draw(place: Axes, view: _View, faces: _Faces, limit: float) -> ScalarMappable:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import TriMesh
    from matplotlib.colors import Normalize
    from matplotlib.tri import Triangulation

    facing = -view.seen(faces.normals)[:, 2]
    shown = np.flatnonzero(facing > 0)
    corners = view.seen(faces.corners[shown])
    order = np.argsort(-corners[..., 2].mean(axis=1), kind="stable")
    shown, corners = shown[order], corners[order]
    lengths = np.linalg.norm(faces.moves[shown], axis=1)
    scale = ScalarMappable(Normalize(0, limit), colormaps[_COLOURS])
    colours = scale.to_rgba(lengths)
    colours[:, :3] *= (1 - _SHADE * (1 - facing[shown]))[:, None]
    flat = corners[..., :2].reshape(-1, 2)
    drawn = TriMesh(Triangulation(flat[:, 0], flat[:, 1], np.arange(len(flat)).reshape(-1, 3)))
    drawn.set(facecolor=colours.repeat(3, axis=0))
    # Its extent would be asked of every triangle as a path of its own: `_frame` sets the limits.
    drawn.set_in_layout(False)
    place.add_collection(drawn, autolim=False)
    _draw_arrows(place, view, faces, shown)
    _frame(place, view, faces)
    return scale


def _draw_arrows(place: Axes, view: _View, faces: _Faces, shown: NDArray[np.int64]) -> None:
    centres = view.seen(faces.corners[shown].mean(axis=1))
    moves = view.seen(faces.moves[shown])
    cell = max(2.0, float(np.ptp(centres[:, 0])) / _ARROWS)
    # One arrow a cell, of the triangle nearest to the eye, with which `shown` ends: those behind are hidden.
    cells = np.floor(centres[:, :2] / cell).astype(int)
    _, nearest = np.unique(cells[::-1], axis=0, return_index=True)
    chosen = len(shown) - 1 - nearest
    start = centres[chosen, :2] + moves[chosen, :2]
    place.quiver(
        *(start[:, 0], start[:, 1], -moves[chosen, 0], -moves[chosen, 1]),
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.004,
        color="#b3261e",
    )


def _frame(place: Axes, view: _View, faces: _Faces) -> None:
    points = view.seen(faces.corners.reshape(-1, 3))[:, :2]
    (left, top), (right, bottom) = points.min(axis=0) - 2, points.max(axis=0) + 2
    place.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    place.set_title(view.name, fontsize=10)
    draw_bar(place, right - 2, bottom - 1.5)
    write_letters(place, view.edges)
