"""The integral of a function against a measure, in a precision that survives differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_shapereg.measures.precision import widest
from napari_shapereg.measures.sums import BLOCK, steady_sum

if TYPE_CHECKING:
    from torch import Tensor


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
    return steady_sum(weights.to(wide) * values.to(wide))


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
    # Block by block, as in `steady_sum`.
    return torch.bmm(left, right.transpose(1, 2)).sum(dim=0)


def _blocks(rows: Tensor) -> Tensor:
    """Return (K, N) as (K, blocks, size), the last block filled with zeros."""
    size = min(BLOCK, rows.shape[1])
    filled = torch.nn.functional.pad(rows, (0, -rows.shape[1] % size))
    return filled.reshape(len(rows), -1, size)
