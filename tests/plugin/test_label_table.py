from __future__ import annotations

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_shapereg.plugin.label_table import label_table

RED = np.array([1.0, 0.0, 0.0, 1.0])


def test_only_the_labels_of_a_table_have_a_colour():
    mapped = label_table({3: RED}, np.uint8).map(np.array([0, 3, 4], dtype=np.uint8))

    np.testing.assert_array_equal(mapped, [np.zeros(4), RED, np.zeros(4)])


def test_a_table_is_used_once_where_it_is_made(monkeypatch):
    used, first = [], DirectLabelColormap.map
    monkeypatch.setattr(
        DirectLabelColormap, "map", lambda table, values: (used.append(values.dtype), first(table, values))[1]
    )

    label_table({3: RED}, np.uint16)

    assert used == [np.uint16]
