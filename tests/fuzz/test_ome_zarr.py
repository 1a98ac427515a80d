"""Damaged OME-Zarr folders: headers that promise anything, files that are odd or missing.

What these found is kept in tests/volumes/test_ome_zarr.py.
"""

from __future__ import annotations

import json
import shutil
import warnings
from copy import deepcopy

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings, strategies as st
from zarr.codecs import BloscCodec, GzipCodec

from napari_shapereg.volumes import read_labels
from tests.fuzz.conftest import CASES
from tests.fuzz.damage import damage, little_memory, read_or_refused

ARRAYS = {
    "older.zarr": {"zarr_format": 2, "chunks": (3, 2, 3)},
    "newer.zarr": {"zarr_format": 3, "chunks": (3, 2, 3), "compressors": [BloscCodec(typesize=1)]},
    "sharded.zarr": {
        "zarr_format": 3,
        "chunks": (3, 2, 3),
        "shards": (6, 4, 6),
        "compressors": [GzipCodec()],
    },
}
DATA = np.random.default_rng(0).integers(0, 3, (3, 4, 5), dtype=np.uint8)
AXES = [
    {"name": axis, "type": "space", "unit": "millimeter", "orientation": {"type": "anatomical", "value": to}}
    for axis, to in (("z", "inferior-to-superior"), ("y", "anterior-to-posterior"), ("x", "right-to-left"))
]
STEPS = [{"type": "scale", "scale": [2.0, 0.5, 0.4]}, {"type": "translation", "translation": [5, 20, -10]}]
ATTRIBUTES = {
    "multiscales": [
        {"version": "0.4", "axes": AXES, "datasets": [{"path": "0", "coordinateTransformations": STEPS}]}
    ],
    "image-label": {
        "colors": [{"label-value": 1, "rgba": [255, 0, 51, 255]}],
        "properties": [{"label-value": 1, "name": "femur"}],
    },
}
VALUES = st.sampled_from(
    [
        *(
            None,
            True,
            0,
            -1,
            1,
            3,
            1000,
            10**8,
            10**12,
            10**18,
            10**40,
            0.5,
            1e300,
            float("nan"),
            float("inf"),
        ),
        *("", "0", "..", "c", "x", "time", "<u8", "|O", "pickle", "gzip", "lz4", "%s", "\x00", [], [0], {}),
        *([10**6] * 3, [1] * 3, [[1] * 3] * 3, {"name": "x"}, {"id": "blosc"}, [{"name": "gzip"}]),
    ]
)


def places(value):
    """Yield every (container, key) of nested JSON."""
    keys = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@st.composite
def edit(draw):
    """Return a function from the bytes of JSON to those of the same with values replaced."""
    steps = draw(st.lists(st.tuples(st.integers(0, 2**31), VALUES), min_size=1, max_size=4))

    def apply(raw):
        try:
            values = json.loads(raw)
        except ValueError:
            return raw[::-1]
        for where, new in steps:
            if found := list(places(values)):
                container, key = found[where % len(found)]
                container[key] = deepcopy(new)
        return json.dumps(values).encode()

    return apply


def write(folder, **array):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.create_array(store=str(folder / "0"), data=DATA, **array)
    if array["zarr_format"] == 2:
        (folder / ".zattrs").write_text(json.dumps(ATTRIBUTES))
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
    else:
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ATTRIBUTES}}
        (folder / "zarr.json").write_text(json.dumps(group))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("zarr")
    return [write(place / name, **array) for name, array in ARRAYS.items()]


@pytest.fixture(scope="module", autouse=True)
def _little_memory(folders):
    for folder in folders:
        assert (read_labels(folder).data == DATA).all()  # what the libraries need is there before
    with little_memory():
        yield


@settings(max_examples=max(100, CASES // 5), suppress_health_check=list(HealthCheck))
@given(
    which=st.sampled_from(range(len(ARRAYS))),
    changes=st.lists(st.tuples(st.integers(0, 2**31), edit() | damage() | st.none()), min_size=1, max_size=3),
)
def test_a_damaged_folder_is_read_or_refused(folders, tmp_path_factory, which, changes):
    whole = folders[which]
    path = tmp_path_factory.getbasetemp() / whole.name
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(whole, path)
    for place, change in changes:
        files = sorted(file for file in path.rglob("*") if file.is_file())
        file = files[place % len(files)]
        if change is None:
            file.unlink()
        else:
            file.write_bytes(change(file.read_bytes()))
    read_or_refused(path, read_labels)
