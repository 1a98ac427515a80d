"""The local levels: a Gaussian kernel norm between whole shapes that the flow carries (indicator action)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

import torch

from napari_shapereg.deformations.fields import boundary_pull, splat, warp
from napari_shapereg.deformations.linear import turned
from napari_shapereg.deformations.smoothing import smooth
from napari_shapereg.measures import measure_from_labels
from napari_shapereg.registration.cancellation import checkpoint
from napari_shapereg.registration.level import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_shapereg.deformations import AffineMap, Lattice, LatticeFlow
    from napari_shapereg.registration.initial import InitialMap
    from napari_shapereg.registration.level import Points
    from napari_shapereg.volumes import LabelVolume

SUBVOXELS_PER_PITCH = 3
"""Points per pitch and axis, at least: a solid then splats to a constant within 1.7 % along each axis."""
FLAT = 1e-5
"""Squared slope, per pitch², below which the direction fades: no boundary is near."""
LAPLACIAN_DIAGONAL = 12.0
"""Twice the six neighbours of a node: the curvature of the energy in the displacement of one node."""


@dataclass(frozen=True, eq=False)
class VoxelPosition(Position):
    """A position that also holds the pull of the fidelity and its curvature, which `direction` divides.

    Parameters
    ----------
    pull : (3, z, y, x) Tensor
        Minus the gradient of the fidelity in a step, per volume, 1 / pitch.
    curvature : (z, y, x) Tensor
        Of the demons' normalisation, 1 / pitch².
    """

    pull: Tensor
    curvature: Tensor


@dataclass(frozen=True, eq=False)
class VoxelLevel:
    """The cost Σ_l share_l (½⟨d_l, k ⋆ d_l⟩ + ⟨d_l, s_l⟩) + weight · energy, d_l = a_l∘φ⁻¹ - b_l.

    a and b are the fractions of the cells of the lattice that a label fills, k is a Gaussian of unit mass.
    With k = g ⋆ g the first term is half the squared L² distance between the blurred shapes; the second one
    sees what lies far from b (`far_field`). The gradient in a step w is (k ⋆ d + s) ∇(a∘φ⁻¹): only
    boundaries are pulled, and nothing is squeezed to make masses agree. The direction divides it by
    the squared slope as demons do (Thirion 1998; Vercauteren et al. 2009), which makes it a length.

    Parameters
    ----------
    flow : LatticeFlow
        The map, on the lattice of this level.
    moving, fixed : mapping of int to (1, z, y, x) Tensor
        Fractions a (after the linear map) and b.
    far : mapping of int to (z, y, x) Tensor
        s.
    weights : mapping of int to float
        Share of each label.
    blur : float
        Standard deviation of g, mm; that of k is √2 times as large.
    smoothness : float
        Standard deviation of the smoothing of steps, mm.
    window : (z, y, x) Tensor
        Falls to zero at the border.
    regularity : float
        Weight of the energy.
    """

    flow: LatticeFlow
    moving: Mapping[int, Tensor]
    fixed: Mapping[int, Tensor]
    far: Mapping[int, Tensor]
    weights: Mapping[int, float]
    blur: float
    smoothness: float
    window: Tensor
    regularity: float
    momentum: ClassVar[float] = 0.9  # Outlines need it; the weight of the energy keeps the map smooth.

    def position(self, displacement: Tensor, points: Points) -> VoxelPosition:
        """Evaluate the cost, and what the direction needs; see `Level`."""
        lattice = self.flow.lattice
        pitch = lattice.pitch
        roughness, gradient = self.flow.energy_and_gradient(displacement)
        pull = gradient.mul_(-self.regularity / pitch**2)
        curvature = torch.full_like(pull[0], self.regularity * LAPLACIAN_DIAGONAL)
        fidelity = 0.0
        for label, share in self.weights.items():
            checkpoint()
            warped = warp(self.moving[label], displacement, lattice)
            difference = warped - self.fixed[label]
            near = smooth(difference, self.blur * math.sqrt(2), pitch)[0]
            potentials = near, self.far[label]
            fidelity += share * boundary_pull(warped[0], difference[0], potentials, share, pull, curvature)
        fidelity *= pitch**3
        energy = float(roughness)
        cost = fidelity + self.regularity * energy
        return VoxelPosition(displacement, points, fidelity, energy, cost, pull, curvature)

    def direction(self, position: VoxelPosition) -> Tensor:
        """Return the smoothed demons' step; see `Level`."""
        pitch = self.flow.lattice.pitch
        step = position.pull / (position.curvature + FLAT)
        return smooth(step, self.smoothness, pitch).mul_(self.window * pitch)


