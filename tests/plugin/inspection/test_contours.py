from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.plugin.contours import Outlines
from napari_shapereg.volumes import ImageGrid
from napari_shapereg.volumes.phantoms import ball_volume


@pytest.fixture(scope="module")
def ball():
    return ball_volume(ImageGrid((40, 40, 40), (0.5, 0.5, 0.5), (-3.0, 5.0, 70.0)), radius=8.0)


def test_an_outline_is_the_rim_of_a_label_on_each_slice(ball):
    data = np.zeros((6, 7, 8), dtype=np.uint8)
    data[1:5, 1:6, 1:7] = 3
    rim = Outlines(data)[2]
    expected = np.zeros((7, 8))
    expected[1:6, 1:7] = 3
    expected[2:5, 2:6] = 0
    np.testing.assert_array_equal(rim, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_labels_that_touch_are_both_outlined_where_they_meet(axis):
    data = np.zeros((9, 9, 9), dtype=np.uint8)
    data[1:8, 1:8, 1:4] = 1
    data[1:8, 1:8, 4:8] = 2
    data = np.moveaxis(data, 0, axis)
    rim = np.moveaxis(np.stack([Outlines(data).draw(axis, place) for place in range(9)]), 0, 0)
    middle = rim[4]
    assert (middle[4, 3], middle[4, 4]) == (1, 2)  # the seam
    assert (middle[4, 2], middle[4, 5]) == (0, 0)  # inside of each


def test_a_label_at_the_border_is_closed_there():
    data = np.ones((3, 4, 5), dtype=np.uint8)
    assert Outlines(data)[1].sum() == 2 * (4 + 5) - 4


def test_the_outline_of_a_slice_is_that_of_slices_of_one(ball):
    outlines = Outlines(ball.data)
    np.testing.assert_array_equal(outlines[20:21, :, 3:30], outlines[20, :, 3:30][None])
