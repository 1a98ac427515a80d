"""A result read back from its folder is the one that was saved."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.registration import RegistrationResult, RegistrationSettings, read_result, register
from napari_shapereg.volumes import write_labels
from tests.registration.conftest import OBLIQUE, make_pair

if TYPE_CHECKING:
    from pathlib import Path

QUICK = RegistrationSettings().changed(
    pitch=3.0, max_steps=4, measures={"points": 200}, voxels={"coarsening": (1,), "blurs": ((1.5,),)}
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    moving, fixed = make_pair(OBLIQUE)
    return write_labels(moving, folder / "moving.nrrd"), write_labels(fixed, folder / "fixed.nrrd")


@pytest.fixture(scope="module")
def result(files: tuple[Path, Path]) -> RegistrationResult:
    return register(*files, settings=QUICK)


@pytest.fixture(scope="module")
def folder(result: RegistrationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("saved") / "out"
    result.save(place)
    return place


def test_it_is_the_same_map_with_the_same_measurements(result: RegistrationResult, folder: Path) -> None:
    saved = read_result(folder)
    assert saved.labels == result.labels
    assert saved.settings == result.settings
    assert saved.metrics == json.loads(json.dumps(result.metrics))
    assert np.array_equal(saved.warped.data, result.warped.data)
    assert saved.measured.to_dict() == result.measured.to_dict()
    np.testing.assert_allclose(saved.affine.matrix, result.affine.matrix, atol=1e-12)
    np.testing.assert_allclose(saved.affine.translation, result.affine.translation, atol=1e-9)
    points = result.moving.grid.to_points([[2, 3, 4], [5, 5, 5]])
    np.testing.assert_allclose(saved.path(points, [0.3]), result.path(points, [0.3]), atol=1e-9)


def test_the_report_can_be_written_again(folder: Path, tmp_path: Path) -> None:
    read_result(folder).write_report(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == (folder / "report.html").read_text()


def test_volumes_can_be_given(files: tuple[Path, Path], folder: Path, tmp_path: Path) -> None:
    moved = files[0].rename(tmp_path / "elsewhere.nrrd")
    try:
        with pytest.raises(InputError, match="moving volume is no longer at"):
            read_result(folder)
        assert read_result(folder, moved).moving.source == moved
        with pytest.raises(InputError, match="is not the moving volume that was registered"):
            read_result(folder, files[1])
    finally:
        moved.rename(files[0])


def test_other_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}: there is no metrics.json"):
        read_result(tmp_path)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for text, message in (("{", "no JSON"), ("[]", "not what a registration writes"), ("{}", "provenance")):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(InputError, match=message):
            read_result(tmp_path)


def test_the_path_leads_from_rest_to_the_image_without_flattening(result: RegistrationResult) -> None:
    points = result.moving.grid.to_points(np.argwhere(result.moving.data > 0)[::7, ::-1])
    start, middle, end = result.path(points, [0, 0.5, 1])
    np.testing.assert_allclose(start, points, atol=1e-9)
    carried = [result.inverse_transform.TransformPoint(point) for point in points]
    np.testing.assert_allclose(end, carried, atol=1e-9)
    sizes = [np.linalg.det(np.cov(cloud.T)) for cloud in (start, middle, end)]
    assert sizes[1] > 0.5 * min(sizes[0], sizes[2])


def test_it_is_saved_again_with_everything_and_read_again(
    result: RegistrationResult, folder: Path, tmp_path: Path
) -> None:
    (folder / "momenta.csv").write_text("x,y,z\n")
    again = read_result(folder).save(tmp_path / "again", displacement=True)
    (folder / "momenta.csv").unlink()
    names = {file.name for file in folder.iterdir()} | {"momenta.csv", "displacement.nii.gz"}
    assert {file.name for file in again} == names
    for name in ("metrics.json", "settings.json", "report.html"):
        assert (tmp_path / "again" / name).read_text() == (folder / name).read_text()
    saved = read_result(tmp_path / "again")
    points = result.fixed.grid.to_points([[2, 3, 4], [5, 5, 5]]).tolist()
    for point in points:
        assert saved.transform.TransformPoint(point) == result.transform.TransformPoint(point)


def test_errors_of_landmarks_are_kept(result: RegistrationResult, tmp_path: Path) -> None:
    pairs = (np.array([[30.0, -20.0, 15.0]]), np.array([[5.0, 5.0, -5.0]]))
    with_landmarks = replace(result, landmarks=pairs)
    with_landmarks.save(tmp_path / "out", report=False)
    assert read_result(tmp_path / "out").measured.landmarks == with_landmarks.measured.landmarks
