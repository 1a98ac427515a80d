"""The arrows of a fidelity between two volumes as they lie, label by label."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.fidelities import descent_field
from napari_shapereg.measures import Measure, measure_from_labels
from napari_shapereg.reductions.shortcuts import noted_shortcuts
from napari_shapereg.registration.plan import chosen_fidelity
from napari_shapereg.registration.shapes import pooled, radius
from napari_shapereg.volumes.memory import require_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    import torch
    from numpy.typing import NDArray

    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.settings import FidelitySettings
    from napari_shapereg.volumes import ImageGrid, LabelVolume


@dataclass(frozen=True)
class Question:
    """What is asked of two volumes.

    Parameters
    ----------
    labels : tuple of int
        Which both have.
    kind : {"voxel", "surface"}
        Of the measures.
    binning : tuple of 3 int
        Voxels per bin along x, y, z.
    unit_mass : bool
        Compare each label's measures divided by their masses.
    device : torch.device
        Where the sums are done, in float32.
    """

    labels: tuple[int, ...]
    kind: Literal["voxel", "surface"]
    binning: tuple[int, int, int]
    unit_mass: bool
    device: torch.device


@dataclass(frozen=True, eq=False)
class Arrows:
    """What a fidelity says about one label.

    Parameters
    ----------
    label : int
    points, vectors : (N, 3) float64 array
        The moving points, LPS mm, and -∇_{x_i} d / α_i at each.
    weights : (N,) float64 array
        Of the moving points.
    fixed_points : int
        How many points the fixed measure has.
    value : float
        d(α, β).
    seconds : float
        For value and arrows.
    shortcuts : tuple of str
        What was computed to a precision, see `noted_shortcuts`; empty where all sums are exact.
    """

    label: int
    points: NDArray[np.float64]
    vectors: NDArray[np.float64]
    weights: NDArray[np.float64]
    fixed_points: int
    value: float
    seconds: float
    shortcuts: tuple[str, ...]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Lengths of the arrows, (N,)."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.vectors, axis=1)
        return lengths


def measures_of(volume: LabelVolume, question: Question) -> dict[int, Measure]:
    """Return the measure of each label."""
    measures = {}
    for label in question.labels:
        measure = measure_from_labels(volume, label, question.kind, binning=question.binning)
        measure = measure.normalized() if question.unit_mass else measure
        measures[label] = measure.to(device=question.device)
    return measures


def fidelity_of(chosen: FidelitySettings, targets: dict[int, Measure], engine: str) -> Fidelity:
    """Return the fidelity that a registration with these settings would descend first."""
    shares = {label: 1 / len(targets) for label in targets}
    unit = {label: measure.normalized() for label, measure in targets.items()}
    return chosen_fidelity(chosen, radius(pooled(unit, shares)), engine)


def compute(loss: Fidelity, sources: dict[int, Measure], targets: dict[int, Measure]) -> Iterator[Arrows]:
    """Yield the arrows of each label. What an engine compiles is compiled before the clock starts."""
    for label, source in sources.items():
        target = targets[label]
        _value_and_field(loss, _first_points(source), _first_points(target))
        began = time.perf_counter()
        with noted_shortcuts() as shortcuts:
            value, field = _value_and_field(loss, source, target)
        seconds = time.perf_counter() - began
        points, vectors, weights = (
            tensor.double().cpu().numpy() for tensor in (source.points, field, source.weights)
        )
        yield Arrows(label, points, vectors, weights, len(target), value, seconds, tuple(sorted(shortcuts)))


def _value_and_field(loss: Fidelity, source: Measure, target: Measure) -> tuple[float, torch.Tensor]:
    field = descent_field(loss, source, target)
    return float(loss(source, target)), field


def _first_points(measure: Measure) -> Measure:
    normals = None if measure.normals is None else measure.normals[:2]
    return Measure(measure.points[:2], measure.weights[:2], normals)


def field_on_grid(arrows: Sequence[Arrows], grid: ImageGrid) -> sitk.Image:
    """Average arrows over the voxels of a grid.

    Parameters
    ----------
    arrows : sequence of Arrows
        Of all labels.
    grid : ImageGrid
        Where the arrows go; a point outside it counts for the nearest voxel.

    Returns
    -------
    SimpleITK.Image
        float32 vectors in LPS: means weighted by the points' weights, 0 in voxels without any.

    Raises
    ------
    ResourceError
        The image is larger than the memory available.
    """
    require_memory(40 * grid.voxels, f"a vector image of {grid.size} voxels")
    points = np.concatenate([part.points for part in arrows])
    vectors = np.concatenate([part.vectors for part in arrows])
    weights = np.concatenate([part.weights for part in arrows])
    voxels = np.clip(np.rint(grid.to_indices(points)).astype(np.int64), 0, np.array(grid.size) - 1)
    places, which = np.unique(np.ravel_multi_index(tuple(voxels.T[::-1]), grid.shape), return_inverse=True)
    mass = np.bincount(which, weights)
    field = np.zeros((grid.voxels, 3), dtype=np.float32)
    for axis in range(3):
        field[places, axis] = np.bincount(which, weights * vectors[:, axis]) / mass
    return grid.stamp(sitk.GetImageFromArray(field.reshape(*grid.shape, 3), isVector=True))
