"""What a run came to: the overlap of each label, how much of the map is shown, and where to look closer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QRadioButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.tasks import Extent, mapped, remarks_on, scores_of, way

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_shapereg.plugin.controller import RegistrationController
    from napari_shapereg.plugin.layers import LayerData
    from napari_shapereg.plugin.scene import Shape
    from napari_shapereg.plugin.tasks import Finished, Score
    from napari_shapereg.registration import RegistrationResult
    from napari_shapereg.volumes import LabelVolume

_EXTENTS: dict[Extent, tuple[str, str]] = {
    "none": ("N&one", "The moving labels as they lie."),
    "affine": ("Affi&ne", "Through the linear part of the map alone."),
    "full": ("F&ull", "Through all of the map."),
}
_MOST_LINES = 5


class ResultPanel(QWidget):
    """A table and the buttons that belong to the newest result; hidden until there is one."""

    def __init__(self, controller: RegistrationController, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._result: RegistrationResult | None = None
        self._layer: weakref.ref[Labels] | None = None
        self._job: Job | None = None
        self._measuring: Job | None = None
        self._build()
        self.hide()

    @property
    def layer(self) -> Labels | None:
        """The layer of the newest result, while it is there."""
        return self._layer() if self._layer else None

    def show_result(self, finished: Finished, layer: Labels) -> None:
        """Show the result of a run; its overlaps are measured first."""
        self.close_down()
        result = finished.result
        self._result, self._layer = result, weakref.ref(layer)
        self._raise_path()
        self.extents["full"].setChecked(True)
        remarks = remarks_on(result)
        self.remarks.setText(remarks)
        self.remarks.setVisible(bool(remarks))
        self.table.setRowCount(0)
        self.table.hide()
        self.show()
        self._measuring = Job(lambda: scores_of(result), self._show_scores, parent=self)

    def _show_scores(self, scores: tuple[Score, ...]) -> None:
        self._measuring = None
        self.table.setRowCount(len(scores))
        for row, score in enumerate(scores):
            for column, text in enumerate((score.title, f"{score.before:.3f}", f"{score.after:.3f}")):
                item = QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        header = self.table.horizontalHeader()
        above = header.sizeHint().height() if header else 24
        self.table.setFixedHeight(min(_MOST_LINES, len(scores)) * self.table.rowHeight(0) + above + 4)
        self.table.show()

    def close_down(self) -> None:
        """Hear of nothing more."""
        self._drop_job()
        if self._measuring is not None:
            self._measuring.drop()
            self._measuring = None

    def _drop_job(self) -> None:
        if self._job is not None:
            self._job.drop()
            self._job = None

    def raise_path(self) -> None:
        """Raise the button of the path, which something else has replaced."""
        self._raise_path()

    def _on_extent(self, button: QRadioButton) -> None:
        result, layer = self._result, self.layer
        extent = next(name for name, each in self.extents.items() if each is button)
        if result is None or layer is None:
            return
        self._drop_job()

        def show(volume: LabelVolume) -> None:
            self._job = None
            self._controller.show_extent(layer, volume)

        self._job = Job(lambda: mapped(result, extent), show, self._drop_job, parent=self)

    def _on_path(self, on: bool) -> None:  # noqa: FBT001 - Qt's signal
        result, layer = self._result, self.layer
        self._drop_job()
        if not on or result is None:
            self._controller.hide_path()
            return
        name = f"{layer.name if layer is not None else 'path'}: path"

        def show(found: tuple[LayerData, Shape]) -> None:
            self._job = None
            self._controller.show_path(result, *found)

        self._job = Job(lambda: way(result, name), show, self._raise_path, parent=self)

    def _on_inspect(self) -> None:
        window = getattr(self._controller.viewer, "window", None)
        if window is None:
            return
        with telling():
            # In a tab: below each other, neither of the two docks would be high enough.
            dock, _ = window.add_plugin_dock_widget("napari-shapereg", "Inspect registration", tabify=True)
            dock.show()
            dock.raise_()

    def _raise_path(self) -> None:
        self._job = None
        with QSignalBlocker(self.path):
            self.path.setChecked(False)

    def _build(self) -> None:
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["Label", "Dice before", "after"])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setAccessibleName("Overlap of each label before and after")
        self.table.setToolTip("Dice coefficient: 0 where two shapes are apart, 1 where they are the same.")
        rows, header = self.table.verticalHeader(), self.table.horizontalHeader()
        if rows is not None and header is not None:
            rows.hide()
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.remarks = QLabel()
        self.remarks.setWordWrap(True)
        shown = QHBoxLayout()
        shown.addWidget(QLabel("Show map:"))
        self.extents: dict[Extent, QRadioButton] = {}
        group = QButtonGroup(self)
        for name, (title, tip) in _EXTENTS.items():
            button = QRadioButton(title)
            button.setToolTip(f"{tip} Changes the registered layer.")
            self.extents[name] = button
            group.addButton(button)
            shown.addWidget(button)
        self.extents["full"].setChecked(True)
        group.buttonClicked.connect(self._on_extent)
        self.inspect, self.path = QPushButton("&Inspect"), QPushButton("Pa&th  t = 0 … 1")
        self.inspect.setToolTip("Open the dock that compares, measures and exports the result.")
        self.inspect.clicked.connect(self._on_inspect)
        self.path.setCheckable(True)
        self.path.setToolTip(
            "Show the moving surface on its way to the fixed one, in 3-D: "
            "drag or play the slider t below the viewer."
        )
        self.path.toggled.connect(self._on_path)
        buttons = QHBoxLayout()
        buttons.addWidget(self.inspect)
        buttons.addWidget(self.path)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.remarks)
        layout.addWidget(self.table)
        layout.addLayout(shown)
        layout.addLayout(buttons)
