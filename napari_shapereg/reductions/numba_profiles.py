"""The kernels inside compiled code: empty types that a loop is compiled for, one kernel at a time.

In the units of the loops a kernel is a function of the squared distance alone. `response` is what one pair
costs; `weigh` turns it into a term of the sum and the factor of (x - y) in its slope, for either end of the
pair. Their factors of 2 are those of `twice_inverse_root`; the engine takes them out of the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_arithmetic import exp2, twice_inverse_root
from napari_shapereg.reductions.numba_compile import code_of

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Code, Number


class DistanceProfile(NamedTuple):
    """2 r, whose slope is twice the direction of x - y."""


class GaussianProfile(NamedTuple):
    """2^(-r^2), whose slope is here that value times x - y."""


class LaplacianProfile(NamedTuple):
    """2^(-2 r), whose slope is here twice that value times the direction of x - y."""


class CauchyProfile(NamedTuple):
    """1 / (1 + r^2), whose slope is here its square times x - y."""


Profile = DistanceProfile | GaussianProfile | LaplacianProfile | CauchyProfile


def response(profile: Profile, square: Number) -> tuple[Number, ...]:
    """Return what both ends of a pair share, given the squared distance."""
    raise NotImplementedError


def weigh(
    profile: Profile, square: Number, shared: tuple[Number, ...], weight: Number
) -> tuple[Number, Number]:
    """Return what a weight adds to the value at the other end, and the factor of x - y in its slope there."""
    raise NotImplementedError


@code_of(response)
def _response(profile: Code, square: Code) -> Code:
    # Of the precision of the points: a plain 1 would turn a quotient into float64.
    one = np.dtype(str(square)).type(1)

    def gaussian(profile: Profile, square: Number) -> tuple[Number, ...]:  # noqa: ARG001
        return (exp2(-square),)

    def laplacian(profile: Profile, square: Number) -> tuple[Number, ...]:  # noqa: ARG001
        inverse = twice_inverse_root(square)
        return exp2(-square * inverse), inverse

    def cauchy(profile: Profile, square: Number) -> tuple[Number, ...]:  # noqa: ARG001
        return (one / (one + square),)

    def distance(profile: Profile, square: Number) -> tuple[Number, ...]:  # noqa: ARG001
        return (twice_inverse_root(square),)

    return {
        DistanceProfile: distance,
        GaussianProfile: gaussian,
        LaplacianProfile: laplacian,
        CauchyProfile: cauchy,
    }[profile.instance_class]


@code_of(weigh)
def _weigh(profile: Code, square: Code, shared: Code, weight: Code) -> Code:  # noqa: ARG001
    def distance(profile: Code, square: Number, shared: Code, weight: Number) -> Code:  # noqa: ARG001
        factor = weight * shared[0]
        return factor * square, factor

    def gaussian(profile: Code, square: Number, shared: Code, weight: Number) -> Code:  # noqa: ARG001
        term = weight * shared[0]
        return term, term

    def laplacian(profile: Code, square: Number, shared: Code, weight: Number) -> Code:  # noqa: ARG001
        term = weight * shared[0]
        return term, term * shared[1]

    def cauchy(profile: Code, square: Number, shared: Code, weight: Number) -> Code:  # noqa: ARG001
        term = weight * shared[0]
        return term, term * shared[0]

    return {
        DistanceProfile: distance,
        GaussianProfile: gaussian,
        LaplacianProfile: laplacian,
        CauchyProfile: cauchy,
    }[profile.instance_class]
