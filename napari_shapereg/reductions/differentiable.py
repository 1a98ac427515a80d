"""The pairwise sums as differentiable functions of tensors: torch's autograd over any engine.

Every backward pass is one of the engine's own reductions with the two point sets in swapped roles; only what
is asked for is computed. Gradients are of first order.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from napari_shapereg.errors import EngineError
from napari_shapereg.reductions import arguments
from napari_shapereg.reductions.selection import get_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_shapereg.reductions.engine import Engine
    from napari_shapereg.reductions.kernels import Kernel

# autograd's context takes any attribute.
_Context: TypeAlias = Any
_Gradients: TypeAlias = "tuple[Tensor | None, ...]"


def kernel_sum(kernel: Kernel, x: Tensor, y: Tensor, b: Tensor, engine: str | Engine = "auto") -> Tensor:
    """Sum a kernel over all pairs of points: sum_j k(x_i, y_j) b_j.

    Parameters
    ----------
    kernel
        `EnergyKernel`, `GaussianKernel`, `LaplacianKernel`, `CauchyKernel` or a `SumKernel` of them; lengths
        in mm.
    x
        Points (N, D) in mm where the sum is evaluated, D one of 1, 2, 3, 6; float32 or float64, any device.
    y
        Points (M, D) in mm that carry the weights, of the same dtype and on the same device.
    b
        Weights (M,), of any sign.
    engine
        Name of an engine, "auto", or an engine (see `get_engine`).

    Returns
    -------
    Tensor
        (N,), differentiable once in `x`, `y` and `b`. Coincident points add 0 to the gradient of |x - y|.

    Raises
    ------
    InputError
        When an argument has the wrong shape, dtype or device, or holds NaN or an infinity.
    EngineError, MissingExtraError
        When the engine does not work here.
    """
    arguments.check_points(x, y)
    arguments.check_vector("b", b, "y", y)
    arguments.check_finite({"x": x, "y": y, "b": b})
    chosen = get_engine(engine, x.device)
    if _is_differentiated(x, y, b):
        return _apply(_KernelSum, chosen, kernel, x, y, b)
    return chosen.kernel_sum(kernel, x.detach(), y.detach(), b.detach())


def softmin(epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor, engine: str | Engine = "auto") -> Tensor:
    r"""Take the soft minimum over y of the cost from x: -epsilon log sum_j exp(h_j - C(x_i, y_j) / epsilon).

    With h = log(weights) + potential / epsilon it is the operator Smin of Feydy and Trouvé, *Global
    divergences between measures: from Hausdorff distance to Optimal Transport* (2018), applied to the cost
    C(x, y) = \|x - y\|^p / p minus the potential.

    Parameters
    ----------
    epsilon
        Temperature blur^p > 0, in mm^p.
    p
        Exponent of the cost, 1 or 2.
    x
        Points (N, D) in mm where it is evaluated, D one of 1, 2, 3, 6; float32 or float64, any device.
    y
        Points (M, D) in mm, of the same dtype and on the same device.
    h
        Logarithms (M,), no unit; -inf where a weight is zero.
    engine
        Name of an engine, "auto", or an engine (see `get_engine`).

    Returns
    -------
    Tensor
        (N,) in mm^p, differentiable once in `x`, `y` and `h`; +inf, with gradient 0, when every `h` is -inf.

    Raises
    ------
    InputError
        When an argument has the wrong shape, dtype or device, holds NaN or an infinity, or is out of range.
    EngineError, MissingExtraError
        When the engine does not work here.
    """
    arguments.check_points(x, y)
    arguments.check_vector("h", h, "y", y)
    arguments.check_softmin(epsilon, p, x, y, h)
    chosen = get_engine(engine, x.device)
    if _is_differentiated(x, y, h):
        return _apply(_Softmin, chosen, epsilon, p, x, y, h)
    return chosen.softmin(epsilon, p, x.detach(), y.detach(), h.detach())


def plan_sum(
    epsilon: float,
    p: int,
    x: Tensor,
    y: Tensor,
    f: Tensor,
    h: Tensor,
    w: Tensor,
    engine: str | Engine = "auto",
) -> Tensor:
    r"""Sum what a Gibbs kernel carries to y: sum_i w_i exp((f_i - C(x_i, y_j)) / epsilon + h_j).

    The transposed sum of `softmin`: with its value as f, it is the derivative of sum_i w_i softmin_i in a
    little mass at y_j, divided by -epsilon.

    Parameters
    ----------
    epsilon
        Temperature blur^p > 0, in mm^p.
    p
        Exponent of the cost C = \|x - y\|^p / p, 1 or 2.
    x
        Points (N, D) in mm, D one of 1, 2, 3, 6; float32 or float64, any device.
    y
        Points (M, D) in mm where it is evaluated, of the same dtype and on the same device.
    f
        Potential (N,), mm^p, finite.
    h
        Logarithms (M,), no unit.
    w
        Weights (N,), of any sign.
    engine
        Name of an engine, "auto", or an engine (see `get_engine`).

    Returns
    -------
    Tensor
        (M,), differentiable once in `y` and `h`; the other arguments are constants.

    Raises
    ------
    InputError
        When an argument has the wrong shape, dtype or device, holds NaN or an infinity, or is out of range.
    EngineError, MissingExtraError
        When the engine does not work here.
    """
    arguments.check_points(x, y)
    for name, vector, points_name, points in (("f", f, "x", x), ("w", w, "x", x), ("h", h, "y", y)):
        arguments.check_vector(name, vector, points_name, points)
    arguments.check_softmin(epsilon, p, x, y, h)
    arguments.check_finite({"f": f, "w": w})
    chosen = get_engine(engine, x.device)
    constants = x.detach(), f.detach(), w.detach()
    if _is_differentiated(y, h):
        return _apply(_PlanSum, chosen, epsilon, p, constants, y, h)
    x, f, w = constants
    return chosen.plan_sum_and_gradient(epsilon, p, x, y.detach(), f, h.detach(), w)[0]


def nearest(x: Tensor, y: Tensor, engine: str | Engine = "auto") -> tuple[Tensor, Tensor]:
    """Find, for each point of `x`, a nearest point of `y`. Not differentiable.

    Parameters
    ----------
    x
        Points (N, D) in mm, D one of 1, 2, 3, 6; float32 or float64, any device.
    y
        Points (M, D) in mm, of the same dtype and on the same device.
    engine
        Name of an engine, "auto", or an engine (see `get_engine`).

    Returns
    -------
    tuple of Tensor
        (N,) int64, the index in `y` (any of several that are equally near), and (N,), the distance in mm.

    Raises
    ------
    InputError
        When an argument has the wrong shape, dtype or device, or holds NaN or an infinity.
    EngineError, MissingExtraError
        When the engine does not work here.
    """
    arguments.check_points(x, y)
    arguments.check_finite({"x": x, "y": y})
    return get_engine(engine, x.device).nearest(x.detach(), y.detach())


def _first_order(
    backward: Callable[[_Context, Tensor], _Gradients],
) -> Callable[[_Context, Tensor], _Gradients]:
    """Make the derivative of a gradient an error.

    torch's `once_differentiable` does so only where the incoming gradient is itself differentiated, and
    otherwise hands out gradients that silently count as constants.
    """

    @wraps(backward)
    def sealed(ctx: _Context, incoming: Tensor) -> _Gradients:
        with torch.no_grad():
            gradients = backward(ctx, incoming)
        if not torch.is_grad_enabled():
            return gradients
        sources = (incoming, *ctx.saved_tensors)
        return tuple(None if slope is None else _apply(_Seal, slope, *sources) for slope in gradients)

    return sealed


class _Seal(torch.autograd.Function):
    """A gradient that depends on its sources in a way that nobody has written down."""

    @staticmethod
    def forward(_: _Context, gradient: Tensor, *_sources: Tensor | None) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(_: _Context, incoming: Tensor) -> _Gradients:
        raise EngineError(
            f"The gradient of a pairwise sum (shape {tuple(incoming.shape)}) was differentiated again; the "
            f"engines have first derivatives only: detach the gradient, or leave create_graph=False."
        )


class _KernelSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, engine: Engine, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor) -> Tensor:
        gradient = None
        if ctx.needs_input_grad[2]:
            value, gradient = engine.kernel_sum_and_gradient(kernel, x, y, b)
        else:
            value = engine.kernel_sum(kernel, x, y, b)
        ctx.engine, ctx.kernel = engine, kernel
        ctx.save_for_backward(x, y, b, gradient)
        return value

    @staticmethod
    @_first_order
    def backward(ctx: _Context, incoming: Tensor) -> _Gradients:
        x, y, b, gradient = ctx.saved_tensors
        _, _, x_needed, y_needed, b_needed = ctx.needs_input_grad
        grad_x = incoming[:, None] * gradient if x_needed else None
        grad_y = grad_b = None
        # k is symmetric: the transposed sum is the same reduction, from y and with the incoming weights.
        if y_needed:
            grad_b, slope = ctx.engine.kernel_sum_and_gradient(ctx.kernel, y, x, incoming)
            grad_y = b[:, None] * slope
        elif b_needed:
            grad_b = ctx.engine.kernel_sum(ctx.kernel, y, x, incoming)
        return None, None, grad_x, grad_y, grad_b


class _Softmin(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context, engine: Engine, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor
    ) -> Tensor:
        gradient = None
        if ctx.needs_input_grad[3]:
            value, gradient = engine.softmin_and_gradient(epsilon, p, x, y, h)
        else:
            value = engine.softmin(epsilon, p, x, y, h)
        ctx.engine, ctx.epsilon, ctx.p = engine, epsilon, p
        ctx.save_for_backward(x, y, h, value, gradient)
        return value

    @staticmethod
    @_first_order
    def backward(ctx: _Context, incoming: Tensor) -> _Gradients:
        x, y, h, value, gradient = ctx.saved_tensors
        _, _, _, x_needed, y_needed, h_needed = ctx.needs_input_grad
        grad_x = incoming[:, None] * gradient if x_needed else None
        grad_y = grad_h = None
        if y_needed or h_needed:
            # Where no y has any mass the value is +inf and moves with nothing.
            empty = torch.isinf(value)
            mass, grad_y = ctx.engine.plan_sum_and_gradient(
                ctx.epsilon, ctx.p, x, y, value.masked_fill(empty, 0), h, incoming.masked_fill(empty, 0)
            )
            grad_h = -ctx.epsilon * mass
        return None, None, None, grad_x, grad_y, grad_h


class _PlanSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context,
        engine: Engine,
        epsilon: float,
        p: int,
        constants: tuple[Tensor, Tensor, Tensor],
        y: Tensor,
        h: Tensor,
    ) -> Tensor:
        x, f, w = constants
        value, slope = engine.plan_sum_and_gradient(epsilon, p, x, y, f, h, w)
        ctx.epsilon = epsilon
        ctx.save_for_backward(y, h, value, slope)
        return value

    @staticmethod
    @_first_order
    def backward(ctx: _Context, incoming: Tensor) -> _Gradients:
        _, _, value, slope = ctx.saved_tensors
        grad_y = -incoming[:, None] / ctx.epsilon * slope
        return None, None, None, None, grad_y, incoming * value


def _is_differentiated(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _apply(function: type[torch.autograd.Function], *inputs: object) -> Tensor:
    # `Function.apply` carries no types.
    result: Tensor = function.apply(*inputs)  # type: ignore[no-untyped-call]
    return result
