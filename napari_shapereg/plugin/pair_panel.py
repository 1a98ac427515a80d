"""Which layers, and which of their labels: the top of the registration dock."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QToolButton, QWidget

from napari_shapereg.errors import ShapeRegError
from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.label_list import LabelList
from napari_shapereg.plugin.layer_affine import known_frame
from napari_shapereg.plugin.pairs import default_pair, label_layers, label_rows, read_pair
from napari_shapereg.plugin.placing import bring, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Labels, Points

    from napari_shapereg.plugin.pairs import LabelRow

_EDITED = ("paint", "labels_update", "data", "scale", "translate", "rotate", "shear", "affine")
"""Events of a layer after which it holds another shape."""
_PATIENCE = 400
"""Milliseconds without a stroke of the brush before the labels are looked for again."""


class PairPanel(QWidget):
    """Two layers to choose, and a list of their labels to check.

    Parameters
    ----------
    viewer : ViewerModel
    points : callable
        Returns the layers of landmarks that are chosen now, moving and fixed, or None.
    """

    changed = Signal()
    """Other layers, other labels, or other voxels in them."""

    def __init__(
        self,
        viewer: ViewerModel,
        points: Callable[[], tuple[Points, Points] | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._points = viewer, points
        self.reason = ""
        self.version = 0
        self._watched: list[weakref.ref[Labels]] = []
        self._listed: list[str] | None = None
        self._read: tuple[weakref.ref[Labels] | None, ...] = ()
        self._job: Job | None = None
        self._chosen: dict[QComboBox, weakref.ref[Labels] | None] = {}
        self._build()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_PATIENCE)
        self._soon.timeout.connect(self._read_labels)
        for event in (
            viewer.layers.events.inserted,
            viewer.layers.events.removed,
            viewer.layers.events.reordered,
        ):
            event.connect(self._on_layers)
        self._on_layers()

    # ------------------------------------------------------------------------------------------------ values

    @property
    def moving(self) -> Labels | None:
        """The layer to move."""
        return self._layer_of(self._moving)

    @property
    def fixed(self) -> Labels | None:
        """The layer to move it onto."""
        return self._layer_of(self._fixed)

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The checked labels; None where all labels of both layers are, which have the same ones."""
        checked = self.checked
        return None if checked == tuple(row.label for row in self._list.rows) else checked

    @property
    def checked(self) -> tuple[int, ...]:
        """The checked labels, ascending."""
        return self._list.checked

    @property
    def ready(self) -> bool:
        """Whether there is something to register."""
        return not self.reason and bool(self.checked)

    @property
    def why_not(self) -> str:
        """Why there is nothing to register, or empty."""
        if self.reason:
            return self.reason
        return "" if self.checked else "Check at least one label that both layers have."

    def choose(self, moving: Labels, fixed: Labels) -> None:
        """Choose two layers."""
        for box, layer in ((self._moving, moving), (self._fixed, fixed)):
            self._chosen[box] = weakref.ref(layer)
        self._listed = None
        self._on_layers()

    def check(self, labels: tuple[int, ...] | None) -> None:
        """Check these labels, or all, now and when the labels of other layers arrive."""
        self._list.want(labels)
        self.changed.emit()

    def place(self) -> None:
        """Move layers of other readers to where they truly lie, since all that is drawn will lie there.

        Landmarks that were clicked on them before that, by whatever way it happened, go with them.
        """
        for layer, clicked in zip((self.moving, self.fixed), self._points() or (None, None), strict=True):
            if layer is None:
                continue
            if known_frame(layer) is None and place(layer, self._viewer.layers):
                show_info(f"Layer {layer.name!r} is now shown where its file says that it lies.")
            if clicked is not None:
                bring(clicked, layer)

    def disconnect_viewer(self) -> None:
        """Stop listening to the viewer and its layers."""
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._on_layers)
        self._unwatch()

    # ------------------------------------------------------------------------------------------------ layers

    def _layer_of(self, box: QComboBox) -> Labels | None:
        chosen = self._chosen.get(box)
        layer = chosen() if chosen else None
        return layer if layer is not None and layer in self._viewer.layers else None

    def _on_layers(self, _event: object = None) -> None:
        layers = label_layers(self._viewer.layers)
        listed = [layer.name for layer in layers]
        if listed == self._listed:
            return
        self._listed = listed
        usual = default_pair(layers)
        for box, fallback in zip((self._moving, self._fixed), usual, strict=True):
            if self._layer_of(box) is None:
                self._chosen[box] = None if fallback is None else weakref.ref(fallback)
        if self.moving is self.fixed and len(layers) > 1:
            other = next(layer for layer in layers if layer is not self.moving)
            self._chosen[self._fixed] = weakref.ref(other)
        for box in (self._moving, self._fixed):
            chosen = self._layer_of(box)
            with QSignalBlocker(box):
                box.clear()
                box.addItems(listed)
                box.setCurrentIndex(layers.index(chosen) if chosen is not None else -1)
        self._watch(layers)
        if self._read != (self._chosen[self._moving], self._chosen[self._fixed]):
            self._on_chosen()

    def _on_activated(self) -> None:
        layers = label_layers(self._viewer.layers)
        for box in (self._moving, self._fixed):
            row = box.currentIndex()
            self._chosen[box] = weakref.ref(layers[row]) if 0 <= row < len(layers) else None
        self._on_chosen()

    def _swap(self) -> None:
        moving, fixed = self.moving, self.fixed
        if moving is not None and fixed is not None:
            self.choose(fixed, moving)
            self._on_chosen()

    def _on_chosen(self) -> None:
        self.version += 1
        self._read = (self._chosen[self._moving], self._chosen[self._fixed])
        self._read_labels()

    def _on_edited(self, _event: object = None) -> None:
        self.version += 1
        self._soon.start()

    def _watch(self, layers: list[Labels]) -> None:
        watched = [reference() for reference in self._watched]
        for layer in layers:
            if layer in watched:
                continue
            self._watched.append(weakref.ref(layer))
            layer.events.name.connect(self._on_layers)
            for name in _EDITED:
                layer.events[name].connect(self._on_edited)

    def _unwatch(self) -> None:
        for reference in self._watched:
            layer = reference()
            if layer is None:
                continue
            layer.events.name.disconnect(self._on_layers)
            for name in _EDITED:
                layer.events[name].disconnect(self._on_edited)
        self._watched = []

    # ------------------------------------------------------------------------------------------------ labels

    def _read_labels(self) -> None:
        moving, fixed = self.moving, self.fixed
        if self._job is not None:
            self._job.drop()
            self._job = None
        if moving is None or fixed is None or moving is fixed:
            self._show((), "Two labels layers are needed: open them, or take a sample (File > Open Sample).")
            return

        def rows() -> tuple[tuple[LabelRow, ...], str]:
            try:
                return label_rows(read_pair(moving, fixed)), ""
            except ShapeRegError as error:
                return (), str(error)

        self._job = Job(rows, lambda found: self._show(*found), parent=self)

    def _show(self, rows: tuple[LabelRow, ...], reason: str) -> None:
        self._job = None
        self.reason = reason
        if rows and not any(row.shared for row in rows):
            self.reason = "The two layers have no label in common: relabel one of them."
        self._list.show_rows(rows)
        self._note.setText(self.reason)
        self._note.setVisible(bool(self.reason))
        self.changed.emit()

    # ------------------------------------------------------------------------------------------------- build

    def _build(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(3)
        layout.setColumnStretch(1, 1)
        self._moving, self._fixed = (
            self._box(layout, row, title, tip)
            for row, (title, tip) in enumerate(
                (
                    ("&Moving", "The labels layer that is moved."),
                    ("Fi&xed", "The labels layer that it is moved onto."),
                )
            )
        )
        swap = QToolButton()
        swap.setText("⇅")
        swap.setToolTip("Exchange moving and fixed")
        swap.setAccessibleName("Exchange moving and fixed")
        swap.clicked.connect(self._swap)
        layout.addWidget(swap, 0, 2, 2, 1)
        title = QLabel("La&bels")
        title.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._list = LabelList()
        self._list.chosen.connect(self.changed)
        title.setBuddy(self._list)
        layout.addWidget(title, 2, 0)
        layout.addWidget(self._list, 2, 1, 1, 2)
        self._note = QLabel()
        self._note.setWordWrap(True)
        layout.addWidget(self._note, 3, 0, 1, 3)

    def _box(self, layout: QGridLayout, row: int, title: str, tip: str) -> QComboBox:
        box, label = QComboBox(), QLabel(title)
        box.setToolTip(tip)
        box.setAccessibleName(title.replace("&", ""))
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(10)
        box.activated.connect(self._on_activated)
        label.setBuddy(box)
        layout.addWidget(label, row, 0)
        layout.addWidget(box, row, 1)
        self._chosen[box] = None
        return box
