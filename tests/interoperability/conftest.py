"""Two pairs on oblique grids, registered, and their files: what other tools are given."""

from __future__ import annotations

import functools
import multiprocessing
import shlex
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.cli import main
from napari_shapereg.registration import RegistrationResult, RegistrationSettings, register
from napari_shapereg.volumes import read_labels, sample_path, write_labels
from tests.interoperability.page import examples
from tests.registration.conftest import DIRECTIONS, make_pair

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = RegistrationSettings().changed(
    pitch=3.0, max_steps=4, measures={"points": 200}, voxels={"coarsening": (1,), "blurs": ((1.5,),)}
)
"""A second's work: what counts is that the map bends, turns and shears."""


class Case(NamedTuple):
    """A registered pair, its files, and the folder of the result."""

    moving: Path
    fixed: Path
    folder: Path
    result: RegistrationResult

    @property
    def warped(self) -> np.ndarray:
        return self.result.warped.data


@pytest.fixture(scope="session")
def registered_case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Register a pair by its name, once."""

    @functools.cache
    def make(name: str) -> Case:
        place = tmp_path_factory.mktemp(name)
        if name == "knees":
            moving, fixed = sample_path("known_moving.nii.gz"), sample_path("known_fixed.nii.gz")
        else:
            pair = make_pair(DIRECTIONS["oblique, permuted, flipped"])
            moving, fixed = (
                write_labels(volume, place / f"{role}.nii.gz")
                for volume, role in zip(pair, ("moving", "fixed"), strict=True)
            )
        result = register(moving, fixed, settings=QUICK)
        result.save(place / "out", report=False, displacement=True)
        assert result.transform.GetNumberOfTransforms() == 2
        return Case(moving, fixed, place / "out", result)

    return make


@pytest.fixture(params=["knees", "oblique"])
def case(request: pytest.FixtureRequest, registered_case: Callable[[str], Case]) -> Case:
    """The small sample knees, and shapes on an oblique, permuted, flipped, anisotropic grid."""
    return registered_case(request.param)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two ellipsoids that other tools register in a second, on oblique grids of their own."""
    place = tmp_path_factory.mktemp("small")
    moving, fixed = make_pair(DIRECTIONS["oblique, permuted, flipped"])
    moving_to_fixed = np.asarray(fixed.grid.corners().mean(axis=0) - moving.grid.corners().mean(axis=0))
    near = moving.to_image()
    near.SetOrigin((np.asarray(near.GetOrigin()) + moving_to_fixed).tolist())
    sitk.WriteImage(near, str(place / "moving.nii.gz"))
    return place / "moving.nii.gz", write_labels(fixed, place / "fixed.nii.gz")


def voxels(path: Path) -> np.ndarray:
    """Return what a file holds, (z, y, x)."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def foreground(path: Path) -> np.ndarray:
    """Return (N, 3) points of a label volume, LPS mm."""
    volume = read_labels(path)
    return volume.grid.to_points(np.argwhere(volume.data > 0)[::97, ::-1])


@pytest.fixture(scope="module")
def apart():
    """Call functions of `peers` in a process of their own, the same one for all tests of a file."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


@pytest.fixture
def as_on_the_page(registered_case, tmp_path, monkeypatch):
    """The names that the documentation uses: moving.nii.gz, fixed.nii.gz and out, where the tests stand."""
    found = registered_case("oblique")
    for name, source in (
        ("moving.nii.gz", found.moving),
        ("fixed.nii.gz", found.fixed),
        ("out", found.folder),
    ):
        (tmp_path / name).symlink_to(source)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.fixture
def typed(as_on_the_page, capfd):
    """Run the lines of a section of the page that begin with `$ shapereg`; return what they print."""

    def run(section):
        for block in examples(section, "console"):
            for line in block.splitlines():
                words = shlex.split(line.removeprefix("$ "))
                assert words.pop(0) == "shapereg"
                with pytest.raises(SystemExit) as end:
                    main(words)
                assert not end.value.code, capfd.readouterr().err
        return capfd.readouterr().out

    return run
