"""The pictures of the walk-through: a drive through the real window, run by Sphinx.

``python docs/screenshots.py FOLDER`` opens napari, clicks what the page ``plugin.md`` tells the reader to
click, and writes a PNG after each step. At the building of the docs it runs in a process of its own, under
Xvfb where there is no display; where there is no Xvfb either, the page is built without pictures.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QComboBox, QWidget
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "screenshots"
PLUGIN = "napari-shapereg"
PICTURES = ("sample", "arrows", "running", "registered", "agreement", "checkerboard", "jacobian", "apply")
SIZE = (1360, 860)
LOOK, UP = (-0.55, 0.75, -0.3), (0.0, 0.0, 1.0)
"""From where, in LPS: from the left, the front and a little above."""
PATIENCE = 300.0
"""Seconds that one step may take on a busy machine."""


class Tour:
    """A napari window that is driven as a user drives it.

    Parameters
    ----------
    folder : Path
        Where the pictures go.
    """

    def __init__(self, folder: Path) -> None:
        import napari

        self.folder = folder
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        self.wait(0.5)

    def wait(self, seconds: float) -> None:
        """Let the window live for a while."""
        self.until(lambda: False, seconds)

    def until(self, done: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Let the window live until something is so; return whether it is."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            if done():
                return True
            time.sleep(0.01)
        return False

    def demand(self, done: Callable[[], bool], what: str) -> None:
        """Wait until something is so.

        Raises
        ------
        TimeoutError
            It never is.
        """
        if not self.until(done):
            raise TimeoutError(f"{what}: not so after {PATIENCE:g} s")

    def dock(self, name: str) -> QWidget:
        """Open a dock of the plugin."""
        _, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        self.wait(0.5)
        return widget

    def close_dock(self, widget: QWidget) -> None:
        """Close a dock."""
        self.viewer.window.remove_dock_widget(widget)
        self.wait(0.3)

    def picture(self, name: str) -> None:
        """Write what the window shows."""
        self.wait(1.0)
        self.viewer.help, self.viewer.status = "", ""
        self.viewer.screenshot(str(self.folder / f"{name}.png"), canvas_only=False, flash=False)

    def in_3d(self) -> None:
        """Show everything in 3-D, head up, from a little to the side."""
        from napari_shapereg.plugin.layers import frame_of_layer

        self.viewer.dims.ndisplay = 3
        self.viewer.reset_view()
        frame = frame_of_layer(self.viewer.layers["knee: fixed"])
        look, up = frame.turn_to_display([LOOK, UP]).tolist()
        self.viewer.scene.camera.set_view_direction(look, up)
        # napari fits the view to the height: a canvas between two docks is narrow.
        self.viewer.scene.camera.zoom *= 0.8

    def in_2d(self) -> None:
        """Show a slice as large as it goes."""
        self.viewer.dims.ndisplay = 2
        self.viewer.reset_view()


def take(folder: Path) -> None:
    """Drive the window from the first click to the last, and write every picture.

    Parameters
    ----------
    folder : Path
        Exists.
    """
    tour = Tour(folder)
    tour.viewer.open_sample(PLUGIN, "knees")
    tour.in_3d()
    tour.picture("sample")
    tour.in_2d()
    register(tour)
    inspect(tour)
    apply(tour)
    tour.viewer.close()


def register(tour: Tour) -> None:
    """Look at the arrows, then register."""
    dock = tour.dock("Register labels")
    tour.demand(lambda: dock.pair.ready, "the labels are listed")
    choose(dock.preset, "Fast")
    dock.preset.activated.emit(dock.preset.currentIndex())
    dock.arrows.one.click()
    tour.demand(lambda: not dock.arrows.busy, "the arrows are drawn")
    tour.picture("arrows")
    dock.arrows.one.click()
    dock.run.register.click()
    tour.demand(lambda: dock.run.bar.value() > 150 or not dock.run.busy, "the run is under way")
    tour.picture("running")
    tour.demand(lambda: not dock.run.busy and dock.result.table.isVisible(), "the run is over")
    tour.in_2d()
    tour.picture("registered")
    tour.close_dock(dock)


def inspect(tour: Tour) -> None:
    """Read the table, compare, look at the Jacobian."""
    dock = tour.dock("Inspect registration")
    tour.demand(
        lambda: dock.table.model().rowCount() > 0 and not dock.progress.isVisible(), "the result is measured"
    )
    tour.viewer.reset_view()
    tour.picture("agreement")
    dock.tabs.setCurrentWidget(dock.comparison)
    press(dock.comparison, "Checkerboard")
    tour.wait(1.0)
    tour.demand(lambda: not dock.progress.isVisible(), "the volumes are compared")
    tour.in_2d()
    tour.picture("checkerboard")
    press(dock.comparison, "Off")
    dock.tabs.setCurrentWidget(dock.maps)
    tour.in_3d()
    choose(dock.maps.quantity, "log")
    dock.maps.grid.setChecked(True)
    tour.wait(1.0)
    tour.demand(lambda: not dock.progress.isVisible(), "the map is drawn")
    tour.in_3d()
    tour.picture("jacobian")
    tour.close_dock(dock)


def apply(tour: Tour) -> None:
    """Carry a layer along."""
    dock = tour.dock("Apply a transform")
    dock.layer.value = tour.viewer.layers["knee: moving"]
    before = len(tour.viewer.layers)
    dock.apply.native.click()
    tour.demand(lambda: len(tour.viewer.layers) > before, "the warped layer is there")
    tour.in_2d()
    tour.picture("apply")
    tour.close_dock(dock.native)


def press(parent: QWidget, text: str) -> None:
    """Press the button of a text, its mnemonic aside."""
    from qtpy.QtWidgets import QPushButton

    buttons = {button.text().replace("&", ""): button for button in parent.findChildren(QPushButton)}
    buttons[text].click()


def choose(box: QComboBox, text: str) -> None:
    """Choose the entry that a text occurs in."""
    entries = [box.itemText(place) for place in range(box.count())]
    box.setCurrentIndex(next(place for place, entry in enumerate(entries) if text in entry))


# ------------------------------------------------------------------------------------------- at the building


def newest_source() -> float:
    """Return when the plugin, or this script, was last changed."""
    plugin = HERE.parent / "napari_shapereg" / "plugin"
    return max(file.stat().st_mtime for file in [Path(__file__), *plugin.glob("*.py")])


def up_to_date() -> bool:
    """Tell whether every picture is there, and newer than what it shows."""
    files = [FOLDER / f"{name}.png" for name in PICTURES]
    return all(file.is_file() and file.stat().st_mtime > newest_source() for file in files)


def display() -> list[str] | None:
    """Return what a command is to start with so that it has a display, or None where it can have none."""
    if platform.system() != "Linux" or os.environ.get("DISPLAY"):
        return []
    xvfb = shutil.which("xvfb-run")
    return [xvfb, "--auto-servernum", "--server-args=-screen 0 1600x1200x24"] if xvfb else None


def begin_pictures(app: Sphinx) -> None:
    """Let the window be driven by a process of its own, while this one runs the gallery."""
    from sphinx.util import logging

    if up_to_date():
        app.tags.add("screenshots")
        return
    prefix = display()
    if prefix is None:
        logging.getLogger(__name__).info("no display and no xvfb-run: the walk-through has no pictures")
        app.config.suppress_warnings.append("image.not_readable")  # Sphinx looks into {only}, too.
        return
    app.tags.add("screenshots")
    FOLDER.mkdir(exist_ok=True)
    settings = tempfile.TemporaryDirectory()
    environment = {**os.environ, "NAPARI_CONFIG": f"{settings.name}/napari.yaml"}
    if platform.system() == "Linux":
        environment["QT_QPA_PLATFORM"] = "xcb"
    drive = subprocess.Popen([*prefix, sys.executable, __file__, str(FOLDER)], env=environment)

    def await_pictures(*_event: object) -> None:
        status = drive.wait()
        settings.cleanup()
        if status:
            raise subprocess.CalledProcessError(status, drive.args)

    app.connect("env-before-read-docs", await_pictures)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx; the pictures begin before the gallery, which takes its time."""
    app.connect("builder-inited", begin_pictures, priority=100)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    take(Path(sys.argv[1]))