class Fractions(NamedTuple):
    """The share of each cell of the finest lattice that a label fills, (1, z, y, x), label by label."""

    moving: Mapping[int, Tensor]
    fixed: Mapping[int, Tensor]

    def coarsened(self, factor: int) -> Fractions:
        """Return the fractions at every `factor`-th node, smoothed so that nothing is missed between."""
        if factor == 1:
            return self
        return Fractions(
            {label: _coarsened(image, factor) for label, image in self.moving.items()},
            {label: _coarsened(image, factor) for label, image in self.fixed.items()},
        )


def _coarsened(image: Tensor, factor: int) -> Tensor:
    # 0.4 of the new pitch: the standard deviation of the tent that splats at that pitch.
    blurred = smooth(image, 0.4 * factor, 1.0)
    return blurred[:, ::factor, ::factor, ::factor].contiguous()


def label_fractions(
    volume: LabelVolume,
    label: int,
    affine: AffineMap,
    lattice: Lattice,
    device: torch.device,
    initial: InitialMap | None = None,
) -> Tensor:
    """Return the share of each cell of a lattice that a label fills after a linear map.

    The voxels are split until three fit into a pitch, carried over, and splatted: exact in total volume, free
    of aliasing to 1.7 % along each axis, and smoothed by a tent of one pitch.

    Parameters
    ----------
    volume : LabelVolume
    label : int
    affine : AffineMap
        Into the fixed space, LPS mm.
    lattice : Lattice
    device : torch.device
    initial : InitialMap, optional
        Carries the volume before `affine` does; linear within each voxel.

    Returns
    -------
    (1, z, y, x) Tensor
        float32, in [0, 1] up to that ripple.
    """
    steps = [lattice.pitch / SUBVOXELS_PER_PITCH / length for length in volume.grid.spacing]
    bins = cast("tuple[int, int, int]", tuple(max(1, math.floor(step)) for step in steps))
    splits = [max(1, math.ceil(size / step)) for size, step in zip(bins, steps, strict=True)]
    measure = measure_from_labels(volume, label, binning=bins, dtype=torch.float64)
    jump = torch.from_numpy(volume.grid.matrix * bins)
    growth = abs(float(torch.linalg.det(torch.from_numpy(affine.matrix))))
    weights = (measure.weights * (growth / math.prod(splits) / lattice.pitch**3))[:, None]
    places = measure.points
    if initial is not None:
        carried = initial.carry(places)
        places, jump = carried.points, carried.jacobians @ jump
        weights = weights * carried.growth[:, None]
    matrix, translation = torch.from_numpy(affine.matrix), torch.from_numpy(affine.translation)
    total = torch.zeros(1, *lattice.shape, device=device)
    for offset in _offsets(splits):
        checkpoint()
        points = turned(places + jump @ offset, matrix) + translation
        frame = lattice.to_frame(points)
        total += splat(weights.float().to(device), frame.float().to(device), lattice)
    return total


def _offsets(splits: list[int]) -> Tensor:
    """Return the centres of the parts of a unit cell around 0, (K, 3)."""
    axes = [(torch.arange(count, dtype=torch.float64) + 0.5) / count - 0.5 for count in splits]
    return torch.cartesian_prod(*axes)
