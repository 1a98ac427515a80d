"""Volumes of other readers, shown where they truly lie, and the points that were clicked on them before."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from napari.layers import Labels, Layer, Points

from napari_shapereg.plugin.layer_affine import METADATA, known, known_frame, world
from napari_shapereg.plugin.layer_reading import adopt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image
    from numpy.typing import NDArray

    Placement: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]

_LEFT_BEHIND = "left_behind"
"""In the metadata of a volume that was placed: where it was before, and the points that were there then."""


def place(volume: Labels | Image, layers: Iterable[Layer]) -> bool:
    """Show a volume where it truly lies, and remember the points that may have been clicked on it before.

    Parameters
    ----------
    volume : napari.layers.Labels or napari.layers.Image
    layers : iterable of napari.layers.Layer
        The layers beside it. None is moved: only who chooses them says to which volume they belong.

    Returns
    -------
    bool
        Whether it moved.

    Raises
    ------
    InputError
        As `adopt`.
    """
    before = world(volume)
    if not adopt(volume):
        return False
    clicked = [
        (weakref.ref(layer), np.array(layer.data))
        for layer in layers
        if isinstance(layer, Points) and layer.ndim == 3 and known_frame(layer) is None
    ]
    volume.metadata[METADATA][_LEFT_BEHIND] = before, clicked
    return True


def bring(points: Points, volume: Labels | Image) -> None:
    """Move points that were clicked on a volume before it was placed to where its voxels are now.

    Those that were clicked or moved since stay. A second time, nothing moves.

    Parameters
    ----------
    points : napari.layers.Points
        3-D; changed in place.
    volume : napari.layers.Labels or napari.layers.Image
    """
    before, clicked = known(volume).get(_LEFT_BEHIND, (None, []))
    for entry in clicked:
        reference, old = entry
        if reference() is points:
            clicked.remove(entry)
            still = (points.data[:, None] == old[None]).all(axis=2).any(axis=1)
            _carry_along(points, still, before, world(volume))
            return


def _carry_along(points: Points, chosen: NDArray[np.bool_], before: Placement, after: Placement) -> None:
    (matrix, offset), (old, start), (new, end) = world(points), before, after
    data = np.array(points.data, dtype=np.float64)
    voxels = np.linalg.solve(old, (data[chosen] @ matrix.T + offset - start).T)
    data[chosen] = np.linalg.solve(matrix, new @ voxels + (end - offset)[:, None]).T
    points.data = data
