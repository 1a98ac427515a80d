"""A bar of colours with its numbers: what the length of an arrow means."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_shapereg.plugin.gradient_arrows import colors

_BAR = 12
_STOPS = 12


class LengthLegend(QWidget):
    """The colours of `gradient_arrows.colors` from 0 to the longest arrow."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._top, self._unit = 0.0, ""
        self._stops = colors().map(np.linspace(0, 1, _STOPS))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Colours of the arrows by their length, |∇d|. The longest hundredth has the last colour."
        )
        self.hide()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the preferred size."""
        return QSize(200, _BAR + self.fontMetrics().height() + 4)

    @property
    def texts(self) -> tuple[str, str, str]:
        """What stands under the left end, the middle and the right end."""
        unit = f" {self._unit}" if self._unit else ""
        return ("0", f"{self._top / 2:.3g}{unit}", f"≥ {self._top:.3g}{unit}")

    def show_range(self, top: float, unit: str) -> None:
        """Show lengths from 0 to `top`."""
        self._top, self._unit = top, unit
        self.setAccessibleDescription(f"Lengths of arrows from 0 to {self.texts[2]}")
        self.show()
        self.update()

    def paintEvent(self, _event: object) -> None:  # noqa: N802 - Qt's name
        """Draw."""
        painter = QPainter(self)
        bar = QRectF(0, 0, self.width(), _BAR)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for place, (red, green, blue, _) in zip(np.linspace(0, 1, _STOPS), self._stops, strict=True):
            gradient.setColorAt(float(place), QColor.fromRgbF(float(red), float(green), float(blue)))
        painter.fillRect(bar, gradient)
        painter.setPen(self.palette().windowText().color())
        below = QRectF(0, _BAR + 2, self.width(), self.height() - _BAR - 2)
        for side, text in zip(("AlignLeft", "AlignHCenter", "AlignRight"), self.texts, strict=True):
            painter.drawText(below, getattr(Qt.AlignmentFlag, side) | Qt.AlignmentFlag.AlignTop, text)
        painter.end()
