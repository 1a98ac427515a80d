from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.cli.options import Preset
from napari_shapereg.cli.settings import chosen_settings
from napari_shapereg.registration import RegistrationSettings

FILES = [
    "fixed_to_moving.h5",
    "metrics.json",
    "moving_to_fixed.h5",
    "report.html",
    "settings.json",
    "warped_labels.nii.gz",
]
QUICK = ["--preset", "fast", "--linear", "similarity", "--no-report"]


def _warped_by_simpleitk(folder, moving, fixed):
    transform = sitk.ReadTransform(str(folder / "fixed_to_moving.h5"))
    images = sitk.ReadImage(str(moving)), sitk.ReadImage(str(fixed))
    return sitk.GetArrayFromImage(sitk.Resample(*images, transform, sitk.sitkNearestNeighbor))


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_real_run_writes_every_file_and_one_json_object(registered):
    folder, run = registered
    assert run.code == 0, run.err
    assert _names(folder) == sorted([*FILES, "displacement.nii.gz", "jacobian.nii.gz"])
    printed = json.loads(run.out)
    assert {name: folder / name for name in _names(folder)} == {
        name: folder.__class__(path) for name, path in printed.pop("files").items()
    }
    assert printed == json.loads((folder / "metrics.json").read_text())
    for row in printed["labels"].values():
        assert row["before"]["dice"] < 0.2
        # Measured: 0.93 and 0.94; a linear map alone reaches 0.73.
        assert row["after"]["dice"] > 0.85
    assert printed["jacobian"]["minimum"] > 0
    # (Leaves no folder of its own beside the result.)
    assert _names(folder.parent) == ["out"]


