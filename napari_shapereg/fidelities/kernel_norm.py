"""Squared kernel norms of a difference of measures: the energy distance and those of other kernels."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import torch

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities.fidelity import Fidelity
from napari_shapereg.fidelities.pairing import pairing
from napari_shapereg.reductions.differentiable import kernel_sum
from napari_shapereg.reductions.kernels import EnergyKernel, Kernel
from napari_shapereg.reductions.selection import ExactSumCostsLess, approximate_engine, exact_engine
from napari_shapereg.reductions.threads import loops_before_torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.measures import Measure
    from napari_shapereg.reductions.engine import Engine


@dataclass(frozen=True)
class KernelNorm(Fidelity):
    r"""The squared kernel norm of a difference of measures (a maximum mean discrepancy).

    d(α, β) = ½⟨α-β, k⋆(α-β)⟩ = ½ Σ α_i α_j k(x_i, x_j) - Σ α_i β_j k(x_i, y_j) + ½ Σ β_i β_j k(y_i, y_j)
    (Feydy & Trouvé, "Global divergences between measures", 2018). Its potential is k⋆(α-β). Masses are not
    normalised. It sees as far as its kernel: with a Gaussian, measures a few σ apart feel nothing.

    Parameters
    ----------
    kernel : Kernel
        `GaussianKernel(sigma)`, `LaplacianKernel(sigma)`, `CauchyKernel(sigma)`, `EnergyKernel()` or a
        `SumKernel` of them, mm.
    engine : str or Engine
        See `Fidelity`.

    Raises
    ------
    InputError
        `kernel` is not a kernel.
    """

    kernel: Kernel

    def __post_init__(self) -> None:
        """Check the kernel."""
        if not isinstance(self.kernel, Kernel):
            raise InputError(
                f"kernel: received {self.kernel!r}; give a kernel such as GaussianKernel(sigma=5.0), in mm."
            )

    @loops_before_torch()
    def _value(self, source: Measure, target: Measure) -> Tensor:
        if tree := approximate_engine(self.engine, source.points, target.points):
            with suppress(ExactSumCostsLess):
                return self._value_of_difference(source, target, tree)
        # All three of them: where one is good to a precision only, their difference is not.
        exact = exact_engine(self.engine, source.device)
        cross = pairing(source.weights, self._sum(source.points, target, exact))
        value = self._half_square(source, exact) + self._fixed_half_square(target, exact) - cross
        return value.to(source.dtype)

    def _value_of_difference(self, source: Measure, target: Measure, engine: Engine) -> Tensor:
        """Return the norm from one sum of α - β, whose precision is that of the difference.

        Near a match the three terms are large and all but cancel: each of them to a precision would leave
        nothing of it. Exact sums can afford the terms, the last of which they know already.
        """
        points, weights = _difference(source, target)
        potential = kernel_sum(self.kernel, points, points.detach(), weights.detach(), engine=engine)
        whole = pairing(weights, potential)
        return (whole - whole.detach() / 2).to(source.dtype)

    def _half_square(self, measure: Measure, engine: Engine) -> Tensor:
        """Return ½⟨α, k ⋆ α⟩ with its first derivatives, from a single sum over pairs."""
        # With one factor held constant, ⟨α, k ⋆ α⟩ has the derivatives of its half, since k is symmetric.
        whole = pairing(measure.weights, self._sum(measure.points, measure.detach(), engine))
        return whole - whole.detach() / 2

    def _fixed_half_square(self, measure: Measure, engine: Engine) -> Tensor:
        """Return ½⟨β, k ⋆ β⟩, from memory where it is the same target as before."""
        if measure.points.requires_grad or measure.weights.requires_grad:
            return self._half_square(measure, engine)
        known = _SQUARES.get(measure)
        if known is None or not known.is_of(measure, self):
            value = self._half_square(measure, engine)
            known = _Square(self.kernel, self.engine, measure.points.clone(), measure.weights.clone(), value)
            _SQUARES[measure] = known
        return known.value

    def _potential(self, points: Tensor, source: Measure, target: Measure) -> Tensor:
        positions, weights = _difference(source, target)
        return kernel_sum(self.kernel, points, positions, weights, engine=self.engine)

    def _sum(self, points: Tensor, measure: Measure, engine: Engine) -> Tensor:
        return kernel_sum(self.kernel, points, measure.points, measure.weights, engine=engine)


@dataclass(frozen=True)
class EnergyDistance(KernelNorm):
    r"""The energy distance: the kernel norm of k(x, y) = -\|x - y\|, with no length to choose.

    d(α, β) = Σ α_i β_j \|x_i - y_j\| - ½ Σ α_i α_j \|x_i - x_j\| - ½ Σ β_i β_j \|y_i - y_j\|, half of the one
    of Székely & Rizzo, "Energy statistics" (2013). It sees the target from any distance. It is at least
    0 between measures of equal mass, and may be negative where they differ: compare `measure.normalized()`
    then.

    Parameters
    ----------
    engine : str or Engine
        See `Fidelity`.
    """

    kernel: Kernel = field(default=EnergyKernel(), init=False, repr=False)


def _difference(source: Measure, target: Measure) -> tuple[Tensor, Tensor]:
    """Return α - β as one set of points with signed weights."""
    points = torch.cat((source.points, target.points))
    return points, torch.cat((source.weights, -target.weights))


class _Square(NamedTuple):
    """½⟨β, k ⋆ β⟩, and copies of what it was computed from.

    A measure is not written to, but the memory that it shares with an array of the caller may be: copies
    tell, whichever way that happened, and comparing them costs nothing beside a sum over pairs.
    """

    kernel: Kernel
    engine: str | Engine
    points: Tensor
    weights: Tensor
    value: Tensor

    def is_of(self, measure: Measure, norm: KernelNorm) -> bool:
        return (
            self.kernel == norm.kernel
            and self.engine == norm.engine
            and torch.equal(self.points, measure.points)
            and torch.equal(self.weights, measure.weights)
        )


# In a registration the target stays, and so does its term: the last one of each measure, while it lives.
_SQUARES: WeakKeyDictionary[Measure, _Square] = WeakKeyDictionary()
