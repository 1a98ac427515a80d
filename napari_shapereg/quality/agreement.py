"""How well two label volumes agree: overlap, volume, and distances between their contours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid, LabelVolume

    Point = tuple[float, float, float]

_SAME_PLACE = 1e-3
"""How far (mm) the corners of two grids may lie apart to count as one: NIfTI headers round to 1e-5 mm."""


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement of one label in a fixed and a warped volume.

    Parameters
    ----------
    dice : float
        2 |F ∩ W| / (|F| + |W|) in voxels; 0 where both are empty (L. R. Dice, Ecology 26, 1945).
    volume_ratio : float or None
        |W| / |F|; None where F is empty.
    fixed_volume, warped_volume : float
        mm³.
    assd : float or None
        Mean of the distances from each contour voxel to the other contour, over the contour voxels of both,
        mm.
    hd95 : float or None
        The larger of the 95th percentiles of the distances from F to W and from W to F, mm.
    hd : float or None
        Largest of all those distances (Hausdorff), mm.
    worst_point : (x, y, z) or None
        The contour voxel where `hd` is attained, LPS mm.

    Notes
    -----
    The contour of a label is its voxels with a 6-neighbour outside it (or outside the volume); distances are
    Euclidean, between voxel centres. They are None where the label is empty in one of the volumes.
    """

    dice: float
    volume_ratio: float | None
    fixed_volume: float
    warped_volume: float
    assd: float | None = None
    hd95: float | None = None
    hd: float | None = None
    worst_point: Point | None = None


def label_agreement(
    fixed: LabelVolume, warped: LabelVolume, labels: Iterable[int] | None = None
) -> dict[int, LabelAgreement]:
    """Compare two label volumes on one grid, label by label.

    Parameters
    ----------
    fixed, warped : LabelVolume
        On the same grid.
    labels : iterable of int, optional
        Which labels; those of `fixed` where it is not given. A label that is absent from both is compared as
        empty.

    Returns
    -------
    dict from int to LabelAgreement
        In ascending order of the labels.

    Raises
    ------
    InputError
        The volumes lie on different grids.
    """
    _require_one_grid(fixed.grid, warped.grid)
    wanted = sorted(set(fixed.labels if labels is None else labels))
    return {label: _compare(fixed, warped, label) for label in wanted}


def _require_one_grid(fixed: ImageGrid, warped: ImageGrid) -> None:
    apart = float(np.linalg.norm(fixed.corners() - warped.corners(), axis=1).max())
    if fixed.size != warped.size or apart > _SAME_PLACE:
        raise InputError(
            f"the volumes lie on different grids (sizes {fixed.size} and {warped.size}, corners up to "
            f"{apart:.3g} mm apart); resample one onto the grid of the other first"
        )


def _common_box(label: int, *volumes: LabelVolume) -> tuple[slice, slice, slice]:
    """Return the smallest (z, y, x) box that holds a label in all volumes; an empty one where none has it."""
    boxes = [volume.bounding_box(label) for volume in volumes if label in volume.labels]
    if not boxes:
        return (slice(0, 0),) * 3
    z, y, x = (
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )
    return (z, y, x)


def _compare(fixed: LabelVolume, warped: LabelVolume, label: int) -> LabelAgreement:
    grid, box = fixed.grid, _common_box(label, fixed, warped)
    start = [part.start for part in box]
    ours, theirs = (volume.data[box] == label for volume in (fixed, warped))
    counts = int(np.count_nonzero(ours)), int(np.count_nonzero(theirs))
    dice = 2 * int(np.count_nonzero(ours & theirs)) / max(1, sum(counts))
    ratio = counts[1] / counts[0] if counts[0] else None
    volumes = counts[0] * grid.voxel_volume, counts[1] * grid.voxel_volume
    if not all(counts):
        return LabelAgreement(dice, ratio, *volumes)
    contours = [np.argwhere(contour(mask)) for mask in (ours, theirs)]
    there, back = _distances(*(places * np.array(grid.spacing[::-1]) for places in contours))
    worst = contours[0][there.argmax()] if there.max() >= back.max() else contours[1][back.argmax()]
    x, y, z = grid.to_points([(worst + start)[::-1]])[0].tolist()
    return LabelAgreement(
        dice,
        ratio,
        *volumes,
        assd=float((there.sum() + back.sum()) / (there.size + back.size)),
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        hd=float(max(there.max(), back.max())),
        worst_point=(x, y, z),
    )


def contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels of a mask that have a 6-neighbour outside it, or outside the array."""
    padded = np.pad(mask, 1)
    inside = mask.copy()
    for axis in range(3):
        for step in (-1, 1):
            place = [slice(1, -1)] * 3
            place[axis] = slice(1 + step, padded.shape[axis] - 1 + step)
            inside &= padded[tuple(place)]
    return mask & ~inside


def _distances(
    ours: NDArray[np.float64], theirs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Trees of contour voxels give the same numbers as distance transforms of the box, several times faster.
    return _to_nearest(ours, theirs), _to_nearest(theirs, ours)


def _to_nearest(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    # Where the contours lie far apart, a search looks into most leaves: few large ones are quicker.
    tree = KDTree(others, leafsize=32, balanced_tree=False, compact_nodes=False)
    return np.asarray(tree.query(points, workers=-1)[0])
