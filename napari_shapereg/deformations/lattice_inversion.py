"""Where a displacement on a lattice sends points from: the inverse of id + u, point by point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_shapereg.deformations.fields import sample_points, spatial_gradient
from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_threads import for_rows
from napari_shapereg.reductions.numba_vectors import cross, dot, minus, plus_scaled
from napari_shapereg.reductions.threads import loop_threads

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from napari_shapereg.reductions.numba_compile import Array, Vector

STEPS = 30
TOLERANCE = 1e-3
"""Of the pitch: far below what linear interpolation between nodes resolves."""
SINGULAR = 1e-3
"""A determinant below it gives no Newton step."""
POINT_AS_PAIRS = 512
"""A point costs about as much as this many of the pairs by which `for_rows` counts work."""


def solve(displacement: Tensor, targets: Tensor, pitch: float) -> Tensor:
    """Find the points p with p + u(p) = x by Newton's method.

    A step that does not bring its point closer is halved.

    Parameters
    ----------
    displacement : (3, z, y, x) Tensor
        u, frame mm.
    targets : (N, 3) Tensor
        x, frame mm.
    pitch : float
        Distance between nodes, mm.

    Returns
    -------
    (N, 3) Tensor
        p, to 1e-3 of the pitch, frame mm.
    """
    if displacement.device.type != "cpu":
        return solve_by_tensors(displacement, targets, pitch)
    field, wanted = displacement.contiguous().numpy(), targets.contiguous().numpy()
    out = torch.empty_like(targets, memory_format=torch.contiguous_format)
    points, unit = out.numpy(), field.dtype.type(1 / pitch)
    for_rows(
        lambda rows: _solve(field, wanted, unit, points, rows), len(targets), POINT_AS_PAIRS, loop_threads()
    )
    return out


def solve_by_tensors(displacement: Tensor, targets: Tensor, pitch: float) -> Tensor:
    """Do what `solve` does, by tensor operations of any device, on the points that are not there yet.

    The Jacobian is interpolated from central differences, so that the steps stay good across the kinks
    between cells.
    """
    slopes = spatial_gradient(displacement, pitch).flatten(0, 1)
    points = targets - sample_points(displacement, targets, pitch)
    residual = points + sample_points(displacement, points, pitch) - targets
    active = torch.arange(len(targets), device=targets.device)
    damping = torch.ones(len(targets), 1, dtype=targets.dtype, device=targets.device)
    for _ in range(STEPS):
        active = active[residual[active].abs().amax(dim=1) > TOLERANCE * pitch]
        if len(active) == 0:
            break
        here, off = points[active], residual[active]
        step = _newton_step(sample_points(slopes, here, pitch), off) * damping[active]
        there = here - step
        left = there + sample_points(displacement, there, pitch) - targets[active]
        better = left.square().sum(1) < off.square().sum(1)
        points[active[better]], residual[active[better]] = there[better], left[better]
        damping[active] = torch.where(better[:, None], torch.ones_like(off[:, :1]), damping[active] / 2)
    return points


def _newton_step(slopes: Tensor, residual: Tensor) -> Tensor:
    """Solve (I + Du) s = r for (N, 9) slopes and (N, 3) residuals by Cramer's rule."""
    identity = torch.eye(3, dtype=slopes.dtype, device=slopes.device)
    first, second, third = (slopes.reshape(-1, 3, 3) + identity).unbind(dim=2)
    across = torch.linalg.cross(second, third)
    determinant = (first * across).sum(1, keepdim=True)
    safe = torch.where(determinant.abs() > SINGULAR, determinant, torch.ones_like(determinant))
    parts = [
        (residual * across).sum(1),
        (residual * torch.linalg.cross(third, first)).sum(1),
        (residual * torch.linalg.cross(first, second)).sum(1),
    ]
    return torch.where(determinant.abs() > SINGULAR, torch.stack(parts, dim=1) / safe, residual)


