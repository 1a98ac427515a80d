from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_shapereg.quality import Metrics, concerns, orientation
from napari_shapereg.quality.orientation import orientation_rows
from napari_shapereg.volumes import ImageGrid, LabelVolume


def volume(x, direction=(1.0, 0, 0, 0, 1, 0, 0, 0, 1)):
    return LabelVolume(
        np.ones((3, 3, 3), np.uint8), ImageGrid((3, 3, 3), (1, 1, 1), (x, 0.0, 0.0), direction)
    )


def turned(degrees):
    return Rotation.from_euler("xyz", [degrees, 0, 0], degrees=True).as_matrix() @ np.diag([1.2, 0.9, 1.1])


def worries(moving, fixed, matrix):
    """Return what the report marks, which is what the concerns say, without the advice."""
    marked = [words for name, words in orientation_rows(fixed, moving, matrix) if name == "CHECK"]
    said = concerns(Metrics({}, {}, orientation=orientation(fixed, moving, matrix)))
    assert [words.lower() for words in marked] == [words.lower() for words in said]
    return [words.partition(":")[0] for words in said]


def test_axes_are_named_as_they_point():
    # Voxel axes in the columns: x to the back, y to the feet, z to the right, as knees are scanned.
    rows = dict(orientation_rows(volume(5.0, (0, 0, -1, 1, 0, 0, 0, -1, 0)), volume(5.0), None))
    assert rows["fixed volume"].startswith("voxels run towards P, I, R (right-handed)")
    assert rows["moving volume"] == (
        "voxels run towards L, P, S (right-handed); centre of the labels: L 6.0, P 1.0, S 1.0 mm"
    )
    flipped = dict(orientation_rows(volume(5.0, (-1, 0, 0, 0, 1, 0, 0, 0, 1)), volume(5.0), None))
    assert "towards R, P, S (left-handed)" in flipped["fixed volume"]


@pytest.mark.parametrize("degrees", [0, 30, -40])
def test_nothing_is_to_be_checked_where_nothing_is_odd(degrees):
    assert not worries(volume(40.0), volume(50.0), turned(degrees))


def test_labels_across_the_middle_are_on_no_wrong_side():
    # A head lies there, and whether its middle is at -1 or at 1 mm means nothing.
    for place in (40.0, -50.0):
        assert not worries(volume(-1.0), volume(place), turned(0))
        assert not worries(volume(place), volume(-1.5), turned(0))


def test_what_is_odd_is_to_be_checked():
    origin = "the origin of the scanner's coordinates"
    side = f"The moving labels lie on the left of {origin}, the fixed ones on the right"
    turn = "The linear part of the map turns the moving shape by 80°"
    assert worries(volume(40.0), volume(-50.0), turned(5)) == [side]
    assert worries(volume(40.0), volume(50.0), turned(80)) == [turn]
    # A left knee on a right one: mirrored and on the other side, and not turned besides.
    assert worries(volume(40.0), volume(-50.0), turned(5) @ np.diag([-1.0, 1, 1])) == [side]


def test_a_mirroring_map_is_marked_in_the_report():
    rows = dict(orientation_rows(volume(-50.0), volume(40.0), np.diag([-1.0, 1, 1])))
    assert rows["left and right"].startswith("CHECK: the map is a mirroring one")
    assert rows["side"].startswith("the moving labels: left; the fixed ones: right")


def test_metrics_hold_what_was_found():
    found = orientation(volume(-50.0), volume(-1.0), turned(30))
    stated = Metrics({}, {}, orientation=found).to_dict()["orientation"]
    assert stated == {"moving_side": "middle", "fixed_side": "right", "turn": pytest.approx(30)}
