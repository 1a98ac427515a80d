"""The files of a result, as other programs read them."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.registration import RegistrationResult, RegistrationSettings, register
from napari_shapereg.registration.folder import check_folder
from tests.registration.conftest import DIRECTIONS, make_pair

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module", params=DIRECTIONS.values(), ids=DIRECTIONS.keys())
def result(request: pytest.FixtureRequest) -> RegistrationResult:
    settings = RegistrationSettings.preset("fast").changed(
        pitch=2.5, max_steps=6, measures={"points": 300}, voxels={"coarsening": (1,), "blurs": ((1.5,),)}
    )
    return register(*make_pair(request.param), settings=settings)


def test_plain_simpleitk_reproduces_the_warped_labels(result: RegistrationResult, tmp_path: Path) -> None:
    files = result.save(tmp_path / "out", displacement=True, jacobian=True)
    assert {file.name for file in files} == {
        "fixed_to_moving.h5",
        "moving_to_fixed.h5",
        "warped_labels.nii.gz",
        "metrics.json",
        "settings.json",
        "report.html",
        "displacement.nii.gz",
        "jacobian.nii.gz",
    }
    assert all(file.is_file() for file in files)
    moving, fixed = result.moving.to_image(), result.fixed.to_image()
    transform = sitk.ReadTransform(str(tmp_path / "out" / "fixed_to_moving.h5"))
    warped = sitk.Resample(moving, fixed, transform, sitk.sitkNearestNeighbor)
    written = sitk.ReadImage(str(tmp_path / "out" / "warped_labels.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(warped), sitk.GetArrayFromImage(written))
    assert np.array_equal(sitk.GetArrayFromImage(warped), result.warped.data)


def test_the_two_transforms_undo_each_other(result: RegistrationResult) -> None:
    points = result.fixed.grid.to_points(np.argwhere(result.fixed.data > 0)[::29, ::-1])
    there = [result.transform.TransformPoint(point) for point in points]
    back = np.array([result.inverse_transform.TransformPoint(point) for point in there])
    assert np.linalg.norm(back - points, axis=1).mean() < 0.1


def test_outside_the_lattice_the_map_is_the_affine(result: RegistrationResult) -> None:
    assert result.field is not None
    corners = result.field[0].grid.corners()
    outside = 3 * corners - 2 * corners.mean(axis=0)
    back = result.affine.inverse().apply(outside)
    assert np.allclose([result.transform.TransformPoint(point) for point in outside], back)
    forth = [result.inverse_transform.TransformPoint(point) for point in back]
    assert np.allclose(forth, outside)


def test_metrics_and_settings_are_json(result: RegistrationResult, tmp_path: Path) -> None:
    result.save(tmp_path / "out", report=False)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["status"] == result.status.name
    assert metrics["labels"]["1"]["after"]["dice"] == result.metrics["labels"]["1"]["after"]["dice"]
    assert len(metrics["provenance"]["moving"]["sha256_of_voxels_and_geometry"]) == 64
    assert metrics["provenance"]["engine"] == "tree"
    assert metrics["provenance"]["user"] == getpass.getuser()
    age = datetime.now(UTC) - datetime.fromisoformat(metrics["provenance"]["ended"])
    assert timedelta(seconds=-1) < age < timedelta(minutes=10)
    assert RegistrationSettings.read(tmp_path / "out" / "settings.json") == result.settings


def test_the_report_says_what_was_registered(result: RegistrationResult, tmp_path: Path) -> None:
    result.save(tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()
    assert "esearch use only" in text
    assert f"{result.metrics['labels']['1']['after']['dice']:.3f}" in text


def test_a_full_folder_is_kept(result: RegistrationResult, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="not empty"):
        result.save(tmp_path / "out", report=False)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]
    result.save(tmp_path / "out", report=False, overwrite=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "precious"
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_a_relative_folder_is_that_of_the_working_directory(
    result: RegistrationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    files = result.save("a/out", report=False)
    assert all(file.is_file() for file in files)
    assert (tmp_path / "a" / "out" / "metrics.json").is_file()


def test_an_interrupted_save_leaves_nothing(
    result: RegistrationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_shapereg.registration.registered.write_labels", interrupt)
    with pytest.raises(KeyboardInterrupt):
        result.save(tmp_path / "out", report=False)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="this is a file"):
        check_folder(tmp_path / "file", overwrite=True)
    with pytest.raises(InputError, match="does not exist"):
        check_folder(tmp_path / "a" / "b", overwrite=False)
