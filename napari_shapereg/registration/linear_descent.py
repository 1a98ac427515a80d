"""The descent of a fidelity over the parameters of a linear map, by L-BFGS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from scipy.optimize import minimize

from napari_shapereg.measures import Measure
from napari_shapereg.registration.cancellation import checkpoint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.optimize import OptimizeResult
    from torch import Tensor

    from napari_shapereg.deformations import LinearDeformation
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.shapes import Shapes

TOLERANCE = 1e-5
"""Of the cost at the start: a step that lowers it by less ends the descent."""
REACH = math.pi
"""Largest parameter of one descent: a turn by half a circle, a factor of 23, a shift by three radii. A
quasi-Newton step along a nearly flat valley would else go where the exponential overflows."""


@dataclass(frozen=True, eq=False)
class LinearObjective:
    """The cost Σ_l share_l d(φ(α_l), β_l), and the landmark term if there are any.

    Parameters
    ----------
    model : LinearDeformation
        φ.
    shapes : Shapes
        Both shapes, LPS mm.
    loss : Fidelity
        d.
    """

    model: LinearDeformation
    shapes: Shapes
    loss: Fidelity

    def __call__(self, parameters: Tensor) -> Tensor:
        """Return the cost, 0-d, differentiable."""
        total = parameters.new_zeros(())
        for label, share in self.shapes.weights.items():
            checkpoint()
            moved = self._moved(parameters, self.shapes.sources[label])
            total = total + share * self.loss(moved, self.shapes.targets[label]).to(total)
        if pairs := self.shapes.pairs:
            landmarks = self.model.flow(parameters, pairs.moving)
            total = total + self._unit * pairs.share(landmarks).to(total)
        return total

    @cached_property
    def _unit(self) -> float:
        return self.shapes.pairs.unit(self.shapes, self.loss) if self.shapes.pairs else 0.0

    def _moved(self, parameters: Tensor, source: Measure) -> Measure:
        points = self.model.flow(parameters, source.points)
        if source.normals is None:
            return Measure(points, source.weights)
        return Measure(points, source.weights, self.model.turn_normals(parameters, source.normals))


def linear_descent(objective: LinearObjective, steps: int) -> list[tuple[Tensor, float]]:
    """Lower the cost from the zero parameters of its model.

    Parameters
    ----------
    objective : LinearObjective
    steps : int
        At most.

    Returns
    -------
    list of (Tensor, float)
        The parameters and the cost after each step of L-BFGS (Liu and Nocedal 1989), at least one.
    """
    start = objective.model.identity()
    # SciPy's tolerance is relative to values above 1 only.
    scale = max(objective(start).item(), 1e-30)

    def value_and_gradient(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(values).to(start).requires_grad_()
        cost = objective(parameters) / scale
        (slope,) = torch.autograd.grad(cost, parameters)
        return cost.item(), slope.double().cpu().numpy()

    visited: list[tuple[Tensor, float]] = []

    def visit(intermediate_result: OptimizeResult) -> None:
        parameters = torch.from_numpy(intermediate_result.x.copy()).to(start)
        visited.append((parameters, scale * float(intermediate_result.fun)))

    minimize(
        value_and_gradient,
        start.cpu().numpy(),
        jac=True,
        method="L-BFGS-B",
        callback=visit,
        bounds=[(-REACH, REACH)] * len(start),
        options={"maxiter": steps, "ftol": TOLERANCE},
    )
    return visited or [(start, scale)]
