"""How the bytes of a file are damaged, and the bounds that every reader of damaged files keeps."""

from __future__ import annotations

import resource
import time
import warnings
from contextlib import contextmanager

from hypothesis import strategies as st

from napari_shapereg.errors import ShapeRegError

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


def read_or_refused(path, read):
    """Read what is damaged, which succeeds or fails with one message that names it, and soon."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            read(path)
        except ShapeRegError as error:
            assert path.name in str(error)  # noqa: PT017
    assert time.process_time() - began < SECONDS


@contextmanager
def little_memory():
    """Bound by how much what follows may raise the memory of the process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024 * MEGABYTES
