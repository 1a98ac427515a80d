"""Controls of the maps: a quantity in colours, what they mean, the deformed grid, correspondences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, QSignalBlocker, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_shapereg.plugin.correspondences import MOST_LINES
from napari_shapereg.plugin.drawings import colormap_of
from napari_shapereg.plugin.maps import QUANTITIES
from napari_shapereg.plugin.overlay_choices import GRID, LINE_KINDS, LINES, map_name

if TYPE_CHECKING:
    from napari_shapereg.plugin.inspection import Inspection
    from napari_shapereg.plugin.maps import Quantity

_BAR = 14
_STOPS = 17
_LINE_TITLES = {
    "map": "Moving surface to where it lands",
    "plan before": "Optimal transport, moving to fixed",
    "plan after": "Optimal transport of what is left, after to fixed",
}


class ColorScale(QWidget):
    """A bar of colours with the numbers at its ends and in the middle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Show nothing yet."""
        super().__init__(parent)
        self._stops = np.zeros((_STOPS, 4))
        self.texts = ("", "", "")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_quantity(self, quantity: Quantity, limits: tuple[float, float]) -> None:
        """Show the colours of a quantity between two values."""
        self._stops = colormap_of(quantity).map(np.linspace(0, 1, _STOPS))
        values = (limits[0], sum(limits) / 2, limits[1])
        unit = f" {quantity.unit}" if quantity.unit else ""
        low, middle, high = (f"{value:.3g}{unit}" for value in values)
        self.texts = (f"≤ {low}" if quantity.diverging else low, middle, f"≥ {high}")
        self.setAccessibleDescription(f"{quantity.name}: colours from {self.texts[0]} to {self.texts[2]}")
        self.show()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Return the preferred size."""
        return QSize(200, _BAR + self.fontMetrics().height() + 4)

    def paintEvent(self, _event: object) -> None:  # noqa: N802 (Qt's name)
        """Draw."""
        painter = QPainter(self)
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for place, (red, green, blue, _) in zip(np.linspace(0, 1, _STOPS), self._stops, strict=True):
            gradient.setColorAt(float(place), QColor.fromRgbF(float(red), float(green), float(blue)))
        painter.fillRect(QRectF(0, 0, self.width(), _BAR), gradient)
        painter.setPen(self.palette().windowText().color())
        below = QRectF(0, _BAR + 2, self.width(), self.height() - _BAR - 2)
        flags = Qt.AlignmentFlag
        for side, text in zip(
            (flags.AlignLeft, flags.AlignHCenter, flags.AlignRight), self.texts, strict=True
        ):
            painter.drawText(below, side | flags.AlignTop, text)
        painter.end()


