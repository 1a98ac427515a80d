"""Why places of the settings, or options of choices, cannot be chosen now.

A place is a path such as ``measures.fidelity.length``; an option is a place with its value,
``measures.kind=surface``. What is absent from the answers can be chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.fidelities.named import BLURRED, OF_SURFACES
from napari_shapereg.plugin.choices import CHOICES, FIDELITIES
from napari_shapereg.plugin.machine import DEVICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_shapereg.plugin.machine import Machine
    from napari_shapereg.registration import FidelitySettings, RegistrationSettings

WITH_MOMENTA = ("svf", "lddmm")
"""The models that descend the fidelity of the global stage in velocities of their own."""
FIDELITY_PLACES = ("linear_fidelity", "measures.fidelity")

_BLURS = ", ".join(FIDELITIES[name].title for name in FIDELITIES if name in BLURRED)
_GLOBAL_OFF = "The global stage is switched off."
_LOCAL_OFF = "The local stage is switched off."
_LINEAR_OFF = "No linear map is fitted."
_NO_FLOW = "A linear map is fitted alone: no flow follows it."
_OWN_SMOOTHNESS = "This model has widths and a regularity of its own."
_OF_COMPOSED_STEPS = "Only the model of composed steps has this."
_OF_MOMENTA = "Only stationary velocities and geodesic shooting have this."
_MODEL_IS_LINEAR = "The deformation model is this linear map."

_PARTS = ("name", "length", "p", "reach")
_OF_LINEAR = ("mirror", *(f"linear_fidelity.{part}" for part in _PARTS))
_OF_GLOBAL = (*(f"measures.fidelity.{part}" for part in _PARTS), "measures.kind", "measures.points")
_OF_STEPS = ("measures.smoothness", "voxels.smoothness", "regularity", "pitch", "max_steps")
_MOMENTA = ("momenta.widths", "momenta.regularity", "momenta.max_steps")


def reasons(settings: RegistrationSettings, machine: Machine) -> dict[str, str]:
    """Return why places, or options of choices, cannot be chosen now.

    Parameters
    ----------
    settings : RegistrationSettings
    machine : Machine
        What this machine can do.
    """
    found = {
        **_of_surfaces(settings),
        **_of_fidelity("linear_fidelity", settings.linear_fidelity),
        **(_of_fidelity("measures.fidelity", settings.measures.fidelity) if settings.measures else {}),
        **_of_stages(settings),
        **_of_model(settings),
        **_of_hardware(settings, machine),
    }
    if settings.linear_fidelity.name in OF_SURFACES:
        # The only way back to voxels.
        found.pop("linear_fidelity.name", None)
    return found


def _of_stages(settings: RegistrationSettings) -> dict[str, str]:
    found: dict[str, str] = {}
    if settings.linear_model == "none":
        found |= dict.fromkeys(_OF_LINEAR, _LINEAR_OFF)
    if settings.measures is None:
        found |= dict.fromkeys((*_OF_GLOBAL, "measures.smoothness"), _GLOBAL_OFF)
    if settings.voxels is None:
        found |= dict.fromkeys(("voxels.smoothness", "regularity"), _LOCAL_OFF)
    return found


def _of_model(settings: RegistrationSettings) -> dict[str, str]:
    if settings.model == "lattice":
        return dict.fromkeys(_MOMENTA, _OF_MOMENTA)
    if settings.model in WITH_MOMENTA:
        return {
            **dict.fromkeys(_OF_STEPS, _OF_COMPOSED_STEPS),
            "measures.smoothness": _OWN_SMOOTHNESS,
            "measures": "This model is this stage: it descends the fidelity below.",
            "voxels": _OF_COMPOSED_STEPS,
        }
    places = [*_OF_STEPS, *_MOMENTA, "voxels"]
    if settings.measures:
        # Off, it can be switched on: it says what the points are for the linear stage, too.
        places.append("measures")
    return {**dict.fromkeys(places, _NO_FLOW), "linear": _MODEL_IS_LINEAR}


def _of_fidelity(place: str, fidelity: FidelitySettings) -> dict[str, str]:
    found, name = {}, fidelity.name
    title = FIDELITIES[name].title
    if name == "energy":
        found[f"{place}.length"] = "The energy distance has no length."
    if name not in BLURRED:
        found[f"{place}.p"] = (
            f"The exponent belongs to a transport cost, which {title} has not: {_BLURS} have."
        )
    if name != "sinkhorn":
        found[f"{place}.reach"] = (
            f"Only the Sinkhorn divergence has a reach, not {title}: it is how far mass is transported."
        )
    return found


def _of_surfaces(settings: RegistrationSettings) -> dict[str, str]:
    measures, found = settings.measures, {}
    if settings.measure_kind == "voxel":
        for place in FIDELITY_PLACES:
            for surfaces in OF_SURFACES:
                found[f"{place}.name={surfaces}"] = (
                    "Compares normals, which voxels have not: choose Surfaces first."
                )
    names = {settings.linear_fidelity.name, *([measures.fidelity.name] if measures else [])}
    needing = OF_SURFACES & names
    if needing:
        found["measures.kind=voxel"] = (
            f"{FIDELITIES[min(needing)].title} compare normals, which voxels have not: "
            "choose another fidelity first."
        )
    return found


def _of_hardware(settings: RegistrationSettings, machine: Machine) -> Mapping[str, str]:
    devices = {f"device={name}": machine.why_not_device(name) for name in DEVICES}
    engines = {
        f"engine={option.value}": machine.why_not_engine(str(option.value), settings.device)
        for option in CHOICES["engine"]
    }
    return {place: reason for place, reason in {**devices, **engines}.items() if reason}
