from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.layers import labels_layer, points_layer, points_of, volume_of
from napari_shapereg.plugin.map_pair import DIRECTIONS
from napari_shapereg.plugin.warping_dock import FROM_FILE, TransformDock
from napari_shapereg.transforms import affine_transform, displacement_transform, write_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume

SHIFT = affine_transform(np.eye(3), (2.0, 0.0, 0.0))
GRID = ImageGrid((12, 10, 8))


class Result:
    """What the warped labels of a registration carry: here a shift by two voxels along x."""

    def __init__(self):
        data = np.zeros(GRID.shape, dtype=np.uint8)
        data[2:5, 3:7, 4:8] = 1
        self.moving = self.fixed = LabelVolume(data, GRID)
        self.transform, self.inverse_transform = SHIFT, SHIFT.GetInverse()


@pytest.fixture
def dock(viewer, qtbot) -> TransformDock:
    """The dock over a viewer without a window, with a result and some points in it."""
    result = Result()
    viewer.add_layer(Layer.create(*labels_layer(result.moving, "knee", result=result)))
    viewer.add_layer(Layer.create(*points_layer([[5.0, 4.0, 3.0]], frame_of(GRID), "marks")))
    made = TransformDock(viewer)
    qtbot.addWidget(made.native)
    return made


def applied(dock, qtbot) -> Layer:
    before = len(dock.viewer.layers)
    dock.apply.native.click()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) > before, timeout=10_000)
    return dock.viewer.layers[-1]


def test_the_layers_and_the_maps_that_are_there_are_offered(dock):
    names = {layer.name for layer in dock.layer.choices}

    assert names == {"knee", "marks"}
    assert [str(choice) for choice in dock.transform.choices] == ["knee", FROM_FILE]

    dock.viewer.layers.remove("knee")

    assert {layer.name for layer in dock.layer.choices} == {"marks"}
    assert dock.file.visible or dock.transform.value == FROM_FILE


def test_one_click_warps_labels_through_the_result(dock, qtbot):
    dock.layer.value = dock.viewer.layers["knee"]

    warped = applied(dock, qtbot)

    # fixed to moving adds 2 mm in x, so what is pulled back moves by -2
    seen = volume_of(warped).data
    np.testing.assert_array_equal(seen[:, :, :-2], Result().moving.data[:, :, 2:])
    assert dock.apply.enabled


def test_points_go_the_way_that_is_chosen(dock, qtbot):
    dock.layer.value = dock.viewer.layers["marks"]
    dock.direction.value = DIRECTIONS[1]

    np.testing.assert_allclose(points_of(applied(dock, qtbot)), [[7.0, 4.0, 3.0]])


def test_a_file_is_a_map_as_well(dock, qtbot, tmp_path):
    write_transform(SHIFT, tmp_path / "rigid.tfm")
    dock.layer.value = dock.viewer.layers["marks"]
    dock.transform.value = FROM_FILE
    dock.file.line_edit.value = str(tmp_path / "rigid.tfm")
    dock.onto.value = dock.viewer.layers["knee"]

    np.testing.assert_allclose(points_of(applied(dock, qtbot)), [[3.0, 4.0, 3.0]])


def test_what_is_missing_is_told(dock, notices):
    dock.transform.value = FROM_FILE

    dock.run()
    dock.viewer.layers.clear()
    dock.run()

    assert [notice.message for notice in notices] == [
        "no transform is chosen; choose its file, or a layer that carries one",
        "there is no layer to warp; open one first",
    ]


def test_what_the_thread_finds_wrong_is_told_without_a_traceback(dock, qtbot, notices, tmp_path):
    field = displacement_transform(np.ones((*GRID.shape, 3)), GRID)
    write_transform(field, tmp_path / "warp.h5")
    dock.layer.value = dock.viewer.layers["marks"]
    dock.transform.value = FROM_FILE
    dock.file.line_edit.value = str(tmp_path / "warp.h5")
    dock.onto.value = dock.viewer.layers["knee"]

    dock.apply.native.click()
    qtbot.waitUntil(lambda: bool(notices), timeout=10_000)

    assert "by the inverse of this transform, which is not known" in notices[0].message
    assert dock.apply.enabled


def test_a_layer_without_a_grid_cannot_be_the_goal(dock):
    with pytest.raises((InputError, ValueError)):
        dock.onto.value = dock.viewer.layers["marks"]
