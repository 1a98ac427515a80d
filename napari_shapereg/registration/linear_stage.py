"""The linear stage: from any pose to a rigid, similarity or affine map, by L-BFGS on a fidelity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize

from napari_shapereg.deformations import AffineMap, LinearDeformation, LinearKind
from napari_shapereg.fidelities import EnergyDistance
from napari_shapereg.measures import Measure
from napari_shapereg.registration.shapes import pooled, radius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.optimize import OptimizeResult
    from torch import Tensor

    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.shapes import Shapes

KINDS: tuple[LinearKind, ...] = ("rigid", "similarity", "affine")
START_POINTS = 150
START_STEPS = 8
MAX_STEPS = 40
TOLERANCE = 1e-5
"""Of the cost at the start: a step that lowers it by less ends the descent."""
REACH = math.pi
"""Largest parameter of one descent: a turn by half a circle, a factor of 23, a shift by three radii. A
quasi-Newton step along a nearly flat valley would else go where the exponential overflows."""


class LinearStep(NamedTuple):
    """One step of the linear stage: its map, cost and strain energy."""

    affine: AffineMap
    cost: float
    energy: float


def linear_steps(shapes: Shapes, kind: LinearKind, loss: Fidelity) -> Iterator[LinearStep]:
    """Fit a linear map of the moving onto the fixed shape.

    The centres are matched; then every turn that carries principal axes onto principal axes, and no turn at
    all, is tried on a few points per label, and the best is refined as a rigid map, a similarity and an
    affine map, as far as `kind` goes. Labels correspond, so that a shape that looks the same from two sides
    is still turned the right way.

    Parameters
    ----------
    shapes : Shapes
        Both shapes, LPS mm.
    kind : {"rigid", "similarity", "affine"}
        The richest map.
    loss : Fidelity
        What is descended. The best start is chosen by the energy distance, which sees from any distance.

    Yields
    ------
    LinearStep
        With falling cost within one kind.
    """
    start = EnergyDistance(engine=loss.engine)
    model = _best_start(shapes, "rigid" if kind == "rigid" else "similarity", start)
    for richer in KINDS[: KINDS.index(kind) + 1]:
        parameters = model.identity()
        model = model.rebased(parameters, richer)
        for parameters, cost in _descend(model, shapes, loss, MAX_STEPS):
            yield LinearStep(model.affine_map(parameters), cost, float(model.energy(parameters)))
        model = model.rebased(parameters, richer)


def _best_start(shapes: Shapes, kind: LinearKind, loss: Fidelity) -> LinearDeformation:
    source = pooled(shapes.sources, shapes.weights)
    target = pooled(shapes.targets, shapes.weights)
    target_radius = radius(target)
    scale = 1.0 if kind == "rigid" else target_radius / max(radius(source), 1e-9 * target_radius)
    few = shapes.coarsened(START_POINTS)
    candidates = []
    for turn in _turns(source, target):
        model = LinearDeformation(
            kind, turn * scale, source.center.double(), target.center.double(), target_radius
        )
        *_, (parameters, cost) = _descend(model, few, loss, START_STEPS)
        candidates.append((cost, model.rebased(parameters, kind)))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _turns(source: Measure, target: Measure) -> list[Tensor]:
    """Return no turn, and the four proper turns of principal axes onto principal axes."""
    source_axes, target_axes = _principal_axes(source), _principal_axes(target)
    turns = [torch.eye(3, dtype=torch.float64, device=source.device)]
    for first, second in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        signs = torch.tensor([first, second, first * second], dtype=torch.float64, device=source.device)
        turns.append((target_axes * signs) @ source_axes.T)
    return turns


def _principal_axes(measure: Measure) -> Tensor:
    """Return the right-handed (3, 3) matrix whose columns are the principal axes."""
    offsets = (measure.points - measure.center).double().cpu().numpy()
    # No matrix product: those of a BLAS round differently on other numbers of threads.
    moments = np.einsum("n,ni,nj->ij", measure.weights.double().cpu().numpy(), offsets, offsets)
    axes = torch.from_numpy(np.linalg.eigh(moments).eigenvectors).to(measure.device)
    return axes * torch.sign(torch.linalg.det(axes))


def _descend(
    model: LinearDeformation, shapes: Shapes, loss: Fidelity, steps: int
) -> list[tuple[Tensor, float]]:
    """Return the parameters and costs of each step of L-BFGS, at least one."""
    start = model.identity()
    # SciPy's tolerance is relative to values above 1 only.
    scale = max(_cost(model, start, shapes, loss).item(), 1e-30)

    def value_and_gradient(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(values).to(start).requires_grad_()
        cost = _cost(model, parameters, shapes, loss) / scale
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


def _cost(model: LinearDeformation, parameters: Tensor, shapes: Shapes, loss: Fidelity) -> Tensor:
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
