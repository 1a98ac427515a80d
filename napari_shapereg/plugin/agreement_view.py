"""The table of agreement as a Qt view: sorted by a click on a heading, a row chosen by a click or Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_shapereg.plugin.agreement_table import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_shapereg.plugin.agreement import Row

    Color = tuple[float, float, float]

_SORT = Qt.ItemDataRole.UserRole
_MISSING = float("inf")
_WIDEST_NAME, _WIDEST = 110, 520
"""Of the names, and of all columns that the dock makes room for, pixels."""


class AgreementModel(QAbstractTableModel):
    """Rows of the table: the label in the first column, `COLUMNS` in the others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Hold no rows yet."""
        super().__init__(parent)
        self.rows: tuple[Row, ...] = ()
        self.colors: Mapping[int, Color] = {}

    def fill(self, rows: tuple[Row, ...], colors: Mapping[int, Color]) -> None:
        """Show other rows, with the colours of their labels from 0 to 1."""
        self.beginResetModel()
        self.rows, self.colors = rows, colors
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 (Qt's name)
        """Return the number of labels."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 (Qt's name)
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS) + 1

    def headerData(  # noqa: N802 (Qt's name)
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 (a Qt variant)
        """Return the heading, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return "Label" if section == 0 else COLUMNS[section - 1].heading
        if role == Qt.ItemDataRole.ToolTipRole:
            return "Name or number of the label." if section == 0 else COLUMNS[section - 1].tooltip
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        """Return the text, the number to sort by, the colour or the help of a cell."""
        row = self.rows[index.row()]
        if index.column() == 0:
            return _about_label(row, self.colors.get(row.label), role)
        column = COLUMNS[index.column() - 1]
        if role == Qt.ItemDataRole.DisplayRole:
            return "\n".join(column.texts(row))
        if role == _SORT:
            value = column.value(row)
            return _MISSING if value is None else float(value)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tooltip
        return None


class AgreementView(QTableView):
    """The table.

    Signals
    -------
    chosen : int
        A label was clicked on, or Enter pressed on it.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Show no rows yet."""
        super().__init__(parent)
        self._source = AgreementModel(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._source)
        self._sorted.setSortRole(_SORT)
        self.setModel(self._sorted)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(True)
        self._headings = _fitting(Qt.Orientation.Horizontal)
        self._headings.setSectionsClickable(True)
        self.setHorizontalHeader(self._headings)
        self.setVerticalHeader(_fitting(Qt.Orientation.Vertical))
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAccessibleName("Agreement by label")
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def fill(self, rows: tuple[Row, ...], colors: Mapping[int, Color]) -> None:
        """Show other rows, in the order chosen before."""
        self._source.fill(rows, colors)
        # Long names are wrapped, and the dock makes room for all columns.
        self._headings.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        widest = max(self.sizeHintForColumn(0), self._headings.sectionSizeHint(0))
        self._headings.resizeSection(0, min(widest, _WIDEST_NAME))
        self.setMinimumWidth(min(self._headings.length() + 2 * self.frameWidth(), _WIDEST))

    def labels(self) -> list[int]:
        """Return the labels as they stand, from the top."""
        return [
            self._source.rows[self._sorted.mapToSource(self._sorted.index(place, 0)).row()].label
            for place in range(self._sorted.rowCount())
        ]

    def _choose(self, index: QModelIndex) -> None:
        self.chosen.emit(self._source.rows[self._sorted.mapToSource(index).row()].label)


def _fitting(orientation: Qt.Orientation) -> QHeaderView:
    """Return a header whose sections are as large as what is in them; only the one above is seen."""
    header = QHeaderView(orientation)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setVisible(orientation == Qt.Orientation.Horizontal)
    return header


def _about_label(row: Row, color: Color | None, role: int) -> Any:  # noqa: ANN401 (a Qt variant)
    if role == Qt.ItemDataRole.DisplayRole:
        return f"{row.label}  {row.name}" if row.name else str(row.label)
    if role == _SORT:
        return row.label
    if role == Qt.ItemDataRole.DecorationRole and color:
        return QColor.fromRgbF(*color)
    if role == Qt.ItemDataRole.ToolTipRole:
        return f"{row.title}: click, or press Enter, to see it alone at its worst point"
    return None
