from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from napari_shapereg.plugin import frames
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.layers import labels_layer


def test_the_unmirrored_camera_shows_right_handed_space_as_it_is():
    viewer = ViewerModel(ndisplay=3)

    frames.unmirror(viewer)

    # napari gives z, y, x
    camera = viewer.scene.camera
    forward, up = (np.array(way)[::-1] for way in (camera.view_direction, camera.up_direction))
    to_the_right = np.cross(forward, up)
    # and draws x to the right, whatever the depth axis does
    np.testing.assert_allclose(to_the_right, [1, 0, 0], atol=1e-12)
    assert camera.orientation2d == ("down", "right")


def test_the_frame_in_use_is_that_of_the_active_layer_else_of_the_first(monkeypatch, turned):
    viewer = ViewerModel()
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    viewer.add_points()
    assert frames.current_frame() is None

    viewer.add_layer(Layer.create(*labels_layer(turned)))
    viewer.layers.selection.clear()

    assert frames.current_frame() == frame_of(turned.grid)


def test_without_a_window_nothing_is_open():
    assert frames.open_layers() == []
    assert frames.current_frame() is None
