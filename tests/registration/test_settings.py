"""Settings in and out, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.registration import MeasureSettings, RegistrationSettings

if TYPE_CHECKING:
    from pathlib import Path


def test_json_round_trip(tmp_path: Path) -> None:
    settings = RegistrationSettings.preset("accurate").changed(
        labels=(1, 4), label_weights={4: 2.5}, measures=None, linear="rigid"
    )
    file = tmp_path / "settings.json"
    file.write_text(settings.model_dump_json())
    assert RegistrationSettings.read(file) == settings


def test_presets_go_from_coarse_to_fine() -> None:
    fast, balanced, accurate = (
        RegistrationSettings.preset(name) for name in ("fast", "balanced", "accurate")
    )
    assert fast.pitch_in_voxels > balanced.pitch_in_voxels > accurate.pitch_in_voxels
    assert balanced == RegistrationSettings()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pitch": -1}, ["pitch", "greater than 0", "-1"]),
        ({"pitch": float("nan")}, ["pitch", "finite"]),
        ({"smooth": 3}, ["smooth", "not permitted"]),
        ({"linear": "projective"}, ["linear", "'affine'", "projective"]),
        ({"measures": {"fidelity": {"name": "wasserstein"}}}, ["measures.fidelity.name", "wasserstein"]),
        ({"linear_fidelity": {"name": "energy", "reach": 9}}, ["linear_fidelity", "only 'sinkhorn'"]),
        (
            {"measures": {"fidelity": {"name": "currents"}, "kind": "voxel"}},
            ["currents", "measures.kind to 'surface'"],
        ),
        ({"max_strain": 1.0}, ["max_strain", "less than 1"]),
        ({"voxels": {"blurs": [[2.0], [1.0]]}}, ["voxels", "coarsening has 4 levels", "blurs has 2"]),
    ],
)
def test_impossible_settings_are_named(changes: dict[str, object], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        RegistrationSettings().changed(**changes)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("text", ["{", "[]", '{"pitch": "wide"}', '{"preset": "balanced"}', "\xff"])
def test_broken_files_are_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"broken\.json"):
        RegistrationSettings.read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json"):
        RegistrationSettings.read(tmp_path / "absent.json")


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(InputError, match="'best'"):
        RegistrationSettings.preset("best")  # type: ignore[arg-type]


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RegistrationSettings().measures = MeasureSettings()  # type: ignore[misc]
