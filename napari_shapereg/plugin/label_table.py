"""Tables of the colours of labels that napari can draw with at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, DTypeLike


def label_table(colors: Mapping[int, ArrayLike], dtype: DTypeLike) -> DirectLabelColormap:
    """Return the colours of labels; all others are transparent.

    Parameters
    ----------
    colors : mapping of int to color
    dtype : dtype
        Of the voxels that will be drawn in these colours.
    """
    table: list[tuple[int | None, Any]] = [(None, "transparent"), (0, "transparent"), *colors.items()]
    colormap = DirectLabelColormap(color_dict=dict(table))
    # napari compiles where it draws with the first table. Better here: workers make most.
    colormap.map(np.zeros(1, dtype=dtype))
    return colormap
