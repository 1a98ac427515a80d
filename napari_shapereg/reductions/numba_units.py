"""Each kernel in the units of the compiled loops, and how far it is felt there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    unknown,
)
from napari_shapereg.reductions.numba_profiles import (
    CauchyProfile,
    DistanceProfile,
    GaussianProfile,
    LaplacianProfile,
)

if TYPE_CHECKING:
    from napari_shapereg.reductions.kernels import ElementaryKernel
    from napari_shapereg.reductions.numba_compile import Array
    from napari_shapereg.reductions.numba_layout import Frame
    from napari_shapereg.reductions.numba_profiles import Profile

_LOG2_E = math.log2(math.e)


class KernelUnits(NamedTuple):
    """The kernel in compiled code, 1 / mm to its unit of length, and what its results are multiplied by.

    Points further apart than `reach`, in that unit, may be left out.
    """

    profile: Profile
    scale: float
    value_factor: float
    slope_factor: float
    reach: float = math.inf


def kernel_units(kernel: ElementaryKernel, frame: Frame, weights: Array) -> KernelUnits:
    """Return how the loops evaluate a kernel, for points in a frame and weights of which the largest is 1.

    Raises
    ------
    EngineError
        When they have no formula for it.
    """
    if isinstance(kernel, EnergyKernel):
        return KernelUnits(DistanceProfile(), 1 / frame.radius, -frame.radius / 2, -1 / 2)
    if isinstance(kernel, CauchyKernel):
        return KernelUnits(CauchyProfile(), 1 / kernel.sigma, 1.0, -2 / kernel.sigma)
    if isinstance(kernel, GaussianKernel):
        reach = _reach(kernel, weights)
        scale = math.sqrt(_LOG2_E / 2) / kernel.sigma
        return KernelUnits(GaussianProfile(), scale, 1.0, -1 / (scale * kernel.sigma**2), reach * scale)
    if isinstance(kernel, LaplacianKernel):
        reach, scale = _reach(kernel, weights), _LOG2_E / (2 * kernel.sigma)
        return KernelUnits(LaplacianProfile(), scale, 1.0, -1 / (2 * kernel.sigma), reach * scale)
    raise unknown(kernel, "numba")


def _reach(kernel: GaussianKernel | LaplacianKernel, weights: Array) -> float:
    """Return a distance in mm beyond which all points together add less than rounding takes away.

    Rounding is that of a single term, of the largest weight at distance 0: a share u = 2^-24 of it in float32
    and 2^-53 in float64. All terms together stay below it where each is below u / sum_j |b_j|, as is the
    kernel, and sigma times its slope, from the distance r = s sigma on at which

    - exp(-s) is that for a Laplacian, whose slope is the same over sigma;
    - s exp(-s^2 / 2) is that for a Gaussian, whose slope is s times its value over sigma.
    """
    rounding = float(np.finfo(weights.dtype).eps) / 2
    depth = math.log(max(float(np.abs(weights).sum(dtype=np.float64)), 1.0) / rounding)
    if isinstance(kernel, LaplacianKernel):
        return depth * kernel.sigma
    distance = math.sqrt(2 * depth)
    # The fixed point s = sqrt(2 (depth + log s)) attracts: each step is 30 times nearer.
    for _ in range(8):
        distance = math.sqrt(2 * (depth + math.log(distance)))
    return distance * kernel.sigma
