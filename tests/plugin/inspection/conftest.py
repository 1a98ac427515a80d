from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_shapereg.deformations import AffineMap
from napari_shapereg.registration import RegisteredPair, RegistrationSettings
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume
from napari_shapereg.volumes.phantoms import ball_volume

if TYPE_CHECKING:
    import SimpleITK as sitk

SHIFT = np.array([3.0, -2.0, 1.0])
"""mm."""


@dataclass(frozen=True, eq=False)
class KnownPair(RegisteredPair):
    """Two volumes with a linear map that is known, instead of one that was fitted."""

    known: AffineMap = field(default_factory=AffineMap.identity)

    @property
    def affine(self) -> AffineMap:
        return self.known

    @property
    def transform(self) -> sitk.Transform:
        back = self.known.inverse()
        return affine_transform(back.matrix, back.translation)

    @property
    def inverse_transform(self) -> sitk.Transform:
        return affine_transform(self.known.matrix, self.known.translation)

    @property
    def metrics(self) -> dict[str, Any]:
        return {}


def pair_of(moving: LabelVolume, fixed: LabelVolume, known: AffineMap | None = None) -> KnownPair:
    return KnownPair(moving, fixed, fixed.labels, RegistrationSettings(), known or AffineMap.identity())


def two_balls(center: tuple[float, float, float]) -> LabelVolume:
    """A ball of radius 8 mm, label 1, and one of radius 4 mm to its side, label 2."""
    grid = ImageGrid((48, 40, 36), (1.0, 1.0, 1.5))
    large = ball_volume(grid, center, 8.0, label=1).data
    small = ball_volume(grid, np.add(center, (14.0, 0.0, 0.0)), 4.0, label=2).data
    data = np.where(large > 0, large, small)
    return LabelVolume(data, grid, {1: "large", 2: "small"}, {1: (1.0, 0.5, 0.0), 2: (0.0, 0.5, 1.0)})


@pytest.fixture(scope="session")
def make_pair():
    return pair_of


@pytest.fixture(scope="session")
def shifted_pair() -> KnownPair:
    """Two balls, and the same 3.7 mm away, with the shift that brings one onto the other."""
    return pair_of(two_balls((18.0, 20.0, 27.0)), two_balls((21.0, 18.0, 28.0)), AffineMap(np.eye(3), SHIFT))


@pytest.fixture(scope="session")
def unmoved_pair() -> KnownPair:
    """The same volumes, left where they are; and one voxel of the fixed one far from all others."""
    fixed = two_balls((21.0, 18.0, 28.0))
    data = np.array(fixed.data)
    data[5, 30, 40] = 2
    return pair_of(two_balls((18.0, 20.0, 27.0)), LabelVolume(data, fixed.grid, fixed.names, fixed.colors))


@pytest.fixture(scope="session")
def shift() -> np.ndarray:
    return SHIFT


def folding_at(index: tuple[int, int, int], grid: ImageGrid) -> sitk.Transform:
    """A map that moves one node of a grid three voxels back along x, and nothing else."""
    from napari_shapereg.transforms import displacement_transform

    x, y, z = index
    vectors = np.zeros((*grid.shape, 3))
    vectors[z, y, x] = -3 * grid.spacing[0] * np.array(grid.direction).reshape(3, 3)[:, 0]
    return displacement_transform(vectors, grid)


@pytest.fixture(scope="session")
def make_folding():
    return folding_at
