from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_shapereg.quality.orientation import orientation_rows
from napari_shapereg.volumes import ImageGrid, LabelVolume


def volume(x, direction=(1.0, 0, 0, 0, 1, 0, 0, 0, 1)):
    return LabelVolume(
        np.ones((3, 3, 3), np.uint8), ImageGrid((3, 3, 3), (1, 1, 1), (x, 0.0, 0.0), direction)
    )


def turned(degrees):
    return Rotation.from_euler("xyz", [degrees, 0, 0], degrees=True).as_matrix() @ np.diag([1.2, 0.9, 1.1])


def checks(*given):
    return [name for name, sentence in orientation_rows(*given) if "CHECK" in sentence]


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
    assert not checks(volume(40.0), volume(50.0), turned(degrees))


def test_what_is_odd_is_to_be_checked():
    assert checks(volume(40.0), volume(-50.0), turned(5)) == ["side"]
    assert checks(volume(40.0), volume(50.0), turned(80)) == ["turn"]
    # A left knee on a right one: mirrored and on the other side, and not turned besides.
    assert checks(volume(40.0), volume(-50.0), turned(5) @ np.diag([-1.0, 1, 1])) == [
        "side",
        "left and right",
    ]
