"""Rigid, similarity and affine maps, as exponentials of matrices: never singular, mirrored only at will."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from napari_shapereg.deformations.normals import turned_normals

if TYPE_CHECKING:
    from numpy.typing import NDArray

LinearKind = Literal["rigid", "similarity", "affine"]


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map x → matrix @ x + translation of LPS mm.

    Parameters
    ----------
    matrix : (3, 3) float64 array
        Invertible.
    translation : (3,) float64 array
        LPS mm.
    """

    matrix: NDArray[np.float64]
    translation: NDArray[np.float64]

    @classmethod
    def identity(cls) -> AffineMap:
        """Return the map that leaves every point where it is."""
        return cls(np.eye(3), np.zeros(3))

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (N, 3) points, LPS mm."""
        mapped: NDArray[np.float64] = points @ self.matrix.T + self.translation
        return mapped

    def after(self, first: AffineMap) -> AffineMap:
        """Return the composition x ↦ self(first(x))."""
        matrix = np.einsum("ij,jk->ik", self.matrix, first.matrix)
        return AffineMap(matrix, self.apply(first.translation[None])[0])

    def inverse(self) -> AffineMap:
        """Return the map from the image of this one back to its points."""
        matrix = np.linalg.inv(self.matrix).astype(np.float64)
        return AffineMap(matrix, -matrix @ self.translation)


@dataclass(frozen=True, eq=False)
class LinearDeformation:
    """The maps x → exp(G) L (x − a) + b + r t, with the generator G and the shift t as parameters.

    G lies in the Lie algebra of the kind: skew matrices (rigid), skew matrices and multiples of the identity
    (similarity) or all matrices (affine). Since det exp(G) = exp(trace G) > 0, no parameters flatten the
    shape, and it is mirrored if and only if L mirrors it. Turns are in radians, scales in logarithms and
    shifts in multiples of the object's radius, so that one step length suits all parameters.

    Parameters
    ----------
    kind : {"rigid", "similarity", "affine"}
        Which generators are free.
    start : (3, 3) Tensor
        The matrix L at zero parameters.
    source_center, target_center : (3,) Tensor
        The points a and b, LPS mm.
    radius : float
        The length r, mm.
    """

    kind: LinearKind
    start: Tensor
    source_center: Tensor
    target_center: Tensor
    radius: float

    def identity(self) -> Tensor:
        """Return zero parameters: the start matrix, with a carried onto b."""
        return torch.zeros(len(_generators(self.kind)) + 3, dtype=self.start.dtype, device=self.start.device)

    def matrix(self, parameters: Tensor) -> Tensor:
        """Return the (3, 3) matrix exp(G) L."""
        generators = torch.tensor(_generators(self.kind), dtype=parameters.dtype, device=parameters.device)
        exponential: Tensor = torch.linalg.matrix_exp(torch.einsum("k,kij->ij", parameters[:-3], generators))
        return exponential @ self.start.to(parameters)

    def flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) points, LPS mm, forward; differentiable in both arguments."""
        shift = self.target_center.to(points) + self.radius * parameters[-3:].to(points)
        return turned(points - self.source_center.to(points), self.matrix(parameters).to(points)) + shift

    def inverse_flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) points, LPS mm, back; differentiable in both arguments."""
        shift = self.target_center.to(points) + self.radius * parameters[-3:].to(points)
        back = torch.linalg.inv(self.matrix(parameters)).to(points)
        return turned(points - shift, back) + self.source_center.to(points)

    def turn_normals(self, parameters: Tensor, normals: Tensor) -> Tensor:
        """Turn (N, 3) normals as the map turns surfaces; differentiable in both arguments."""
        pulled = turned(normals, torch.linalg.inv(self.matrix(parameters)).T.to(normals))
        return turned_normals(normals, pulled)

    def energy(self, parameters: Tensor) -> Tensor:
        """Return half the squared Frobenius norm of the strain, the symmetric part of G; 0 if rigid."""
        generators = torch.tensor(_generators(self.kind), dtype=parameters.dtype, device=parameters.device)
        generator = torch.einsum("k,kij->ij", parameters[:-3], generators)
        strain = (generator + generator.T) / 2
        return strain.square().sum() / 2

    def rebased(self, parameters: Tensor, kind: LinearKind) -> LinearDeformation:
        """Return the model of another kind whose zero parameters give the map of these parameters."""
        target = self.target_center + self.radius * parameters[-3:]
        return LinearDeformation(kind, self.matrix(parameters), self.source_center, target, self.radius)

    def affine_map(self, parameters: Tensor) -> AffineMap:
        """Return the map of these parameters as float64 arrays."""
        matrix = self.matrix(parameters).detach().double().cpu()
        shift = (self.target_center + self.radius * parameters[-3:]).detach().double().cpu()
        center = self.source_center.detach().double().cpu()
        return AffineMap(matrix.numpy(), (shift - matrix @ center).numpy())


def turned(points: Tensor, matrix: Tensor) -> Tensor:
    """Return the (N, 3) points matrix @ x; differentiable.

    The products are written out: a matrix product of this shape wakes all threads of a BLAS for nothing.
    """
    rotated: Tensor = (
        points[:, :1] * matrix[:, 0] + points[:, 1:2] * matrix[:, 1] + points[:, 2:] * matrix[:, 2]
    )
    return rotated


def _generators(kind: LinearKind) -> NDArray[np.float64]:
    turns = np.zeros((3, 3, 3))
    for axis in range(3):
        turns[axis, (axis + 1) % 3, (axis + 2) % 3] = -1.0
        turns[axis, (axis + 2) % 3, (axis + 1) % 3] = 1.0
    if kind == "rigid":
        return turns
    if kind == "similarity":
        return np.concatenate([turns, np.eye(3)[None]])
    return np.eye(9).reshape(9, 3, 3)
