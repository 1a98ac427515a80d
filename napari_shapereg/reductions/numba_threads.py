"""Rows shared out among ordinary Python threads.

Numba's own parallel loops are left alone. Its default threading layer ends the whole process when two Python
threads enter it at once, as two registrations in one process do, and a lock of ours could not keep other
packages out of it; its OpenMP layer brings a second OpenMP runtime beside torch's. The compiled loops release
the interpreter's lock instead, and threads made for one call run them side by side: callers share no state,
and nothing outlives the call or is broken in a forked child. Starting a thread costs some 50 microseconds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A share takes about a tenth of a millisecond: the last one to finish wastes little, and calls cost nothing.
_PAIRS_IN_A_SHARE = 2**20
_SHARES_FOR_A_THREAD = 16


def for_rows(loop: Callable[[int, int], None], rows: int, columns: int, threads: int) -> None:
    """Call loop(first, last) on ranges that cover all rows, on several threads where that pays.

    Every row is one thread's business, so that its sum does not depend on how many there are.

    Parameters
    ----------
    loop
        A call into compiled code that releases the interpreter's lock.
    rows, columns
        Size of the problem, in pairs.
    threads
        The most threads to use.
    """
    shares = min(rows, threads * _SHARES_FOR_A_THREAD, rows * columns // _PAIRS_IN_A_SHARE)
    if threads == 1 or shares < 2:
        loop(0, rows)
        return
    bounds = [rows * share // shares for share in range(shares + 1)]
    with ThreadPoolExecutor(min(threads, shares)) as pool:
        # Consumed, so that an exception in a thread is raised here.
        list(pool.map(loop, bounds[:-1], bounds[1:]))
