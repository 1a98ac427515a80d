from __future__ import annotations

import json

import pytest

from napari_shapereg.cli.options import Preset
from napari_shapereg.cli.settings import chosen_settings
from napari_shapereg.errors import InputError
from napari_shapereg.fidelities.named import NAMES, OF_SURFACES
from napari_shapereg.plugin.choices import CHOICES, FIDELITIES
from napari_shapereg.plugin.machine import Machine, devices_of_machine, examine_machine
from napari_shapereg.plugin.settings_form import SettingsForm, numbers
from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.registration.stated import label_weights


def test_every_fidelity_has_a_title_of_its_own():
    assert tuple(FIDELITIES) == NAMES
    assert len({option.title for option in FIDELITIES.values()}) == len(NAMES)


@pytest.mark.parametrize("place", CHOICES)
def test_what_is_offered_and_not_refused_is_accepted(place):
    for option in CHOICES[place]:
        form = SettingsForm()
        form.put("measures.fidelity.name", "sinkhorn")
        if f"{place}={option.value}" not in form.reasons():
            form.put(place, option.value)
            assert form.value(place) == option.value


def test_what_is_refused_would_fail_and_says_why():
    form = SettingsForm()
    form.put("measures.kind", "voxel")
    before, reasons = form.settings, form.reasons()
    for name in OF_SURFACES:
        assert "Surfaces" in reasons[f"measures.fidelity.name={name}"]
        with pytest.raises(InputError, match="surface"):
            form.put("measures.fidelity.name", name)
    with pytest.raises(InputError, match="sinkhorn"):
        form.put("measures.fidelity.reach", 5.0)
    assert "Sinkhorn" in reasons["measures.fidelity.reach"]
    assert form.settings == before


def test_reasons_come_and_go_with_the_fidelity():
    form = SettingsForm()
    assert {
        "measures.fidelity.length",
        "measures.fidelity.p",
        "measures.fidelity.reach",
    } <= form.reasons().keys()
    form.put("measures.fidelity.name", "gaussian")
    assert "measures.fidelity.length" not in form.reasons()
    assert "measures.fidelity.p" in form.reasons()
    form.put("measures.fidelity.name", "sinkhorn")
    assert not any(place.startswith("measures.fidelity.r") for place in form.reasons())


def test_a_surface_fidelity_holds_the_surfaces():
    form = SettingsForm()
    form.put("measures.fidelity.name", "currents")
    assert "measures.kind=voxel" in form.reasons()
    with pytest.raises(InputError, match="normals"):
        form.put("measures.kind", "voxel")
    form.put("measures.fidelity.name", "energy")
    form.put("measures.kind", "voxel")


def test_a_reach_goes_with_its_fidelity():
    form = SettingsForm()
    form.put("measures.fidelity.name", "sinkhorn")
    form.put("measures.fidelity.reach", 12.0)
    form.put("measures.fidelity.length", 3.0)
    form.put("measures.fidelity.name", "hausdorff")
    assert form.value("measures.fidelity.reach") is None
    assert form.value("measures.fidelity.length") == 3.0


def test_the_linear_fidelity_obeys_the_same_rules():
    form = SettingsForm()
    form.put("measures.kind", "voxel")
    assert "length" in form.reasons()["linear_fidelity.length"]
    assert "Surfaces" in form.reasons()["linear_fidelity.name=currents"]
    form.put("linear_fidelity.name", "sinkhorn")
    form.put("linear_fidelity.reach", 9.0)
    form.put("linear_fidelity.name", "energy")
    assert form.value("linear_fidelity.reach") is None
    form.put("measures.kind", "surface")
    form.put("linear_fidelity.name", "currents")
    assert "currents" in form.reasons()["measures.kind=voxel"].lower()
    form.put("linear", "none")
    assert "No linear map" in form.reasons()["linear_fidelity.length"]
    assert "linear_fidelity.name" not in form.reasons(), "the only way back to voxels"
    assert "No linear map" in form.reasons()["mirror"]


def test_each_model_opens_its_own_settings():
    form = SettingsForm()
    steps = {"voxels", "voxels.smoothness", "measures.smoothness", "regularity", "pitch", "max_steps"}
    assert "momenta.widths" in form.reasons()
    assert not steps & form.reasons().keys()
    form.put("model", "lddmm")
    assert "momenta.widths" not in form.reasons()
    assert steps <= form.reasons().keys()
    assert "measures.fidelity.name" not in form.reasons()
    form.put("model", "rigid")
    assert steps | {"momenta.widths", "linear"} <= form.reasons().keys()
    assert "linear_fidelity.name" not in form.reasons()


def test_a_model_with_momenta_has_the_fidelity_that_it_descends():
    form = SettingsForm()
    form.switch("measures", on=False)
    form.put("model", "svf")
    assert form.value("measures.fidelity.name") == "energy"


def test_a_file_for_a_model_with_momenta_gives_it_a_fidelity_too(tmp_path):
    (tmp_path / "bare.json").write_text('{"model": "svf", "measures": null}')
    form = SettingsForm()
    form.read(tmp_path / "bare.json")
    assert form.value("measures.fidelity.name") == "energy"


def test_a_linear_map_alone_can_have_the_global_stage_on_again_for_its_points():
    form = SettingsForm()
    form.switch("measures", on=False)
    form.put("model", "rigid")
    assert "measures" not in form.reasons()


def test_from_a_linear_fidelity_of_surfaces_there_is_a_way_back():
    form = SettingsForm()
    form.put("linear_fidelity.name", "currents")
    form.put("linear", "none")
    assert "linear_fidelity.name" not in form.reasons()


