from __future__ import annotations

import itertools
import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_shapereg
from napari_shapereg.cli.application import application
from napari_shapereg.errors import InputError
from napari_shapereg.plugin.pairs import Pair
from napari_shapereg.plugin.snippets import as_command, as_python, settings_folder, sources_of
from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.volumes import LabelVolume, read_labels, write_labels

CHANGES = {
    "a preset": {},
    "labels": {"labels": (1,)},
    "options": {
        "linear": "rigid",
        "pitch": 2.5,
        "device": "cpu",
        "engine": "torch",
        "measures": {"fidelity": {"name": "sinkhorn", "length": 1.5, "p": 1, "reach": 20.0}},
    },
    "surfaces": {"measures": {"kind": "surface", "fidelity": {"name": "currents", "length": 4.0}}},
    "no options": {
        "max_steps": 3,
        "measures": {"smoothness": (0.4,)},
        "linear_fidelity": {"name": "laplacian"},
    },
    "a stage off": {"voxels": None},
    "weights": {"label_weights": {1: 2.0, 2: 0.25}},
    "a model": {"model": "lddmm", "mirror": "never", "overlap": "partial"},
    "momenta": {"model": "svf", "momenta": {"widths": (0.3, 0.1), "regularity": 1e-3}},
    "both stages off": {"voxels": None, "measures": None, "labels": (2,)},
}


@pytest.fixture
def saved(volumes, tmp_path) -> Pair:
    """The pair as it is read from two files, in a folder whose name needs quotes."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    for volume, name in zip(volumes, "ab", strict=True):
        write_labels(volume, folder / f"{name}.nii.gz")
    moving, fixed = (read_labels(folder / f"{name}.nii.gz") for name in "ab")
    return Pair(moving, fixed, "a", "b")


@pytest.mark.parametrize("preset", ["fast", "balanced"])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_command_line_registers_the_same_files_with_the_same_settings(
    saved, tmp_path, monkeypatch, preset, changes
):
    settings = RegistrationSettings.preset(preset).changed(**changes)
    command = as_command(sources_of(saved), settings, preset, tmp_path / "kept")
    asked = []

    def run(moving, fixed, settings, *_):
        asked.append((moving.source, fixed.source, settings))
        raise InputError("that is all")

    monkeypatch.setattr("napari_shapereg.cli.register.run", run)
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(command)
    assert program.endswith("shapereg")
    CliRunner().invoke(application, words)
    assert asked == [(saved.moving.source, saved.fixed.source, settings)]


@pytest.mark.parametrize("preset", ["fast", "balanced"])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_program_registers_the_same_files_with_the_same_settings(saved, monkeypatch, preset, changes):
    settings = RegistrationSettings.preset(preset).changed(**changes)
    asked = []

    class Result:
        class status:  # noqa: N801
            value = "done"

    def register(moving, fixed, preset="balanced", *, settings=None, landmarks=None):
        asked.append((moving.source, fixed.source, settings or RegistrationSettings.preset(preset)))
        return Result

    monkeypatch.setattr(napari_shapereg, "register", register, raising=False)
    exec(as_python(sources_of(saved), settings, preset), {})
    assert asked == [(saved.moving.source, saved.fixed.source, settings)]


def test_the_program_really_runs(saved, quick, capsys):
    names: dict[str, object] = {}
    exec(as_python(sources_of(saved), quick, "balanced"), names)
    assert names["result"].settings == quick
    assert capsys.readouterr().out.strip() == names["result"].status.value


def test_short_settings_make_short_texts(saved, tmp_path):
    sides = sources_of(saved)
    plain = RegistrationSettings.preset("fast")
    assert 'sr.register(moving, fixed, preset="fast")' in as_python(sides, plain, "fast")
    assert as_command(sides, plain, "fast", tmp_path).endswith(" -o registered --preset fast")
    assert not list(tmp_path.glob("*.json"))


def pairs_of(command: str) -> set[str]:
    words = command.split()
    return {f"{option} {value}" for option, value in itertools.pairwise(words)}


def test_options_say_model_and_weights_without_a_file(saved, tmp_path):
    settings = RegistrationSettings(model="svf", mirror="always", label_weights={1: 2.0, 2: 0.25})
    command = as_command(sources_of(saved), settings, "balanced", tmp_path)
    assert {"--model svf", "--mirror always", "--label-weights 1:2.0,2:0.25"} <= pairs_of(command)
    assert not list(tmp_path.glob("*.json"))


def test_a_settings_file_is_written_once_for_the_same_settings(saved, tmp_path):
    settings = RegistrationSettings(max_steps=3)
    commands = {as_command(sources_of(saved), settings, "balanced", tmp_path / "kept") for _ in range(3)}
    assert len(commands) == 1
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_a_layer_without_a_file_runs_in_napari_and_on_no_command_line(pair, layers, quick, tmp_path):
    sides = sources_of(pair)
    text = as_python(sides, quick, "balanced")
    assert "volume_of(viewer.layers['a'])" in text
    names = {"viewer": type("Viewer", (), {"layers": {layer.name: layer for layer in layers}})}
    exec(
        text.replace("sr.register(", "(lambda *a, **k: type('R', (), {'status': sr.Status.CONVERGED}))("),
        names,
    )
    assert np.array_equal(names["moving"].data, pair.moving.data)
    with pytest.raises(InputError, match=r"layer 'a' was not read from a file: save it"):
        as_command(sides, quick, "balanced", tmp_path)


def test_a_layer_that_was_painted_on_is_not_its_file(saved):
    data = saved.moving.data.copy()
    data[0, 0, 0] = 1
    painted = LabelVolume(data, saved.moving.grid, source=saved.moving.source)
    side = sources_of(Pair(painted, saved.fixed, "a", "b")).moving
    assert side.file is None
    assert "is not as it is in" in side.why_not


def test_a_file_that_is_gone_is_told(saved):
    saved.moving.source.unlink()
    assert "cannot be read again" in sources_of(saved).moving.why_not


def test_settings_files_of_commands_have_a_folder_of_their_own():
    assert settings_folder().name == "settings"
