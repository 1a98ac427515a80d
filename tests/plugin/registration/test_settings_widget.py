from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QLineEdit

from napari_shapereg.plugin.controls import Column, Fold
from napari_shapereg.plugin.machine import Machine
from napari_shapereg.plugin.settings_form import SettingsForm
from napari_shapereg.plugin.settings_widget import SettingsWidget

NAME = "measures.fidelity.name"


@pytest.fixture
def widget(qtbot) -> SettingsWidget:
    form = SettingsForm(machine=Machine({"cuda": "torch sees no CUDA device"}))
    made = SettingsWidget(form)
    qtbot.addWidget(made)
    made.show()
    return made


def option(box: QComboBox, value: object):
    return box.model().item(box.findData(value))


def choose(box: QComboBox, value: object):
    """As the user does: the signal `activated` does not come from a program."""
    box.setCurrentIndex(box.findData(value))
    box.activated.emit(box.currentIndex())


def test_impossible_choices_are_disabled_and_say_why(widget):
    choose(widget.widget("measures.kind"), "voxel")
    currents = option(widget.widget(NAME), "currents")
    assert not currents.isEnabled()
    assert "choose Surfaces" in currents.toolTip()
    assert option(widget.widget("device"), "cuda").toolTip() == "torch sees no CUDA device"
    reach = widget.widget("measures.fidelity.reach")
    assert not reach.isEnabled()
    assert "Only the Sinkhorn divergence has a reach" in reach.toolTip()


def test_a_choice_opens_what_it_makes_possible(widget, qtbot):
    choose(widget.widget("measures.kind"), "voxel")
    with qtbot.waitSignal(widget.changed):
        choose(widget.widget("measures.kind"), "surface")
    assert option(widget.widget(NAME), "currents").isEnabled()
    choose(widget.widget(NAME), "sinkhorn")
    assert widget.widget("measures.fidelity.reach").isEnabled()
    assert "mm" in widget.widget("measures.fidelity.reach").toolTip()
    assert widget.form.value(NAME) == "sinkhorn"


def test_a_model_closes_what_it_does_not_have_and_says_why(widget):
    choose(widget.widget("model"), "lddmm")
    assert widget.widget("momenta.widths").isEnabled()
    assert not widget.widget("voxels.smoothness").isEnabled()
    local = next(box for box in widget.findChildren(QCheckBox) if box.text() == "Local stage")
    assert not local.isEnabled()
    assert "composed steps" in local.toolTip()
    choose(widget.widget("model"), "lattice")
    assert local.isEnabled()
    assert "skipped" in local.toolTip()


def test_weights_are_typed_label_by_label(widget, notices):
    line = widget.widget("label_weights")
    line.setText("2: 0.5, 1:3")
    line.editingFinished.emit()
    assert widget.form.value("label_weights") == {2: 0.5, 1: 3.0}
    line.setText("2: -1")
    line.editingFinished.emit()
    assert len(notices) == 1
    assert line.text() == "2: 0.5, 1: 3"


def test_lengths_are_automatic_or_in_mm(widget, qtbot):
    choose(widget.widget(NAME), "gaussian")
    length = widget.widget("measures.fidelity.length")
    assert length.text() == "auto"
    length.setFocus()
    length.selectAll()
    qtbot.keyClicks(length, "12.5")
    assert widget.form.value("measures.fidelity.length") is None, "half a number is no wish"
    qtbot.keyClick(length, Qt.Key.Key_Return)
    assert widget.form.value("measures.fidelity.length") == 12.5
    assert length.text() == "12.50 mm"
    length.setValue(0)
    assert widget.form.value("measures.fidelity.length") is None


def test_what_cannot_be_read_is_told_and_taken_back(widget, notices):
    line = widget.widget("measures.smoothness")
    assert isinstance(line, QLineEdit)
    line.setText("0.5, x")
    line.editingFinished.emit()
    assert line.text() == "0.5, 0.3"
    assert "0.5, x" in notices[-1].message
    widget.widget("regularity").setText("-1")
    widget.widget("regularity").editingFinished.emit()
    assert widget.widget("regularity").text() == "0.00015"
    assert "regularity" in notices[-1].message
    line.setText("0.6, 0.4, 0.2")
    line.editingFinished.emit()
    assert widget.form.value("measures.smoothness") == (0.6, 0.4, 0.2)


def test_the_wheel_scrolls_past_what_was_not_chosen(widget):
    box = widget.widget("linear")
    box.clearFocus()
    wheel = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(0, -120),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    before = box.currentData()
    QApplication.sendEvent(box, wheel)
    assert box.currentData() == before


def test_a_title_shows_and_hides_what_is_below_it(qtbot):
    content = QLineEdit()
    fold = Fold("Settings", content)
    qtbot.addWidget(fold)
    fold.show()
    assert not content.isVisible()
    fold.unfold()
    assert content.isVisible()


def test_a_column_is_never_narrower_than_what_was_unfolded_in_it(qtbot):
    wide = QLineEdit()
    wide.setMinimumWidth(400)
    fold = Fold("Settings", wide)
    column = Column(fold)
    qtbot.addWidget(column)
    column.resize(200, 50)
    column.show()
    fold.unfold()
    qtbot.waitUntil(lambda: column.viewport().width() >= 400)
    assert not column.horizontalScrollBar().isVisible()
