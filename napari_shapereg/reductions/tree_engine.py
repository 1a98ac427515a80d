"""The CPU's engine for many points: kernel sums in nearly linear time, to the precision that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.reductions.numba_engine import (
    LIMITS,
    NumbaEngine,
    are_the_same,
    kernel_units,
    unit_weights,
)
from napari_shapereg.reductions.numba_layout import Frame, tensor
from napari_shapereg.reductions.selection import ExactSumCostsLess
from napari_shapereg.reductions.shortcuts import note_shortcut
from napari_shapereg.reductions.tree_cells import cells_of
from napari_shapereg.reductions.tree_problem import TreeProblem, sources_of, variation
from napari_shapereg.reductions.tree_sums import Loop

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.reductions.kernels import ElementaryKernel, Kernel
    from napari_shapereg.reductions.numba_compile import Array

WORTH_A_TREE = 6144
"""Pairs for each point of both sets from which a tree is built: below, it takes longer than the exact sum."""


class TreeEngine:
    """Kernel sums on the CPU in nearly linear time; all else, and small sums, by the numba engine.

    Points are halved into a balanced tree, and from afar a cell is seen as 26 proxies (`tree_cells`,
    `tree_proxies`, `tree_sums`). How far is far enough is measured, not assumed: before a sum is evaluated,
    64 leaves of it are, and compared with the exact sum at 256 of their points. So the precision holds
    whatever the shapes, the kernel and its length are, and where terms of either sign cancel.

    A sum is exact, and the numba engine's, where that costs less: when there are fewer than 6,144 pairs for
    each point of both sets; in six dimensions; for soft minima, plans and nearest points; and when those
    leaves tell that the tree would visit as many pairs. The choice depends on the arguments alone.

    Parameters
    ----------
    precision
        Relative error in L2, at most, of the values over all points and of the gradients over all points,
        for each term of a `SumKernel`. It is measured on a sample, and held there to this over 1.4.
    threads
        See `NumbaEngine`; the results do not depend on it.

    Raises
    ------
    InputError
        When the precision is not between 0 and 1.
    """

    name = "tree"

    def __init__(self, precision: float = 1e-3, threads: int | None = None) -> None:
        if not 0 < precision < 1:
            raise InputError(f"precision is {precision!r}; give a relative error between 0 and 1, say 1e-3.")
        self.precision = precision
        self.exact = NumbaEngine(threads)

    @property
    def threads(self) -> int:
        """How many threads share the next call."""
        return self.exact.threads

    def __eq__(self, other: object) -> bool:
        """Compare precisions: engines of one precision give the same sums."""
        return isinstance(other, TreeEngine) and self.precision == other.precision

    def __hash__(self) -> int:
        """Return the same for equal engines."""
        return hash((self.name, self.precision))

    def approximate(self, x: Tensor, y: Tensor) -> TreeEngine | None:
        """Return an engine that sums kernels by a tree or not at all; None where a tree is never built."""
        return _TreeAlone(self.precision, self.exact.threads) if _may_pay(x, y) else None

    def kernel_sum(self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor) -> Tensor:
        """Return (N,): sum_j k(x_i, y_j) b_j."""
        if not _may_pay(x, y):
            return self.exact.kernel_sum(kernel, x, y, b)
        values, _ = self._sum(kernel, x, y, b, with_slopes=False)
        return tensor(values, x)

    def kernel_sum_and_gradient(
        self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `kernel_sum` (N,) and its gradient in x_i (N, D)."""
        if not _may_pay(x, y):
            return self.exact.kernel_sum_and_gradient(kernel, x, y, b)
        values, gradient = self._sum(kernel, x, y, b, with_slopes=True)
        return tensor(values, x), tensor(gradient[:, : x.shape[1]], x)

    def softmin(self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor) -> Tensor:
        """Return (N,): -epsilon log sum_j exp(h_j - C(x_i, y_j) / epsilon), exact."""
        return self.exact.softmin(epsilon, p, x, y, h)

    def softmin_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `softmin` (N,) and its gradient in x_i (N, D), exact."""
        return self.exact.softmin_and_gradient(epsilon, p, x, y, h)

    def plan_sum_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, f: Tensor, h: Tensor, w: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return sum_i w_i pi_ij (M,) and sum_i w_i pi_ij grad_y C(x_i, y_j) (M, D), at y_j, exact."""
        return self.exact.plan_sum_and_gradient(epsilon, p, x, y, f, h, w)

    def nearest(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N,) int64, the index in `y` of a point nearest to x_i, and (N,) its distance in mm."""
        return self.exact.nearest(x, y)

    def _sum(
        self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor, *, with_slopes: bool
    ) -> tuple[Array, Array]:
        """Return values (N,), and gradients (N, 3) where wanted."""
        frame, same = Frame(x, y), are_the_same(x, y)
        targets = cells_of(frame.columns(x, 1 / frame.radius), self.threads)
        cells = targets if same else cells_of(frame.columns(y, 1 / frame.radius), self.threads)
        weights, magnitude = unit_weights(b)
        sources = sources_of(cells, weights, self.threads)
        values, gradient = np.zeros(len(x)), frame.slopes(len(x))
        for weight, elementary in kernel.terms():
            units = kernel_units(elementary, frame)
            scale = units.scale * frame.radius
            here = targets.scaled(scale)
            there = here if same else sources.cells.scaled(scale)
            problem = TreeProblem(
                Loop(units.profile, LIMITS[x.dtype]),
                variation(elementary, units.scale, self.precision),
                here,
                sources._replace(cells=there),
                same,
                self.threads,
            )
            accepted = problem.acceptance(self.precision, with_slopes=with_slopes)
            if accepted is None:
                self._add_exact(weight, elementary, (x, y, b), values, gradient if with_slopes else None)
                continue
            note_shortcut(f"kernel sums by a tree, to {self.precision:g}")
            all_leaves = np.arange(2**targets.depth)
            part, slopes = problem.sums(accepted, all_leaves, with_slopes=with_slopes)
            values[targets.order] += weight * magnitude * units.value_factor * part
            if slopes is not None:
                gradient[targets.order] += weight * magnitude * units.slope_factor * slopes
        return values, gradient

    def _add_exact(
        self,
        weight: float,
        kernel: ElementaryKernel,
        arguments: tuple[Tensor, Tensor, Tensor],
        values: Array,
        gradient: Array | None,
    ) -> None:
        if gradient is None:
            values += weight * self.exact.kernel_sum(kernel, *arguments).numpy()
            return
        part, slopes = self.exact.kernel_sum_and_gradient(kernel, *arguments)
        values += weight * part.numpy()
        gradient[:, : slopes.shape[1]] += weight * slopes.numpy()


class _TreeAlone(TreeEngine):
    """Raises `ExactSumCostsLess` instead of summing exactly."""

    def _add_exact(self, *_: object) -> None:
        raise ExactSumCostsLess


def _may_pay(x: Tensor, y: Tensor) -> bool:
    return x.shape[1] <= 3 and len(x) * len(y) >= WORTH_A_TREE * (len(x) + len(y))
