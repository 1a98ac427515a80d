"""Controls of the comparison: which two volumes, how, and whose contours are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_shapereg.plugin.comparison import MODES
from napari_shapereg.plugin.inspected import Side
from napari_shapereg.plugin.overlay_choices import contour_name

if TYPE_CHECKING:
    from napari_shapereg.plugin.comparison import Mode
    from napari_shapereg.plugin.inspection import Inspection

_STEPS = 100
_HELP = {
    None: "Both volumes as napari shows them, one over the other.",
    "blend": "One volume fades into the other: drag the slider.",
    "wipe": "The first volume left of a line, the second right of it: drag the slider.",
    "checkerboard": "Blocks of both volumes by turns: edges should go on from block to block.",
    "flicker": "Both volumes by turns, in one place: what moves does not agree.",
}
_SIDE_HELP = {
    Side.FIXED: "The fixed labels.",
    Side.BEFORE: "The moving labels as they lie.",
    Side.AFFINE: "The moving labels after the rotation, scaling and shift alone.",
    Side.AFTER: "The moving labels after the whole registration.",
}


class ComparisonPanel(QWidget):
    """Binds widgets to `Inspection.compare` and `Inspection.show_contours`.

    Parameters
    ----------
    inspection : Inspection
    """

    def __init__(self, inspection: Inspection, parent: QWidget | None = None) -> None:
        """Build the controls."""
        super().__init__(parent)
        self._inspection = inspection
        self.timer = QTimer(self)
        self.timer.timeout.connect(self._flick)
        layout = QVBoxLayout(self)
        layout.addWidget(self._comparison_box())
        layout.addWidget(self._contour_box())
        layout.addStretch(1)
        self._on_mode()

    @property
    def mode(self) -> Mode | None:
        """The mode chosen."""
        return self._modes[self._group.checkedId()]

    def reset(self) -> None:
        """Go back to no comparison and no contours, without telling anybody."""
        self.timer.stop()
        self._buttons[None].setChecked(True)
        for box in self._contours.values():
            with QSignalBlocker(box):
                box.setChecked(False)
        self._on_mode()

    def match(self) -> None:
        """Uncheck the contours that the user removed from the list of layers."""
        for side, box in self._contours.items():
            with QSignalBlocker(box):
                box.setChecked(contour_name(side) in self._inspection.overlays.names)

    def pause(self) -> None:
        """Stop the flicker, if it runs."""
        if self.timer.isActive():
            self._buttons[None].click()

    def _comparison_box(self) -> QGroupBox:
        box = QGroupBox("Compare", self)
        form = QFormLayout(box)
        self.first, self.second = self._sides("First volume"), self._sides("Second volume")
        self.first.setCurrentIndex(list(Side).index(Side.FIXED))
        self.second.setCurrentIndex(list(Side).index(Side.AFTER))
        both = QHBoxLayout()
        both.addWidget(self.first, 1)
        both.addWidget(QLabel("with"))
        both.addWidget(self.second, 1)
        form.addRow(both)
        form.addRow(self._mode_buttons())
        self.help = QLabel()
        self.help.setWordWrap(True)
        form.addRow(self.help)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setValue(_STEPS // 2)
        self.slider.setAccessibleName("Position of the blend or the wipe")
        self.slider.valueChanged.connect(self._move)
        form.addRow(self.slider)
        self.block = _spin_box(" mm", 0.5, 200.0, 10.0, "Edge of the blocks, mm.")
        self.block.valueChanged.connect(self._resize)
        form.addRow("Block", self.block)
        # Three flashes a second and more can harm people with photosensitive epilepsy.
        self.rate = _spin_box(" Hz", 0.2, 5.0, 2.0, "How often a second the picture changes.")
        self.rate.valueChanged.connect(self._time)
        form.addRow("Rate", self.rate)
        self.first.currentIndexChanged.connect(self._compare)
        self.second.currentIndexChanged.connect(self._compare)
        return box

    def _sides(self, name: str) -> QComboBox:
        combo = QComboBox()
        combo.setAccessibleName(name)
        for place, side in enumerate(Side):
            combo.addItem(side.value)
            combo.setItemData(place, _SIDE_HELP[side], Qt.ItemDataRole.ToolTipRole)
        combo.setToolTip(
            f"{name}. Before: as it lies. After affine: rotated, scaled, shifted. After: warped."
        )
        return combo

    def _mode_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        self._group = QButtonGroup(self)
        self._modes: list[Mode | None] = [None, *MODES]
        self._buttons: dict[Mode | None, QPushButton] = {}
        for place, mode in enumerate(self._modes):
            button = QPushButton("Off" if mode is None else mode.capitalize())
            button.setCheckable(True)
            button.setToolTip(_HELP[mode])
            # Each as wide as its word: five equal ones do not fit into a dock.
            row.addWidget(button, len(button.text()))
            self._group.addButton(button, place)
            self._buttons[mode] = button
        self._buttons[None].setChecked(True)
        self._group.idClicked.connect(self._compare)
        return row

    def _contour_box(self) -> QGroupBox:
        box = QGroupBox("Contours (surfaces in 3-D)", self)
        row = QHBoxLayout(box)
        self._contours: dict[Side, QCheckBox] = {}
        for side in Side:
            check = QCheckBox(side.value)
            check.setIcon(_swatch(side.color))
            check.setToolTip(f"{_SIDE_HELP[side]} Outlines on slices, surfaces in 3-D.")
            check.toggled.connect(lambda shown, side=side: self._show_contours(side, shown=shown))
            row.addWidget(check)
            self._contours[side] = check
        row.addStretch(1)
        return box

    def _chosen(self) -> tuple[Side, Side]:
        sides = list(Side)
        return sides[self.first.currentIndex()], sides[self.second.currentIndex()]

    def _compare(self) -> None:
        self._on_mode()
        if self._inspection.inspected:
            self._inspection.compare(self.mode, *self._chosen())

    def _on_mode(self) -> None:
        mode = self.mode
        self.help.setText(_HELP[mode])
        self.slider.setEnabled(mode in ("blend", "wipe"))
        self.block.setEnabled(mode == "checkerboard")
        self.rate.setEnabled(mode == "flicker")
        if mode == "flicker" and self._inspection.inspected:
            self._time()
            self.timer.start()
        else:
            self.timer.stop()

    def _move(self, value: int) -> None:
        if self._inspection.comparing:
            self._inspection.comparing.move(value / _STEPS)

    def _resize(self, length: float) -> None:
        if self._inspection.comparing:
            self._inspection.comparing.resize(length)

    def _time(self) -> None:
        self.timer.setInterval(round(1000 / self.rate.value()))

    def _flick(self) -> None:
        if self._inspection.comparing:
            self._inspection.comparing.flick()

    def _show_contours(self, side: Side, *, shown: bool) -> None:
        if self._inspection.inspected:
            self._inspection.show_contours(side, shown=shown)


def _spin_box(unit: str, low: float, high: float, value: float, tooltip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(1)
    box.setValue(value)
    box.setSuffix(unit)
    box.setToolTip(tooltip)
    box.setKeyboardTracking(False)
    return box


def _swatch(color: tuple[float, float, float]) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor.fromRgbF(*color))
    return QIcon(pixmap)
