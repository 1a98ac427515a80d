"""Damaged files: each is read or refused by name, soon, in little memory, and never anything else.

A crash ends the process and is as red as a failure. What these found is kept in tests/volumes/test_traps.py.
"""

from __future__ import annotations

import gzip
import resource
import time
import warnings

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from napari_shapereg.errors import ShapeRegError
from tests.fuzz.conftest import CASES
from tests.fuzz.corpus import corpus

SECONDS = 2.0
"""Of one file of some kilobytes on one core; the slowest one seen took 0.05."""
MEGABYTES = 300
"""By which all cases may raise the memory of the process; 20 were seen."""
NUMBERS = [b"9", b"-1", b"0", b"nan", b"inf", b"1e300", b"99999999", b"999999999999", b"%s", b"\n", b"\x00"]


@st.composite
def damage(draw):
    """Return a function from bytes to damaged bytes."""
    steps = draw(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**31), st.integers(0, 2**31)), min_size=1)
    )

    def apply(raw):
        data = bytearray(raw)
        for kind, where, what in steps:
            place = where % max(1, len(data))
            match kind:
                case 0:
                    data[place : place + 1] = bytes([what % 256])
                case 1:
                    data[place : place + 4] = what.to_bytes(4, "little")
                case 2:
                    data[place : place + 4] = bytes([255 * (what % 2)]) * (what % 9)
                case 3:
                    source = what % max(1, len(data))
                    data[place : place + 16] = data[source : source + 16]
                case 4:
                    digits = [index for index, byte in enumerate(data) if 48 <= byte < 58]
                    place = digits[where % len(digits)] if digits else place
                    data[place : place + 1] = NUMBERS[what % len(NUMBERS)]
                case _:
                    del data[place + what % 64 :]
        return bytes(data)

    return apply


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module", autouse=True)
def _little_memory(files):
    for path, read in files.items():
        read(path)  # what the libraries need is there before
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024 * MEGABYTES


@settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
@given(place=st.integers(0, 2**31), change=damage(), inside=st.booleans())
def test_a_damaged_file_is_read_or_refused(files, tmp_path_factory, place, change, inside):
    whole, read = list(files.items())[place % len(files)]
    raw = whole.read_bytes()
    if whole.name.endswith(".gz") and inside:
        raw = gzip.compress(change(gzip.decompress(raw)), 1)
    else:
        raw = change(raw)
    path = tmp_path_factory.getbasetemp() / whole.name
    path.write_bytes(raw)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            read(path)
        except ShapeRegError as error:
            assert whole.name in str(error)  # noqa: PT017
    assert time.process_time() - began < SECONDS
