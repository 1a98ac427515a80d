from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from napari_shapereg.reductions.numba_threads import for_all_pairs, for_rows

MANY = 2**22
"""Pairs, enough to be shared out."""

FORKED = """
import os, torch
from napari_shapereg.reductions.kernels import EnergyKernel
from napari_shapereg.reductions.numba_engine import NumbaEngine

torch.set_num_threads(1)  # those of OpenMP do not survive a fork
points = torch.rand(4000, 3, generator=torch.Generator().manual_seed(1))
before = NumbaEngine(threads=2).kernel_sum(EnergyKernel(), points, points.flip(0), torch.ones(4000))
child = os.fork()
if child == 0:
    after = NumbaEngine(threads=2).kernel_sum(EnergyKernel(), points, points.flip(0), torch.ones(4000))
    os._exit(0 if torch.equal(before, after) else 3)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_threads_are_kept_and_do_not_grow() -> None:
    names = set()
    for_rows(lambda _: names.add(threading.current_thread().name), 64, MANY, 2)
    started = threading.active_count()
    for _ in range(20):
        for_rows(lambda _: names.add(threading.current_thread().name), 64, MANY, 2)
    assert threading.active_count() <= max(started, 3)
    assert len(names) <= 2
    assert threading.current_thread().name not in names


def test_what_a_loop_raises_comes_after_all_have_ended() -> None:
    ended = []

    def loop(rows: tuple[int, int]) -> None:
        if rows[0] == 0:
            raise ZeroDivisionError
        time.sleep(0.01)
        ended.append(rows)

    with pytest.raises(ZeroDivisionError):
        for_rows(loop, 8, MANY, 2)
    assert len(ended) == 7


def test_two_callers_share_the_threads_and_each_sees_its_pairs_in_order() -> None:
    groups = [(k, k + 1) for k in range(9)]

    def called() -> list[tuple[int, ...]]:
        calls: list[tuple[int, ...]] = []
        for_all_pairs(
            lambda a: calls.append((a[0],)), lambda a, b: calls.append((a[0], b[0])), groups, threads=2
        )
        return calls

    found: list[list[tuple[int, ...]]] = []
    callers = [threading.Thread(target=lambda: found.append(called())) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert not any(caller.is_alive() for caller in callers)
    expected = called()
    for calls in found:
        assert sorted(calls) == sorted(expected)
        for group in range(9):
            assert [c for c in calls if group in c] == [c for c in expected if group in c]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_child_has_threads_of_its_own() -> None:
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=60, check=False).returncode == 0
