"""Fields on a lattice: interpolation, splatting, derivatives, and bounds on how much they shear."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import zoom
from torch import Tensor
from torch.nn import functional

from napari_shapereg.deformations import lattice_loops

if TYPE_CHECKING:
    from napari_shapereg.deformations.lattice import Lattice


def sample(field: Tensor, positions: Tensor, pitch: float) -> Tensor:
    """Interpolate a field linearly.

    Parameters
    ----------
    field : (C, z, y, x) Tensor
        Values at the nodes.
    positions : (3, ...) Tensor
        Frame coordinates x, y, z in mm, any number of trailing dimensions up to three.
    pitch : float
        Distance between nodes, mm.

    Returns
    -------
    (C, ...) Tensor
        Values at the positions; beyond the border, the value at the nearest point of the border.
    """
    scale = torch.tensor(
        [2 / (max(count - 1, 1) * pitch) for count in reversed(field.shape[1:])],
        dtype=positions.dtype,
        device=positions.device,
    )
    trailing = positions.shape[1:]
    corners = positions.reshape(3, -1).T * scale - 1
    values = functional.grid_sample(
        field[None], corners[None, :, None, None], align_corners=True, padding_mode="border"
    )
    return values.reshape(field.shape[0], *trailing)


def warp(field: Tensor, displacement: Tensor, lattice: Lattice) -> Tensor:
    """Interpolate a (C, z, y, x) field at the nodes of a lattice moved by a (3, z, y, x) displacement, mm."""
    if field.device.type == "cpu":
        return lattice_loops.warp(field, displacement, lattice.pitch)
    return sample(field, lattice.nodes(displacement) + displacement, lattice.pitch)


def sample_points(field: Tensor, points: Tensor, pitch: float) -> Tensor:
    """Interpolate a (C, z, y, x) field at (N, 3) frame points in mm: (N, C)."""
    return sample(field, points.T, pitch).T


def splat(values: Tensor, points: Tensor, lattice: Lattice) -> Tensor:
    """Spread values of points over the eight nodes around each, the transpose of `sample_points`.

    Parameters
    ----------
    values : (N, C) Tensor
        What each point carries.
    points : (N, 3) Tensor
        Frame coordinates in mm; points outside are moved onto the border.
    lattice : Lattice
        Where to.

    Returns
    -------
    (C, z, y, x) Tensor
        Its sum over the nodes is the sum of the values over the points.
    """
    depth, height, width = lattice.shape
    ends = torch.tensor([width - 1, height - 1, depth - 1], dtype=points.dtype, device=points.device)
    indices = torch.minimum((points / lattice.pitch).clamp_min(0), ends)
    if values.device.type == "cpu":
        return lattice_loops.splat(values, indices, lattice.shape)
    low = torch.minimum(indices.floor(), (ends - 1).clamp_min(0))
    fraction = indices - low
    x, y, z = low.long().unbind(1)
    total = torch.zeros(values.shape[1], depth * height * width, dtype=values.dtype, device=values.device)
    for corner in range(8):
        right, up, behind = corner & 1, corner >> 1 & 1, corner >> 2
        weight = _share(fraction[:, 0], right) * _share(fraction[:, 1], up) * _share(fraction[:, 2], behind)
        node = ((z + behind).clamp_max(depth - 1) * height + (y + up).clamp_max(height - 1)) * width
        total.index_add_(1, node + (x + right).clamp_max(width - 1), (values * weight[:, None]).T)
    return total.reshape(-1, depth, height, width)


def _share(fraction: Tensor, upper: int) -> Tensor:
    return fraction if upper else 1 - fraction


def refine(field: Tensor, fine: Lattice) -> Tensor:
    """Carry a (C, z, y, x) field to another lattice over the same box, by linear interpolation."""
    if field.shape[1:] == fine.shape:
        return field
    values = functional.interpolate(field[None], size=fine.shape, mode="trilinear", align_corners=True)
    return values[0]


def refine_smoothly(field: Tensor, fine: Lattice) -> Tensor:
    """Carry a (C, z, y, x) field to another lattice over the same box, by cubic splines; on the CPU."""
    factors = [wanted / count for wanted, count in zip(fine.shape, field.shape[1:], strict=True)]
    parts = [zoom(part.cpu().numpy(), factors, order=3, mode="mirror") for part in field]
    return torch.from_numpy(np.stack(parts)).to(field)


def spatial_gradient(field: Tensor, pitch: float) -> Tensor:
    """Return the (C, 3, z, y, x) central differences along x, y, z; one-sided on the border."""
    slopes = torch.gradient(field, spacing=pitch, dim=(3, 2, 1))
    return torch.stack(slopes, dim=1)


def dirichlet(field: Tensor, pitch: float) -> tuple[Tensor, Tensor]:
    """Return the Dirichlet energy ½ ∫ |Du|² dx of a (C, z, y, x) field, and its gradient -pitch Δu.

    Δu is the sum of the differences of a node to its neighbours, none across the border.
    """
    if field.device.type == "cpu":
        return lattice_loops.dirichlet(field, pitch)
    return dirichlet_by_tensors(field, pitch)


def dirichlet_by_tensors(field: Tensor, pitch: float) -> tuple[Tensor, Tensor]:
    """Return what `dirichlet` does, by tensor operations of any device."""
    gradient = torch.zeros_like(field)
    for axis in (1, 2, 3):
        rise = field.diff(dim=axis) * pitch
        count = field.shape[axis]
        gradient.narrow(axis, 0, count - 1).sub_(rise)
        gradient.narrow(axis, 1, count - 1).add_(rise)
    return (field * gradient).sum() / 2, gradient


def jacobian_determinant(displacement: Tensor, pitch: float) -> Tensor:
    """Return the (z, y, x) determinant of I + D(displacement), by central differences.

    Parameters
    ----------
    displacement : (3, z, y, x) Tensor
        Frame vectors, mm.
    pitch : float
        Distance between nodes, mm.
    """
    if displacement.device.type == "cpu":
        return lattice_loops.jacobian_determinant(displacement, pitch)
    xx, xy, xz, yx, yy, yz, zx, zy, zz = spatial_gradient(displacement, pitch).flatten(0, 1)
    xx, yy, zz = xx + 1, yy + 1, zz + 1
    determinant: Tensor = xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx)
    return determinant


def least_determinant(displacement: Tensor, pitch: float) -> Tensor:
    """Return the (z, y, x) least determinant of I + D(displacement) at each node among the cells around it.

    In a cell the interpolant has other slopes than in the next one. Central differences average them, and do
    not see that one of two cells is squeezed.

    Parameters
    ----------
    displacement : (3, z, y, x) Tensor
        Frame vectors, mm.
    pitch : float
        Distance between nodes, mm.
    """
    if displacement.device.type == "cpu":
        return lattice_loops.least_determinant(displacement, pitch)
    return least_determinant_by_tensors(displacement, pitch)


def least_determinant_by_tensors(displacement: Tensor, pitch: float) -> Tensor:
    """Return what `least_determinant` does, by tensor operations of any device."""
    columns = []
    for axis, dim in enumerate((3, 2, 1)):
        slope = displacement.diff(dim=dim) / pitch
        slope[axis] += 1
        count = slope.shape[dim]
        first, last = slope.narrow(dim, 0, 1), slope.narrow(dim, count - 1, 1)
        columns.append((torch.cat((first, slope), dim), torch.cat((slope, last), dim)))
    least = torch.full_like(displacement[0], torch.inf)
    for x, y, z in product(*columns):
        least = torch.minimum(least, (x * torch.linalg.cross(y, z, dim=0)).sum(0))
    return least


def lipschitz_bound(displacement: Tensor, pitch: float) -> float:
    """Bound the Lipschitz constant of the linear interpolant of a displacement field.

    Inside a cell each column of the Jacobian is a weighted mean of the differences along the four edges of
    that direction, so the Frobenius norm of the largest ones bounds the operator norm there. Below 1, id + u
    is a homeomorphism.
    """
    if displacement.device.type == "cpu":
        return lattice_loops.lipschitz_bound(displacement, pitch)
    square = torch.zeros([count - 1 for count in displacement.shape[1:]], device=displacement.device)
    for axis in (1, 2, 3):
        edges = (displacement.diff(dim=axis) / pitch).square().sum(0)
        others = [2 if other != axis else 1 for other in (1, 2, 3)]
        square = square + functional.max_pool3d(edges[None], others, stride=1)[0]
    return float(square.amax().sqrt())


def boundary_pull(
    warped: Tensor,
    difference: Tensor,
    potentials: tuple[Tensor, Tensor],
    share: float,
    pull: Tensor,
    curvature: Tensor,
) -> float:
    """Add what one label contributes to the pull on its boundary, in place, and return its cost.

    Parameters
    ----------
    warped, difference : (z, y, x) Tensor
        The moving fractions w where the map carries them, and d, what they are more than the fixed ones.
    potentials : tuple of 2 (z, y, x) Tensor
        k ⋆ d, which sees what is near, and s, which sees what is far; p is their sum.
    share : float
        Weight of the label.
    pull : (3, z, y, x) Tensor
        From which share · p ∇w is subtracted; slopes are per node.
    curvature : (z, y, x) Tensor
        To which share (|∇w|² + p²/2) is added.

    Returns
    -------
    float
        ½⟨d, k ⋆ d⟩ + ⟨d, s⟩, sums over nodes.
    """
    if warped.device.type == "cpu":
        return lattice_loops.boundary_pull(warped, difference, potentials, share, pull, curvature)
    return boundary_pull_by_tensors(warped, difference, potentials, share, pull, curvature)


def boundary_pull_by_tensors(
    warped: Tensor,
    difference: Tensor,
    potentials: tuple[Tensor, Tensor],
    share: float,
    pull: Tensor,
    curvature: Tensor,
) -> float:
    """Do what `boundary_pull` does, by tensor operations of any device."""
    near, far = potentials
    potential = near + far
    slope = spatial_gradient(warped[None], 1.0)[0]
    pull -= share * potential * slope
    curvature += share * (slope.square().sum(0) + potential.square() / 2)
    return float((difference * (near / 2 + far)).sum())
