"""The settings of a registration as a form: one change at a time, checked, read from and written to files.

No Qt. A place in the settings is a path such as ``measures.fidelity.length``; an option of a choice is such a
path with its value, ``measures.kind=surface``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.machine import Machine
from napari_shapereg.plugin.reasons import FIDELITY_PLACES, WITH_MOMENTA, reasons
from napari_shapereg.registration import MeasureSettings, Preset, RegistrationSettings, VoxelSettings
from napari_shapereg.registration.stated import merged
from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESETS: tuple[Preset, ...] = get_args(Preset)


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
        """Change one value, and what cannot stay with it.

        A reach goes when another fidelity is chosen; the models with momenta need the fidelity of the global
        stage, which is switched on with them.

        Raises
        ------
        InputError
            The value is impossible. The settings stay.
        """
        settings = self.settings
        stage, _, name = place.rpartition(".")
        if stage in FIDELITY_PLACES and name == "name" and value != "sinkhorn":
            settings = _with(settings, f"{stage}.reach", None)
        self.settings = _with(settings, place, value)
        self._give_momenta_a_fidelity()

    def switch(self, stage: str, *, on: bool) -> None:
        """Switch the global stage ("measures") or the local one ("voxels") off, or on as in the preset."""
        fresh: object = MeasureSettings() if stage == "measures" else VoxelSettings()
        usual = getattr(RegistrationSettings.preset(self.preset), stage)
        self.settings = self.settings.changed(**{stage: (usual or fresh) if on else None})

    def _give_momenta_a_fidelity(self) -> None:
        if self.settings.model in WITH_MOMENTA and self.settings.measures is None:
            self.switch("measures", on=True)

    def reasons(self) -> dict[str, str]:
        """Return why places, or options of choices, cannot be chosen now; what is absent can be."""
        return reasons(self.settings, self.machine)

    def read(self, path: str | Path) -> None:
        """Take the settings of a JSON file, as the command line does: what it does not state stays as it is.

        Raises
        ------
        InputError
            The file cannot be used. The settings stay.
        """
        stated = RegistrationSettings.read(path).model_dump(exclude_unset=True)
        kept = self.settings
        for place in FIDELITY_PLACES:
            if _stated(stated, f"{place}.name") not in (None, "sinkhorn"):
                kept = _with(kept, f"{place}.reach", None)
        self.settings = kept.changed(**merged(kept.model_dump(), stated))
        self._give_momenta_a_fidelity()

    def write(self, path: str | Path) -> None:
        """Write the settings as the JSON that the command line takes, whole or not at all.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        with whole_file(Path(path)) as place:
            place.write_text(json_of(self.settings.model_dump(mode="json")), encoding="utf-8")


def _stated(values: Mapping[str, Any], place: str) -> object:
    """Return what nested values state at a place, or None."""
    value: Any = values
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


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
    return settings.changed(**{first: merged(inner.model_dump(), changes)})


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