@pytest.mark.parametrize("place", ["linear_fidelity", "measures.fidelity"])
def test_a_file_with_another_fidelity_takes_the_reach_away_too(tmp_path, place):
    stated = {"name": "hausdorff"}
    for name in reversed(place.split(".")):
        stated = {name: stated}
    (tmp_path / "other.json").write_text(json.dumps(stated))
    (tmp_path / "rest.json").write_text('{"max_steps": 7}')
    form = SettingsForm()
    form.put(f"{place}.name", "sinkhorn")
    form.put(f"{place}.reach", 12.0)
    form.read(tmp_path / "rest.json")
    assert form.value(f"{place}.reach") == 12.0
    form.read(tmp_path / "other.json")
    assert (form.value(f"{place}.name"), form.value(f"{place}.reach")) == ("hausdorff", None)


def test_weights_that_a_file_states_replace_those_before(tmp_path):
    SettingsForm().write(tmp_path / "plain.json")
    form = SettingsForm()
    form.put("label_weights", {1: 2.0})
    form.read(tmp_path / "plain.json")
    assert form.settings.label_weights == {}


@pytest.mark.parametrize(
    ("text", "weights"), [("1: 2, 3:0.5", {1: 2.0, 3: 0.5}), ("", {}), ("  ", {}), ("7:1e-2", {7: 0.01})]
)
def test_weights_of_labels_are_read_as_they_are_typed(text, weights):
    form = SettingsForm()
    form.put("label_weights", label_weights(text))
    assert form.settings.label_weights == weights


@pytest.mark.parametrize("text", ["1", "1:a", "1:2:3", "1:2;2:3", "0:1", "1:-2", "1:nan"])
def test_what_gives_no_label_a_weight_is_refused(text):
    with pytest.raises(InputError, match=r"like 1:2,2:0\.5, each above 0"):
        label_weights(text)


def test_a_stage_that_is_off_explains_itself_and_comes_back():
    form = SettingsForm("fast")
    form.switch("voxels", on=False)
    assert form.settings.voxels is None
    assert "local stage" in form.reasons()["regularity"]
    form.switch("measures", on=False)
    assert "global stage" in form.reasons()["measures.fidelity.name"]
    assert form.value("measures.fidelity.name") is None
    form.switch("voxels", on=True)
    form.switch("measures", on=True)
    assert form.as_preset


def test_a_preset_resets_all_but_the_machine():
    form = SettingsForm()
    form.put("device", "cpu")
    form.put("max_steps", 3)
    assert not form.as_preset
    form.choose_preset("accurate")
    assert form.settings == RegistrationSettings.preset("accurate").changed(device="cpu")
    assert form.as_preset


def test_the_file_is_what_the_command_line_takes(tmp_path):
    form = SettingsForm("fast")
    form.put("measures.kind", "surface")
    form.put("measures.fidelity.name", "oriented_varifold")
    form.put("measures.fidelity.length", 4.5)
    form.put("measures.smoothness", (0.6, 0.4, 0.2))
    form.switch("voxels", on=False)
    form.write(tmp_path / "settings.json")
    assert chosen_settings(Preset.BALANCED, tmp_path / "settings.json", {}) == form.settings
    other = SettingsForm()
    other.read(tmp_path / "settings.json")
    assert other.settings == form.settings


def test_a_file_that_states_part_changes_that_part(tmp_path):
    (tmp_path / "part.json").write_text(json.dumps({"measures": {"points": 77}, "label_weights": {"2": 3.0}}))
    form = SettingsForm("fast")
    form.put("measures.fidelity.name", "laplacian")
    form.read(tmp_path / "part.json")
    assert form.value("measures.points") == 77
    assert form.value("measures.fidelity.name") == "laplacian"
    assert form.settings.label_weights == {2: 3.0}
    assert form.settings.pitch_in_voxels == RegistrationSettings.preset("fast").pitch_in_voxels


def test_a_bad_file_leaves_the_form_alone(tmp_path):
    (tmp_path / "bad.json").write_text('{"measures": {"kind": "voxel", "fidelity": {"name": "currents"}}}')
    form = SettingsForm()
    with pytest.raises(InputError, match=r"bad\.json.*normals"):
        form.read(tmp_path / "bad.json")
    assert form.settings == RegistrationSettings()


@pytest.mark.parametrize(
    ("text", "several", "found"), [("0.5, 0.3", True, (0.5, 0.3)), (" 1e-4 ", False, 1e-4)]
)
def test_numbers_are_read_as_they_are_typed(text, several, found):
    assert numbers(text, several=several) == found


@pytest.mark.parametrize(("text", "several"), [("0,5", False), ("", True), ("a", False), ("1;2", True)])
def test_what_is_no_number_is_refused_with_what_was_typed(text, several):
    with pytest.raises(InputError, match="number") as caught:
        numbers(text, several=several)
    assert repr(text) in str(caught.value)


def test_devices_and_engines_that_are_not_there_are_disabled_with_the_reason():
    machine = Machine(
        {"cuda": "no CUDA device"},
        {("numba", "cpu"): "", ("keops", "cpu"): "not installed", ("torch", "cpu"): ""},
    )
    form = SettingsForm(machine=machine)
    assert form.reasons()["device=cuda"] == "no CUDA device"
    assert form.reasons()["engine=keops"] == "not installed"
    assert "engine=numba" not in form.reasons()


def test_this_machine_is_judged_as_the_engines_judge_it():
    import torch

    machine = devices_of_machine()
    assert bool(machine.why_not_device("cuda")) is not torch.cuda.is_available()
    assert machine.why_not_device("cpu") == ""
    assert examine_machine().why_not_engine("numba", "cpu") == ""
