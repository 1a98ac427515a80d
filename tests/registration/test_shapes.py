"""Which labels are registered, and as what measures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.registration.settings import RegistrationSettings
from napari_shapereg.registration.shapes import pooled, radius, shapes_from_volumes, shared_labels
from napari_shapereg.volumes import ImageGrid, LabelVolume, ball_volume


def volume(*labels: int) -> LabelVolume:
    data = np.zeros((4, 4, 12), np.uint8)
    for number, label in enumerate(labels):
        data[:, :, 2 * number] = label
    return LabelVolume(data, ImageGrid((12, 4, 4)))


def test_all_labels_by_default() -> None:
    assert shared_labels(volume(2, 1), volume(1, 2), RegistrationSettings()) == (1, 2)


def test_different_labels_are_refused_with_the_way_out() -> None:
    with pytest.raises(InputError) as error:
        shared_labels(volume(1, 2, 7), volume(1, 2, 9), RegistrationSettings())
    for words in ("only moving has 7", "only fixed has 9", "1, 2", "--shared-labels"):
        assert words in str(error.value)


def test_shared_labels_on_request() -> None:
    settings = RegistrationSettings(shared_labels_only=True)
    assert shared_labels(volume(1, 2, 7), volume(1, 2, 9), settings) == (1, 2)


def test_chosen_labels() -> None:
    assert shared_labels(volume(1, 2, 7), volume(1, 2, 9), RegistrationSettings(labels=(2,))) == (2,)
    with pytest.raises(InputError, match="label 7 is not in the fixed volume, which has 1, 2, 9"):
        shared_labels(volume(1, 2, 7), volume(1, 2, 9), RegistrationSettings(labels=(1, 7)))


def test_nothing_in_common() -> None:
    with pytest.raises(InputError, match="no label is in both volumes"):
        shared_labels(volume(3), volume(4), RegistrationSettings(shared_labels_only=True))


def test_coarse_measures_have_unit_mass_and_the_shape() -> None:
    ball = ball_volume(ImageGrid((50, 50, 50)), radius=20)
    shapes = shapes_from_volumes(ball, ball, (1,), {}, points=500, device=torch.device("cpu"))
    measure = shapes.sources[1]
    assert 250 < len(measure) <= 500
    assert float(measure.mass) == pytest.approx(1, abs=1e-5)
    # The root mean square radius of a ball is √(3/5) of its radius; coarsening takes away a little.
    assert radius(measure) == pytest.approx(20 * 0.6**0.5, rel=0.03)


def test_label_weights_become_shares() -> None:
    pair = volume(1, 2)
    shapes = shapes_from_volumes(pair, pair, (1, 2), {2: 3.0}, points=100, device=torch.device("cpu"))
    assert shapes.weights == {1: 0.25, 2: 0.75}
    assert float(pooled(shapes.sources, shapes.weights).mass) == pytest.approx(1)
