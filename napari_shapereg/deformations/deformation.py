"""What every model of deformation offers: tensors in, tensors out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Deformation(Protocol):
    """A family of maps φ of space, indexed by one explicit tensor of parameters.

    The models hold no state: whoever optimises owns the parameters.
    """

    def identity(self) -> Tensor:
        """Return the parameters at which the optimisation starts."""
        ...

    def flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry points forward, from the moving to the fixed side.

        Parameters
        ----------
        parameters : Tensor
            Of the shape of `identity`.
        points : (N, 3) Tensor
            LPS mm.

        Returns
        -------
        (N, 3) Tensor
            φ(points), LPS mm.
        """
        ...

    def inverse_flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry points back, from the fixed to the moving side: φ⁻¹(points), (N, 3), LPS mm."""
        ...

    def energy(self, parameters: Tensor) -> Tensor:
        """Return the 0-d regularisation energy of the map, zero at the identity."""
        ...
