"""How many voxels of a label each bin of a grid holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.volumes.grid import ImageGrid
    from napari_shapereg.volumes.labels import LabelVolume


def occupancy(
    volume: LabelVolume, label: int, binning: tuple[int, int, int]
) -> tuple[NDArray[np.int64], ImageGrid]:
    """Count the voxels of a label in each bin, over the bins that its bounding box touches.

    Parameters
    ----------
    volume : LabelVolume
        The segmented volume.
    label : int
        One of `volume.labels`.
    binning : tuple of 3 int
        Voxels per bin along x, y, z, counted from voxel (0, 0, 0).

    Returns
    -------
    counts : (z, y, x) int64 array
        From 0 to the number of voxels in a bin.
    grid : ImageGrid
        The bins that `counts` covers.

    Raises
    ------
    InputError
        The label is absent, or `binning` is not three positive integers.
    """
    bins = volume.grid.binned(binning)
    box = volume.bounding_box(label)
    factors = tuple(reversed(binning))
    first = [span.start // factor for span, factor in zip(box, factors, strict=True)]
    count = [-(-span.stop // factor) - start for span, factor, start in zip(box, factors, first, strict=True)]
    # Fill whole bins around the box, also those that reach beyond the volume.
    filled = np.zeros([number * factor for number, factor in zip(count, factors, strict=True)], dtype=bool)
    inside = tuple(
        slice(span.start - start * factor, span.stop - start * factor)
        for span, start, factor in zip(box, first, factors, strict=True)
    )
    filled[inside] = volume.data[box] == label
    split = [part for pair in zip(count, factors, strict=True) for part in pair]
    counts = filled.reshape(split).sum(axis=(1, 3, 5), dtype=np.int64)
    return counts, bins.cropped(first[::-1], count[::-1])
