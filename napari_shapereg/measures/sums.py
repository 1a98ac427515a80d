"""Sums over points that are rounded in the same way on any number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1024
"""Terms that are summed by one thread: torch shares one long sum among all of them."""


def steady_sum(terms: Tensor) -> Tensor:
    """Return the sum of (N, ...) terms over N, differentiable.

    On the CPU it has the same bytes on any number of threads.
    """
    if len(terms) <= BLOCK:
        return terms.sum(dim=0)
    filled = torch.nn.functional.pad(terms.movedim(0, -1), (0, -len(terms) % BLOCK))
    blocks = filled.reshape(*filled.shape[:-1], -1, BLOCK)
    return blocks.sum(dim=-1).sum(dim=-1)
