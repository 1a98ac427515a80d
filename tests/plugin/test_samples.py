from __future__ import annotations

import time

import numpy as np
import pytest
from qtpy.QtCore import QTimer

from napari_shapereg.errors import InputError
from napari_shapereg.plugin import samples
from napari_shapereg.plugin.layers import volume_of
from napari_shapereg.volumes import sample_pair

PLUGIN = "napari-shapereg"


@pytest.mark.parametrize(("key", "pair"), [("knees", "knees"), ("known", "known")])
def test_a_sample_opens_as_the_pair_that_it_is(viewer, key, pair):
    fixed, moving = viewer.open_sample(PLUGIN, key)

    for layer, volume in zip((moving, fixed), sample_pair(pair), strict=True):
        seen = volume_of(layer)
        assert seen.grid == volume.grid
        assert seen.names == volume.names
        np.testing.assert_array_equal(seen.data, volume.data)
    assert moving.name.endswith("moving")
    assert fixed.name.endswith("fixed")


def test_an_empty_window_shows_both_of_a_pair_and_in_no_mirror(viewer, monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)

    viewer.open_sample(PLUGIN, "knees")

    seen = viewer.scene.camera.center, viewer.scene.camera.zoom
    viewer.reset_view()
    assert seen == (viewer.scene.camera.center, viewer.scene.camera.zoom)
    assert str(viewer.scene.camera.orientation[0]) == "away"


def test_a_view_in_use_stays_as_it_is(viewer, monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    viewer.add_points(np.zeros((1, 3)))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1.0, 2.0, 3.0), 4.0

    viewer.open_sample(PLUGIN, "knees")

    assert (viewer.scene.camera.center, viewer.scene.camera.zoom) == ((1.0, 2.0, 3.0), 4.0)
    assert str(viewer.scene.camera.orientation[0]) == "towards"


def test_the_real_knees_are_the_pair_of_the_library(monkeypatch, viewer, turned):
    asked = []

    def pair(name, **keywords):
        asked.append(name)
        return turned, turned

    monkeypatch.setattr(samples, "sample_pair", pair)

    assert len(viewer.open_sample(PLUGIN, "oai")) == 2
    assert asked == ["oai"]


def test_a_download_does_not_stop_the_window(monkeypatch, viewer, turned, qtbot):
    seen = []

    def pair(name, **keywords):
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:
            time.sleep(0.01)
        return turned, turned

    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    monkeypatch.setattr(samples, "sample_pair", pair)
    QTimer.singleShot(0, lambda: seen.append("the window drew"))

    assert len(viewer.open_sample(PLUGIN, "oai")) == 2
    assert seen


def test_a_download_tells_how_far_it_is(monkeypatch, viewer, turned, qtbot):
    said = []

    def pair(name, progress):
        progress(1_500_000, 2_000_000)
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        return turned, turned

    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    monkeypatch.setattr(samples, "sample_pair", pair)
    monkeypatch.setattr(samples.progress, "set_description", lambda _bar, text: said.append(text))

    viewer.open_sample(PLUGIN, "oai")
    assert said == ["Fetching two knees of the OAI: 1.5 of 2.0 MB"]


def test_a_failed_download_says_what_to_do(monkeypatch, viewer):
    def pair(name, **keywords):
        raise InputError("cannot be downloaded; check the network")

    monkeypatch.setattr(samples, "sample_pair", pair)

    with pytest.raises(InputError, match="check the network"):
        viewer.open_sample(PLUGIN, "oai")
