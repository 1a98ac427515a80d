"""All measurements of one registration, as plain values for ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 (dataclass fields are looked up by users' tools)
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_shapereg.quality.agreement import LabelAgreement
    from napari_shapereg.quality.consistency import InverseConsistency
    from napari_shapereg.quality.landmarks import LandmarkErrors
    from napari_shapereg.quality.orientation import Orientation
    from napari_shapereg.quality.regularity import Regularity


@dataclass(frozen=True)
class Metrics:
    """What was measured on one registration.

    Parameters
    ----------
    before, after : mapping from label to LabelAgreement
        Agreement with the fixed volume of the moving volume as it lies, and of the warped one.
    regularity : Regularity, optional
        Of the fixed-to-moving map over the whole fixed grid.
    inverse_consistency : InverseConsistency, optional
        Of the two maps over the labelled voxels of the fixed volume.
    names : mapping from label to str, optional
        Names of the labels.
    landmarks : LandmarkErrors, optional
    moving_volumes : mapping from label to float, optional
        Volumes of the labels in the moving volume itself, mm³ (the one resampled before may be cut by the
        grid).
    orientation : Orientation, optional
        How the two volumes lie.
    """

    before: Mapping[int, LabelAgreement]
    after: Mapping[int, LabelAgreement]
    regularity: Regularity | None = None
    inverse_consistency: InverseConsistency | None = None
    landmarks: LandmarkErrors | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    moving_volumes: Mapping[int, float] = field(default_factory=dict)
    orientation: Orientation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, numbers and None, which `json.dumps` writes as strict JSON.

        Returns
        -------
        dict
            ``labels``: for each label (as text) its ``name``, its ``moving_volume``, and the values of
            `LabelAgreement` under ``before`` and ``after``. ``jacobian``: ``mirrored``, ``minimum``,
            ``maximum``, ``percentiles``, ``fraction_folded``, ``log_deviation``, ``voxels`` and
            ``histogram`` (``edges`` and ``counts``), or None. ``inverse_consistency``: ``mean``, ``p95``,
            ``maximum``, ``voxels``, or None. ``landmarks``: see `LandmarkErrors`, or None.
            ``orientation``: ``moving_side``, ``fixed_side`` and ``turn`` (degrees, or None), or None.
            Lengths in mm, volumes in mm³, points in LPS mm.
        """
        return {
            "labels": {str(label): self._label(label) for label in sorted({*self.before, *self.after})},
            "jacobian": _jacobian(self.regularity) if self.regularity else None,
            "inverse_consistency": asdict(self.inverse_consistency) if self.inverse_consistency else None,
            "landmarks": self.landmarks.to_dict() if self.landmarks else None,
            "orientation": asdict(self.orientation) if self.orientation else None,
        }

    def _label(self, label: int) -> dict[str, Any]:
        return {
            "name": self.names.get(label),
            "moving_volume": self.moving_volumes.get(label),
            "before": _agreement(self.before.get(label)),
            "after": _agreement(self.after.get(label)),
        }


def _agreement(values: LabelAgreement | None) -> dict[str, Any] | None:
    if values is None:
        return None
    plain = asdict(values)
    plain["worst_point"] = list(values.worst_point) if values.worst_point else None
    return plain


def _jacobian(values: Regularity) -> dict[str, Any]:
    return {
        "mirrored": values.mirrored,
        "minimum": values.minimum,
        "maximum": values.maximum,
        "percentiles": {str(percent): value for percent, value in values.percentiles.items()},
        "fraction_folded": values.fraction_folded,
        "log_deviation": values.log_deviation,
        "voxels": values.voxels,
        "histogram": {"edges": list(values.histogram_edges), "counts": list(values.histogram_counts)},
    }
