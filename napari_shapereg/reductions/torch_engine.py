"""The reference engine: plain torch operations, on any device and in either precision.

The matrix of pairs is built in blocks of rows whose buffers stay below a fixed size: a small problem is one
dense block, a large one a loop over blocks. Every distance starts from the direct difference x_i - y_j, never
from |x|^2 + |y|^2 - 2 x.y: nothing cancels far from the origin, so the coordinates need no centring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    unknown,
)
from napari_shapereg.reductions.threads import all_threads_for_torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_shapereg.reductions.kernels import ElementaryKernel, Kernel

# Matrices of a block's size that a method holds at once, at most.
_LIVE_MATRICES = 6
# On a CPU a block that stays in the cache is twice as fast as one of 64 MiB; an accelerator wants few
# launches (on an H100, 133 ms with 256 MiB for what takes 208 ms with 64 MiB).
_CPU_BLOCK_BYTES = 4 * 2**20
_ACCELERATOR_BLOCK_BYTES = 256 * 2**20
# Where a plan has no bound, far from all mass, it is cut: large and finite, also when it is summed.
_HIGHEST_SCORE = {torch.float32: 69.0, torch.float64: 300.0}


class TorchEngine:
    """Pairwise sums in plain torch; `Engine` says what each method computes.

    Parameters
    ----------
    block_bytes
        Bound on the memory of one block's matrices together (a single row may need more). Left out, 4 MiB on
        the CPU and 256 MiB elsewhere.
    """

    name = "torch"

    def __init__(self, block_bytes: int | None = None) -> None:
        self._block_bytes = block_bytes

    @torch.no_grad()
    @all_threads_for_torch()
    def kernel_sum(self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor) -> Tensor:
        """Return (N,): sum_j k(x_i, y_j) b_j."""
        result = x.new_empty(len(x))
        y = _by_columns(y)
        for rows in self._blocks(x, y):
            squared = _squared_distances(x[rows], y)
            values = sum(term.weight * _value(term.kernel, squared) for term in kernel.terms())
            result[rows] = (values * b).sum(1)
        return result

    @torch.no_grad()
    @all_threads_for_torch()
    def kernel_sum_and_gradient(
        self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `kernel_sum` (N,) and its gradient in x_i (N, D)."""
        result, gradient = x.new_zeros(len(x)), torch.zeros_like(x)
        y = _by_columns(y)
        for rows in self._blocks(x, y):
            squared = _squared_distances(x[rows], y)
            for weight, elementary in kernel.terms():
                value, slope = _value_and_slope(elementary, squared)
                result[rows] += weight * value.mul_(b).sum(1)
                gradient[rows] += weight * _contract(slope.mul_(b), x[rows], y)
        return result, gradient

    @torch.no_grad()
    @all_threads_for_torch()
    def softmin(self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor) -> Tensor:
        """Return (N,): -epsilon log sum_j exp(h_j - C(x_i, y_j) / epsilon)."""
        result = x.new_empty(len(x))
        y = _by_columns(y)
        for rows in self._blocks(x, y):
            cost = _cost(p, _squared_distances(x[rows], y))
            result[rows] = -epsilon * torch.logsumexp(h - cost.div_(epsilon), 1)
        return result

    @torch.no_grad()
    @all_threads_for_torch()
    def softmin_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `softmin` (N,) and its gradient in x_i (N, D)."""
        result, gradient = x.new_empty(len(x)), torch.empty_like(x)
        y = _by_columns(y)
        for rows in self._blocks(x, y):
            squared = _squared_distances(x[rows], y)
            scores = h - _cost(p, squared).div_(epsilon)
            logarithm = torch.logsumexp(scores, 1, keepdim=True)
            result[rows] = -epsilon * logarithm[:, 0]
            # A row without any mass keeps scores of -inf, hence a plan and a gradient of 0.
            plan = scores.sub_(logarithm.clamp_min(torch.finfo(x.dtype).min)).exp_()
            gradient[rows] = _contract(plan.mul_(_cost_slope(p, squared)), x[rows], y)
        return result, gradient

    @torch.no_grad()
    @all_threads_for_torch()
    def plan_sum_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, f: Tensor, h: Tensor, w: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return sum_i w_i pi_ij (M,) and sum_i w_i pi_ij grad_y C(x_i, y_j) (M, D), at y_j."""
        result, gradient = y.new_empty(len(y)), torch.empty_like(y)
        x = _by_columns(x)
        for rows in self._blocks(y, x):
            squared = _squared_distances(y[rows], x)
            scores = (f - _cost(p, squared)).div_(epsilon).add_(h[rows, None])
            plan = scores.clamp_max_(_HIGHEST_SCORE[y.dtype]).exp_().mul_(w)
            result[rows] = plan.sum(1)
            gradient[rows] = _contract(plan.mul_(_cost_slope(p, squared)), y[rows], x)
        return result, gradient

    @torch.no_grad()
    @all_threads_for_torch()
    def nearest(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N,) int64, the index in `y` of a point nearest to x_i, and (N,) its distance in mm."""
        index, squared = x.new_empty(len(x), dtype=torch.int64), x.new_empty(len(x))
        y = _by_columns(y)
        for rows in self._blocks(x, y):
            squared[rows], index[rows] = _squared_distances(x[rows], y).min(1)
        return index, squared.sqrt_()

    def _blocks(self, rows: Tensor, columns: Tensor) -> Iterator[slice]:
        block_bytes = self._block_bytes
        if block_bytes is None:
            block_bytes = _CPU_BLOCK_BYTES if rows.device.type == "cpu" else _ACCELERATOR_BLOCK_BYTES
        step = max(1, block_bytes // (_LIVE_MATRICES * len(columns) * rows.element_size()))
        for start in range(0, len(rows), step):
            yield slice(start, start + step)


def _by_columns(points: Tensor) -> Tensor:
    """Lay the coordinates out one after the other, since each block reads them one at a time."""
    return points.T.contiguous().T


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    total = (x[:, 0, None] - y[:, 0]).square_()
    for d in range(1, x.shape[1]):
        difference = x[:, d, None] - y[:, d]
        total.addcmul_(difference, difference)
    return total


def _contract(factors: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return (n, D): sum_j factors_ij (x_i - y_j)."""
    columns = [(x[:, d, None] - y[:, d]).mul_(factors).sum(1) for d in range(x.shape[1])]
    return torch.stack(columns, 1)


