"""The integral of a function against a measure, in a precision that survives differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_shapereg.measures.precision import widest

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1024
"""Terms that are summed by one thread."""


def pairing(weights: Tensor, values: Tensor) -> Tensor:
    """Return ⟨α, f⟩ = Σ α_i f(x_i), in the widest type: a small fidelity is a difference of large pairings.

    Parameters
    ----------
    weights, values : (N,) tensor
        α_i and f(x_i).

    Returns
    -------
    0-d tensor
        float64 where the device has it; on the CPU the same bytes on any number of threads.
    """
    wide = widest(weights.device)
    terms = weights.to(wide) * values.to(wide)
    if len(terms) <= BLOCK:
        return terms.sum()
    # torch shares one long sum among its threads, and their number would decide how it is rounded.
    return _blocks(terms).sum(dim=1).sum()


def inner_products(weights: Tensor, rows: Tensor) -> Tensor:
    """Return all ⟨α, f_k f_l⟩ = Σ α_i f_k(x_i) f_l(x_i), as (K, K), in the widest type.

    Parameters
    ----------
    weights : (N,) tensor
        α_i.
    rows : (K, N) tensor
        f_k(x_i).
    """
    wide = widest(weights.device)
    rows = rows.to(wide)
    left, right = (_blocks(factor).transpose(0, 1) for factor in (rows * weights.to(wide), rows))
    return torch.bmm(left, right.transpose(1, 2)).sum(dim=0)


def _blocks(values: Tensor) -> Tensor:
    """Return (..., N) as (..., blocks, BLOCK), the last one filled with zeros."""
    length = values.shape[-1]
    size = min(BLOCK, length)
    filled = torch.nn.functional.pad(values, (0, -length % size))
    return filled.reshape(*values.shape[:-1], -1, size)
