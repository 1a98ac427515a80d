"""Registration: from two label volumes to a diffeomorphism, step by step."""

from __future__ import annotations

from napari_shapereg.registration.engine import Registration, iter_registration, register
from napari_shapereg.registration.registered import RegisteredPair
from napari_shapereg.registration.result import RegistrationResult
from napari_shapereg.registration.saved import SavedResult, read_result
from napari_shapereg.registration.settings import (
    FidelitySettings,
    MeasureSettings,
    Preset,
    RegistrationSettings,
    VoxelSettings,
)
from napari_shapereg.registration.state import RegistrationState, Status

__all__ = [
    "FidelitySettings",
    "MeasureSettings",
    "Preset",
    "RegisteredPair",
    "Registration",
    "RegistrationResult",
    "RegistrationSettings",
    "RegistrationState",
    "SavedResult",
    "Status",
    "VoxelSettings",
    "iter_registration",
    "read_result",
    "register",
]
