"""The integral of a function against a measure, in a precision that survives differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.measures.precision import widest

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
        float64 where the device has it.
    """
    wide = widest(weights.device)
    return (weights.to(wide) * values.to(wide)).sum()
