"""Fidelities d(α, β): how far a moving measure still is from a fixed one, and where its points should go."""

from __future__ import annotations

from napari_shapereg.fidelities.fidelity import Fidelity, descent_field
from napari_shapereg.fidelities.hausdorff import HausdorffDivergence
from napari_shapereg.fidelities.kernel_norm import EnergyDistance, KernelNorm
from napari_shapereg.fidelities.labelled import LabelledFidelity
from napari_shapereg.fidelities.sinkhorn import OptimalTransport, SinkhornDivergence
from napari_shapereg.fidelities.softmin_fidelity import SoftMin
from napari_shapereg.fidelities.surfaces import (
    Currents,
    OrientedVarifold,
    PositionAndNormal,
    UnorientedVarifold,
)
from napari_shapereg.fidelities.transport_plan import TransportPlan

__all__ = [
    "Currents",
    "EnergyDistance",
    "Fidelity",
    "HausdorffDivergence",
    "KernelNorm",
    "LabelledFidelity",
    "OptimalTransport",
    "OrientedVarifold",
    "PositionAndNormal",
    "SinkhornDivergence",
    "SoftMin",
    "TransportPlan",
    "UnorientedVarifold",
    "descent_field",
]
