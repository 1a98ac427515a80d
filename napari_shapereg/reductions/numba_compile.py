"""How the loops of the numba engine are compiled: the one place that knows numba."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numba.extending import intrinsic, overload

if TYPE_CHECKING:
    from collections.abc import Callable

Loop = TypeVar("Loop", bound="Callable[..., Any]")

# What a loop receives: mypy sees nothing inside compiled code.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Points: TypeAlias = tuple[Array, ...]
Vector: TypeAlias = tuple[Any, ...]
Number: TypeAlias = Any
Code: TypeAlias = Any

# Numba would compile for C what only Python calls, and for Python what only loops call.
# Its types list neither word.
_NOT_FOR_C: dict[str, Any] = {"no_cfunc_wrapper": True}
_NOT_FOR_PYTHON: dict[str, Any] = {"no_cpython_wrapper": True}


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

    Loops copy and scale numbers one by one, not slices: the message of the error that two slices might raise
    takes longer to compile than most loops.
    """
    dispatcher = numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy", **_NOT_FOR_C)(loop)
    _date_by_all_sources(dispatcher)
    return cast("Loop", dispatcher)


def _date_by_all_sources(dispatcher: Code) -> None:
    """Let the machine code on disk expire when any file of the loops changes, not only that of the loop.

    Numba looks at one file, and would go on with old code after a change of what is merged into the loop. It
    has no public way to say so; without a cache (`NUMBA_DISABLE_JIT`) there is nothing to date.
    """
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if file is not None:
        folder = Path(__file__).parent
        sources = sorted([*folder.glob("numba_*.py"), *folder.glob("tree_*.py")])
        stamps = tuple((source.name, source.stat().st_mtime_ns) for source in sources)
        file._source_stamp = (file._source_stamp, stamps)  # noqa: SLF001


def merged(part: Loop) -> Loop:
    """Compile a part of loops into each of its callers; Python cannot call it."""
    options = _NOT_FOR_C | _NOT_FOR_PYTHON
    return cast("Loop", numba.njit(forceinline=True, fastmath=True, error_model="numpy", **options)(part))


def code_of(function: Callable[..., Code]) -> Callable[[Code], Code]:
    """Register what the calls of `function` in compiled code become, chosen by the types of its arguments.

    The decorated function receives types and returns a function of the same arguments. `strict` would compare
    annotations too, which a lambda cannot have.
    """
    return cast("Callable[[Code], Code]", overload(function, inline="always", strict=False))


def instruction(type_and_generator: Callable[..., Code]) -> Code:
    """Make a function out of LLVM instructions, to be called in compiled code.

    The decorated function is given the types of the arguments; it returns a signature and what generates the
    instructions, or None where it has none for these types.
    """
    return intrinsic(type_and_generator)
