"""From two volumes and settings to the fields of arrows that the dock shows: work for a worker thread."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.fidelities.named import BLURRED, OF_SURFACES
from napari_shapereg.plugin.choices import FIDELITIES
from napari_shapereg.plugin.gradient_arrows import Field, unit_of
from napari_shapereg.reductions.selection import get_engine, resolve_device
from napari_shapereg.registration import FidelitySettings, MeasureSettings
from napari_shapereg.registration.arrows import compute, fidelity_of
from napari_shapereg.registration.shapes import pooled, radius, shapes_from_volumes

if TYPE_CHECKING:
    from typing import Literal

    from napari_shapereg.fidelities.named import FidelityName
    from napari_shapereg.measures import Measure
    from napari_shapereg.plugin.pairs import Pair
    from napari_shapereg.registration import RegistrationSettings

POINTS = 1500
"""About how many points a label is merged into, as `register` does: arrows follow the settings at once."""


@dataclass(frozen=True, eq=False)
class Measures:
    """What two volumes are compared as: measures of unit mass, label by label.

    Parameters
    ----------
    sources, targets : dict of int to Measure
        Moving and fixed, LPS mm.
    radius : float
        Of the fixed shape, mm: the yardstick of lengths that the data give.
    """

    sources: dict[int, Measure]
    targets: dict[int, Measure]
    radius: float


def measures_of(
    pair: Pair,
    labels: tuple[int, ...],
    kind: Literal["voxel", "surface"],
    *,
    points: int | None = POINTS,
    device: str = "auto",
) -> Measures:
    """Turn two volumes into measures.

    Parameters
    ----------
    pair : Pair
    labels : tuple of int
        Which both have.
    kind : {"voxel", "surface"}
    points : int, optional
        About how many points a label is merged into; None takes all.
    device : str
        See `resolve_device`.

    Raises
    ------
    InputError
        A label is absent or has no surface.
    EngineError
        This machine has no such device.
    """
    shapes = shapes_from_volumes(
        pair.moving,
        pair.fixed,
        labels,
        {},
        points=sys.maxsize if points is None else points,
        kind=kind,
        device=resolve_device(device),
    )
    size = radius(pooled(shapes.targets, shapes.weights))
    return Measures(dict(shapes.sources), dict(shapes.targets), size)


def field_of(measures: Measures, chosen: FidelitySettings, engine: str = "auto") -> Field:
    """Return the arrows of one fidelity.

    Parameters
    ----------
    measures : Measures
    chosen : FidelitySettings
    engine : str
        See `get_engine`.

    Raises
    ------
    EngineError, MissingExtraError
        The engine does not work on the device of the measures.
    """
    device = next(iter(measures.sources.values())).device
    loss = fidelity_of(chosen, measures.targets, get_engine(engine, device).name)
    parts = list(compute(loss, measures.sources, measures.targets))
    return Field(
        title=FIDELITIES[chosen.name].title,
        unit=unit_of(chosen.name, chosen.p),
        transport=chosen.name in BLURRED,
        points=np.concatenate([part.points for part in parts]),
        vectors=np.concatenate([part.vectors for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        labels=np.repeat([part.label for part in parts], [len(part.points) for part in parts]),
        fixed_points=sum(part.fixed_points for part in parts),
        value=sum(part.value for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def variants(settings: RegistrationSettings, *, every: bool) -> tuple[FidelitySettings, ...]:
    """Return the fidelity that the settings choose, or every one that fits what is compared.

    The others take over from the chosen one what means the same to them: the length goes from kernel to
    kernel and from blur to blur, the exponent from blur to blur.
    """
    measures = settings.measures or MeasureSettings()
    chosen = measures.fidelity
    if not every:
        return (chosen,)
    return tuple(
        _like(chosen, name) for name in FIDELITIES if measures.kind == "surface" or name not in OF_SURFACES
    )


def _like(chosen: FidelitySettings, name: FidelityName) -> FidelitySettings:
    if name == chosen.name:
        return chosen
    alike = name != "energy" and (name in BLURRED) == (chosen.name in BLURRED)
    return FidelitySettings(name=name, length=chosen.length if alike else None, p=chosen.p)
