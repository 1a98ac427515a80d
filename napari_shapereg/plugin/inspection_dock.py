"""The inspection dock: choose a result, read its table, compare before and after, see its maps, export it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_shapereg.plugin.agreement_table import CAPTION
from napari_shapereg.plugin.agreement_view import AgreementView
from napari_shapereg.plugin.background import Background
from napari_shapereg.plugin.comparison_panel import ComparisonPanel
from napari_shapereg.plugin.inspection import Inspection
from napari_shapereg.plugin.map_panel import MapPanel
from napari_shapereg.plugin.notifications import telling

if TYPE_CHECKING:
    import napari.viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_shapereg.registration import RegisteredPair

_NOTHING = "No result yet: register two labels layers, or load the folder of a former result."


class _ResultBox(QComboBox):
    """A list of results that is brought up to date when it is opened: a layer gets its result in silence."""

    def __init__(self, dock: InspectionDock) -> None:
        super().__init__(dock)
        self._dock = dock

    def showPopup(self) -> None:  # noqa: N802 (Qt's name)
        """Look for results, then open the list."""
        self._dock.refresh()
        super().showPopup()


class InspectionDock(QWidget):
    """Inspect a registration: the widget of the command "Inspect registration".

    Everything that it does is done by `inspection`, which runs without a window; slow things in a worker.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        """Build the dock and inspect the first result that a layer carries."""
        super().__init__()
        self.setObjectName("shapereg-inspection")
        self.background = Background(self)
        self.inspection = inspection = Inspection(napari_viewer, self.background)
        self._pairs: list[RegisteredPair] = []
        layout = QVBoxLayout(self)
        layout.addLayout(self._result_row())
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(6)
        self.state = QLabel(_NOTHING)
        self.state.setWordWrap(True)
        layout.addWidget(self.state)
        layout.addWidget(self.progress)
        self.comparison = ComparisonPanel(inspection)
        self.maps = MapPanel(inspection)
        self.tabs = QTabWidget()
        self.tabs.addTab(self._agreement_page(), "Agreement")
        self.tabs.addTab(self.comparison, "Compare")
        self.tabs.addTab(self.maps, "Map")
        self.tabs.addTab(self._export_page(), "Export")
        layout.addWidget(self.tabs, 1)
        self.background.busy.connect(self._on_busy)
        events = inspection.events
        events.results.connect(self.refresh)
        events.chosen.connect(self._on_chosen)
        events.measured.connect(self._on_measured)
        events.drawn.connect(self._on_drawn)
        events.isolated.connect(self._on_isolated)
        # Not a method of the widget, which is gone by then.
        self.destroyed.connect(inspection.close)
        self._on_busy("")
        self._on_chosen()
        self.refresh()

    def refresh(self) -> None:
        """Look for results in the list of layers; inspect the first if none is inspected."""
        found = self.inspection.results()
        self._pairs = list(found.values())
        inspected = self.inspection.inspected
        places = [place for place, pair in enumerate(self._pairs) if inspected and pair is inspected.pair]
        with QSignalBlocker(self.results):
            self.results.clear()
            self.results.addItems(list(found))
            self.results.setCurrentIndex(places[0] if places else -1)
        self.results.setEnabled(bool(found))
        if inspected is None and self._pairs:
            self._choose(len(self._pairs) - 1)

    def load(self, folder: str | Path) -> None:
        """Load the folder of a former result."""
        with telling():
            self.inspection.load(folder)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Look for results that came while the dock was hidden."""
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802 (Qt's name)
        """Stop the flicker, which nobody could stop now."""
        self.comparison.pause()
        super().hideEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """Leave the layers as they were found when the dock is taken out of the window."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.inspection.choose(None)
        return super().event(event)

    def _result_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.results = _ResultBox(self)
        self.results.setAccessibleName("Result")
        self.results.setToolTip("The registration to inspect: labels layers that carry a result.")
        self.results.currentIndexChanged.connect(self._choose)
        row.addWidget(self.results, 1)
        load = QPushButton("Load result folder…")
        load.setToolTip("Inspect a result that was saved before, or written by the command line.")
        load.clicked.connect(self._ask_folder)
        row.addWidget(load)
        return row

    def _agreement_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        self.table = AgreementView()
        self.table.chosen.connect(self._show_worst)
        layout.addWidget(self.table, 1)
        caption = QLabel(CAPTION)
        caption.setWordWrap(True)
        layout.addWidget(caption)
        row = QHBoxLayout()
        self.all_labels = QPushButton("All labels")
        self.all_labels.setToolTip("Show all labels again.")
        self.all_labels.clicked.connect(lambda: self.inspection.isolate(None))
        row.addWidget(self.all_labels)
        self.save_table = QPushButton("Save table…")
        self.save_table.setToolTip("Write all numbers of the table as CSV: mm, mm³, LPS.")
        self.save_table.clicked.connect(self._ask_table)
        row.addWidget(self.save_table)
        layout.addLayout(row)
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setTextInteractionFlags(self.summary.textInteractionFlags().TextSelectableByMouse)
        layout.addWidget(self.summary)
        return page

    def _export_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        about = QLabel(
            "Writes what the command line writes: both transforms, the warped labels, the measurements "
            "and the settings."
        )
        about.setWordWrap(True)
        layout.addWidget(about)
        self.options = {
            "report": QCheckBox("Report for readers (HTML)"),
            "displacement": QCheckBox("Displacement at every voxel (NIfTI, hundreds of MB)"),
            "jacobian": QCheckBox("det J at every voxel (NIfTI)"),
        }
        self.options["report"].setChecked(True)
        for box in self.options.values():
            layout.addWidget(box)
        self.save_result = QPushButton("Save result folder…")
        self.save_result.setToolTip("Choose an empty folder.")
        self.save_result.clicked.connect(self._ask_result)
        layout.addWidget(self.save_result)
        layout.addStretch(1)
        return page

    def _choose(self, place: int) -> None:
        if 0 <= place < len(self._pairs):
            self.inspection.choose(self._pairs[place])

    def _show_worst(self, label: int) -> None:
        with telling():
            self.inspection.show_worst(label)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a result")
        if folder:
            self.load(folder)

    def _ask_table(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", "agreement.csv", "CSV (*.csv)")
        if path:
            with telling():
                self.inspection.export_table(Path(path).with_suffix(".csv"))

    def _ask_result(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Empty folder for the result")
        if folder:
            with telling():
                self.inspection.export_result(
                    folder, **{name: box.isChecked() for name, box in self.options.items()}
                )

    def _on_busy(self, title: str) -> None:
        self.progress.setVisible(bool(title))
        self.state.setText(f"{title}…" if title else self._standing())
        self._on_drawn()

    def _standing(self) -> str:
        inspected = self.inspection.inspected
        if inspected is None:
            return _NOTHING
        alone = self.inspection.label
        if alone is None:
            return "Click on a row to see a label alone at its worst point."
        return f"Label {alone} alone, at its worst point."

    def _on_chosen(self) -> None:
        self.comparison.reset()
        self.maps.reset()
        self.table.fill((), {})
        self.summary.setText("")
        chosen = self.inspection.inspected is not None
        self.tabs.setEnabled(chosen)
        self.save_table.setEnabled(False)
        self.save_result.setEnabled(chosen)
        self._on_isolated()
        self.refresh()

    def _on_measured(self) -> None:
        inspected = self.inspection.inspected
        if inspected is None:
            return
        agreement = inspected.agreement
        self.table.fill(agreement.rows, self.inspection.colors())
        worries = "".join(f"\n⚠ {sentence}" for sentence in agreement.concerns())
        self.summary.setText(agreement.summary() + worries)
        self.save_table.setEnabled(True)
        self.maps.tell_folding()

    def _on_drawn(self) -> None:
        self.comparison.match()
        self.maps.match()

    def _on_isolated(self) -> None:
        self.all_labels.setEnabled(self.inspection.label is not None)
        self.state.setText(self._standing())
