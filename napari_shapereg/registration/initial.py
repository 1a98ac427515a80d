"""A map that is known before the registration: it carries the moving shape, and the run starts there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import SimpleITK as sitk
import torch

from napari_shapereg.deformations import AffineMap
from napari_shapereg.deformations.normals import turned_normals
from napari_shapereg.measures import Measure
from napari_shapereg.transforms import chain, inverse_of, read_transform, transform_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.volumes import LabelVolume

    Given: TypeAlias = str | os.PathLike[str] | sitk.Transform
    Initial: TypeAlias = Given | Sequence[Given]

SAMPLES = 2000
"""Points of the shape to which a linear map is fitted."""


class Carried(NamedTuple):
    """Points after a map, and how it acts beside them.

    Parameters
    ----------
    points : (N, 3) float64 Tensor
        LPS mm.
    jacobians : (N, 3, 3) float64 Tensor
    """

    points: Tensor
    jacobians: Tensor

    @property
    def growth(self) -> Tensor:
        """How volumes at the points grow, (N,): the Jacobian determinants without their sign."""
        determinants: Tensor = torch.linalg.det(self.jacobians)
        return determinants.abs()


@dataclass(frozen=True, eq=False)
class InitialMap:
    """A map between the fixed and the moving space that a registration starts from.

    Parameters
    ----------
    forward : SimpleITK.Transform
        T₀, fixed → moving points, LPS mm: what resampling takes, and what ANTs, elastix and Greedy write.
    backward : SimpleITK.Transform
        Its inverse.
    moving : LabelVolume
        As it lies.
    """

    forward: sitk.Transform
    backward: sitk.Transform
    moving: LabelVolume

    @property
    def is_linear(self) -> bool:
        """Whether `linear` is all there is."""
        return bool(self.forward.IsLinear())

    @cached_property
    def linear(self) -> AffineMap:
        """The affine map that fits T₀⁻¹ best, in least squares, on the moving shape."""
        places = np.argwhere(self.moving.data != 0)[:, ::-1]
        points = self.moving.grid.to_points(places[:: max(1, len(places) // SAMPLES)])
        return _fitted(points, transform_points(self.backward, points))

    def carry(self, points: Tensor) -> Carried:
        """Return where T₀⁻¹ carries points of the moving space, (N, 3), LPS mm."""
        places = points.double().cpu().numpy()
        carried = torch.from_numpy(self._back(places)).to(points.device)
        if self.is_linear:
            jacobian = torch.from_numpy(self.linear.matrix).to(points.device)
            return Carried(carried, jacobian.expand(len(places), 3, 3))
        # Central differences of half a voxel, below which a field says nothing.
        half = 0.25 * min(self.moving.grid.spacing)
        columns = [
            (self._back(places + step) - self._back(places - step)) / (2 * half) for step in half * np.eye(3)
        ]
        return Carried(carried, torch.from_numpy(np.stack(columns, axis=2)).to(points.device))

    def carry_measure(self, measure: Measure) -> Measure:
        """Return a measure of the moving shape as T₀⁻¹ carries it: volumes and areas grow with it."""
        carried = self.carry(measure.points)
        weights = measure.weights.double() * carried.growth
        if measure.normals is None:
            return Measure(carried.points.to(measure.dtype), weights.to(measure.dtype))
        # Cofactors: an area vector n becomes |det J| J⁻ᵀ n.
        normals = measure.normals.double()
        pulled = torch.linalg.solve(carried.jacobians.transpose(1, 2), normals)
        stretch = torch.linalg.vector_norm(pulled, dim=1) / torch.linalg.vector_norm(normals, dim=1)
        return Measure(
            carried.points.to(measure.dtype),
            (weights * stretch).to(measure.dtype),
            turned_normals(normals, pulled).to(measure.dtype),
        )

    def _back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return transform_points(self.backward, points)


def initial_map(initial: Initial, moving: LabelVolume, fixed: LabelVolume) -> InitialMap:
    """Read an initial map.

    Parameters
    ----------
    initial : path, SimpleITK.Transform or sequence of them
        Fixed → moving points, LPS mm; of several the first one is applied to points first, the order of
        ``antsApplyTransforms -t``, ``greedy -r`` and `napari_shapereg.transforms.chain`.
    moving, fixed : LabelVolume

    Raises
    ------
    InputError
        A file cannot be read, a transform is not 3-D or has no inverse, or there is none.
    """
    several = [initial] if isinstance(initial, (str, os.PathLike, sitk.Transform)) else list(initial)
    maps = [given if isinstance(given, sitk.Transform) else read_transform(given) for given in several]
    forward = chain(*maps)
    return InitialMap(forward, inverse_of(forward, fixed.grid), moving)


def _fitted(points: NDArray[np.float64], images: NDArray[np.float64]) -> AffineMap:
    """Return the affine map of least squares; no matrix product: those of a BLAS differ with its threads."""
    here, there = points.mean(axis=0), images.mean(axis=0)
    moments = np.einsum("ni,nj->ij", points - here, points - here)
    mixed = np.einsum("ni,nj->ij", images - there, points - here)
    matrix = np.linalg.solve(moments, mixed.T).T
    return AffineMap(matrix, there - matrix @ here)
