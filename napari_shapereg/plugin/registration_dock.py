"""The dock that registers two labels layers. It only binds: the work lies behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_shapereg.plugin.arrows_panel import ArrowsPanel
from napari_shapereg.plugin.controller import RegistrationController
from napari_shapereg.plugin.controls import Column, Fold
from napari_shapereg.plugin.copy_panel import CopyPanel
from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.landmark_panel import LandmarkPanel
from napari_shapereg.plugin.machine import devices_of_machine, examine_machine
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.pair_panel import PairPanel
from napari_shapereg.plugin.preferences import Preferences, preferences
from napari_shapereg.plugin.result_panel import ResultPanel
from napari_shapereg.plugin.run_panel import RunPanel
from napari_shapereg.plugin.settings_form import PRESETS, SettingsForm
from napari_shapereg.plugin.settings_widget import SettingsWidget

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from napari.layers import Labels

    from napari_shapereg.plugin.machine import Machine
    from napari_shapereg.plugin.tasks import Finished
    from napari_shapereg.registration import RegistrationSettings

_PRESETS = {
    "fast": ("Fast", "A coarse lattice: seconds."),
    "balanced": ("Balanced", "The default."),
    "accurate": ("Accurate", "A fine lattice: several times as long."),
}
_JSON = "Settings (*.json)"


class RegistrationDock(QWidget):
    """Choose two labels layers, look at the arrows, register.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self.controller = RegistrationController(napari_viewer)
        chosen = _preferences()
        self.controller.most_arrows = chosen.max_arrows
        self.form = SettingsForm(chosen.preset, devices_of_machine())
        self._closed = False
        self._docked = False
        with telling():
            self.form.put("device", chosen.device)
            self.form.put("engine", chosen.engine)
        self._build()
        self.pair.changed.connect(self._on_pair)
        self.settings_widget.changed.connect(self._on_settings)
        self.run.changed.connect(self._on_run)
        self.run.finished.connect(self._on_finished)
        napari_viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        self._on_pair()
        Job(examine_machine, self._on_machine, parent=self)

    def settings(self) -> RegistrationSettings:
        """Return the settings as they are now, with the checked labels."""
        return self.form.settings.changed(labels=self.pair.labels)

    # ------------------------------------------------------------------------------------------------ events

    def _on_pair(self) -> None:
        reason = self.pair.why_not
        self.arrows.enable(reason=reason or self._under_way)
        self.run.enable(reason=reason)
        self.copies.setEnabled(not reason)
        self.arrows.follow()

    @property
    def _under_way(self) -> str:
        return "A run is under way: wait for its end, or cancel it." if self.run.busy else ""

    def _on_run(self) -> None:
        if self.run.busy:
            self.arrows.yield_to_run()
            self.result.raise_path()
        self.arrows.enable(reason=self.pair.why_not or self._under_way)
        self.result.setEnabled(not self.run.busy)

    def _on_settings(self, _place: str) -> None:
        self._show_preset()
        self.arrows.follow()

    def _on_preset(self) -> None:
        self.form.choose_preset(self.preset.currentData())
        self.settings_widget.refresh()
        self._on_settings("")

    def _on_machine(self, machine: Machine) -> None:
        self.form.machine = machine
        self.settings_widget.refresh()

    def _on_finished(self, outcome: tuple[Finished, Labels]) -> None:
        self.result.show_result(*outcome)

    def _on_ndisplay(self) -> None:
        if self.viewer.dims.ndisplay == 2:
            self.result.raise_path()

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load settings", "", _JSON)
        if path:
            self.load_settings(path)

    def load_settings(self, path: str | Path) -> None:
        """Take the settings of a JSON file, labels included."""
        with telling():
            self.form.read(path)
            self.pair.check(self.form.settings.labels)
            self.settings_widget.refresh()
            self._on_settings("")

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save settings", "settings.json", _JSON)
        if path:
            self.save_settings(path)

    def save_settings(self, path: str | Path) -> None:
        """Write the settings, with the checked labels, as the JSON that the command line takes."""
        with telling():
            whole = SettingsForm(self.form.preset)
            whole.settings = self.settings()
            whole.write(path)

    # ------------------------------------------------------------------------------------------------- close

    def event(self, event: QEvent | None) -> bool:
        """Close down when the dock around this widget is closed."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked:
                QTimer.singleShot(0, self._on_undocked)
        return super().event(event)

    def _on_undocked(self) -> None:
        if self.parent() is None:
            self.close_down()
            self.deleteLater()

    def close_down(self) -> None:
        """Cancel what is under way, and leave the viewer with its results alone."""
        if self._closed:
            return
        self._closed = True
        for panel in (self.arrows, self.run, self.result):
            panel.close_down()
        self.pair.disconnect_viewer()
        self.landmarks.disconnect_viewer()
        self.viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self.controller.close()

    # ------------------------------------------------------------------------------------------------- build

    def _build(self) -> None:
        self.landmarks = LandmarkPanel(self.viewer)
        self.pair = PairPanel(self.viewer, lambda: self.landmarks.points)
        self.in_3d = QCheckBox("&3-D view")
        self.in_3d.setChecked(True)
        self.in_3d.setToolTip(
            "Turn the viewer to 3-D while arrows or a run are shown: surfaces stand for the labels."
        )
        self.arrows = ArrowsPanel(self.controller, self.pair, self.settings, self.in_3d.isChecked)
        self.run = RunPanel(
            self.controller, self.pair, lambda: self.landmarks.points, self.settings, self.in_3d.isChecked
        )
        self.result = ResultPanel(self.controller)
        self.settings_widget = SettingsWidget(self.form)
        self.copies = CopyPanel(self.pair, lambda: self.landmarks.points, self.settings, self.form)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(6)
        asked = self.pair, Fold("Landmar&ks", self.landmarks), self._preset_row(), self._settings_fold()
        for part in (*asked, _line(), self.arrows, _line(), self.run, self.result):
            layout.addWidget(part)
        layout.addStretch(1)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(Column(inside))
        self.setMinimumWidth(340)

    def _preset_row(self) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        self.preset, title = QComboBox(), QLabel("Pre&set")
        for name in PRESETS:
            text, tip = _PRESETS[name]
            self.preset.addItem(text, name)
            self.preset.setItemData(self.preset.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.preset.setToolTip(
            "How fine the map is, and how long it takes. Choosing one resets the settings below."
        )
        self.preset.activated.connect(self._on_preset)
        title.setBuddy(self.preset)
        layout.addWidget(title)
        layout.addWidget(self.preset, 1)
        layout.addWidget(self.in_3d)
        self._show_preset()
        return row

    def _settings_fold(self) -> Fold:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.settings_widget)
        load, save = QPushButton("Load…"), QPushButton("Save…")
        load.setToolTip("Take the settings of a JSON file.")
        save.setToolTip("Write the settings as the JSON that `shapereg register --settings` takes.")
        load.clicked.connect(self._load)
        save.clicked.connect(self._save)
        row = QHBoxLayout()
        row.addWidget(load)
        row.addWidget(save)
        layout.addLayout(row)
        layout.addWidget(self.copies)
        self.fold = Fold("Settin&gs", content)
        return self.fold

    def _show_preset(self) -> None:
        self.preset.setCurrentIndex(self.preset.findData(self.form.preset))
        changed = "" if self.form.as_preset else " (changed)"
        for row in range(self.preset.count()):
            here = changed if row == self.preset.currentIndex() else ""
            self.preset.setItemText(row, _PRESETS[self.preset.itemData(row)][0] + here)


def _preferences() -> Preferences:
    with telling():
        return preferences()
    return Preferences()


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
