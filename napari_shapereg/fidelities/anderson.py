"""Anderson's acceleration of a fixed-point iteration, on both sides of a plan at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_shapereg.fidelities.pairing import inner_products

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
    shares : sequence of tensors
        Of the mass on each side.
    """

    def __init__(self, shares: Sequence[Tensor]) -> None:
        self._sides = [_Side(share) for share in shares]

    def forget(self) -> None:
        """Make the next update a plain average."""
        for side in self._sides:
            side.forget()

    def update(self, potentials: Sequence[Tensor], images: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the next u on each side.

        Parameters
        ----------
        potentials, images : sequences of tensors
            u and T(u), one for each side.
        """
        for side, potential, image in zip(self._sides, potentials, images, strict=True):
            side.see(potential, image - potential)
        thetas = _least_squares(torch.stack([side.products() for side in self._sides]).sum(dim=0))
        return tuple(side.average(thetas) for side in self._sides)


class _Side:
    """The latest u and T(u) - u on one side, as rows."""

    def __init__(self, share: Tensor) -> None:
        self._share = share
        self.forget()

    def forget(self) -> None:
        self._potentials = self._residuals = self._share.new_empty((0, len(self._share)))

    def see(self, potential: Tensor, residual: Tensor) -> None:
        self._potentials = torch.cat((self._potentials[-MEMORY:], potential[None]))
        self._residuals = torch.cat((self._residuals[-MEMORY:], residual[None]))

    def products(self) -> Tensor:
        """Return the inner products of the earlier residuals less the last one, and of that one."""
        return inner_products(self._share, torch.cat((_since(self._residuals), self._residuals[-1:])))

    def average(self, thetas: Tensor) -> Tensor:
        """Return the average of Σ θ_k u_k and Σ θ_k T(u_k), given the θ of all but the last."""
        # As differences, which are small: rounding a sum of whole potentials would undo its last digits.
        moves = _since(self._potentials) + _since(self._residuals) / 2
        plain = self._potentials[-1] + self._residuals[-1] / 2
        return plain + (thetas.to(moves)[:, None] * moves).sum(dim=0)


def _since(rows: Tensor) -> Tensor:
    return rows[:-1] - rows[-1]


def _least_squares(products: Tensor) -> Tensor:
    """Return the θ for which Σ θ_k (r_k - r) + r is smallest, from the products of r_k - r and r."""
    known = products.cpu().numpy()
    if len(known) == 1:
        return torch.zeros(0)
    # Updates that nearly repeat each other are not told apart: rounding would choose between them.
    return torch.from_numpy(np.linalg.lstsq(known[:-1, :-1], -known[:-1, -1], rcond=1e-10)[0])
