from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.plugin.slicewise import Slicewise

SHAPE = (4, 5, 6)
VALUES = 1 + np.arange(4 * 5 * 6).reshape(SHAPE)


class Known(Slicewise):
    """Slices of an array that is known."""

    def __init__(self):
        super().__init__(SHAPE, np.int64)
        self.drawn = []

    def draw(self, axis, place):
        self.drawn.append((axis, place))
        return VALUES.take(place, axis)


# What napari asks for: slices of one where it shows one, more where the user made them thick.
@pytest.mark.parametrize(
    "key",
    [
        np.s_[2],
        np.s_[:, 3],
        np.s_[:, :, 1],
        np.s_[2:3, :, :],
        np.s_[:, 4:5, 1:3],
        np.s_[:, :, -1],
        np.s_[1:3, :, :],
        np.s_[0:1, 0:1, :],
        np.s_[3, 2, 1],
    ],
)
def test_a_slice_is_what_was_drawn(key):
    np.testing.assert_array_equal(Known()[key], VALUES[key])


def test_only_what_is_asked_for_is_drawn():
    known = Known()
    known[:, 2:4, :]
    assert known.drawn == [(1, 2), (1, 3)]


def test_the_whole_is_empty_and_draws_nothing():
    known = Known()
    assert not known[:].any()
    assert known[:].shape == SHAPE
    assert not np.asarray(known).any()
    assert known.drawn == []
    assert (known.size, known.ndim, len(known)) == (120, 3, 4)
