"""Pairs of points that belong together, beside the measures, whose points have no partners."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.measures import Measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.shapes import Shapes

    Landmarks: TypeAlias = tuple[ArrayLike, ArrayLike]

LENGTH_IN_RADII = 0.1
"""Distance at which a pair costs as much as shapes that are out of place by as much."""


@dataclass(frozen=True, eq=False)
class PointPairs:
    """The term weight · d₁ · mean_k |φ(x_k) - y_k|² / r₁² of a cost; d₁ is what a shape r₁ off itself costs.

    Parameters
    ----------
    moving, fixed : (K, 3) Tensor
        x and y, mm, in the space of the shapes that they lie beside.
    weight : float
        A pure number: at 1, landmarks that are r₁ off cost as much as whole shapes that are.
    length : float
        r₁, mm.
    """

    moving: Tensor
    fixed: Tensor
    weight: float
    length: float

    def mapped(self, moving: Callable[[Measure], Measure], fixed: Callable[[Measure], Measure]) -> PointPairs:
        """Return the pairs in another space, by what maps the measures of either side there."""
        ones = torch.ones_like(self.moving[:, 0])
        places = [
            there(Measure(points, ones)).points
            for there, points in ((moving, self.moving), (fixed, self.fixed))
        ]
        return replace(self, moving=places[0], fixed=places[1])

    def share(self, moved: Tensor) -> Tensor:
        """Return weight · mean_k |m_k - y_k|² / r₁² for (K, 3) moved points, 0-d, differentiable."""
        distances = (moved - self.fixed).square().sum(dim=1)
        return self.weight * distances.mean() / self.length**2

    def unit(self, shapes: Shapes, loss: Fidelity) -> float:
        """Return d₁ = Σ_l share_l d(β_l + r₁ e, β_l), e along the diagonal."""
        total = 0.0
        with torch.no_grad():
            for label, share in shapes.weights.items():
                target = shapes.targets[label]
                away = Measure(target.points + self.length / 3**0.5, target.weights, target.normals)
                total += share * float(loss(away, target))
        return total


def checked_landmarks(landmarks: Landmarks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return moving and fixed points of pairs as float64 arrays.

    Parameters
    ----------
    landmarks : (moving, fixed)
        (K, 3) array-likes each, LPS mm; the k-th of one belongs to the k-th of the other.

    Raises
    ------
    InputError
        They are no two tables of K ≥ 1 finite points each.
    """
    try:
        moving, fixed = (np.asarray(points, dtype=np.float64) for points in landmarks)
    except (TypeError, ValueError) as error:
        raise InputError(f"landmarks: give (moving, fixed), two (K, 3) arrays in LPS mm ({error})") from error
    for name, points in (("moving", moving), ("fixed", fixed)):
        if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
            raise InputError(f"{name} landmarks: received shape {points.shape}; give (K, 3), LPS mm")
        if not np.isfinite(points).all():
            raise InputError(f"{name} landmarks: hold NaN or infinite coordinates; remove those pairs")
    if len(moving) != len(fixed):
        raise InputError(
            f"landmarks: {len(moving)} moving and {len(fixed)} fixed points; give them in pairs, in one order"
        )
    return moving, fixed


def with_pairs(
    shapes: Shapes, moving: NDArray[np.float64], fixed: NDArray[np.float64], weight: float, radius: float
) -> Shapes:
    """Return the shapes with pairs of points beside them, LPS mm."""
    like = next(iter(shapes.targets.values())).points
    points = [torch.from_numpy(cloud).to(like) for cloud in (moving, fixed)]
    return replace(shapes, pairs=PointPairs(points[0], points[1], weight, LENGTH_IN_RADII * radius))
