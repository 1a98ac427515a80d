"""Widgets of the form of the settings: a fold, and a choice of which some options may be impossible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QFrame, QScrollArea, QToolButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_shapereg.plugin.choices import Option


class Fold(QWidget):
    """A title that shows and hides what is below it."""

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self._button = QToolButton()
        self._button.setText(title)
        self._button.setCheckable(True)
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setArrowType(Qt.ArrowType.RightArrow)
        self._button.setAutoRaise(True)
        self._button.toggled.connect(self._on_toggled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._button)
        layout.addWidget(content)
        content.hide()

    def unfold(self, *, yes: bool = True) -> None:
        """Show, or hide, what is below the title."""
        self._button.setChecked(yes)

    def _on_toggled(self, shown: bool) -> None:  # noqa: FBT001 - Qt's signal
        self._button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.content.setVisible(shown)


class Column(QScrollArea):
    """A column of widgets that scrolls up and down, and is never narrower than they are.

    Parameters
    ----------
    inside : QWidget
    """

    def __init__(self, inside: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inside = inside
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)
        inside.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Make room for what was unfolded, and for the scroll bar that comes with it."""
        if event is not None and watched is self._inside and event.type() == QEvent.Type.LayoutRequest:
            bar = self.verticalScrollBar()
            beside = bar.sizeHint().width() if bar else 0
            self.setMinimumWidth(self._inside.minimumSizeHint().width() + beside)
        return super().eventFilter(watched, event)


class ChoiceBox(QComboBox):
    """A combo box whose options can be disabled, each with the reason as its tooltip."""

    def __init__(self, options: Sequence[Option], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tips = [option.tip for option in options]
        for option in options:
            self.addItem(option.title, option.value)
        self.show_reasons({})
        # A long title must not make the dock wide.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)

    def show_value(self, value: object) -> None:
        """Select the option of a value."""
        self.setCurrentIndex(self.findData(value))

    def show_reasons(self, reasons: dict[object, str]) -> None:
        """Disable the options that have a reason."""
        model = self.model()
        if not isinstance(model, QStandardItemModel):
            return
        for row, tip in enumerate(self._tips):
            reason = reasons.get(self.itemData(row), "")
            item = model.item(row)
            if item is not None:
                item.setEnabled(not reason)
                item.setToolTip(reason or tip)
