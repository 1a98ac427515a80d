"""Several structures at once: a weighted sum of fidelities over labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import parameters
from napari_shapereg.fidelities.fidelity import Fidelity, descent_field
from napari_shapereg.measures.precision import widest

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.measures import Measure


@dataclass(frozen=True)
class LabelledFidelity:
    """The objective Σ_l w_l d_l(α_l, β_l) between labelled measures.

    Parameters
    ----------
    loss : Fidelity or mapping of int to Fidelity
        d for every label, or one for each.
    weights : mapping of int to float, optional
        w_l above 0, with the same labels as the measures; 1 for each when left out.

    Raises
    ------
    InputError
        A part is no fidelity, or a weight no number above 0.
    """

    loss: Fidelity | Mapping[int, Fidelity]
    weights: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the parts."""
        losses = self.loss.values() if isinstance(self.loss, Mapping) else (self.loss,)
        for loss in losses:
            if not isinstance(loss, Fidelity):
                raise InputError(f"loss: {loss!r} is no fidelity; give one such as EnergyDistance().")
        weights = {
            label: parameters.positive(f"weights[{label}]", weight) for label, weight in self.weights.items()
        }
        object.__setattr__(self, "weights", weights)

    def __call__(self, sources: Mapping[int, Measure], targets: Mapping[int, Measure]) -> Tensor:
        """Return the weighted sum, a 0-d tensor, differentiable as each fidelity is.

        Parameters
        ----------
        sources, targets : mapping of int to Measure
            α_l and β_l, for the same labels.

        Raises
        ------
        InputError
            The labels differ, or are not those of the losses or weights; or two measures do not match.
        """
        labels = self._labels(sources, targets)
        values = [self._weight(label) * self._loss(label)(sources[label], targets[label]) for label in labels]
        total = sum(
            (value.to(widest(value.device)) for value in values[1:]),
            start=values[0].to(widest(values[0].device)),
        )
        return total.to(values[0].dtype)

    def descent_fields(
        self, sources: Mapping[int, Measure], targets: Mapping[int, Measure]
    ) -> dict[int, Tensor]:
        """Return for each label the arrows (N, D) along which its points lower the objective fastest.

        Raises
        ------
        InputError
            See `__call__`.
        """
        return {
            label: self._weight(label) * descent_field(self._loss(label), sources[label], targets[label])
            for label in self._labels(sources, targets)
        }

    def _labels(self, sources: Mapping[int, Measure], targets: Mapping[int, Measure]) -> list[int]:
        labels = sorted(sources)
        groups = {"targets": targets, "loss": self.loss, "weights": self.weights or sources}
        for name, group in groups.items():
            if isinstance(group, Mapping) and sorted(group) != labels:
                raise InputError(
                    f"{name}: has the labels {sorted(group)}, but the sources have {labels}; give the same."
                )
        if not labels:
            raise InputError("sources: holds no label; give at least one measure.")
        return labels

    def _loss(self, label: int) -> Fidelity:
        return self.loss[label] if isinstance(self.loss, Mapping) else self.loss

    def _weight(self, label: int) -> float:
        return self.weights.get(label, 1.0)
