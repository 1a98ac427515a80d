"""The list of the labels of two layers, with a check mark before each that is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

if TYPE_CHECKING:
    from napari_shapereg.plugin.pairs import LabelRow

_MOST_LINES = 6


class LabelList(QListWidget):
    """One line for each label; those that only one layer has cannot be checked, and say why."""

    chosen = Signal()
    """Somebody checked or unchecked a label."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[LabelRow, ...] = ()
        self._wanted: tuple[int, ...] | None = None
        self.setIconSize(QSize(12, 12))
        self.setAccessibleName("Labels to register")
        self.itemChanged.connect(self._on_checked)

    @property
    def checked(self) -> tuple[int, ...]:
        """The checked labels, ascending."""
        items = (self.item(number) for number in range(self.count()))
        states = [item.checkState() if item else Qt.CheckState.Unchecked for item in items]
        return tuple(
            row.label for row, state in zip(self.rows, states, strict=False) if state == Qt.CheckState.Checked
        )

    def show_rows(self, rows: tuple[LabelRow, ...]) -> None:
        """List other labels; those that were wanted before are checked again."""
        self.rows = rows
        with QSignalBlocker(self):
            self.clear()
            for row in rows:
                self.addItem(self._item(row))
        lines = max(1, min(_MOST_LINES, len(rows)))
        self.setFixedHeight(lines * (self.sizeHintForRow(0) if rows else 18) + 6)
        self.setVisible(bool(rows))

    def want(self, labels: tuple[int, ...] | None) -> None:
        """Check these labels, or all, now and when the labels of other layers arrive."""
        self._wanted = labels
        self.show_rows(self.rows)

    def _item(self, row: LabelRow) -> QListWidgetItem:
        item = QListWidgetItem(row.title)
        swatch = QPixmap(12, 12)
        swatch.fill(QColor.fromRgbF(*row.color))
        item.setIcon(QIcon(swatch))
        checked = row.shared and (self._wanted is None or row.label in self._wanted)
        if row.shared:
            item.setFlags(
                Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            )
        else:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        item.setToolTip(row.reason or "Unchecked, it is left out.")
        item.setCheckState(Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
        return item

    def _on_checked(self) -> None:
        checked = self.checked
        self._wanted = None if checked == tuple(row.label for row in self.rows if row.shared) else checked
        self.chosen.emit()
