"""The descent of a fidelity over the parameters of a linear map, by L-BFGS."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from scipy.optimize import minimize

from napari_shapereg.measures import Measure

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


def linear_descent(
    model: LinearDeformation, shapes: Shapes, loss: Fidelity, steps: int
) -> list[tuple[Tensor, float]]:
    """Lower a fidelity from the zero parameters of a linear model.

    Parameters
    ----------
    model : LinearDeformation
        Its zero parameters are the start.
    shapes : Shapes
        Both shapes, LPS mm.
    loss : Fidelity
        What is descended, label by label.
    steps : int
        At most.

    Returns
    -------
    list of (Tensor, float)
        The parameters and the cost after each step of L-BFGS (Liu and Nocedal 1989), at least one.
    """
    start = model.identity()
    # SciPy's tolerance is relative to values above 1 only.
    scale = max(linear_cost(model, start, shapes, loss).item(), 1e-30)

    def value_and_gradient(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(values).to(start).requires_grad_()
        cost = linear_cost(model, parameters, shapes, loss) / scale
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


def linear_cost(model: LinearDeformation, parameters: Tensor, shapes: Shapes, loss: Fidelity) -> Tensor:
    """Return Σ_l share_l d(φ(α_l), β_l), 0-d, differentiable in the parameters."""
    total = parameters.new_zeros(())
    for label, share in shapes.weights.items():
        source = shapes.sources[label]
        moved = Measure(
            model.flow(parameters, source.points),
            source.weights,
            None if source.normals is None else model.turn_normals(parameters, source.normals),
        )
        total = total + share * loss(moved, shapes.targets[label]).to(total)
    return total
