from __future__ import annotations

import pytest

from napari_shapereg.errors import InputError, ShapeRegError
from napari_shapereg.plugin.notifications import tell_or_raise, telling


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


def test_without_a_window_an_error_is_raised_and_never_as_a_value_error():
    with pytest.raises(ShapeRegError, match="odd") as caught:
        tell_or_raise(InputError("7 is odd"))

    assert not isinstance(caught.value, ValueError)
