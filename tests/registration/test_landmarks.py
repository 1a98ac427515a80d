"""Pairs of points beside the shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.registration import RegistrationSettings, register
from napari_shapereg.transforms import transform_points
from napari_shapereg.volumes.phantoms import ball_volume
from tests.registration.conftest import grid_around

if TYPE_CHECKING:
    from napari_shapereg.volumes import LabelVolume

AXES = np.array([[10.0, 0, 0], [0, 10, 0], [0, 0, 10], [-6, 6, 5]])
HERE = AXES + np.array([40.0, 0, 0])


def ball(centre: tuple[float, float, float], radius: float) -> LabelVolume:
    return ball_volume(grid_around(centre, np.eye(3), (2.0, 2.0, 2.0)), centre, radius)


def small(**changes: object) -> RegistrationSettings:
    momenta = {"widths": (0.8, 0.4), "max_steps": 8, "local": ()}
    settings = RegistrationSettings(measures={"points": 150}, voxels=None, momenta=momenta, pitch=1.0)
    return settings.changed(**changes)


def test_landmarks_say_how_a_ball_is_turned() -> None:
    moving, fixed = ball((40.0, 0, 0), 10.0), ball((0.0, 5, 9), 15.0)
    turn = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])
    there = 1.5 * AXES @ turn.T + [0, 5, 9]
    result = register(moving, fixed, settings=small(model="similarity"), landmarks=(HERE, there))
    assert np.linalg.norm(result.affine.apply(HERE) - there, axis=1).max() < 0.3
    without = register(moving, fixed, settings=small(model="similarity"))
    assert np.linalg.norm(without.affine.apply(HERE) - there, axis=1).max() > 3


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(small(), id="lattice, measures"),
        pytest.param(
            small(measures=None, voxels={"coarsening": (2, 1), "blurs": ((2.0,), (1.0,))}),
            id="lattice, voxels",
        ),
        pytest.param(small(model="svf"), id="svf"),
        pytest.param(small(model="lddmm"), id="lddmm"),
    ],
)
def test_flows_bring_landmarks_home(settings: RegistrationSettings) -> None:
    """On a ball that fits already nothing but landmarks asks for points to slide."""
    moving = ball((0.0, 0, 0), 15.0)
    here, there = np.array([[12.0, 0, 0]]), np.array([[11.0, 4.5, 0]])
    settings = settings.changed(linear="none")
    result = register(moving, moving, settings=settings, landmarks=(here, there))
    left = np.linalg.norm(transform_points(result.inverse_transform, here) - there)
    # 4.6 mm at the start. Measured: 0.3, 0.3, 0.2 and 0.2 mm.
    assert left < 1.2
    # Measured: 0.99, 0.98, 0.93 and 0.95.
    assert result.metrics["labels"]["1"]["after"]["dice"] > 0.91
    assert result.metrics["jacobian"]["minimum"] > 0.1


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (([[0, 0, 0]], [[1, 0, 0], [2, 0, 0]]), "1 moving and 2 fixed points"),
        (([[0, 0]], [[1, 0]]), r"moving landmarks: received shape \(1, 2\)"),
        (([[0, 0, 0]], [[1, 0, float("nan")]]), "fixed landmarks: hold NaN"),
        (([[0, 0, 0]],), "give .moving, fixed."),
        ((["here"], ["there"]), "give .moving, fixed."),
    ],
)
def test_landmarks_that_are_no_pairs_of_points(landmarks: object, message: str) -> None:
    volume = ball((0.0, 0, 0), 10.0)
    with pytest.raises(InputError, match=message):
        register(volume, volume, landmarks=landmarks)  # type: ignore[arg-type]
