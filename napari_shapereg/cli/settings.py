"""The settings of a run: a preset, changed by a settings file, changed by the options of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.registration.stated import merged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_shapereg.cli.options import Preset


def chosen_settings(preset: Preset, file: Path | None, options: Mapping[str, object]) -> RegistrationSettings:
    """Return the settings that preset, file and options make together.

    Parameters
    ----------
    preset : Preset
    file : Path, optional
        JSON; what it does not mention stays as the preset has it.
    options : mapping
        Settings given on the command line, nested as in the file; None where an option was not given.

    Raises
    ------
    InputError
        The file cannot be used, or a value is impossible.
    """
    settings = RegistrationSettings.preset(preset.value)
    if file is not None:
        stated = RegistrationSettings.read(file).model_dump(exclude_unset=True)
        settings = settings.changed(**merged(settings.model_dump(), stated))
    return settings.changed(**merged(settings.model_dump(), _given(options)))


def _given(options: Mapping[str, object]) -> dict[str, Any]:
    """Leave out what was not given."""
    given = {name: _given(value) if isinstance(value, dict) else value for name, value in options.items()}
    return {name: value for name, value in given.items() if value not in (None, {})}
