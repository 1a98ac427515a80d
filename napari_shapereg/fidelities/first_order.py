"""A gate that lets one differentiation pass and refuses the second.

Fidelities hold parts of themselves constant (half of a quadratic form, the potentials of a converged loop) in
ways that give the right gradient and a wrong Hessian. Their inputs pass through this gate, so that asking for
the Hessian is an error and never a wrong number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from napari_shapereg.errors import EngineError
from napari_shapereg.measures import Measure

if TYPE_CHECKING:
    from torch.autograd.function import BackwardCFunction, FunctionCtx


def first_order(tensor: Tensor) -> Tensor:
    """Return the tensor itself; what is computed from it can be differentiated in it once, not twice.

    Raises
    ------
    EngineError
        Later, from autograd, when a gradient that came through here is differentiated.
    """
    return cast("Tensor", _Gate.apply(tensor)) if tensor.requires_grad else tensor  # type: ignore[no-untyped-call]


def first_order_measure(measure: Measure) -> Measure:
    """Return the measure with `first_order` applied to each of its tensors."""
    tensors = (measure.points, measure.weights, measure.normals)
    if not any(tensor is not None and tensor.requires_grad for tensor in tensors):
        return measure
    normals = None if measure.normals is None else first_order(measure.normals)
    return Measure(first_order(measure.points), first_order(measure.weights), normals)


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, tensor: Tensor) -> Tensor:
        ctx.save_for_backward(tensor)
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> Tensor:
        # Gradients are recorded here only when somebody means to differentiate them.
        if not torch.is_grad_enabled():
            return gradient
        (tensor,) = ctx.saved_tensors
        return cast("Tensor", _Refusal.apply(tensor, gradient))  # type: ignore[no-untyped-call]


class _Refusal(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: FunctionCtx, _tensor: Tensor, gradient: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(_ctx: BackwardCFunction, *_gradients: Tensor) -> Tensor:
        raise EngineError(
            "a fidelity was differentiated twice, but only its first derivatives are right; use a method "
            "that needs no more (gradient descent, L-BFGS), or take finite differences of its gradient."
        )