@compiled
def _solve(field: Array, targets: Array, inverse: np.floating, out: Array, rows: tuple[int, int]) -> None:
    """Invert in units of the pitch, with the Jacobian of the cell in which a point is."""
    real = field.dtype.type
    pitch, tolerance = real(1) / inverse, real(TOLERANCE)
    for n in range(rows[0], rows[1]):
        target = targets[n, 0] * inverse, targets[n, 1] * inverse, targets[n, 2] * inverse
        here = minus(target, _trilinear(field, target, inverse)[0])
        shift, right, up, behind = _trilinear(field, here, inverse)
        off = minus(plus_scaled(here, real(1), shift), target)
        damping = real(1)
        for _ in range(STEPS):
            if max(abs(off[0]), abs(off[1]), abs(off[2])) <= tolerance:
                break
            there = plus_scaled(here, -damping, _newton(right, up, behind, off))
            shift, next_right, next_up, next_behind = _trilinear(field, there, inverse)
            left = minus(plus_scaled(there, real(1), shift), target)
            if dot(left, left) < dot(off, off):
                here, off, damping = there, left, real(1)
                right, up, behind = next_right, next_up, next_behind
            else:
                damping *= real(0.5)
        out[n, 0], out[n, 1], out[n, 2] = here[0] * pitch, here[1] * pitch, here[2] * pitch


@merged
def _trilinear(field: Array, place: Vector, inverse: np.floating) -> tuple[Vector, Vector, Vector, Vector]:
    """Return u at a place and its slopes along x, y and z; beyond the border, the value there and none."""
    real = field.dtype.type
    _, depth, height, width = field.shape
    i, fx, sx = _cell(place[0], width, real)
    j, fy, sy = _cell(place[1], height, real)
    k, fz, sz = _cell(place[2], depth, real)
    a = _component(field[0], (i, j, k), (fx, fy, fz))
    b = _component(field[1], (i, j, k), (fx, fy, fz))
    c = _component(field[2], (i, j, k), (fx, fy, fz))
    sx, sy, sz = sx * inverse, sy * inverse, sz * inverse
    return (
        (a[0] * inverse, b[0] * inverse, c[0] * inverse),
        (a[1] * sx, b[1] * sx, c[1] * sx),
        (a[2] * sy, b[2] * sy, c[2] * sy),
        (a[3] * sz, b[3] * sz, c[3] * sz),
    )


@merged
def _cell(place: np.floating, count: int, real: type) -> Vector:
    """Return the cell along one axis, the share of its upper node, and 1 inside the lattice, 0 outside."""
    held = min(max(place, real(0)), real(count - 1))
    low = max(min(int(held), count - 2), 0)
    return low, held - real(low), real(1) if held == place else real(0)


@merged
def _component(field: Array, cell: tuple[int, int, int], share: Vector) -> Vector:
    """Return one component and its differences along x, y and z across the cell."""
    i, j, k = cell
    fx, fy, fz = share
    x00, x01 = field[k, j, i + 1] - field[k, j, i], field[k, j + 1, i + 1] - field[k, j + 1, i]
    x10, x11 = (
        field[k + 1, j, i + 1] - field[k + 1, j, i],
        field[k + 1, j + 1, i + 1] - field[k + 1, j + 1, i],
    )
    c00, c01 = field[k, j, i] + fx * x00, field[k, j + 1, i] + fx * x01
    c10, c11 = field[k + 1, j, i] + fx * x10, field[k + 1, j + 1, i] + fx * x11
    y0, y1 = c01 - c00, c11 - c10
    low, high = c00 + fy * y0, c10 + fy * y1
    x0, x1 = x00 + fy * (x01 - x00), x10 + fy * (x11 - x10)
    return low + fz * (high - low), x0 + fz * (x1 - x0), y0 + fz * (y1 - y0), high - low


@merged
def _newton(right: Vector, up: Vector, behind: Vector, off: Vector) -> Vector:
    """Do what `_newton_step` does, for the columns of Du."""
    one = type(off[0])(1)
    first = right[0] + one, right[1], right[2]
    second = up[0], up[1] + one, up[2]
    third = behind[0], behind[1], behind[2] + one
    across = cross(second, third)
    determinant = dot(first, across)
    if abs(determinant) <= SINGULAR:
        return off
    scale = one / determinant
    return (
        dot(off, across) * scale,
        dot(off, cross(third, first)) * scale,
        dot(off, cross(first, second)) * scale,
    )
