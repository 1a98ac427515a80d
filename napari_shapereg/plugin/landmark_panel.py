"""Two points layers whose points belong together pair by pair: landmarks beside the labels."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari.layers import Points
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from napari_shapereg.plugin.layer_affine import is_drawing

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import EventEmitter

_NONE = "none"
_ROLES = (
    ("Moving points", "Landmarks on the moving volume. The k-th belongs to the k-th of the fixed ones."),
    ("Fixed points", "Landmarks on the fixed volume, in the same order."),
)


class LandmarkPanel(QWidget):
    """Two points layers to choose, or none.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers = viewer.layers
        self._offered: list[weakref.ref[Points]] = []
        layout = QFormLayout(self)
        layout.setContentsMargins(12, 0, 0, 4)
        layout.setVerticalSpacing(3)
        self.boxes = [QComboBox(), QComboBox()]
        for box, (title, tip) in zip(self.boxes, _ROLES, strict=True):
            box.setToolTip(tip)
            box.setAccessibleName(title)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.activated.connect(self._tell)
            layout.addRow(title, box)
        self.note = QLabel()
        self.note.setWordWrap(True)
        layout.addRow(self.note)
        for event in self._events():
            event.connect(self._on_layers)
        self._on_layers()

    @property
    def points(self) -> tuple[Points, Points] | None:
        """The moving and the fixed layer; None where they are not two."""
        moving, fixed = (self._chosen(box) for box in self.boxes)
        return None if moving is None or fixed is None or moving is fixed else (moving, fixed)

    def choose(self, moving: Points, fixed: Points) -> None:
        """Choose two layers."""
        offered = [reference() for reference in self._offered]
        for box, layer in zip(self.boxes, (moving, fixed), strict=True):
            box.setCurrentIndex(1 + offered.index(layer))
        self._tell()

    def disconnect_viewer(self) -> None:
        """Stop listening to the layers."""
        for event in self._events():
            event.disconnect(self._on_layers)
        for layer in self._layers:
            layer.events.name.disconnect(self._on_layers)

    def _events(self) -> tuple[EventEmitter, ...]:
        events = self._layers.events
        return events.inserted, events.removed, events.reordered

    def _chosen(self, box: QComboBox) -> Points | None:
        row = box.currentIndex() - 1
        return self._offered[row]() if 0 <= row < len(self._offered) else None

    def _on_layers(self, _event: object = None) -> None:
        layers = [
            layer
            for layer in self._layers
            if isinstance(layer, Points) and layer.ndim == 3 and not is_drawing(layer)
        ]
        for layer in layers:
            # Once, however often this is called.
            layer.events.name.disconnect(self._on_layers)
            layer.events.name.connect(self._on_layers)
        chosen = [self._chosen(box) for box in self.boxes]
        self._offered = [weakref.ref(layer) for layer in layers]
        for box, layer in zip(self.boxes, chosen, strict=True):
            with QSignalBlocker(box):
                box.clear()
                box.addItems([_NONE, *(each.name for each in layers)])
                box.setCurrentIndex(1 + layers.index(layer) if layer in layers else 0)
        self._tell()

    def _tell(self, _row: int = 0) -> None:
        moving, fixed = (self._chosen(box) for box in self.boxes)
        text = ""
        if (moving is None) != (fixed is None):
            text = "Not used yet: choose the other layer, too; landmarks come in pairs."
        elif moving is not None and moving is fixed:
            text = "Not used: choose two layers; these are the same points."
        self.note.setText(text)
        self.note.setVisible(bool(text))