class MapPanel(QWidget):
    """Binds widgets to `Inspection.show_map`, `show_grid` and `show_lines`.

    Parameters
    ----------
    inspection : Inspection
    """

    def __init__(self, inspection: Inspection, parent: QWidget | None = None) -> None:
        """Build the controls."""
        super().__init__(parent)
        self._inspection = inspection
        layout = QVBoxLayout(self)
        layout.addWidget(self._map_box())
        layout.addWidget(self._grid_box())
        layout.addWidget(self._line_box())
        layout.addStretch(1)

    def reset(self) -> None:
        """Go back to drawing nothing, without telling anybody."""
        self._set(0, 0, grid=False)
        self.folding.setText("")
        self._explain(None)

    def match(self) -> None:
        """Unset what the user removed from the list of layers, and say what the colours mean."""
        names = self._inspection.overlays.names
        chosen = self._chosen()
        self._set(
            self.quantity.currentIndex() if chosen and map_name(chosen) in names else 0,
            self.lines.currentIndex() if LINES in names else 0,
            grid=GRID in names,
        )
        self._explain(self._chosen())

    def tell_folding(self) -> None:
        """Say whether the map folds."""
        inspected = self._inspection.inspected
        if inspected and self._inspection.measured:
            self.folding.setText(inspected.agreement.folding())

    def _map_box(self) -> QGroupBox:
        box = QGroupBox("Map (on the warped surface in 3-D)", self)
        layout = QVBoxLayout(box)
        self.quantity = QComboBox()
        self.quantity.addItem("None")
        for place, quantity in enumerate(QUANTITIES, 1):
            self.quantity.addItem(quantity.title)
            self.quantity.setItemData(place, quantity.meaning, Qt.ItemDataRole.ToolTipRole)
        self.quantity.setToolTip("What is drawn in colours over the fixed volume.")
        self.quantity.setAccessibleName("Map")
        self.quantity.currentIndexChanged.connect(self._show_map)
        layout.addWidget(self.quantity)
        self.scale = ColorScale()
        layout.addWidget(self.scale)
        self.meaning = _paragraph()
        layout.addWidget(self.meaning)
        self.folding = _paragraph()
        layout.addWidget(self.folding)
        return box

    def _grid_box(self) -> QGroupBox:
        box = QGroupBox("Deformed grid", self)
        form = QFormLayout(box)
        self.grid = QCheckBox("Show")
        self.grid.setToolTip(
            "What straight lines in the moving volume become: drawn on each slice, and as lines in 3-D."
        )
        self.grid.toggled.connect(self._show_grid)
        self.spacing = QDoubleSpinBox()
        self.spacing.setRange(1.0, 100.0)
        self.spacing.setDecimals(1)
        self.spacing.setValue(10.0)
        self.spacing.setSuffix(" mm")
        self.spacing.setKeyboardTracking(False)
        self.spacing.setToolTip("Distance between the lines in the moving volume, mm.")
        self.spacing.valueChanged.connect(self._show_grid)
        form.addRow(self.grid)
        form.addRow("Spacing", self.spacing)
        return box

    def _line_box(self) -> QGroupBox:
        box = QGroupBox("Correspondences", self)
        form = QFormLayout(box)
        self.lines = QComboBox()
        self.lines.addItem("None")
        self.lines.addItems([_LINE_TITLES[kind] for kind in LINE_KINDS])
        self.lines.setToolTip("Which place corresponds to which, as lines; best seen in 3-D.")
        self.lines.setAccessibleName("Correspondences")
        self.lines.currentIndexChanged.connect(self._show_lines)
        self.most = QSpinBox()
        self.most.setRange(10, 20_000)
        self.most.setSingleStep(100)
        self.most.setValue(MOST_LINES)
        self.most.setKeyboardTracking(False)
        self.most.setToolTip("How many lines at most; each stands for the same area of surface.")
        self.most.valueChanged.connect(self._show_lines)
        form.addRow(self.lines)
        form.addRow("Lines", self.most)
        return box

    def _chosen(self) -> Quantity | None:
        place = self.quantity.currentIndex()
        return QUANTITIES[place - 1] if place else None

    def _show_map(self) -> None:
        if self._inspection.inspected:
            self._inspection.show_map(self._chosen())

    def _show_grid(self) -> None:
        if self._inspection.inspected:
            self._inspection.show_grid(self.spacing.value() if self.grid.isChecked() else None)

    def _show_lines(self) -> None:
        if self._inspection.inspected:
            place = self.lines.currentIndex()
            self._inspection.show_lines(LINE_KINDS[place - 1] if place else None, self.most.value())

    def _explain(self, quantity: Quantity | None) -> None:
        inspected = self._inspection.inspected
        self.meaning.setText(quantity.meaning if quantity else "")
        limits = inspected.known_limits(quantity) if inspected and quantity else None
        if quantity and limits:
            self.scale.show_quantity(quantity, limits)
        else:
            self.scale.hide()

    def _set(self, quantity: int, lines: int, *, grid: bool) -> None:
        with QSignalBlocker(self.quantity), QSignalBlocker(self.lines), QSignalBlocker(self.grid):
            self.quantity.setCurrentIndex(quantity)
            self.lines.setCurrentIndex(lines)
            self.grid.setChecked(grid)


def _paragraph() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label
