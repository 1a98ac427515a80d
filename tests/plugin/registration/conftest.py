from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer
from scipy.spatial.transform import Rotation

from napari_shapereg.plugin.layers import labels_layer
from napari_shapereg.plugin.pairs import Pair
from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.volumes import ImageGrid, LabelVolume
from napari_shapereg.volumes.phantoms import paint

TURN = Rotation.from_euler("xyz", (10.0, -15.0, 30.0), degrees=True)
SHIFT = np.array([14.0, -9.0, 6.0])
"""How the fixed shape lies to the moving one, mm."""
QUICK = RegistrationSettings(
    linear="rigid",
    pitch=3.0,
    max_steps=8,
    tolerance=1e-9,
    measures={"points": 200, "smoothness": (0.3,)},
    voxels=None,
)


def body(points):
    """An ellipsoid, label 1, with a ball at one of its ends, label 2."""
    ellipsoid = np.square(points / (11.0, 7.0, 5.0)).sum(axis=1) < 1
    ball = np.square((points - (13.0, 2.0, 0.0)) / 4.0).sum(axis=1) < 1
    return np.where(ellipsoid, 1, np.where(ball, 2, 0)).astype(np.uint8)


def other_body(points):
    """The same in another pose, longer and thinner."""
    return body(TURN.inv().apply(points - SHIFT) / (1.15, 0.8, 0.9))


def named(volume: LabelVolume) -> LabelVolume:
    return LabelVolume(volume.data, volume.grid, {1: "body", 2: "head"}, {1: (0.9, 0.5, 0.1)})


@pytest.fixture(scope="session")
def volumes() -> tuple[LabelVolume, LabelVolume]:
    """Two shapes in two poses, on grids of different size, spacing and direction."""
    moving = ImageGrid((44, 30, 18), (1.0, 1.0, 1.5), (-20.0, -15.0, -12.0))
    fixed = ImageGrid((40, 36, 40), (1.2, 1.2, 1.0), (-8.0, 12.0, -18.0), (1, 0, 0, 0, -1, 0, 0, 0, 1))
    return (
        named(paint(body, moving)),
        named(paint(other_body, fixed)),
    )


@pytest.fixture
def pair(volumes) -> Pair:
    return Pair(*volumes, "a", "b")


@pytest.fixture
def layers(volumes) -> tuple[Layer, Layer]:
    """Labels layers of both, with arrays of their own that can be painted on."""
    made = []
    for volume, name in zip(volumes, ("a", "b"), strict=True):
        data, keywords, kind = labels_layer(volume, name)
        made.append(Layer.create(data.copy(), keywords, kind))
    return made[0], made[1]


@pytest.fixture
def quick() -> RegistrationSettings:
    """Settings of a run that takes a moment and is real."""
    return QUICK
