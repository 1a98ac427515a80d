"""How regular a map is: the distribution of its Jacobian determinant over a whole grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.quality.jacobians import jacobian_determinants, mirrors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import SimpleITK as sitk
    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid

PERCENTILES = (1, 5, 50, 95, 99)

_LOWEST, _HIGHEST, _PER_UNIT = -1, 15, 4000
_FINE_BINS = (_HIGHEST - _LOWEST) * _PER_UNIT
_COARSE = 200
"""Fine bins in one bin of the histogram that is kept: its bins are 0.05 wide."""


@dataclass(frozen=True)
class Regularity:
    """The determinants of the Jacobian of a fixed-to-moving map at all voxels of a grid.

    Of a map that mirrors, they are those of the map without its mirroring: folded is where it turns back.

    Parameters
    ----------
    minimum, maximum : float
    percentiles : mapping from int to float
        The 1st, 5th, 50th, 95th and 99th, to 0.00025; limited to [-1, 15].
    fraction_folded : float
        Fraction of the voxels where the determinant is 0 or negative: there the map is not invertible.
    log_deviation : float or None
        Standard deviation of ln det over the voxels where det > 0 (A. D. Leow et al., IEEE Trans. Med.
        Imaging 26, 2007); None where there is none.
    voxels : int
        Number of voxels of the grid.
    histogram_edges, histogram_counts : tuple
        Bins 0.05 wide from the minimum to the maximum, limited to [-1, 15]; what lies beyond is counted in
        the outermost bins.
    mirrored : bool
        Whether the linear part of the map turns left into right.
    """

    minimum: float
    maximum: float
    percentiles: Mapping[int, float]
    fraction_folded: float
    log_deviation: float | None
    voxels: int
    histogram_edges: tuple[float, ...]
    histogram_counts: tuple[int, ...]
    mirrored: bool = False


def regularity(transform: sitk.Transform, grid: ImageGrid) -> Regularity:
    """Measure how regular a map is over a whole grid, in bounded memory.

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D; fixed to moving, as a rule.
    grid : ImageGrid
        Of the fixed image, as a rule; `jacobian_determinants` says how derivatives are taken on it.

    Returns
    -------
    Regularity

    Raises
    ------
    InputError
        The transform is not 3-D.
    """
    statistics = _Statistics()
    for values, count in jacobian_determinants(transform, grid):
        statistics.add(values, count)
    return replace(statistics.summary(), mirrored=mirrors(transform, grid))


class _Statistics:
    """What is kept of the determinants while they pass by."""

    def __init__(self) -> None:
        self.minimum, self.maximum = np.inf, -np.inf
        self.total = self.folded = 0
        self.logs = self.squares = 0.0
        self.counts = np.zeros(_FINE_BINS, dtype=np.int64)

    def add(self, values: NDArray[np.float64], count: int) -> None:
        positive = values[values > 0]
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        self.total += count * values.size
        self.folded += count * (values.size - positive.size)
        logs = np.log(positive)
        self.logs += count * float(logs.sum())
        self.squares += count * float(np.square(logs).sum())
        bins = ((np.clip(values, _LOWEST, _HIGHEST) - _LOWEST) * _PER_UNIT).astype(np.int64).ravel()
        self.counts += count * np.bincount(np.minimum(bins, _FINE_BINS - 1), minlength=_FINE_BINS)

    def summary(self) -> Regularity:
        edges, counts = self._histogram()
        return Regularity(
            minimum=self.minimum,
            maximum=self.maximum,
            percentiles={percent: self._percentile(percent) for percent in PERCENTILES},
            fraction_folded=self.folded / self.total,
            log_deviation=self._log_deviation(),
            voxels=self.total,
            histogram_edges=tuple(edges.tolist()),
            histogram_counts=tuple(counts.tolist()),
        )

    def _percentile(self, percent: float) -> float:
        reached = np.cumsum(self.counts)
        wanted = percent / 100 * self.total
        place = int(np.searchsorted(reached, wanted))
        before = reached[place] - self.counts[place]
        value = _LOWEST + (place + (wanted - before) / self.counts[place]) / _PER_UNIT
        return float(np.clip(value, self.minimum, self.maximum))

    def _log_deviation(self) -> float | None:
        count = self.total - self.folded
        if not count:
            return None
        return float(np.sqrt(max(0.0, self.squares / count - (self.logs / count) ** 2)))

    def _histogram(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        coarse = self.counts.reshape(-1, _COARSE).sum(axis=1)
        filled = np.flatnonzero(coarse)
        first, last = filled[0], filled[-1] + 1
        return _LOWEST + np.arange(first, last + 1) * (_COARSE / _PER_UNIT), coarse[first:last]
