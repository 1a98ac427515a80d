"""The seam that every fidelity and kernel flow rests on: sums over all pairs of two point sets.

Written once as a protocol and implemented once per file: `torch_engine` (reference, any device),
`numba_engine` (CPU) and `keops_engine` (CUDA, and CPU on request). An engine knows nothing of autograd;
`differentiable` wraps any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.reductions.kernels import Kernel


@runtime_checkable
class Engine(Protocol):
    r"""Sums over pairs of points, evaluated by brute force.

    What every method may rely on (`differentiable` checks it) and must keep to:

    - `x` (N, D) and `y` (M, D) are points in mm, finite, N >= 1, M >= 1, D one of 1, 2, 3, 6; vectors are
      (N,) or (M,). All are detached, on one device and of one dtype, float32 or float64, with any strides.
    - Results are new tensors on the same device and of the same dtype; arguments are never written to.
    - The cost is C(x, y) = \|x - y\|^p / p with p 1 or 2, so grad_x C = (x - y) / \|x - y\|^(2 - p).
    - Where two points coincide, the gradient of \|x - y\| is taken as 0.
    - Accuracy does not depend on how far from the origin the points lie.
    - Same inputs, same machine: the same bytes out, on one thread or many.
    """

    name: str

    def kernel_sum(self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor) -> Tensor:
        """Return (N,): sum_j k(x_i, y_j) b_j. The weights `b` (M,) may have any sign."""
        ...

    def kernel_sum_and_gradient(
        self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `kernel_sum` (N,) and its gradient in x_i (N, D), in one pass."""
        ...

    def softmin(self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor) -> Tensor:
        """Return (N,): -epsilon log sum_j exp(h_j - C(x_i, y_j) / epsilon), stable for any epsilon > 0.

        `h` (M,) is finite or -inf (log of a zero weight). Where every h_j is -inf the value is +inf.
        """
        ...

    def softmin_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `softmin` s (N,) and its gradient in x_i (N, D): sum_j pi_ij grad_x C(x_i, y_j).

        pi_ij = exp(h_j + (s_i - C(x_i, y_j)) / epsilon) sums to 1 over j. Where s_i is +inf, it is 0.
        """
        ...

    def plan_sum_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, f: Tensor, h: Tensor, w: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (M,): sum_i w_i pi_ij, and (M, D): sum_i w_i pi_ij grad_y C(x_i, y_j), both at y_j.

        pi_ij = exp(h_j + (f_i - C(x_i, y_j)) / epsilon): the transposed pass of `softmin`'s backward, when f
        is its value and w the incoming gradient: d/dh_j is -epsilon times the first result, d/dy_j the
        second. `f` (N,) and `w` (N,) are finite, `w` of any sign; where h_j is -inf both results are 0.
        """
        ...

    def nearest(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N,) int64, the index in `y` of a point nearest to x_i, and (N,) its distance in mm."""
        ...
