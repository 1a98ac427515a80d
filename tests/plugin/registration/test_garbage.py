from __future__ import annotations

import gc

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points

from napari_shapereg.plugin.garbage import aside, remove_layers, set_aside, take_back


@pytest.fixture(autouse=True)
def nothing_set_aside():
    assert gc.get_freeze_count() == 0
    yield
    assert gc.get_freeze_count() == 0


class Ring:
    """Garbage that only a collection finds."""

    gone = 0

    def __init__(self):
        self.itself = self

    def __del__(self):
        Ring.gone += 1


def test_what_is_set_aside_is_not_collected_until_it_is_taken_back():
    Ring.gone = 0
    Ring()
    with aside():
        gc.collect()
        assert Ring.gone == 0
        Ring()
        gc.collect()
        assert Ring.gone == 1, "what is new is collected"
    gc.collect()
    assert Ring.gone == 2


def test_the_last_holder_takes_it_back():
    first, second = object(), object()
    set_aside(first)
    set_aside(second)
    take_back(first)
    take_back(first)
    assert gc.get_freeze_count() > 0
    take_back(second)


def test_an_error_takes_it_back():
    with pytest.raises(ZeroDivisionError), aside():
        raise ZeroDivisionError


def test_layers_are_removed_and_those_that_are_gone_are_no_trouble():
    viewer = ViewerModel()
    layers = [viewer.add_layer(Points(np.zeros((2, 3)))) for _ in range(3)]
    viewer.layers.remove(layers[1])
    remove_layers(viewer, layers)
    assert len(viewer.layers) == 0
