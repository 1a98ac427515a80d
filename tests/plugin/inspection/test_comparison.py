from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.comparison import Checkerboard, Composite, Wipe, blend, wipe_at

SHAPE = (6, 8, 10)


@pytest.fixture
def arrays():
    random = np.random.default_rng(4)
    # No background, so that no seam is drawn.
    return random.integers(1, 5, SHAPE, dtype=np.uint8), random.integers(1, 5, SHAPE, dtype=np.uint8)


def test_a_wipe_shows_the_first_volume_before_the_line_and_the_second_behind_it(arrays):
    first, second = arrays
    composite = Composite(first, second, Wipe(2, 4))
    np.testing.assert_array_equal(composite[3, :, :4], first[3, :, :4])
    np.testing.assert_array_equal(composite[3, :, 4:], second[3, :, 4:])


def test_the_slider_moves_the_line_across_the_labels():
    box = (slice(0, 6), slice(2, 8), slice(4, 9))
    assert wipe_at(0.0, box, 2) == Wipe(2, 4)
    assert wipe_at(1.0, box, 2) == Wipe(2, 9)
    assert wipe_at(0.5, box, 1) == Wipe(1, 5)


def test_blocks_of_a_checkerboard_have_their_edge_in_mm():
    board = Checkerboard.of_size(10.0, (2.0, 2.5, 5.0))
    answers = board.second(np.ix_(np.arange(8), np.arange(8), np.arange(10)))
    z, y, x = np.indices((8, 8, 10))
    # x in steps of 2 mm, y of 2.5 mm, z of 5 mm
    expected = (np.floor(x * 2.0 / 10) + np.floor(y * 2.5 / 10) + np.floor(z * 5.0 / 10)) % 2 == 1
    np.testing.assert_array_equal(answers, expected)


def test_blocks_are_at_least_a_voxel():
    assert Checkerboard.of_size(0.1, (1.0, 1.0, 3.0)).blocks == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("length", [0.0, -3.0, float("nan"), float("inf")])
def test_blocks_without_an_edge_are_refused(length):
    with pytest.raises(InputError, match="give a positive length"):
        Checkerboard.of_size(length, (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    "key",
    [
        np.s_[2],
        np.s_[:, 3],
        np.s_[:, :, 4],
        np.s_[2:3, 1:7, 2:9],
        np.s_[1:5, 2, ::2],
        np.s_[-1],
        np.s_[:],
        np.s_[1, 2, 3],
    ],
)
def test_a_part_of_a_composite_is_that_part_of_the_whole(arrays, key):
    first, second = arrays
    board = Checkerboard((2.0, 3.0, 2.5))
    composite = Composite(first, second, board)
    whole = np.where(board.second(np.ix_(*map(np.arange, SHAPE))), second, first)
    np.testing.assert_array_equal(composite[key], whole[key])
    np.testing.assert_array_equal(np.asarray(composite), whole)


def test_a_change_of_pattern_is_seen_at_once(arrays):
    composite = Composite(*arrays, Wipe(2, 0))
    np.testing.assert_array_equal(composite[0], arrays[1][0])
    composite.pattern = Wipe(2, 10)
    np.testing.assert_array_equal(composite[0], arrays[0][0])


def test_the_seam_is_drawn_beside_the_labels_and_never_over_them():
    first, second = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    first[:, 2], second[:, 2] = 200, 255
    composite = Composite(first, second, Wipe(2, 4))
    plane = composite[3]
    assert composite.mark == 256
    np.testing.assert_array_equal(plane[2], [200] * 4 + [255] * 6)
    assert set(plane[[0, 1, 3, 4, 5, 6, 7], 4]) == {256}
    assert np.count_nonzero(plane == 256) == 7


def test_there_are_no_walls_in_space():
    empty = np.zeros(SHAPE, dtype=np.uint8)
    assert not Composite(empty, empty, Wipe(2, 4))[:].any()


def test_volumes_of_different_shapes_are_refused():
    with pytest.raises(InputError, match="resample one onto the grid"):
        Composite(np.zeros((2, 2, 2), dtype=int), np.zeros((2, 2, 3), dtype=int), Wipe(0, 1))


def test_the_ends_of_the_blend_show_one_volume_alone():
    assert blend(0.0) == (1.0, 0.0)
    assert blend(1.0) == (0.0, 1.0)
    assert blend(0.25) == (0.75, 0.25)
    assert blend(7.0) == (0.0, 1.0)
