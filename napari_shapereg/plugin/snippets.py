"""What the dock would do, as Python and as a command line: texts that run as they are pasted."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.plugin.settings_form import json_of
from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.transforms import PointSet, write_points
from napari_shapereg.volumes import read_labels
from napari_shapereg.volumes.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_shapereg.plugin.pairs import Pair
    from napari_shapereg.registration import Preset
    from napari_shapereg.volumes import LabelVolume

FOLDER = "registered"
"""Where the pasted command writes, in the folder where it is run."""

_OPTIONS = {
    "model": "--model",
    "linear": "--linear",
    "mirror": "--mirror",
    "overlap": "--overlap",
    "landmark_weight": "--landmark-weight",
    "measures.fidelity.name": "--fidelity",
    "measures.fidelity.length": "--length",
    "measures.fidelity.p": "--exponent",
    "measures.fidelity.reach": "--reach",
    "measures.kind": "--kind",
    "pitch": "--pitch",
    "device": "--device",
    "engine": "--engine",
}


@dataclass(frozen=True)
class Side:
    """One of the two volumes: the file that holds it as it is now, or the layer alone.

    Parameters
    ----------
    name : str
        Of the layer.
    file : Path, optional
    why_not : str
        Why there is no such file.
    """

    name: str
    file: Path | None
    why_not: str = ""


@dataclass(frozen=True, eq=False)
class Sources:
    """From where the two volumes can be read again, and the landmarks, (K, 3) LPS mm each."""

    moving: Side
    fixed: Side
    landmarks: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both volumes."""
        return self.moving, self.fixed


def sources_of(pair: Pair) -> Sources:
    """Say from which files the volumes of a pair can be read again; the files are read to be sure of it."""
    return Sources(_side(pair.moving_name, pair.moving), _side(pair.fixed_name, pair.fixed), pair.landmarks)


def _side(name: str, volume: LabelVolume) -> Side:
    if volume.source is None:
        return Side(
            name, None, f"layer {name!r} was not read from a file: save it (File > Save) and open that file"
        )
    try:
        saved = read_labels(volume.source)
    except ShapeRegError as error:
        return Side(name, None, f"layer {name!r}: its file cannot be read again: {error}")
    if saved.grid != volume.grid or not np.array_equal(saved.data, volume.data):
        return Side(
            name, None, f"layer {name!r} is not as it is in {volume.source}: save it and open that file"
        )
    return Side(name, volume.source.absolute())


def as_python(sources: Sources, settings: RegistrationSettings, preset: Preset) -> str:
    """Return a Python program that does what the dock does.

    A volume that no file holds is taken from its layer: that program runs in napari's console.
    """
    lines, sides = ["import napari_shapereg as sr"], sources.sides
    if not all(side.file for side in sides):
        lines.append("from napari_shapereg.plugin.layers import volume_of  # run this in napari's console")
    lines.append("")
    for role, side in zip(("moving", "fixed"), sides, strict=True):
        source = (
            f"sr.read_labels({str(side.file)!r})" if side.file else f"volume_of(viewer.layers[{side.name!r}])"
        )
        lines.append(f"{role} = {source}")
    chosen = "landmarks=landmarks, " if sources.landmarks else ""
    if sources.landmarks:
        lists = ", ".join(str(points.round(4).tolist()) for points in sources.landmarks)
        lines.append(f"landmarks = ({lists})")
    changes = _changes(settings, preset)
    if changes:
        lines.append(f'settings = sr.RegistrationSettings.preset("{preset}").changed(')
        lines += [f"    {name}={value!r}," for name, value in changes.items()]
        lines += [")", f"result = sr.register(moving, fixed, {chosen}settings=settings)"]
    else:
        lines.append(f'result = sr.register(moving, fixed, {chosen}preset="{preset}")')
    lines.append("print(result.status.value)")
    return "\n".join(lines) + "\n"


def as_command(sources: Sources, settings: RegistrationSettings, preset: Preset, folder: Path) -> str:
    """Return a command line that does what the dock does.

    Parameters
    ----------
    sources : Sources
    settings : RegistrationSettings
    preset : {"fast", "balanced", "accurate"}
        What the settings started from.
    folder : Path
        Where a settings file goes, if the command's options cannot say all that is set, and landmarks.

    Raises
    ------
    InputError
        A volume is in no file: a command cannot reach into napari.
    """
    for side in sources.sides:
        if side.file is None:
            raise InputError(f"a command line needs files, and {side.why_not}")
    words = [_program(), "register", *(str(side.file) for side in sources.sides), "-o", FOLDER]
    options = _options(settings, preset)
    if options is None:
        words += ["--settings", str(_written(settings, folder))]
    else:
        words += ["--preset", preset, *options]
    if sources.landmarks:
        words += ["--landmarks", *(str(_points_file(points, folder)) for points in sources.landmarks)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _changes(settings: RegistrationSettings, preset: Preset) -> dict[str, Any]:
    """Return the keyword arguments of `changed` that make the settings of their preset."""
    plain = RegistrationSettings.preset(preset).model_dump()
    return {
        name: _without_defaults(settings, name, value)
        for name, value in settings.model_dump().items()
        if value != plain[name]
    }


def _without_defaults(settings: RegistrationSettings, name: str, value: object) -> object:
    return settings.model_dump(exclude_defaults=True).get(name, {}) if isinstance(value, dict) else value


def _options(settings: RegistrationSettings, preset: Preset) -> list[str] | None:
    """Return the options that turn the preset into the settings; None where options cannot say it all."""
    wanted, plain = (_flat(each.model_dump()) for each in (settings, RegistrationSettings.preset(preset)))
    different = {place: value for place, value in wanted.items() if plain.get(place, ...) != value}
    words: list[str] = []
    for place, value in different.items():
        if place == "labels" and value is not None:
            words += ["--labels", ",".join(str(label) for label in value)]
        elif place == "shared_labels_only" and value:
            words += ["--shared-labels"]
        elif place == "label_weights" and value:
            words += ["--label-weights", ",".join(f"{label}:{weight}" for label, weight in value.items())]
        elif place in _OPTIONS and value is not None:
            words += [_OPTIONS[place], str(value)]
        else:
            return None
    return words if wanted.keys() == plain.keys() else None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        # The weights of labels are one value: their keys are numbers.
        nested = isinstance(value, dict) and bool(value) and all(isinstance(key, str) for key in value)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat


def _program() -> str:
    if shutil.which("shapereg"):
        return "shapereg"
    beside = Path(sys.executable).with_name("shapereg.exe" if os.name == "nt" else "shapereg")
    return str(beside) if beside.is_file() else "shapereg"


def _written(settings: RegistrationSettings, folder: Path) -> Path:
    text = json_of(settings.model_dump(mode="json"))
    path = folder / f"settings_{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as place:
            place.write_text(text, encoding="utf-8")
    return path


def _points_file(points: NDArray[np.float64], folder: Path) -> Path:
    path = folder / f"landmarks_{hashlib.sha256(points.tobytes()).hexdigest()[:8]}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    return write_points(PointSet(points), path)


def settings_folder() -> Path:
    """Return the folder in which settings files of copied command lines are kept."""
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("napari-shapereg")) / "settings"
