from __future__ import annotations

import pytest
from napari.utils.notifications import notification_manager

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.notifications import telling


@pytest.fixture
def notices():
    """What napari was asked to tell."""
    told = []
    notification_manager.notification_ready.connect(told.append)
    yield told
    notification_manager.notification_ready.disconnect(told.append)


def test_an_error_of_ours_becomes_a_notification(notices):
    with telling():
        raise InputError("layer 'a' is empty; paint some labels")

    (notice,) = notices
    assert notice.message == "layer 'a' is empty; paint some labels"
    assert str(notice.severity) == "error"


def test_a_decorated_function_returns_none_where_it_would_raise(notices):
    @telling()
    def half(number):
        if number % 2:
            raise InputError(f"{number} is odd; give an even number")
        return number // 2

    assert half(6) == 3
    assert half(7) is None
    assert len(notices) == 1


def test_a_defect_is_not_hidden():
    with pytest.raises(ZeroDivisionError), telling():
        _ = 1 / 0
