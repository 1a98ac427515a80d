"""Lending torch's threads to the compiled loops leaves torch as it was, whatever happens in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import pytest
import torch

from napari_shapereg.reductions import torch_engine
from napari_shapereg.reductions.threads import all_threads_for_torch, loop_threads, loops_before_torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_loops_have_the_threads_of_torch() -> None:
    assert loop_threads() == 3
    with loops_before_torch():
        assert (loop_threads(), torch.get_num_threads()) == (3, 1)
        with loops_before_torch():
            assert (loop_threads(), torch.get_num_threads()) == (3, 1)
        assert (loop_threads(), torch.get_num_threads()) == (3, 1)
    assert (loop_threads(), torch.get_num_threads()) == (3, 3)


def test_engines_of_torch_work_with_the_lent_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def failing(*_: torch.Tensor) -> None:
        seen.append(torch.get_num_threads())
        raise ZeroDivisionError

    monkeypatch.setattr(torch_engine, "_squared_distances", failing)
    points = torch.zeros(2, 3)
    with loops_before_torch():
        with pytest.raises(ZeroDivisionError):
            torch_engine.TorchEngine().nearest(points, points)
        assert torch.get_num_threads() == 1
    with all_threads_for_torch():
        assert torch.get_num_threads() == 3
    assert seen == [3]


def test_torch_gets_its_threads_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), loops_before_torch():
        _ = 1 / 0
    assert (loop_threads(), torch.get_num_threads()) == (3, 3)


def test_blocks_of_two_threads_that_overlap_leave_all_threads_to_those_that_follow() -> None:
    entered, leave = Event(), Event()

    def first() -> None:
        with loops_before_torch():
            entered.set()
            leave.wait(10)

    def second() -> int:
        with loops_before_torch():
            lent = loop_threads()
            leave.set()
            done.result(10)
        return lent

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        done = one.submit(first)
        assert entered.wait(10)
        assert other.submit(second).result(10) == 3
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result(10) == 3
