"""Rows, or pairs of groups of rows, shared out among ordinary Python threads.

Numba's own parallel loops are left alone. Its default threading layer ends the whole process when two Python
threads enter it at once, as two registrations in one process do, and a lock of ours could not keep other
packages out of it; its OpenMP layer brings a second OpenMP runtime beside torch's. The compiled loops release
the interpreter's lock instead, and a few threads, shared by all callers, run them side by side. They stay for
the next call: a registration makes thousands, and to start threads for each took an eighth of its time.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    Range = tuple[int, int]
    RowLoop = Callable[[Range], None]
    PairLoop = Callable[[Range, Range], None]

# A share takes about a tenth of a millisecond: the last one to finish wastes little, and calls cost nothing.
_PAIRS_IN_A_SHARE = 2**20
_SHARES_FOR_A_THREAD = 16


def for_rows(loop: RowLoop, rows: int, columns: int, threads: int) -> None:
    """Call loop((first, last)) on ranges that cover all rows, on several threads where that pays.

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
    shares = min(rows, rows * columns // _PAIRS_IN_A_SHARE)
    if shares < 2:
        loop((0, rows))
        return
    shares = min(shares, threads * _SHARES_FOR_A_THREAD)
    pool = _pool(threads)
    _finish([pool.submit(loop, share) for share in _ranges(rows, shares)])


def for_all_pairs(within: RowLoop, between: PairLoop, groups: Sequence[Range], threads: int) -> None:
    """Call within(group) on each group of rows and between(group, other) on each two of them.

    Calls that run at once share no group, and each group sees its calls in one order, whatever the number
    of threads: they may add to the rows of their groups, and the sums are the same bytes.

    Parameters
    ----------
    within, between
        Calls into compiled code that releases the interpreter's lock.
    groups
        Ranges of rows.
    threads
        The most threads to use.
    """
    latest: dict[int, Future[None]] = {}

    futures: list[Future[None]] = []

    def run(call: Callable[..., None], members: tuple[int, ...], earlier: list[Future[None]]) -> None:
        # They were handed out before, so they have begun, whoever else's calls stand in the same line, and
        # nothing waits in a circle.
        for future in earlier:
            future.result()
        call(*(groups[member] for member in members))

    pool = _pool(threads)
    for members in _encounters(len(groups)):
        earlier = [latest[member] for member in members if member in latest]
        call = within if len(members) == 1 else between
        futures.append(pool.submit(run, call, members, earlier))
        latest.update(dict.fromkeys(members, futures[-1]))
    _finish(futures)


def _finish(futures: list[Future[None]]) -> None:
    """Wait for all, so that none writes after its caller has gone on, and raise what one of them raised."""
    try:
        wait(futures)
    finally:
        for future in futures:
            future.cancel()
    for future in futures:
        future.result()


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads to which numbers below the smallest normal one are 0.

    The tails of a kernel are full of such numbers, and a processor takes a hundred times longer over each.
    The mode belongs to a thread: the caller's own stays as it is, and a single thread is made for it as well,
    so that the number of threads does not change a result.
    """
    return ThreadPoolExecutor(threads, initializer=torch.set_flush_denormal, initargs=(True,))


# A child has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _ranges(rows: int, count: int) -> list[Range]:
    return [(rows * k // count, rows * (k + 1) // count) for k in range(count)]


def _encounters(players: int) -> Iterator[tuple[int, ...]]:
    """Yield each player alone, then the pairs of a tournament, in an order in which nobody waits for long."""
    # The circle method: one stays, the others move on by a seat, and those who sit opposite meet. With an odd
    # number, the one opposite the empty seat rests.
    yield from ((player,) for player in range(players))
    circle = [*range(players), *([players] if players % 2 else [])]
    for _ in range(len(circle) - 1):
        opposite = zip(circle[: len(circle) // 2], circle[::-1], strict=False)
        yield from (pair for pair in opposite if max(pair) < players)
        circle.insert(1, circle.pop())
