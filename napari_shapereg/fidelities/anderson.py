"""Anderson's acceleration of a fixed-point iteration, on both sides of a plan at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_shapereg.fidelities.pairing import inner_products, pairing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MEMORY = 5
"""Earlier updates that are combined. On clouds, shells and knees 2 were slower, and 8 no faster."""


class Anderson:
    """Averaged updates u ← ½ (u + T(u)) that learn from those before.

    The update is made from Σ θ_k u_k, Σ θ_k = 1, with the θ for which Σ θ_k (T(u_k) - u_k) is smallest in the
    L² norms of the measures: where T is linear, the best that can be made of the residuals seen, as in GMRES
    (Walker & Ni, "Anderson acceleration for fixed-point iterations", 2011). Near its fixed point Sinkhorn's
    map is, and self-adjoint in those norms: what takes n² averaged updates takes about n of these.

    Parameters
    ----------
    weights : sequence of tensors
        Of the measure on each side, whose mass counts as 1.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._shares = tuple(side / pairing(side, torch.ones_like(side)) for side in weights)
        self._seen: list[tuple[Sequence[Tensor], Sequence[Tensor]]] = []

    def forget(self) -> None:
        """Make the next update a plain average."""
        self._seen.clear()

    def update(self, potentials: Sequence[Tensor], images: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the next u on each side.

        Parameters
        ----------
        potentials, images : sequences of tensors
            u and T(u), one for each side.
        """
        residuals = tuple(new - old for old, new in zip(potentials, images, strict=True))
        updated = tuple(old + step / 2 for old, step in zip(potentials, residuals, strict=True))
        if self._seen:
            # As differences, which are small: rounding a sum of whole potentials would undo the last digits.
            moves, bends = (
                tuple(
                    torch.stack([earlier[part][side] - now for earlier in self._seen])
                    for side, now in enumerate(current)
                )
                for part, current in enumerate((potentials, residuals))
            )
            thetas = self._combination(bends, residuals)
            updated = tuple(
                start + torch.tensordot(thetas.to(start), move + bend / 2, dims=1)
                for start, move, bend in zip(updated, moves, bends, strict=True)
            )
        self._seen = [*self._seen, (potentials, residuals)][-MEMORY:]
        return updated

    def _combination(self, bends: Sequence[Tensor], residuals: Sequence[Tensor]) -> Tensor:
        """Return the θ of the earlier updates."""
        sides = [
            inner_products(share, torch.cat((bend, residual[None])))
            for share, bend, residual in zip(self._shares, bends, residuals, strict=True)
        ]
        gram = torch.stack(sides).sum(dim=0).cpu().numpy()
        # Updates that nearly repeat each other are not told apart: rounding would choose between them.
        return torch.from_numpy(np.linalg.lstsq(gram[:-1, :-1], -gram[:-1, -1], rcond=1e-10)[0])
