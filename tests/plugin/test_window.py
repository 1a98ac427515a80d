from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent
from threading import current_thread, main_thread

import numpy as np
import pytest
from napari.layers import Layer
from napari.qt.threading import WorkerBase

from napari_shapereg.plugin import docks
from napari_shapereg.plugin.inspection_dock import InspectionDock
from napari_shapereg.plugin.registration_dock import RegistrationDock
from napari_shapereg.plugin.transform_preview import transform_layer
from napari_shapereg.transforms import displacement_transform
from napari_shapereg.volumes import ImageGrid

PLUGIN = "napari-shapereg"
PATIENCE = 60_000
"""Milliseconds, for what never takes so long."""
DOCKS = ("Register labels", "Inspect registration", "Apply a transform")

pytestmark = pytest.mark.window


@pytest.fixture
def window(shapereg, make_napari_viewer):
    """A real napari window that knows the plugin."""
    return make_napari_viewer()


def test_a_sample_opens_in_an_empty_window_and_both_volumes_are_in_view(window):
    window.open_sample(PLUGIN, "known")

    seen = window.scene.camera.zoom
    window.reset_view()
    assert window.scene.camera.zoom == seen


def test_a_file_that_cannot_be_read_is_a_notification_with_the_remedy(window, tmp_path, notices):
    (tmp_path / "half.nii.gz").write_bytes(b"\x1f\x8b")

    assert window.open(tmp_path / "half.nii.gz", plugin=PLUGIN) == []

    assert "half.nii.gz" in notices[0].message
    assert not hasattr(notices[0], "exception")


def test_docks_open_while_another_thread_imports_what_they_rest_on(window, monkeypatch):
    importers = []
    monkeypatch.setattr(docks, "import_module", lambda name: importers.append((name, current_thread())))

    opened = [window.window.add_plugin_dock_widget(PLUGIN, name)[1] for name in DOCKS[:2]]

    assert [type(dock) for dock in opened] == [RegistrationDock, InspectionDock]
    assert {name for name, _ in importers} == {"napari_shapereg.registration"}
    assert main_thread() not in [thread for _, thread in importers]
    opened[0].close_down()
    WorkerBase.await_workers(PATIENCE)


def test_the_dock_that_applies_transforms_opens_beside_the_layers(window):
    window.open_sample(PLUGIN, "known")

    _, dock = window.window.add_plugin_dock_widget(PLUGIN, "Apply a transform")

    assert [layer.name for layer in dock.layer.choices] == [layer.name for layer in window.layers]


def test_a_dock_that_is_closed_at_work_leaves_the_window_in_peace(window, qtbot):
    window.open_sample(PLUGIN, "known")
    shift = displacement_transform(np.ones((4, 4, 4, 3)), ImageGrid((4, 4, 4)))
    window.add_layer(Layer.create(*transform_layer(shift, "shift")))
    _, dock = window.window.add_plugin_dock_widget(PLUGIN, "Apply a transform")
    dock.layer.value = window.layers["known deformation: moving"]
    dock.onto.value = window.layers["known deformation: fixed"]

    dock.apply.native.click()
    window.window.remove_dock_widget(dock.native)
    qtbot.wait(500)

    window.add_points(np.zeros((1, 3)), units=("mm",) * 3)
    assert "Points" in window.layers


@pytest.mark.slow
def test_a_whole_session_with_pyside6_and_torch_after_qt(tmp_path):
    # all the other tests run with PyQt6
    script = dedent(f"""
        import sys
        import napari
        from qtpy import API_NAME
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication

        viewer = napari.Viewer()
        viewer.open_sample("{PLUGIN}", "knees")
        assert "torch" not in sys.modules, "a sample waited for torch"
        for dock in {DOCKS!r}:
            viewer.window.add_plugin_dock_widget("{PLUGIN}", dock)
        QApplication.processEvents()
        import torch
        assert float(torch.ones(1000, 1000).sum()) == 1e6
        QApplication.processEvents()
        print(API_NAME.lower(), len(viewer.layers))
        QTimer.singleShot(0, viewer.close)
        napari.run()
    """)
    environment = {**os.environ, "QT_API": "pyside6", "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["pyside6", "2"]
    assert "Traceback" not in done.stderr
