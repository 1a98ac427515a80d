"""What was measured on a result: each label before and after, and the map there and everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.plugin.folds import Folds, folded_voxels
from napari_shapereg.plugin.maps import determinants
from napari_shapereg.quality import concerns
from napari_shapereg.transforms import transform_points

if TYPE_CHECKING:
    import SimpleITK as sitk
    from numpy.typing import NDArray

    from napari_shapereg.quality import LabelAgreement, LandmarkErrors, Metrics
    from napari_shapereg.registration import RegisteredPair
    from napari_shapereg.volumes import LabelVolume

MOST_FOLLOWED = 100_000
"""How many voxels of each label are followed through the map, evenly chosen."""


@dataclass(frozen=True)
class Spread:
    """The distribution of a number over the voxels of a label.

    Parameters
    ----------
    lowest, median, high, highest : float
        Minimum, median, 95th percentile and maximum.
    """

    lowest: float
    median: float
    high: float
    highest: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Spread | None:
        """Return the distribution, None of no values."""
        if not values.size:
            return None
        return cls(*np.percentile(values, (0, 50, 95, 100)).tolist())


@dataclass(frozen=True)
class Row:
    """One label.

    Parameters
    ----------
    label : int
    name : str
        Empty where it has none.
    before, after : LabelAgreement
        With the fixed label.
    jacobian : Spread or None
        Of det J, fixed to moving, over the voxels of the fixed label.
    inverse : Spread or None
        Of the distance there and back, mm, over the voxels of the fixed label.
    """

    label: int
    name: str
    before: LabelAgreement
    after: LabelAgreement
    jacobian: Spread | None
    inverse: Spread | None

    @property
    def title(self) -> str:
        """The name, or the number where there is none."""
        return self.name or f"label {self.label}"


@dataclass(frozen=True)
class Agreement:
    """All that the dock says about a result in numbers and words.

    Parameters
    ----------
    rows : tuple of Row
        In ascending order of the labels.
    metrics : Metrics
    folds : Folds
        On the whole fixed grid.
    fitted : bool
        Whether landmarks, where there are any, had a say in the map.
    """

    rows: tuple[Row, ...]
    metrics: Metrics
    folds: Folds
    fitted: bool

    def row(self, label: int) -> Row | None:
        """Return the row of a label."""
        return next((row for row in self.rows if row.label == label), None)

    def summary(self) -> str:
        """Say in a few lines what holds for the whole map."""
        lines = []
        values = self.metrics.regularity
        if values:
            parts = [f"{percent} %: {value:.2f}" for percent, value in values.percentiles.items()]
            lines.append(f"det J from {values.minimum:.3f} to {values.maximum:.2f} ({', '.join(parts)})")
            lines.append(self.folding())
        inverse = self.metrics.inverse_consistency
        if inverse:
            lines.append(
                f"Inverse consistency: mean {inverse.mean:.3f}, 95 % {inverse.p95:.3f}, "
                f"max {inverse.maximum:.3f} mm"
            )
        if self.metrics.landmarks:
            lines.append(told(self.metrics.landmarks, fitted=self.fitted))
        return "\n".join(lines)

    def concerns(self) -> list[str]:
        """Return the sentences of `napari_shapereg.quality.concerns`."""
        return concerns(self.metrics)

    def folding(self) -> str:
        """Say whether the map folds, and how much of it."""
        if not self.folds.total:
            return "Nothing folded: det J is positive at every voxel of the fixed grid."
        marked = len(self.folds.points)
        some = "" if marked == self.folds.total else f", {marked} of them marked"
        regularity = self.metrics.regularity
        share = f" ({100 * regularity.fraction_folded:.2g} % of the grid)" if regularity else ""
        return f"Folded: {self.folds.total} voxels{share}{some}."


def measure_agreement(pair: RegisteredPair) -> Agreement:
    """Measure a result; seconds for full-size volumes, so call it in a worker.

    Parameters
    ----------
    pair : RegisteredPair

    Returns
    -------
    Agreement
    """
    metrics = pair.measured
    folded = metrics.regularity is None or metrics.regularity.fraction_folded > 0
    folds = folded_voxels(pair.transform, pair.fixed.grid) if folded else Folds(np.empty((0, 3)), 0)
    rows = []
    for label, after in metrics.after.items():
        points = label_points(pair.fixed, label, MOST_FOLLOWED)
        rows.append(
            Row(
                label=label,
                name=metrics.names.get(label, ""),
                before=metrics.before[label],
                after=after,
                jacobian=Spread.of(determinants(pair.transform, points, pair.fixed.grid.matrix.T)),
                inverse=Spread.of(_there_and_back(pair.transform, pair.inverse_transform, points)),
            )
        )
    return Agreement(tuple(rows), metrics, folds, fitted=pair.settings.landmark_weight > 0)


def told(errors: LandmarkErrors, *, fitted: bool) -> str:
    """Say how far apart landmarks are before and after, and whether they had a say in the map."""
    means, largest = (np.mean(errors.before), np.mean(errors.after)), (max(errors.before), max(errors.after))
    which = "landmarks, which the map was fitted to" if fitted else "landmarks (target registration error)"
    return (
        f"{len(errors.names)} {which}: mean {means[0]:.2f} → {means[1]:.2f} mm, "
        f"largest {largest[0]:.2f} → {largest[1]:.2f} mm."
    )


def label_points(volume: LabelVolume, label: int, most: int) -> NDArray[np.float64]:
    """Return the centres of the voxels of a label, evenly chosen where there are more than wanted.

    Parameters
    ----------
    volume : LabelVolume
    label : int
        One that the volume does not have gives no points.
    most : int

    Returns
    -------
    (N, 3) float64 array
        LPS mm, N <= most.
    """
    if label not in volume.labels:
        return np.empty((0, 3))
    box = volume.bounding_box(label)
    inside = volume.data[box] == label
    places = np.flatnonzero(inside)
    if places.size > most:
        places = places[np.linspace(0, places.size - 1, most).astype(np.intp)]
    corner = np.array([span.start for span in box])
    indices = np.stack(np.unravel_index(places, inside.shape), axis=1) + corner
    return volume.grid.to_points(indices[:, ::-1])


def _there_and_back(
    there: sitk.Transform, back: sitk.Transform, points: NDArray[np.float64]
) -> NDArray[np.float64]:
    returned = transform_points(back, transform_points(there, points))
    distances: NDArray[np.float64] = np.linalg.norm(returned - points, axis=1)
    return distances
