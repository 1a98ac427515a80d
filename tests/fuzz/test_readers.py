"""Damaged files: each is read or refused by name, soon, in little memory, and never anything else.

A crash ends the process and is as red as a failure. What these found is kept in tests/volumes/test_traps.py.
"""

from __future__ import annotations

import gzip

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.fuzz.conftest import CASES
from tests.fuzz.corpus import corpus
from tests.fuzz.damage import damage, little_memory, read_or_refused


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module", autouse=True)
def _little_memory(files):
    for path, read in files.items():
        read(path)  # what the libraries need is there before
    with little_memory():
        yield


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
    read_or_refused(path, read)
