"""The object that every fidelity compares: points with weights, and normals where there is a surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_shapereg.errors import InputError
from napari_shapereg.measures.sums import steady_sum

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_DTYPES = (torch.float32, torch.float64)


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Measure:
    r"""A positive measure on finitely many points, sum_i w_i delta_{x_i}, of any total mass.

    Parameters
    ----------
    points : (N, D) tensor or array-like
        Positions, mm (LPS when D = 3), float32 or float64, which is kept. N >= 1.
    weights : (N,) tensor or array-like
        Not negative, not all zero: mm\ :sup:`3` for voxels, mm\ :sup:`2` for surfaces.
    normals : (N, D) tensor or array-like, optional
        Directions of a surface at the points, of length 1, or less where `coarsen` averaged several.

    Raises
    ------
    InputError
        The argument that the message names is empty, has another shape, dtype or device than the points,
        holds NaN or infinite numbers, or is a weight below zero; or the weights have no mass.

    Notes
    -----
    A tensor is kept as it is, with its device and its place in an autograd graph; anything else is copied
    into a new CPU tensor. Nothing writes into a measure, and `dataclasses.replace(measure, points=...)` gives
    the same weights at other points.
    """

    points: Tensor
    weights: Tensor
    normals: Tensor | None = None

    def __init__(
        self,
        points: ArrayLike | Tensor,
        weights: ArrayLike | Tensor,
        normals: ArrayLike | Tensor | None = None,
    ) -> None:
        """Take the arrays and check them."""
        object.__setattr__(self, "points", _tensor("points", points))
        object.__setattr__(self, "weights", _tensor("weights", weights))
        object.__setattr__(self, "normals", None if normals is None else _tensor("normals", normals))
        _check_layout(self)
        _check_values(self)

    def __len__(self) -> int:
        """Return the number of points."""
        return self.points.shape[0]

    def __repr__(self) -> str:
        """Describe the measure in one line."""
        normals = "" if self.normals is None else " with normals"
        mass = float(self.mass.detach())
        return (
            f"Measure({len(self)} points{normals} in {self.dimension}-D, mass {mass:.6g}, "
            f"{self.dtype}, {self.device})"
        )

    @property
    def dimension(self) -> int:
        """D, the number of coordinates of a point."""
        return self.points.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The precision of all its tensors, float32 or float64."""
        return self.points.dtype

    @property
    def device(self) -> torch.device:
        """The device that all its tensors lie on."""
        return self.points.device

    @property
    def mass(self) -> Tensor:
        """The sum of the weights, a 0-d tensor, differentiable."""
        return steady_sum(self.weights)

    @property
    def center(self) -> Tensor:
        """The centre of mass (D,), mm, differentiable."""
        # Offsets from one of the points keep the digits that large coordinates would swallow.
        anchor = self.points[0].detach()
        return anchor + steady_sum(self.weights[:, None] * (self.points - anchor)) / self.mass

    def normalized(self) -> Measure:
        """Return the measure divided by its mass: a probability measure."""
        return Measure(self.points, self.weights / self.mass, self.normals)

    def detach(self) -> Measure:
        """Return the same measure outside of any autograd graph; memory is shared."""
        normals = None if self.normals is None else self.normals.detach()
        return Measure(self.points.detach(), self.weights.detach(), normals)

    def to(self, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Measure:
        """Return the measure on another device or in another precision; tensors that fit already are shared.

        Raises
        ------
        InputError
            `dtype` is neither float32 nor float64.
        """
        device, dtype = device or self.device, dtype or self.dtype
        normals = None if self.normals is None else self.normals.to(device, dtype)
        return Measure(self.points.to(device, dtype), self.weights.to(device, dtype), normals)


def _tensor(name: str, values: ArrayLike | Tensor) -> Tensor:
    tensor = values if isinstance(values, Tensor) else _copied(name, values)
    if tensor.dtype not in _DTYPES:
        raise InputError(
            f"{name}: received values of type {tensor.dtype}; convert them to float32 or float64, "
            f"which are kept as they are."
        )
    return tensor


def _copied(name: str, values: ArrayLike) -> Tensor:
    try:
        array: np.ndarray[Any, Any] = np.asarray(values)
        # A copy in native byte order: PyTorch takes neither a read-only nor a byte-swapped array.
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: cannot be used as an array of numbers ({error}).") from error


def _check_layout(measure: Measure) -> None:
    points, weights, normals = measure.points, measure.weights, measure.normals
    if points.ndim != 2:
        raise InputError(
            f"points: received shape {tuple(points.shape)}; give (N, D), one row per point "
            f"(reshape(-1, 1) for points on a line)."
        )
    if points.numel() == 0:
        raise InputError(f"points: received shape {tuple(points.shape)}; a measure has at least one point.")
    if weights.shape != points.shape[:1]:
        raise InputError(
            f"weights: received shape {tuple(weights.shape)}; give ({len(points)},), one weight for each of "
            f"the {len(points)} points."
        )
    if normals is not None and normals.shape != points.shape:
        raise InputError(
            f"normals: received shape {tuple(normals.shape)}; give {tuple(points.shape)}, one for each point."
        )
    for name, tensor in (("weights", weights), ("normals", normals)):
        if tensor is None:
            continue
        if tensor.dtype != points.dtype:
            raise InputError(
                f"{name}: received {tensor.dtype}, but the points are {points.dtype}; convert one of them."
            )
        if tensor.device != points.device:
            raise InputError(
                f"{name}: lie on {tensor.device}, but the points on {points.device}; move one of them."
            )


def _check_values(measure: Measure) -> None:
    with torch.no_grad():
        mass = steady_sum(measure.weights)
        good = measure.points.isfinite().all() & (measure.weights >= 0).all() & (mass > 0) & mass.isfinite()
        if measure.normals is not None:
            good &= measure.normals.isfinite().all()
        # One answer brought back from the device, not one for each check: a registration builds thousands.
        if not good:
            raise InputError(_fault(measure, float(mass)))


def _fault(measure: Measure, mass: float) -> str:
    weights = measure.weights
    named = (("points", measure.points), ("weights", weights[:, None]), ("normals", measure.normals))
    for name, rows in named:
        bad = () if rows is None else (~rows.isfinite()).any(dim=1).nonzero()[:, 0].tolist()
        if rows is not None and bad:
            return (
                f"{name}: {len(bad)} of {len(rows)} are NaN or infinite, the first is {name}[{bad[0]}] = "
                f"{rows[bad[0]].tolist()}; remove or correct them."
            )
    negative = (weights < 0).nonzero()[:, 0].tolist()
    if negative:
        return (
            f"weights: {len(negative)} of {len(weights)} are negative, the first is weights[{negative[0]}] = "
            f"{float(weights[negative[0]]):g}; a measure is positive, give weights of at least 0."
        )
    if mass == 0:
        return f"weights: all {len(weights)} are 0: a measure without mass; give at least one above 0."
    return f"weights: their sum overflows {weights.dtype}; divide them, or convert the measure to float64."
