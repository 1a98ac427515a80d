from __future__ import annotations

import pytest
from qtpy.QtCore import QObject, QTimer

from napari_shapereg.plugin.turns import in_turns


@pytest.fixture
def owner(qapp):
    return QObject()


def test_others_have_a_turn_between_two_steps(owner, qtbot):
    taken = []

    def slow():
        taken.append("first")
        QTimer.singleShot(0, lambda: taken.append("other"))
        qtbot.wait(50)

    in_turns(owner, slow, lambda: taken.append("second"))
    assert not taken
    qtbot.waitUntil(lambda: "second" in taken)
    assert taken == ["first", "other", "second"]


def test_steps_go_with_their_owner(owner, qtbot):
    taken = []
    in_turns(owner, owner.deleteLater, lambda: taken.append("late"))
    qtbot.wait(100)
    assert not taken
