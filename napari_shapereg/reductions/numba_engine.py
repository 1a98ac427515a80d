"""The CPU's default engine: compiled loops over pairs that use every vector lane and every core.

This file turns sums in millimetres into the units of the loops and back; the loops are in `numba_kernel_sums`
and `numba_softmin`, and for many points in `numba_near`. No array of N x M pairs is ever made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    unknown,
)
from napari_shapereg.reductions.numba_compile import Limits
from napari_shapereg.reductions.numba_kernel_sums import (
    SYMMETRIC_TILE,
    kernel_sums,
    symmetric_groups,
    symmetric_sums,
)
from napari_shapereg.reductions.numba_layout import Frame, Sides, tensor
from napari_shapereg.reductions.numba_near import near_plan, near_softmin, worth_leaves
from napari_shapereg.reductions.numba_profiles import (
    CauchyProfile,
    DistanceProfile,
    GaussianProfile,
    LaplacianProfile,
)
from napari_shapereg.reductions.numba_softmin import plan_sums, softmin_sums
from napari_shapereg.reductions.numba_threads import for_all_pairs, for_rows
from napari_shapereg.reductions.threads import loop_threads

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.reductions.kernels import ElementaryKernel, Kernel
    from napari_shapereg.reductions.numba_compile import Array
    from napari_shapereg.reductions.numba_profiles import Profile

_LOG2_E = math.log2(math.e)
_LN_2 = math.log(2)
LIMITS = {
    torch.float32: Limits(np.float32(1e-30), np.float32(45), np.float32(100), np.float32(-1e30)),
    torch.float64: Limits(np.float64(1e-280), np.float64(75), np.float64(1000), np.float64(-1e30)),
}
# From this size on, half of the pairs of a set with itself are worth the rounds of a tournament.
_SYMMETRIC_FROM = 4096


class NumbaEngine:
    """Pairwise sums on the CPU by compiled loops; `Engine` says what each method computes.

    float32 points are centred and scaled, a row's share of a tile of 2,048 columns is summed in float32 and
    the shares in float64, so that results are good to 1e-6 of the sum of their terms' magnitudes. float64
    takes the same path in double precision. Soft minima and plans between many points of at most three
    coordinates leave out the pairs that rounding cannot tell from nothing. The first call for a dtype and a
    reduction compiles for a second or two; later processes find the machine code on disk. Safe to call from
    several threads at once.

    Parameters
    ----------
    threads
        How many threads share the rows; the results do not depend on it. Left out, as many as torch uses
        (`torch.set_num_threads`).
    """

    name = "numba"

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads

    @property
    def threads(self) -> int:
        """How many threads share the rows of the next call."""
        return self._threads or loop_threads()

    def kernel_sum(self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor) -> Tensor:
        """Return (N,): sum_j k(x_i, y_j) b_j."""
        frame = Frame(x, y)
        values = np.zeros(len(x))
        for weight, elementary in kernel.terms():
            values += weight * self._elementary_sum(frame, elementary, x, y, b, None)
        return tensor(values, x)

    def kernel_sum_and_gradient(
        self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `kernel_sum` (N,) and its gradient in x_i (N, D)."""
        frame = Frame(x, y)
        values, gradient = np.zeros(len(x)), frame.slopes(len(x))
        for weight, elementary in kernel.terms():
            slopes = frame.slopes(len(x))
            values += weight * self._elementary_sum(frame, elementary, x, y, b, slopes)
            gradient += weight * slopes
        return tensor(values, x), frame.gradient(gradient, x)

    def softmin(self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor) -> Tensor:
        """Return (N,): -epsilon log sum_j exp(h_j - C(x_i, y_j) / epsilon)."""
        return tensor(self._softmin(Frame(x, y), epsilon, p, x, y, h, None), x)

    def softmin_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `softmin` (N,) and its gradient in x_i (N, D)."""
        frame = Frame(x, y)
        slopes = frame.slopes(len(x))
        values = self._softmin(frame, epsilon, p, x, y, h, slopes)
        return tensor(values, x), frame.gradient(slopes, x)

    def plan_sum_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, f: Tensor, h: Tensor, w: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return sum_i w_i pi_ij (M,) and sum_i w_i pi_ij grad_y C(x_i, y_j) (M, D), at y_j."""
        frame = Frame(x, y)
        units = _cost_units(epsilon, p)
        sides = _sides(frame, y, x, units)
        weights, magnitude = unit_weights(w)
        # Shifted to 0, so that float32 keeps the digits of their differences.
        column_heights = f.numpy().astype(np.float64) / epsilon * _LOG2_E + sides.column_heights
        shift = column_heights.max()
        heights = h.numpy().astype(np.float64)
        empty = np.isneginf(heights)
        row_heights = np.where(empty, 0, heights * _LOG2_E + sides.row_heights + shift)
        real = weights.dtype
        exponents = (column_heights - shift).astype(real), row_heights.astype(real)
        values, slopes = np.zeros(len(y)), frame.slopes(len(y))

        arguments = sides.columns, sides.rows, exponents, weights, units.rooted, LIMITS[x.dtype]
        if worth_leaves(sides.columns, sides.rows):
            near_plan(*arguments, (values, slopes), self.threads)
        else:
            for_rows(lambda rows: plan_sums(*arguments, rows, (values, slopes)), len(y), len(x), self.threads)
        slopes += values[:, None] * sides.apart
        values[empty], slopes[empty] = 0, 0
        return tensor(values * magnitude, y), frame.gradient(slopes * (magnitude * units.slope_factor), y)

    def nearest(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N,) int64, the index in `y` of a point nearest to x_i, and (N,) its distance in mm."""
        from scipy.spatial import cKDTree

        distance, index = cKDTree(y.numpy()).query(x.numpy(), workers=self.threads)
        return torch.from_numpy(np.asarray(index, np.int64)), tensor(np.asarray(distance), x)

    def _elementary_sum(
        self, frame: Frame, kernel: ElementaryKernel, x: Tensor, y: Tensor, b: Tensor, slopes: Array | None
    ) -> Array:
        """Return the sums (N,) of one elementary kernel, and add their gradient to `slopes`."""
        units, limits = kernel_units(kernel, frame), LIMITS[x.dtype]
        weights, magnitude = unit_weights(b)
        here, there = frame.columns(x, units.scale), frame.columns(y, units.scale)
        values = np.zeros(len(x))

        def across(rows: tuple[int, int]) -> None:
            kernel_sums(units.profile, here, there, weights, limits, rows, values, slopes)

        def within(rows: tuple[int, int]) -> None:
            first, last = rows
            if last - first <= SYMMETRIC_TILE:
                tile = tuple(coordinate[first:last] for coordinate in here)
                kernel_sums(units.profile, here, tile, weights[first:last], limits, rows, values, slopes)
                return
            middle = first + SYMMETRIC_TILE
            between((first, middle), (middle, last))
            within((first, middle))
            within((middle, last))

        def between(rows: tuple[int, int], others: tuple[int, int]) -> None:
            symmetric_sums(units.profile, here, weights, limits, rows, others, values, slopes)

        if are_the_same(x, y) and len(x) >= _SYMMETRIC_FROM:
            for_all_pairs(within, between, symmetric_groups(len(x)), self.threads)
        else:
            for_rows(across, len(x), len(y), self.threads)
        if slopes is not None:
            slopes *= magnitude * units.slope_factor
        values *= magnitude * units.value_factor
        return values

    def _softmin(
        self, frame: Frame, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor, slopes: Array | None
    ) -> Array:
        """Return the softmin (N,), and add its gradient to `slopes`."""
        limits = LIMITS[x.dtype]
        # Columns without mass are left out: the loops know no infinity.
        present = torch.isfinite(h)
        if not present.any():
            return np.full(len(x), np.inf)
        if not present.all():
            y, h = y[present], h[present]
        units = _cost_units(epsilon, p)
        sides = _sides(frame, x, y, units)
        exact = h.numpy().astype(np.float64) * _LOG2_E + sides.column_heights
        shift = exact.max()
        heights = np.maximum(exact - shift, limits.lowest / 2).astype(h.numpy().dtype)
        tops, values = np.full(len(x), limits.lowest), np.zeros(len(x))

        arguments = sides.rows, sides.columns, heights, units.rooted, limits
        sums = tops, values
        if worth_leaves(sides.rows, sides.columns):
            near_softmin(*arguments, sums, slopes, self.threads)
        else:
            for_rows(lambda rows: softmin_sums(*arguments, rows, sums, slopes), len(x), len(y), self.threads)
        if slopes is not None:
            slopes /= values[:, None]
            slopes += sides.apart
            slopes *= units.slope_factor
        logarithms: Array = shift + sides.row_heights + tops + np.log2(values)
        return -epsilon * _LN_2 * logarithms


class KernelUnits(NamedTuple):
    """The kernel in compiled code, 1 / mm to its unit of length, and what its results are multiplied by."""

    profile: Profile
    scale: float
    value_factor: float
    slope_factor: float


def kernel_units(kernel: ElementaryKernel, frame: Frame) -> KernelUnits:
    """Return what the loops call a kernel, and the units in which they do."""
    if isinstance(kernel, EnergyKernel):
        return KernelUnits(DistanceProfile(), 1 / frame.radius, -frame.radius / 2, -1 / 2)
    if isinstance(kernel, GaussianKernel):
        scale = math.sqrt(_LOG2_E / 2) / kernel.sigma
        return KernelUnits(GaussianProfile(), scale, 1.0, -1 / (scale * kernel.sigma**2))
    if isinstance(kernel, LaplacianKernel):
        return KernelUnits(LaplacianProfile(), _LOG2_E / (2 * kernel.sigma), 1.0, -1 / (2 * kernel.sigma))
    if isinstance(kernel, CauchyKernel):
        return KernelUnits(CauchyProfile(), 1 / kernel.sigma, 1.0, -2 / kernel.sigma)
    raise unknown(kernel, NumbaEngine.name)


class CostUnits(NamedTuple):
    """1 / mm to the length in which C / epsilon is -log2, `rooted`, and the factor of the slopes."""

    scale: float
    rooted: int | None
    slope_factor: float


def _cost_units(epsilon: float, p: int) -> CostUnits:
    if p == 1:
        return CostUnits(_LOG2_E / (2 * epsilon), 0, 1 / 2)
    scale = math.sqrt(_LOG2_E / (2 * epsilon))
    return CostUnits(scale, None, 1 / scale)


def _sides(frame: Frame, rows: Tensor, columns: Tensor, units: CostUnits) -> Sides:
    """Return rows and columns in the units of a cost; around two centres where that is the square."""
    if units.rooted is None:
        return frame.sides(rows, columns, units.scale)
    here, there = frame.columns(rows, units.scale), frame.columns(columns, units.scale)
    return Sides(here, there, np.zeros(len(rows)), np.zeros(len(columns)), np.zeros(frame.width))


def unit_weights(weights: Tensor) -> tuple[Array, float]:
    """Return the weights divided by the largest magnitude among them, and that magnitude."""
    array = weights.numpy()
    magnitude = float(np.abs(array).max()) or 1.0
    return np.ascontiguousarray(array / array.dtype.type(magnitude)), magnitude


def are_the_same(x: Tensor, y: Tensor) -> bool:
    """Tell whether two point sets are one piece of memory."""
    return x.data_ptr() == y.data_ptr() and x.shape == y.shape and x.stride() == y.stride()