def test_simpleitk_reproduces_the_warped_labels(registered, sample_files):
    folder, _ = registered
    written = sitk.ReadImage(str(folder / "warped_labels.nii.gz"))
    np.testing.assert_array_equal(
        _warped_by_simpleitk(folder, *sample_files), sitk.GetArrayFromImage(written)
    )
    fixed = sitk.ReadImage(str(sample_files[1]))
    np.testing.assert_allclose(written.GetOrigin(), fixed.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(written.GetDirection(), fixed.GetDirection(), atol=1e-6)


def test_the_inverse_undoes_the_transform(registered, sample_files):
    folder, _ = registered
    there, back = (
        sitk.ReadTransform(str(folder / name)) for name in ("fixed_to_moving.h5", "moving_to_fixed.h5")
    )
    fixed = sitk.ReadImage(str(sample_files[1]))
    places = np.argwhere(sitk.GetArrayFromImage(fixed))[::997, ::-1]
    points = [fixed.TransformIndexToPhysicalPoint(place.tolist()) for place in places]
    errors = [np.subtract(back.TransformPoint(there.TransformPoint(point)), point) for point in points]
    assert np.linalg.norm(errors, axis=1).mean() < 0.1  # mm; the requirement on the OAI pair


def test_the_dense_images_are_those_of_the_transform(registered, sample_files):
    folder, _ = registered
    displacement = nibabel.load(folder / "displacement.nii.gz")
    fixed = nibabel.load(sample_files[1])
    assert displacement.shape == (*fixed.shape, 1, 3)
    assert displacement.header.get_intent()[0] == "vector"
    np.testing.assert_allclose(displacement.affine, fixed.affine, atol=1e-4)
    place = (70, 50, 30)
    point = np.array([-1, -1, 1]) * (fixed.affine @ [*place, 1])[:3]
    transform = sitk.ReadTransform(str(folder / "fixed_to_moving.h5"))
    expected = np.subtract(transform.TransformPoint(point.tolist()), point)
    np.testing.assert_allclose(displacement.dataobj[place][0], expected, atol=1e-3)
    assert nibabel.load(folder / "jacobian.nii.gz").get_fdata().min() > 0


def test_progress_is_plain_lines_where_there_is_no_terminal(registered):
    _, run = registered
    lines = run.err.splitlines()
    assert "reading" in lines
    assert any(line.startswith("linear ") and " cost " in line and "left" in line for line in lines)
    assert any(line.startswith("voxels 1 ") for line in lines)
    assert "\x1b" not in run.err
    assert "\r" not in run.err


def test_the_settings_written_are_those_used_and_can_be_read_again(registered, shapereg, boxes, tmp_path):
    folder, _ = registered
    assert RegistrationSettings.read(folder / "settings.json") == RegistrationSettings.preset("fast")
    again = tmp_path / "again"
    run = shapereg(
        "register", *boxes, "-o", again, "--settings", folder / "settings.json", *QUICK[2:], "--quiet"
    )
    assert run == (0, "", "")
    expected = RegistrationSettings.preset("fast").changed(linear="similarity")
    assert RegistrationSettings.read(again / "settings.json") == expected


def test_options_override_the_file_which_overrides_the_preset(tmp_path):
    file = tmp_path / "some.json"
    file.write_text('{"pitch": 2.5, "max_steps": 7, "measures": {"points": 300, "fidelity": {"length": 4}}}')
    fidelity = {"name": "gaussian", "length": None}
    options = {"pitch": 1.5, "labels": None, "measures": {"fidelity": fidelity}}
    chosen = chosen_settings(Preset.FAST, file, options)
    fast = RegistrationSettings.preset("fast")
    assert chosen == fast.changed(
        pitch=1.5,
        max_steps=7,
        measures={"points": 300, "fidelity": {"name": "gaussian", "length": 4.0}},
    )
    assert chosen_settings(Preset.FAST, None, {"measures": {"fidelity": {"name": None}}}) == fast


def test_a_stage_that_the_file_leaves_out_comes_back_with_an_option(tmp_path):
    file = tmp_path / "some.json"
    file.write_text('{"measures": null}')
    assert chosen_settings(Preset.BALANCED, file, {"measures": {"fidelity": {"name": None}}}).measures is None
    chosen = chosen_settings(Preset.BALANCED, file, {"measures": {"fidelity": {"name": "laplacian"}}})
    assert chosen.measures.fidelity.name == "laplacian"


def test_the_table_and_the_files_are_printed(shapereg, boxes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    run = shapereg("register", *boxes, "-o", "deep/out", *QUICK, "--labels", "2")
    assert run.code == 0
    assert run.out.splitlines()[2].split()[:2] == ["2", "before"]
    assert "inverse consistency: mean" in run.out
    written = [line.removeprefix("wrote ") for line in run.out.splitlines() if line.startswith("wrote ")]
    assert sorted((tmp_path / name).name for name in written) == [
        name for name in FILES if "report" not in name
    ]
    assert all((tmp_path / name).is_file() for name in written)
    assert json.loads((tmp_path / "deep/out/settings.json").read_text())["labels"] == [2]


def test_overwriting_replaces_the_files_of_the_program_only(shapereg, boxes, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").write_text("old")
    (out / "notes.txt").write_text("mine")
    assert shapereg("register", *boxes, "-o", out, *QUICK, "-q").code == 2
    assert _names(out) == ["metrics.json", "notes.txt"]
    assert shapereg("register", *boxes, "-o", out, *QUICK, "-q", "--overwrite") == (0, "", "")
    assert json.loads((out / "metrics.json").read_text())["labels"]
    assert (out / "notes.txt").read_text() == "mine"
    np.testing.assert_array_equal(
        _warped_by_simpleitk(out, *boxes),
        sitk.GetArrayFromImage(sitk.ReadImage(str(out / "warped_labels.nii.gz"))),
    )


def test_without_matplotlib_there_is_no_report_and_a_remedy(shapereg, boxes, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_shapereg.cli.run.find_spec", lambda _: None)
    run = shapereg("register", *boxes, "-o", tmp_path / "out", *QUICK[:-1])
    assert run.code == 0
    assert "pip install 'napari-shapereg[report]'" in run.err
    assert "report.html" not in _names(tmp_path / "out")


def test_a_pdf_comes_with_the_files_or_is_refused_before_the_work(shapereg, boxes, tmp_path, monkeypatch):
    run = shapereg("register", *boxes, "-o", tmp_path / "out", *QUICK, "--pdf", "-q")
    assert run == (0, "", "")
    assert _names(tmp_path / "out") == sorted(
        [*(name for name in FILES if name != "report.html"), "report.pdf"]
    )
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF-")
    monkeypatch.setattr("napari_shapereg.cli.run.find_spec", lambda name: None if name == "fpdf" else name)
    run = shapereg("register", *boxes, "-o", tmp_path / "none", *QUICK, "--pdf")
    assert run.code == 2
    assert "pip install 'napari-shapereg[report]'" in run.err
    assert not (tmp_path / "none").exists()


def test_diverged(shapereg, boxes, tmp_path, monkeypatch):
    def diverging(_level, start, _sources, _settings):
        yield replace(start, cost=float("nan"))

    monkeypatch.setattr("napari_shapereg.registration.engine.descend", diverging)
    run = shapereg("register", *boxes, "-o", tmp_path / "out", *QUICK)
    assert run.code == 3
    assert "Diverged" in run.out
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["status"] == "DIVERGED"
    _warped_by_simpleitk(tmp_path / "out", *boxes)


def _started(program, sample_files, out, stage):
    """Start a run of some seconds, and return it when it says that it has reached a stage."""
    words = [program, "register", *sample_files, "-o", out, "--preset", "fast", "--no-report", "--json"]
    run = subprocess.Popen(
        list(map(str, words)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _wait_for(run, stage)
    return run


def _wait_for(run, stage):
    for line in run.stderr:
        if line.startswith(stage):
            return
    pytest.fail(f"the run never said {stage!r}")


@pytest.mark.slow
def test_interrupted_once_it_writes_the_best_state(program, sample_files, tmp_path):
    out = tmp_path / "out"
    run = _started(program, sample_files, out, "voxels 1")
    run.send_signal(signal.SIGINT)
    printed, said = run.communicate()
    assert run.returncode == 130
    assert said.startswith("stopped: ")
    metrics = json.loads(printed)
    assert metrics["status"] == "CANCELLED"
    assert all(row["after"]["dice"] > 0.5 for row in metrics["labels"].values())
    np.testing.assert_array_equal(
        _warped_by_simpleitk(out, *sample_files),
        sitk.GetArrayFromImage(sitk.ReadImage(str(out / "warped_labels.nii.gz"))),
    )


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["reading", "preparing", "stopped"])
def test_interrupted_for_good_it_writes_nothing(program, sample_files, tmp_path, stage):
    """Before the first step, once is enough."""
    out = tmp_path / "out"
    run = _started(program, sample_files, out, "measures 1" if stage == "stopped" else stage)
    run.send_signal(signal.SIGINT)
    if stage == "stopped":
        _wait_for(run, "stopped")
        run.send_signal(signal.SIGINT)
    printed, said = run.communicate()
    assert run.returncode == 130
    assert printed == ""
    assert said.endswith("aborted: nothing was written\n")
    assert _names(tmp_path) == []
