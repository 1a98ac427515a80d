"""The dock: what is clicked on does what it says, on a viewer model where no window is needed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Qt, QThreadPool

from napari_shapereg.plugin.inspected import Side
from napari_shapereg.plugin.inspection_dock import InspectionDock
from napari_shapereg.plugin.layers import labels_layer
from napari_shapereg.plugin.maps import LOG_JACOBIAN
from napari_shapereg.plugin.overlay_choices import GRID, LINES, WORST, contour_name, map_name

PATIENCE = 20_000  # ms, for a machine that does other things too


def show(viewer, pair, name="warped"):
    layer = Layer.create(*labels_layer(pair.warped, name, result=pair))
    viewer.add_layer(layer)
    return layer


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture(autouse=True)
def no_worker_left(qapp):
    """Let what a closed dock left at work end, as napari does when it quits."""
    yield
    assert QThreadPool.globalInstance().waitForDone(PATIENCE)
    qapp.processEvents()


@pytest.fixture
def settled(qtbot):
    def wait(dock):
        qtbot.waitUntil(lambda: dock.background.idle, timeout=PATIENCE)

    return wait


@pytest.fixture
def dock(qtbot, viewer, unmoved_pair, settled):
    show(viewer, unmoved_pair)
    dock = InspectionDock(viewer)
    qtbot.addWidget(dock)
    settled(dock)
    return dock


def test_an_empty_dock_says_what_to_do(qtbot, viewer):
    dock = InspectionDock(viewer)
    qtbot.addWidget(dock)
    assert dock.state.text().startswith("No result yet: register two labels layers")
    assert not dock.tabs.isEnabled()


def test_the_table_is_filled_sorted_and_clicked_on(qtbot, viewer, dock, settled):
    table = dock.table
    assert table.labels() == [1, 2]
    model = table.model()
    assert model.data(model.index(0, 0)) == "1  large"
    assert model.data(model.index(0, 0), Qt.ItemDataRole.DecorationRole).getRgbF()[:3] == pytest.approx(
        (1.0, 0.5, 0.0), abs=1e-2
    )
    # HD, largest first
    table.sortByColumn(5, Qt.SortOrder.DescendingOrder)
    assert table.labels() == [2, 1]
    place = table.visualRect(table.model().index(0, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    settled(dock)
    assert viewer.dims.point == pytest.approx((7.5, 30.0, 40.0))
    assert WORST in dock.inspection.overlays.names
    assert dock.state.text() == "Label 2 alone, at its worst point."
    qtbot.mouseClick(dock.all_labels, Qt.MouseButton.LeftButton)
    settled(dock)
    assert WORST not in dock.inspection.overlays.names


def test_the_table_is_used_with_the_keyboard(qtbot, viewer, dock, settled):
    dock.show()
    dock.table.setFocus()
    qtbot.keyClick(dock.table, Qt.Key.Key_Down)
    qtbot.keyClick(dock.table, Qt.Key.Key_Down)
    qtbot.keyClick(dock.table, Qt.Key.Key_Return)
    settled(dock)
    assert dock.inspection.label == 2


def test_rows_without_a_number_are_sorted_to_one_end(qtbot, viewer, make_pair, shifted_pair, settled):
    volume = shifted_pair.moving
    lost = type(volume)(np.where(volume.data == 1, 0, volume.data), volume.grid)
    show(viewer, make_pair(lost, shifted_pair.fixed))
    dock = InspectionDock(viewer)
    qtbot.addWidget(dock)
    settled(dock)
    dock.table.sortByColumn(3, Qt.SortOrder.AscendingOrder)
    assert dock.table.labels() == [2, 1]


def test_each_mode_enables_its_own_controls(qtbot, dock, settled):
    panel = dock.comparison
    enabled = {}
    for mode, button in panel._buttons.items():
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        settled(dock)
        assert dock.inspection.comparing.mode == mode
        enabled[mode] = (panel.slider.isEnabled(), panel.block.isEnabled(), panel.rate.isEnabled())
    assert enabled == {
        None: (False, False, False),
        "blend": (True, False, False),
        "wipe": (True, False, False),
        "checkerboard": (False, True, False),
        "flicker": (False, False, True),
    }


def test_the_slider_blends(qtbot, dock, settled):
    qtbot.mouseClick(dock.comparison._buttons["blend"], Qt.MouseButton.LeftButton)
    settled(dock)
    dock.comparison.slider.setValue(20)
    layers = dock.inspection.comparing.layers
    assert (layers[Side.FIXED].opacity, layers[Side.AFTER].opacity) == pytest.approx((0.8, 0.2))


def test_flicker_goes_on_until_the_dock_is_hidden(qtbot, dock, settled):
    dock.show()
    panel = dock.comparison
    panel.rate.setValue(5.0)
    qtbot.mouseClick(panel._buttons["flicker"], Qt.MouseButton.LeftButton)
    settled(dock)
    fixed = dock.inspection.comparing.layers[Side.FIXED]
    seen = []
    fixed.events.visible.connect(lambda: seen.append(fixed.visible))
    qtbot.waitUntil(lambda: len(seen) >= 3, timeout=PATIENCE)
    assert seen[:2] in ([True, False], [False, True])
    dock.hide()
    settled(dock)
    assert not panel.timer.isActive()
    assert dock.inspection.comparing.mode is None


def test_maps_grid_and_lines_follow_their_controls(qtbot, viewer, dock, settled):
    panel = dock.maps
    panel.quantity.setCurrentIndex(3)
    panel.grid.setChecked(True)
    panel.lines.setCurrentIndex(1)
    settled(dock)
    assert {map_name(LOG_JACOBIAN), GRID, LINES} <= set(dock.inspection.overlays.names)
    assert panel.scale.texts == ("≤ -0.1", "0", "≥ 0.1")
    assert "above 0 the moving shape is larger" in panel.meaning.text()
    assert panel.folding.text().startswith("Nothing folded")
    # The user deletes layers in napari's own list.
    viewer.layers.remove(dock.inspection.overlays.layers(map_name(LOG_JACOBIAN))[0])
    viewer.layers.remove(dock.inspection.overlays.layers(GRID)[0])
    assert panel.quantity.currentIndex() == 0
    assert not panel.grid.isChecked()
    assert panel.lines.currentIndex() == 1
    assert panel.scale.isHidden()


def test_contours_follow_their_boxes(dock, viewer, settled):
    boxes = dock.comparison._contours
    assert {side for side, box in boxes.items() if box.isChecked()} == {Side.FIXED, Side.AFTER}
    boxes[Side.BEFORE].setChecked(True)
    boxes[Side.AFTER].setChecked(False)
    settled(dock)
    names = dock.inspection.overlays.names
    assert contour_name(Side.BEFORE) in names
    assert contour_name(Side.AFTER) not in names


def test_a_new_result_is_offered_and_the_chosen_one_stays(dock, viewer, shifted_pair, settled):
    show(viewer, shifted_pair, "second")
    assert [dock.results.itemText(place) for place in range(dock.results.count())] == ["warped", "second"]
    assert dock.results.currentText() == "warped"
    dock.results.setCurrentIndex(1)
    settled(dock)
    assert dock.inspection.inspected.pair is shifted_pair
    assert dock.comparison._contours[Side.FIXED].isChecked()


def test_the_dock_is_empty_again_when_the_last_result_goes(dock, viewer):
    viewer.layers.clear()
    assert dock.results.count() == 0
    assert not dock.tabs.isEnabled()
    assert dock.table.labels() == []


def test_a_folder_without_a_result_is_told(dock, tmp_path, settled, monkeypatch):
    told = []
    monkeypatch.setattr("napari_shapereg.plugin.jobs.show_error", told.append)
    dock.load(tmp_path)
    settled(dock)
    assert len(told) == 1
    assert "there is no metrics.json in this folder" in told[0]


def test_a_dock_that_is_gone_hears_nothing_of_its_work(qtbot, viewer):
    """The work ends after the dock: no error, nothing in the list of layers."""
    dock = InspectionDock(viewer)
    go_on, done = threading.Event(), threading.Event()

    def work():
        go_on.wait(10)
        done.set()

    dock.background("Waiting", work, lambda _: viewer.add_labels(np.ones((3, 4, 5), dtype=int)))
    dock.deleteLater()
    qtbot.wait(50)
    go_on.set()
    qtbot.waitUntil(done.is_set, timeout=PATIENCE)
    qtbot.wait(50)
    assert len(viewer.layers) == 0


def test_a_dock_that_is_deleted_leaves_the_layers_as_it_found_them(qtbot, viewer, unmoved_pair, settled):
    warped = show(viewer, unmoved_pair)
    dock = InspectionDock(viewer)
    settled(dock)
    dock.comparison._buttons["wipe"].click()
    settled(dock)
    assert not warped.visible
    dock.deleteLater()
    qtbot.waitUntil(lambda: warped.visible, timeout=PATIENCE)
    assert {layer.name for layer in viewer.layers} == {"warped", "Fixed"}


@pytest.mark.window
def test_a_result_is_inspected_in_a_window_that_closes_meanwhile(
    make_napari_viewer, qtbot, shifted_pair, settled
):
    viewer = make_napari_viewer()
    show(viewer, shifted_pair)
    dock = InspectionDock(viewer)
    viewer.window.add_dock_widget(dock, name="Inspect registration", area="right")
    settled(dock)
    dock.comparison._buttons["flicker"].click()
    dock.maps.quantity.setCurrentIndex(1)
    settled(dock)
    viewer.dims.ndisplay = 3
    settled(dock)
    assert any("on the surface" in layer.name for layer in viewer.layers)
    viewer.dims.ndisplay = 2
    viewer.window.remove_dock_widget(dock)
    assert {layer.name for layer in viewer.layers} == {"warped", "Fixed"}
    viewer.window.add_dock_widget(dock, name="Inspect registration", area="right")
    settled(dock)
    assert dock.table.labels() == [1, 2]
    # Something is at work when the window closes.
    dock.maps.lines.setCurrentIndex(2)
    viewer.close()  # the fixture looks for timers, threads and widgets that are left
