"""Sums are right, differentiable, and the same on one thread or two."""

from __future__ import annotations

import pytest
import torch

from napari_shapereg.measures.sums import BLOCK, steady_sum


@pytest.mark.parametrize("length", [1, BLOCK, BLOCK + 1, 200_003])
@pytest.mark.parametrize("columns", [(), (3,)])
def test_it_is_the_sum(length, columns):
    terms = torch.rand(length, *columns, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    terms.requires_grad_()
    total = steady_sum(terms)
    torch.testing.assert_close(total, terms.sum(dim=0))
    (slope,) = torch.autograd.grad(total.sum(), terms)
    assert torch.equal(slope, torch.ones_like(terms))


def test_it_has_the_same_bytes_on_any_number_of_threads():
    terms = torch.rand(500_001, 3, generator=torch.Generator().manual_seed(2))
    before = torch.get_num_threads()
    totals = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        totals.append(steady_sum(terms))
    torch.set_num_threads(before)
    # torch's own sum of these differs between one thread and two.
    assert all(torch.equal(total, totals[0]) for total in totals)
