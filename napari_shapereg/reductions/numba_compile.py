"""How the loops of the numba engine are compiled: one place, so that every loop gets the same treatment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Loop = TypeVar("Loop", bound="Callable[..., Any]")

# What a loop receives: mypy sees nothing inside compiled code.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Points: TypeAlias = tuple[Array, ...]
Vector: TypeAlias = tuple[Any, ...]
Number: TypeAlias = Any
Code: TypeAlias = Any


class Limits(NamedTuple):
    """What a precision can tell apart, in the units of the loops; each a number of that precision."""

    # Added to squared distances, so that 1 / distance is finite and coincident points need no branch: far
    # below the rounding of any other distance, far above underflow.
    tiny: Number
    # A term 2^-negligible of the largest is below the rounding of a sum of a million such terms.
    negligible: Number
    # The largest exponent that a sum of a million powers of two has room for.
    highest: Number
    # Below every exponent.
    lowest: Number


def compiled(loop: Loop) -> Loop:
    """Compile `loop` on its first call for each combination of argument types, and keep it on disk.

    - `fastmath` lets LLVM reorder sums and so use vector registers, take 1 / sqrt from an estimate and a
      Newton step, and fuse multiplications into additions. It assumes that nothing is infinite or NaN.
    - `nogil` lets ordinary Python threads run one loop side by side (see `numba_threads`).
    - `cache` writes the machine code beside the source, or into the user's cache where that is read-only: the
      next process loads it in milliseconds.
    - `error_model="numpy"` leaves out the test for a division by zero.
    """
    return cast("Loop", numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")(loop))


def merged(part: Loop) -> Loop:
    """Compile a part of loops into each of its callers."""
    return cast("Loop", numba.njit(forceinline=True, fastmath=True, error_model="numpy")(part))
