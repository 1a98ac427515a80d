"""The operator Smin of a measure: what SoftMin, Hausdorff and Sinkhorn repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_shapereg.reductions.differentiable import plan_sum, softmin

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.measures import Measure
    from napari_shapereg.reductions.engine import Engine


@dataclass(frozen=True)
class SoftMinimum:
    r"""Smin_{ε,y~β}[C(x, y) - g(y)] = -ε log Σ β_j exp((g_j - C(x, y_j)) / ε), at one temperature.

    Between a minimum of C - g over the support of β (ε → 0) and its mean (ε → ∞); C = \|x - y\|^p / p
    (Feydy & Trouvé, "Global divergences between measures", 2018).

    Parameters
    ----------
    epsilon : float
        Temperature, blur^p, mm^p.
    p : int
        1 or 2.
    engine : str or Engine
        Of the sums.
    """

    epsilon: float
    p: int
    engine: str | Engine

    def __call__(self, points: Tensor, measure: Measure, potential: Tensor | None = None) -> Tensor:
        """Return the soft minimum at places (K, D) over a measure, as (K,), mm^p.

        Parameters
        ----------
        points : (K, D) tensor
            Places x; the result is differentiable in them.
        measure : Measure
            β, a constant.
        potential : (M,) tensor, optional
            g at its points; 0 when left out.
        """
        logarithms = measure.weights.log()
        if potential is not None:
            logarithms = logarithms + potential / self.epsilon
        return softmin(self.epsilon, self.p, points, measure.points, logarithms, engine=self.engine)

    def plan(
        self, points: Tensor, others: Tensor, potential: Tensor, w: Tensor, height: Tensor | None = None
    ) -> Tensor:
        """Return Σ_i w_i exp((f(x_i) + s(z) - C(x_i, z)) / ε) at places z, as (K,).

        Parameters
        ----------
        points : (K, D) tensor
            Places z; the result is differentiable in them.
        others : (N, D) tensor
            The points x_i.
        potential : (N,) tensor
            f(x_i), mm^p.
        w : (N,) tensor
            Weights of any sign.
        height : (K,) tensor, optional
            s(z), mm^p, 0 when left out; the result is differentiable in it.
        """
        heights = points.new_zeros(len(points)) if height is None else height / self.epsilon
        return plan_sum(self.epsilon, self.p, others, points, potential, heights, w, engine=self.engine)
