"""The settings of a registration as a form: titles, what cannot be chosen and why, one change at a time.

No Qt. A place in the settings is a path such as ``measures.fidelity.length``; an option of a choice is such a
path with its value, ``measures.kind=surface``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities.named import BLURRED, OF_SURFACES, FidelityName
from napari_shapereg.plugin.machine import DEVICES, Machine
from napari_shapereg.registration import MeasureSettings, Preset, RegistrationSettings, VoxelSettings
from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESETS: tuple[Preset, ...] = get_args(Preset)


@dataclass(frozen=True)
class Option:
    """One value of a choice, with its title and what it means."""

    value: str | int
    title: str
    tip: str = ""


FIDELITIES: Mapping[FidelityName, Option] = {
    "energy": Option(
        "energy",
        "Energy distance",
        "Kernel norm with k = −|x − y|: has no length, and sees the whole target from anywhere.",
    ),
    "gaussian": Option("gaussian", "Gaussian kernel norm", "Blind beyond a few σ."),
    "laplacian": Option(
        "laplacian", "Laplacian kernel norm", "k = exp(−|x − y|/σ): longer tails than a Gaussian."
    ),
    "cauchy": Option(
        "cauchy", "Cauchy kernel norm", "k = 1/(1 + |x − y|²/σ²): sees farther than a Laplacian."
    ),
    "softmin": Option("softmin", "SoftMin", "Smoothed distance to the nearest point, both ways."),
    "hausdorff": Option(
        "hausdorff", "Hausdorff divergence", "Nearest points, debiased: zero only where the shapes agree."
    ),
    "sinkhorn": Option(
        "sinkhorn",
        "Sinkhorn divergence",
        "Optimal transport with a blur, debiased: every point has a place to go.",
    ),
    "currents": Option("currents", "Currents", "Surfaces with oriented normals; opposite sheets cancel."),
    "oriented_varifold": Option(
        "oriented_varifold", "Oriented varifolds", "Surfaces with oriented normals, without cancellation."
    ),
    "unoriented_varifold": Option(
        "unoriented_varifold", "Unoriented varifolds", "Surfaces whose normals may point either way."
    ),
}

CHOICES: Mapping[str, tuple[Option, ...]] = {
    "measures.fidelity.name": tuple(FIDELITIES.values()),
    "measures.fidelity.p": (
        Option(2, "2  (|x − y|²/2)", "Arrows in mm: each ends where its point would go."),
        Option(1, "1  (|x − y|)", "Arrows of length 1 at most: far points pull no harder than near ones."),
    ),
    "measures.kind": (
        Option("voxel", "Voxels", "Points with volumes, mm³."),
        Option("surface", "Surfaces", "Triangles with areas, mm², and normals."),
    ),
    "linear": (
        Option("none", "None", "The shapes are taken as they lie."),
        Option("rigid", "Rigid", "Turn and shift."),
        Option("similarity", "Similarity", "Turn, shift and one scale."),
        Option("affine", "Affine", "Any linear map."),
    ),
    "device": tuple(
        Option(name, {"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)"}[name])
        for name in DEVICES
    ),
    "engine": (
        Option("auto", "Automatic", "numba on the CPU, KeOps on CUDA where it is installed."),
        Option("numba", "numba", "Compiled loops, on the CPU."),
        Option("keops", "KeOps", "Compiled for each formula, on CUDA or the CPU."),
        Option("torch", "torch", "Anywhere; slower."),
    ),
}

_BLURS = ", ".join(FIDELITIES[name].title for name in FIDELITIES if name in BLURRED)
_GLOBAL_OFF = "The global stage is switched off."
_LOCAL_OFF = "The local stage is switched off."


class SettingsForm:
    """Settings that are edited one place at a time, with the preset that they started from.

    Parameters
    ----------
    preset : {"fast", "balanced", "accurate"}
    machine : Machine, optional
        What this machine can do; everything, if not given.
    """

    def __init__(self, preset: Preset = "balanced", machine: Machine | None = None) -> None:
        self.machine = machine or Machine()
        self.preset: Preset = preset
        self.settings = RegistrationSettings.preset(preset)

    def choose_preset(self, preset: Preset) -> None:
        """Start again from a preset; device and engine stay."""
        self.preset = preset
        kept = {"device": self.settings.device, "engine": self.settings.engine}
        self.settings = RegistrationSettings.preset(preset).changed(**kept)

    @property
    def as_preset(self) -> bool:
        """Whether nothing but labels, device and engine differs from the preset."""
        same = {"labels", "shared_labels_only", "device", "engine"}
        plain = RegistrationSettings.preset(self.preset)
        return self.settings.model_dump(exclude=same) == plain.model_dump(exclude=same)

    def value(self, place: str) -> Any:  # noqa: ANN401 - whatever lies there
        """Return the value at a place; None where a stage that is off would hold it."""
        value: Any = self.settings
        for name in place.split("."):
            if value is None:
                return None
            value = getattr(value, name)
        return value

    def put(self, place: str, value: object) -> None:
        """Change one value, and what cannot stay with it: a reach goes when another fidelity is chosen.

        Raises
        ------
        InputError
            The value is impossible. The settings stay.
        """
        if place == "measures.fidelity.name" and value != "sinkhorn":
            self.settings = _with(self.settings, "measures.fidelity.reach", None)
        self.settings = _with(self.settings, place, value)

    def switch(self, stage: str, *, on: bool) -> None:
        """Switch the global stage ("measures") or the local one ("voxels") off, or on as in the preset."""
        fresh: object = MeasureSettings() if stage == "measures" else VoxelSettings()
        usual = getattr(RegistrationSettings.preset(self.preset), stage)
        self.settings = self.settings.changed(**{stage: (usual or fresh) if on else None})

    def reasons(self) -> dict[str, str]:
        """Return why places, or options of choices, cannot be chosen now; what is absent can be."""
        return {**self._stages(), **self._fidelity(), **self._hardware()}

    def read(self, path: str | Path) -> None:
        """Take the settings of a JSON file, as the command line does: what it does not state stays as it is.

        Raises
        ------
        InputError
            The file cannot be used. The settings stay.
        """
        stated = RegistrationSettings.read(path).model_dump(exclude_unset=True)
        self.settings = self.settings.changed(**_merged(self.settings.model_dump(), stated))

    def write(self, path: str | Path) -> None:
        """Write the settings as the JSON that the command line takes, whole or not at all.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        with whole_file(Path(path)) as place:
            place.write_text(json_of(self.settings.model_dump(mode="json")), encoding="utf-8")

    def _stages(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.settings.measures is None:
            places = (
                "fidelity.name",
                "fidelity.length",
                "fidelity.p",
                "fidelity.reach",
                "kind",
                "points",
                "smoothness",
            )
            found |= dict.fromkeys((f"measures.{place}" for place in places), _GLOBAL_OFF)
        if self.settings.voxels is None:
            found |= dict.fromkeys(("voxels.smoothness", "regularity"), _LOCAL_OFF)
        return found

    def _fidelity(self) -> dict[str, str]:
        measures = self.settings.measures
        if measures is None:
            return {}
        found, name = {}, measures.fidelity.name
        title = FIDELITIES[name].title
        if name == "energy":
            found["measures.fidelity.length"] = "The energy distance has no length."
        if name not in BLURRED:
            found["measures.fidelity.p"] = (
                f"The exponent belongs to a transport cost, which {title} has not: {_BLURS} have."
            )
        if name != "sinkhorn":
            found["measures.fidelity.reach"] = (
                f"Only the Sinkhorn divergence has a reach, not {title}: it is how far mass is transported."
            )
        if measures.kind == "voxel":
            for surfaces in OF_SURFACES:
                found[f"measures.fidelity.name={surfaces}"] = (
                    "Compares normals, which voxels have not: choose Surfaces first."
                )
        needing = OF_SURFACES & {name, self.settings.linear_fidelity.name}
        if needing:
            found["measures.kind=voxel"] = (
                f"{FIDELITIES[min(needing)].title} compare normals, which voxels have not: "
                "choose another fidelity first."
            )
        return found

    def _hardware(self) -> dict[str, str]:
        devices = {f"device={name}": self.machine.why_not_device(name) for name in DEVICES}
        engines = {
            f"engine={option.value}": self.machine.why_not_engine(str(option.value), self.settings.device)
            for option in CHOICES["engine"]
        }
        return {place: reason for place, reason in {**devices, **engines}.items() if reason}


def json_of(values: Mapping[str, Any]) -> str:
    """Return settings as the text of a JSON file."""
    return json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _with(settings: RegistrationSettings, place: str, value: object) -> RegistrationSettings:
    """Return settings with one value replaced; in a stage that is off, nothing is."""
    first, _, rest = place.partition(".")
    if not rest:
        return settings.changed(**{first: value})
    inner = getattr(settings, first)
    if inner is None:
        return settings
    changes: Any = value
    for name in reversed(rest.split(".")):
        changes = {name: changes}
    return settings.changed(**{first: _merged(inner.model_dump(), changes)})


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def numbers(text: str, *, several: bool) -> float | tuple[float, ...]:
    """Return the number in a text, or all those that a text such as ``0.5, 0.3`` lists.

    Raises
    ------
    InputError
        There is no number, or one too many.
    """
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        example = (
            "numbers separated by commas are needed, such as 0.5, 0.3" if several else "a number is needed"
        )
        raise InputError(f"{example}; got {text!r}") from None
    if several:
        return found
    if len(found) > 1:
        raise InputError(f"one number is needed, with a point for its decimals; got {text!r}")
    return found[0]
