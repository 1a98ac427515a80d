"""What the fixed shape lacks is drawn in, from however far."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.registration import RegistrationSettings, register
from napari_shapereg.registration.far_field import LARGEST, NEAR, far_field
from napari_shapereg.volumes import ImageGrid, LabelVolume


def test_it_is_the_distance_from_the_boundary_beyond_the_near() -> None:
    offsets = np.indices((41, 41, 41)) - 20
    distance = np.linalg.norm(offsets, axis=0) - 9.5
    ball = torch.from_numpy((distance < 0).astype(np.float32))[None]
    found = far_field(ball, 0.02, 1.5).numpy()
    expected = np.sign(distance) * 0.02 * np.maximum(1.5 * np.abs(distance) - NEAR, 0)
    # A ball of voxels is up to half a voxel's diagonal from the ball.
    np.testing.assert_allclose(found, expected.clip(-LARGEST, LARGEST), atol=0.02 * 1.5 * 0.9)
    assert far_field(ball, 9.0, 1.0).max() == pytest.approx(LARGEST)


def _slab(*, flap: bool) -> LabelVolume:
    data = np.zeros((24, 30, 44), np.uint8)
    data[8:16, 8:22, 6:22] = 1
    if flap:
        data[11:14, 11:19, 22:34] = 1
    return LabelVolume(data, ImageGrid((44, 30, 24), (1.0, 1.0, 1.0)))


def test_a_flap_that_the_fixed_shape_lacks_is_drawn_in() -> None:
    distances = []
    for slope in (0.0, 0.05):
        settings = RegistrationSettings().changed(
            linear="none",
            measures=None,
            pitch=1.0,
            voxels={"coarsening": (2, 1), "blurs": ((2.0, 1.0), (1.0,)), "far_slope": slope},
        )
        result = register(_slab(flap=True), _slab(flap=False), settings=settings)
        distances.append(result.measured.after[1].hd)
        assert result.measured.regularity.fraction_folded == 0
    # Measured 9 mm and 7 mm; the flap is 12 mm long.
    assert distances[1] < distances[0] - 1


def test_a_whole_registration_leaves_nothing_of_the_flap() -> None:
    result = register(_slab(flap=True), _slab(flap=False))
    # Measured 2 mm; 9 mm by the local stage alone and without the pull.
    assert result.measured.after[1].hd < 3
    assert result.measured.regularity.minimum > 0.2
