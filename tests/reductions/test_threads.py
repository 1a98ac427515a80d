"""Lending torch's threads to the compiled loops leaves torch as it was, whatever happens in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_shapereg.reductions.threads import loop_threads, loops_before_torch

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


def test_torch_gets_its_threads_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), loops_before_torch():
        _ = 1 / 0
    assert (loop_threads(), torch.get_num_threads()) == (3, 3)
