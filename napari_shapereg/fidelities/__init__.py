"""Fidelities d(α, β): how far a moving measure still is from a fixed one, and where its points should go."""

from __future__ import annotations

from napari_shapereg.fidelities.fidelity import Fidelity, descent_field
from napari_shapereg.fidelities.kernel_norm import EnergyDistance, KernelNorm

__all__ = ["EnergyDistance", "Fidelity", "KernelNorm", "descent_field"]
