"""Two pairs on oblique grids, registered, and their files: what other tools are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.registration import RegistrationResult, RegistrationSettings, register
from napari_shapereg.volumes import read_labels, sample_path, write_labels
from tests.registration.conftest import DIRECTIONS, make_pair

if TYPE_CHECKING:
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


@pytest.fixture(scope="session", params=["knees", "oblique"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The small sample knees, and shapes on an oblique, permuted, flipped, anisotropic grid."""
    place = tmp_path_factory.mktemp(request.param)
    if request.param == "knees":
        moving, fixed = sample_path("known_moving.nii.gz"), sample_path("known_fixed.nii.gz")
    else:
        pair = make_pair(DIRECTIONS["oblique, permuted, flipped"])
        moving, fixed = (
            write_labels(volume, place / f"{name}.nii.gz")
            for volume, name in zip(pair, ("moving", "fixed"), strict=True)
        )
    result = register(moving, fixed, settings=QUICK)
    result.save(place / "out", report=False, displacement=True)
    assert result.transform.GetNumberOfTransforms() == 2
    return Case(moving, fixed, place / "out", result)


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
