"""The labels that two volumes share, as measures: what the global stages of a registration compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from napari_shapereg.deformations.linear import turned
from napari_shapereg.deformations.normals import turned_normals
from napari_shapereg.errors import InputError
from napari_shapereg.measures import Measure, coarsen, measure_from_labels
from napari_shapereg.registration.cancellation import checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_shapereg.deformations import AffineMap
    from napari_shapereg.registration.initial import InitialMap
    from napari_shapereg.registration.landmarks import PointPairs
    from napari_shapereg.registration.settings import RegistrationSettings
    from napari_shapereg.volumes import LabelVolume

    Measures = Mapping[int, Measure]


@dataclass(frozen=True, eq=False)
class Shapes:
    """Both shapes as coarse measures of unit mass, label by label.

    Parameters
    ----------
    weights : mapping of int to float
        Share of each label in the cost; they sum to 1.
    sources, targets : mapping of int to Measure
        The moving and the fixed shape, LPS mm.
    pairs : PointPairs, optional
        Landmarks beside them.
    """

    weights: Mapping[int, float]
    sources: Mapping[int, Measure]
    targets: Mapping[int, Measure]
    pairs: PointPairs | None = None

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels, ascending."""
        return tuple(self.weights)

    def moved_points(self, affine: AffineMap) -> dict[int, Tensor]:
        """Return the (N, 3) moving points of each label after a linear map, LPS mm."""
        return {k: carried(measure, affine)[0].to(measure.dtype) for k, measure in self.sources.items()}

    def coarsened(self, points: int) -> Shapes:
        """Return the shapes with about `points` points a label at most."""
        return Shapes(
            self.weights,
            {label: _merged(measure, points) for label, measure in self.sources.items()},
            {label: _merged(measure, points) for label, measure in self.targets.items()},
            self.pairs,
        )


def carried(measure: Measure, affine: AffineMap) -> tuple[Tensor, Tensor | None]:
    """Return the points of a measure after a linear map, and its normals if it has any: (N, 3) float64."""
    matrix, translation = (
        torch.as_tensor(values, device=measure.device) for values in (affine.matrix, affine.translation)
    )
    points = turned(measure.points.double(), matrix) + translation
    if measure.normals is None:
        return points, None
    normals = measure.normals.double()
    return points, turned_normals(normals, turned(normals, torch.linalg.inv(matrix).T))


def shared_labels(moving: LabelVolume, fixed: LabelVolume, settings: RegistrationSettings) -> tuple[int, ...]:
    """Return the labels to register, ascending.

    Raises
    ------
    InputError
        A requested label is absent, the volumes have different labels and nobody said what to do about it,
        or they have none in common.
    """
    present = {"moving": set(moving.labels), "fixed": set(fixed.labels)}
    both = present["moving"] & present["fixed"]
    if settings.labels is not None and not settings.shared_labels_only:
        for name, labels in present.items():
            absent = sorted(set(settings.labels) - labels)
            if absent:
                msg = f"label {_list(absent)} is not in the {name} volume, which has {_list(sorted(labels))}"
                raise InputError(msg)
    wanted = both if settings.labels is None else both & set(settings.labels)
    if not wanted:
        msg = (
            f"no label is in both volumes: moving has {_list(sorted(present['moving']))}, fixed has "
            f"{_list(sorted(present['fixed']))}; relabel one of them"
        )
        raise InputError(msg)
    alone = sorted(present["moving"] ^ present["fixed"])
    if settings.labels is None and alone and not settings.shared_labels_only:
        only_moving, only_fixed = (sorted(present[name] - both) for name in ("moving", "fixed"))
        msg = (
            f"the volumes have different labels: only moving has {_list(only_moving)}, only fixed has "
            f"{_list(only_fixed)}; register the shared ones ({_list(sorted(both))}) with shared_labels_only "
            f"(--shared-labels), or name those to register (--labels)"
        )
        raise InputError(msg)
    return tuple(sorted(wanted))


def shapes_from_volumes(
    moving: LabelVolume,
    fixed: LabelVolume,
    labels: tuple[int, ...],
    label_weights: Mapping[int, float],
    *,
    points: int,
    kind: Literal["voxel", "surface"] = "voxel",
    device: torch.device,
    initial: InitialMap | None = None,
) -> Shapes:
    """Turn the labels of two volumes into coarse measures of unit mass.

    Parameters
    ----------
    moving, fixed : LabelVolume
        Both have all the labels.
    labels : tuple of int
        Which labels.
    label_weights : mapping of int to float
        Weights in the cost, 1 where there is none.
    points : int
        About how many points a measure has at most.
    kind : {"voxel", "surface"}
        Of the measures; surfaces have normals.
    device : torch.device
        Where the measures lie; they are float32.
    initial : InitialMap, optional
        Carries the moving shape beforehand.
    """
    total = sum(label_weights.get(label, 1.0) for label in labels)
    return Shapes(
        weights={label: label_weights.get(label, 1.0) / total for label in labels},
        sources={label: _coarse(moving, label, kind, points, device, initial) for label in labels},
        targets={label: _coarse(fixed, label, kind, points, device) for label in labels},
    )


def _coarse(
    volume: LabelVolume,
    label: int,
    kind: Literal["voxel", "surface"],
    points: int,
    device: torch.device,
    initial: InitialMap | None = None,
) -> Measure:
    checkpoint()
    measure = measure_from_labels(volume, label, kind)
    if initial is not None:
        measure = initial.carry_measure(measure)
    return _merged(measure.normalized(), points).to(device=device)


def _merged(measure: Measure, points: int) -> Measure:
    """Merge a measure into about `points` points."""
    if len(measure) <= points:
        return measure
    extent = measure.points.amax(0) - measure.points.amin(0)
    cell = float(extent.amax()) / points**0.5 / 2
    while len(measure := coarsen(measure, cell)) > points:
        # The cells that a shape occupies grow with between the first and the third power of the resolution.
        cell *= max(1.1, (len(measure) / points) ** (1 / 3))
    return measure


def pooled(measures: Measures, weights: Mapping[int, float]) -> Measure:
    """Return all labels as one measure, each with its share of the mass."""
    return Measure(
        torch.cat([measures[label].points for label in weights]),
        torch.cat([share * measures[label].weights for label, share in weights.items()]),
    )


def radius(measure: Measure) -> float:
    """Return the root mean square distance of a measure from its centre, mm."""
    distances = (measure.points - measure.center).square().sum(1)
    return float(((measure.weights * distances).sum() / measure.mass).sqrt())


def _list(labels: list[int]) -> str:
    return ", ".join(str(label) for label in labels) or "none"
