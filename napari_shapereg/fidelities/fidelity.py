"""What every fidelity is: a function of two measures, its first variation, and the arrows that lower it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities.first_order import first_order, first_order_measure
from napari_shapereg.measures import Measure

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.reductions.engine import Engine


@dataclass(frozen=True)
class Fidelity(ABC):
    """A data term d(α, β) between a source measure α (moving) and a target measure β (fixed).

    A fidelity is a value: its lengths in mm, the name of its engine, and nothing that changes. Subclasses
    write `_value` and `_potential`, on measures that are checked already.

    Parameters
    ----------
    engine : str or Engine
        The engine of the pairwise sums: "auto" (the default of the device that the measures lie on), "torch",
        "numba" or "keops", or an engine of your own.
    """

    engine: str | Engine = field(default="auto", kw_only=True)

    def __call__(self, source: Measure, target: Measure) -> Tensor:
        """Return d(α, β).

        Parameters
        ----------
        source, target : Measure
            α (N points) and β (M points), of one dimension, dtype and device; any total masses.

        Returns
        -------
        0-d tensor
            Of the measures' dtype, differentiable once in the points and weights of both.

        Raises
        ------
        InputError
            The measures do not match; the message says how.
        EngineError
            The engine does not work here, or autograd is asked for a second derivative.
        """
        check_pair(source, target)
        return self._value(first_order_measure(source), first_order_measure(target))

    def potential(
        self,
        points: Tensor,
        source: Measure,
        target: Measure,
        *,
        normals: Tensor | None = None,  # noqa: ARG002 - fidelities between surfaces look at them
    ) -> Tensor:
        """Return the first variation of d in its source measure, u = δd/δα, at any points.

        It is the function for which d(α + tη, β) = d(α, β) + t ∫u dη + o(t): what a little more mass at x
        would cost. The steepest descent of d moves a point of α along -∇u.

        Parameters
        ----------
        points : (K, D) tensor
            Where to evaluate u, mm; of the measures' dtype and device.
        source, target : Measure
            α and β; they are constants here.
        normals : (K, D) tensor, optional
            Directions of a surface at the points: for fidelities that look at them, which need them then;
            not looked at by the others.

        Returns
        -------
        (K,) tensor
            Differentiable once in `points`.

        Raises
        ------
        InputError
            The points or the measures do not match; the message says how.
        """
        check_pair(source, target)
        check_places(points, source)
        return self._potential(first_order(points), source.detach(), target.detach())

    def potentials(self, source: Measure, target: Measure) -> tuple[Tensor, Tensor]:
        """Return both first variations where the measures live: δd/δα at the source, δd/δβ at the target.

        Returns
        -------
        u : (N,) tensor
            At the points of the source.
        v : (M,) tensor
            At the points of the target.

        Raises
        ------
        InputError
            The measures do not match; the message says how.
        """
        check_pair(source, target)
        # Every fidelity of this package is symmetric: its variation in β is the one in α of d(β, α).
        return (
            self.potential(source.points.detach(), source, target, normals=source.normals),
            self.potential(target.points.detach(), target, source, normals=target.normals),
        )

    @abstractmethod
    def _value(self, source: Measure, target: Measure) -> Tensor:
        """Return d, 0-d, with the right first derivatives."""

    @abstractmethod
    def _potential(self, points: Tensor, source: Measure, target: Measure) -> Tensor:
        """Return the first variation in the source at the points, (K,), with its derivative in the points."""


def descent_field(loss: Fidelity, source: Measure, target: Measure) -> Tensor:
    """Return the arrows along which the points of the source lower a fidelity fastest.

    v_i = -∇u(x_i) with u = `loss.potential`. It is -∇_{x_i} d / α_i where the weight α_i is above zero, and
    the limit of that where it is zero: a velocity, which does not grow with the weight of a point.

    Parameters
    ----------
    loss : Fidelity
        The fidelity d.
    source, target : Measure
        α (N points) and β.

    Returns
    -------
    (N, D) tensor
        Outside of any autograd graph. Its unit is that of d / (mass x mm): for a kernel norm it scales with
        the masses and is no length.

    Raises
    ------
    InputError
        The measures do not match; the message says how.
    """
    check_pair(source, target)
    points = source.points.detach().requires_grad_()
    with torch.enable_grad():
        total = loss.potential(points, source, target, normals=source.normals).sum()
    (slope,) = torch.autograd.grad(total, points)
    return -slope


def check_pair(source: Measure, target: Measure) -> None:
    """Check that two measures can be compared.

    Raises
    ------
    InputError
        One is not a `Measure`, or their dimensions, dtypes or devices differ.
    """
    for name, measure in (("source", source), ("target", target)):
        if not isinstance(measure, Measure):
            raise InputError(f"{name}: received {type(measure).__name__}; give a Measure(points, weights).")
    if target.dimension != source.dimension:
        raise InputError(
            f"target: its points have {target.dimension} coordinates, those of the source "
            f"{source.dimension}; both measures must live in one space."
        )
    _check_kind("target", target.points, source)


def check_places(points: Tensor, source: Measure) -> None:
    """Check places (K, D) at which a potential is asked for.

    Raises
    ------
    InputError
        They are none, do not lie in the space of the source, or hold NaN or infinite numbers.
    """
    if points.ndim != 2 or points.shape[1] != source.dimension or len(points) == 0:
        raise InputError(
            f"points: received shape {tuple(points.shape)}; give (K, {source.dimension}), at least one point "
            f"in the space of the measures."
        )
    _check_kind("points", points, source)
    if not points.isfinite().all():
        raise InputError("points: hold NaN or infinite coordinates; remove or correct them.")


def _check_kind(name: str, points: Tensor, source: Measure) -> None:
    if points.dtype != source.dtype:
        raise InputError(
            f"{name}: received {points.dtype}, but the source is {source.dtype}; convert one of them."
        )
    if points.device != source.device:
        raise InputError(
            f"{name}: on {points.device}, but the source is on {source.device}; move one of them."
        )