def _inverse_distances(squared: Tensor) -> Tensor:
    """Return 1 / r, and 0 where r is 0: the convention that makes the gradient of r vanish there."""
    return squared.rsqrt().masked_fill_(squared == 0, 0)


def _value(kernel: ElementaryKernel, squared: Tensor) -> Tensor:
    """Return k as a function of the squared distance."""
    if isinstance(kernel, EnergyKernel):
        return squared.sqrt().neg_()
    if isinstance(kernel, GaussianKernel):
        return (squared * (-0.5 / kernel.sigma**2)).exp_()
    if isinstance(kernel, LaplacianKernel):
        return squared.sqrt().mul_(-1 / kernel.sigma).exp_()
    if isinstance(kernel, CauchyKernel):
        return (squared * (1 / kernel.sigma**2)).add_(1).reciprocal_()
    raise unknown(kernel, TorchEngine.name)


def _value_and_slope(kernel: ElementaryKernel, squared: Tensor) -> tuple[Tensor, Tensor]:
    """Return k and k'(r) / r: the gradient of k in x is the latter times x - y."""
    value = _value(kernel, squared)
    if isinstance(kernel, EnergyKernel):
        return value, _inverse_distances(squared).neg_()
    if isinstance(kernel, GaussianKernel):
        return value, value * (-1 / kernel.sigma**2)
    if isinstance(kernel, CauchyKernel):
        return value, value.square().mul_(-2 / kernel.sigma**2)
    return value, _inverse_distances(squared).mul_(value).mul_(-1 / kernel.sigma)


def _cost(p: int, squared: Tensor) -> Tensor:
    """Return C = r^p / p as a new matrix."""
    return squared.sqrt() if p == 1 else squared * 0.5


def _cost_slope(p: int, squared: Tensor) -> Tensor | float:
    """Return C'(r) / r: the gradient of C in x is that times x - y."""
    return _inverse_distances(squared) if p == 1 else 1.0
