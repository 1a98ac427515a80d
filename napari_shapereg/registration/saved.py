"""A result read back from its folder, to be inspected, measured or reported again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.deformations import AffineMap
from napari_shapereg.errors import InputError
from napari_shapereg.quality import LandmarkErrors
from napari_shapereg.registration.provenance import describe_volume
from napari_shapereg.registration.registered import RegisteredPair
from napari_shapereg.registration.settings import RegistrationSettings
from napari_shapereg.transforms import read_transform
from napari_shapereg.volumes import LabelVolume, read_labels
from napari_shapereg.volumes.files import naming, reason

if TYPE_CHECKING:
    import os

    import SimpleITK as sitk

    from napari_shapereg.quality import Metrics
    from napari_shapereg.volumes.readers import LabelSource

_NEEDED = ("metrics.json", "settings.json", "fixed_to_moving.h5", "moving_to_fixed.h5")
_HASH = "sha256_of_voxels_and_geometry"


@dataclass(frozen=True, eq=False)
class SavedResult(RegisteredPair):
    """A result that `RegistrationResult.save` wrote.

    Parameters
    ----------
    moving, fixed, labels, settings
        See `RegisteredPair`.
    folder : Path
        Where it lies.
    recorded : dict
        What ``metrics.json`` holds.
    """

    folder: Path
    recorded: dict[str, Any]

    @property
    def metrics(self) -> dict[str, Any]:
        """See `RegisteredPair`."""
        return self.recorded

    @cached_property
    def measured(self) -> Metrics:
        """See `RegisteredPair`; with the errors of landmarks that the run had, as they were recorded."""
        stated = self.recorded.get("landmarks")
        return replace(super().measured, landmarks=_errors(stated["landmarks"]) if stated else None)

    def _write_more(self, folder: Path) -> None:
        _copied(self.folder / "momenta.csv", folder)

    @cached_property
    def transform(self) -> sitk.Transform:
        """See `RegisteredPair`."""
        return read_transform(self.folder / "fixed_to_moving.h5")

    @cached_property
    def inverse_transform(self) -> sitk.Transform:
        """See `RegisteredPair`."""
        return read_transform(self.folder / "moving_to_fixed.h5")

    @cached_property
    def affine(self) -> AffineMap:
        """See `RegisteredPair`."""
        stated = self.recorded["affine"]
        return AffineMap(np.asarray(stated["matrix"]), np.asarray(stated["translation"]))


def _errors(landmarks: dict[str, dict[str, float]]) -> LandmarkErrors:
    before, after = (tuple(row[when] for row in landmarks.values()) for when in ("before", "after"))
    return LandmarkErrors(tuple(landmarks), before, after)


def _copied(source: Path, folder: Path) -> None:
    if source.is_file():
        shutil.copyfile(source, folder / source.name)


def read_result(
    folder: str | os.PathLike[str],
    moving: LabelSource | None = None,
    fixed: LabelSource | None = None,
) -> SavedResult:
    """Read a result from the folder that a registration wrote.

    Parameters
    ----------
    folder : path
        Holds ``metrics.json``, ``settings.json`` and the two transforms.
    moving, fixed : path, SimpleITK.Image or LabelVolume, optional
        What was registered; left out, the files that the result names are read again.

    Returns
    -------
    SavedResult

    Raises
    ------
    InputError
        The folder holds no result, a volume is not where it was, or not the one that was registered.
    """
    place = Path(folder).expanduser()
    missing = [name for name in _NEEDED if not (place / name).is_file()]
    if missing:
        raise InputError(
            f"{folder}: there is no {missing[0]} in this folder; give a folder that `shapereg register` or "
            "RegistrationResult.save wrote"
        )
    recorded = _read_json(place / "metrics.json")
    with naming(place / "metrics.json"):
        try:
            sources = {name: recorded["provenance"][name] for name in ("moving", "fixed")}
            labels = tuple(int(label) for label in recorded["labels"])
            _ = recorded["affine"]["matrix"], recorded["affine"]["translation"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"this is not what a registration writes ({error!r} is missing or odd)"
            ) from error
    return SavedResult(
        moving=_same_volume("moving", moving, sources["moving"], place),
        fixed=_same_volume("fixed", fixed, sources["fixed"], place),
        labels=labels,
        settings=RegistrationSettings.read(place / "settings.json"),
        folder=place,
        recorded=recorded,
    )


def _same_volume(role: str, given: LabelSource | None, recorded: dict[str, Any], folder: Path) -> LabelVolume:
    volume = read_labels(_recorded_path(role, recorded, folder) if given is None else given)
    if describe_volume(volume)[_HASH] != recorded[_HASH]:
        name = volume.source or "the volume given"
        raise InputError(
            f"{folder}: {name} is not the {role} volume that was registered: its voxels or geometry differ; "
            "register again, or give the right one"
        )
    return volume


def _recorded_path(role: str, recorded: dict[str, Any], folder: Path) -> Path:
    if recorded["source"] is None:
        raise InputError(f"{folder}: the {role} volume was not read from a file; give it again ({role}=...)")
    path = Path(recorded["source"])
    if not path.is_file():
        raise InputError(
            f"{folder}: the {role} volume is no longer at {path}; say where it is ({role}=..., --{role})"
        )
    return path


def _read_json(path: Path) -> dict[str, Any]:
    with naming(path):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"cannot be read ({reason(error)}); check permissions") from error
        except ValueError as error:
            raise InputError(f"this is no JSON ({error}); register again") from error
        if not isinstance(values, dict):
            raise InputError("this is not what a registration writes; register again")
        return values
