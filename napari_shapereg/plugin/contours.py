"""Contours of labels: outlines on a slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.plugin.slicewise import Slicewise

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Outlines(Slicewise):
    """The outlines of labels, cut out of each slice when it is shown.

    A labels layer has contours of its own, which warn the user that they are not drawn each time that the
    view turns to 3-D. These are silent.

    Parameters
    ----------
    data : (z, y, x) integer array
        The labels, without a copy.
    """

    def __init__(self, data: NDArray[np.integer[Any]]) -> None:
        """Keep the array."""
        super().__init__(data.shape, data.dtype)
        self._data = data

    def draw(self, axis: int, place: int) -> NDArray[Any]:
        """Return a slice with the labels of those voxels that have a neighbour of another label in it."""
        cut = self._data.take(place, axis)
        around = np.pad(cut, 1)
        inside = np.ones(cut.shape, dtype=bool)
        for direction in (0, 1):
            for step in (-1, 1):
                inside &= np.roll(around, step, direction)[1:-1, 1:-1] == cut
        return np.where(inside, 0, cut)
