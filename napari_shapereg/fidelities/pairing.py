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
    weights, rows = weights.to(wide), rows.to(wide)
    if rows.shape[1] <= BLOCK:
        return (weights * rows[:, None] * rows).sum(dim=2)
    # Row by row, for the memory; and no product of matrices, whose order of summation is not ours.
    return torch.stack([steady_sum((weights * row * rows).T) for row in rows])
