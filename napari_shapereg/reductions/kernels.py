"""The kernels k(x, y) of the pairwise sums: small frozen values, all lengths in mm.

A kernel holds no tensor and computes nothing: it names a function and its length. Each engine evaluates it in
its own way, from the elementary terms that `terms` lists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from napari_shapereg.errors import EngineError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class EnergyKernel:
    """The energy-distance kernel k(x, y) = -|x - y|, in mm: no length to choose, and it sees any distance.

    Positive only on measures of zero total mass (conditionally positive definite).
    """

    def terms(self) -> tuple[Term, ...]:
        """Return the kernel as one elementary term of weight 1."""
        return (Term(1.0, self),)


@dataclass(frozen=True)
class GaussianKernel:
    """The Gaussian kernel k(x, y) = exp(-|x - y|^2 / (2 sigma^2)).

    Parameters
    ----------
    sigma
        Standard deviation, mm.

    Raises
    ------
    InputError
        When `sigma` is not a finite number above 0.
    """

    sigma: float

    def __post_init__(self) -> None:
        """Check the length."""
        object.__setattr__(self, "sigma", _positive("GaussianKernel: sigma", self.sigma, unit=" mm"))

    def terms(self) -> tuple[Term, ...]:
        """Return the kernel as one elementary term of weight 1."""
        return (Term(1.0, self),)


@dataclass(frozen=True)
class LaplacianKernel:
    """The Laplacian (exponential) kernel k(x, y) = exp(-|x - y| / sigma).

    Parameters
    ----------
    sigma
        Decay length, mm.

    Raises
    ------
    InputError
        When `sigma` is not a finite number above 0.
    """

    sigma: float

    def __post_init__(self) -> None:
        """Check the length."""
        object.__setattr__(self, "sigma", _positive("LaplacianKernel: sigma", self.sigma, unit=" mm"))

    def terms(self) -> tuple[Term, ...]:
        """Return the kernel as one elementary term of weight 1."""
        return (Term(1.0, self),)


@dataclass(frozen=True)
class CauchyKernel:
    """The Cauchy (rational quadratic) kernel k(x, y) = 1 / (1 + |x - y|^2 / sigma^2).

    Smooth where points coincide, like a Gaussian, and felt from afar: its tail falls off with the square of
    the distance only.

    Parameters
    ----------
    sigma
        Distance at which it is one half, mm.

    Raises
    ------
    InputError
        When `sigma` is not a finite number above 0.
    """

    sigma: float

    def __post_init__(self) -> None:
        """Check the length."""
        object.__setattr__(self, "sigma", _positive("CauchyKernel: sigma", self.sigma, unit=" mm"))

    def terms(self) -> tuple[Term, ...]:
        """Return the kernel as one elementary term of weight 1."""
        return (Term(1.0, self),)


@dataclass(frozen=True)
class SumKernel:
    """A weighted sum of kernels, k = sum_t w_t k_t: for instance several widths at once.

    Parameters
    ----------
    kernels
        At least one kernel; sums may be nested.
    weights
        One weight above 0 for each kernel. Left out, every weight is 1.

    Raises
    ------
    InputError
        When a part is not a kernel, there is none, or the weights do not match.
    """

    kernels: Sequence[Kernel]
    weights: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Check the parts; keep them as tuples, so that equal sums compare and hash as equal."""
        kernels = tuple(self.kernels)
        if not kernels:
            raise InputError("SumKernel: kernels is empty; give at least one kernel.")
        for kernel in kernels:
            if not isinstance(kernel, Kernel):
                raise InputError(
                    f"SumKernel: {kernel!r} is not a kernel; give EnergyKernel, GaussianKernel, "
                    f"LaplacianKernel, CauchyKernel or SumKernel objects."
                )
        weights = tuple(self.weights) or (1.0,) * len(kernels)
        if len(weights) != len(kernels):
            raise InputError(
                f"SumKernel: received {len(kernels)} kernels and {len(weights)} weights; give one weight "
                f"for each kernel, or none."
            )
        weights = tuple(_positive(f"SumKernel: weights[{i}]", weight) for i, weight in enumerate(weights))
        object.__setattr__(self, "kernels", kernels)
        object.__setattr__(self, "weights", weights)

    def terms(self) -> tuple[Term, ...]:
        """Return the elementary terms, nested sums opened and their weights multiplied."""
        return tuple(
            Term(weight * term.weight, term.kernel)
            for weight, kernel in zip(self.weights, self.kernels, strict=True)
            for term in kernel.terms()
        )


ElementaryKernel: TypeAlias = EnergyKernel | GaussianKernel | LaplacianKernel | CauchyKernel
Kernel: TypeAlias = ElementaryKernel | SumKernel


class Term(NamedTuple):
    """One elementary term of a kernel: `weight` times `kernel`."""

    weight: float
    kernel: ElementaryKernel


def unknown(kernel: object, engine: str) -> EngineError:
    """Return the error of an engine that was given a kernel which it has no formula for."""
    return EngineError(
        f"The {engine} engine has no formula for the kernel {kernel!r}; give EnergyKernel, GaussianKernel, "
        f"LaplacianKernel, CauchyKernel or SumKernel objects."
    )


def _positive(name: str, value: object, *, unit: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} is {value!r}; give a finite number above 0{unit}.")
    return float(value)
