from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel_contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The size of each file in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return {file.filename: file.file_size for file in archive.infolist()}


def test_the_sample_volumes_travel_in_the_wheel(wheel_contents: dict[str, int]) -> None:
    samples = sorted(path.name for path in (REPOSITORY / "sample_volumes").glob("*.nii.gz"))
    assert len(samples) >= 4, "two subjects and a pair whose deformation is known"
    for name in samples:
        assert wheel_contents[f"napari_shapereg/sample_volumes/{name}"] > 0


def test_the_wheel_carries_types_and_the_list_of_public_names(wheel_contents: dict[str, int]) -> None:
    assert {"napari_shapereg/py.typed", "napari_shapereg/__init__.pyi"} <= wheel_contents.keys()


def test_the_wheel_carries_the_manifest_of_the_plugin(wheel_contents: dict[str, int]) -> None:
    assert wheel_contents["napari_shapereg/napari.yaml"] > 0


def test_the_wheel_carries_nothing_else(wheel_contents: dict[str, int]) -> None:
    packages = {name.partition("/")[0] for name in wheel_contents if ".dist-info/" not in name}
    assert packages == {"napari_shapereg"}
