"""The sweeps over a lattice that dominate a registration on the CPU, each compiled into one pass.

With ordinary tensor operations a step reads and writes dozens of temporary fields and waits for the memory.
Here each node is read once and written once. Every function is the equal of the one of the same name in
`fields`, which calls it for tensors on the CPU. Slabs of the lattice are shared out among threads that each
write nodes of their own, so the bytes do not depend on how many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_threads import for_rows
from napari_shapereg.reductions.numba_vectors import cross, dot
from napari_shapereg.reductions.threads import loop_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_shapereg.reductions.numba_compile import Array, Vector

    Range = tuple[int, int]

NODES_AS_PAIRS = 32
"""A node costs about as much as this many of the pairs by which `for_rows` counts work."""


def warp(field: Tensor, displacement: Tensor, pitch: float) -> Tensor:
    """Interpolate a (C, z, y, x) field at the nodes moved by a displacement in mm."""
    out = torch.empty_like(field, memory_format=torch.contiguous_format)
    source, shift, target = _arrays(field, displacement, out)
    _sweep(lambda slabs: _warp(source, shift, _inverse(shift, pitch), target, slabs), field)
    return out


def jacobian_determinant(displacement: Tensor, pitch: float) -> Tensor:
    """Return det(I + D(displacement)) at the nodes, by central differences, one-sided on the border."""
    out = torch.empty_like(displacement[0], memory_format=torch.contiguous_format)
    shift, target = _arrays(displacement, out)
    _sweep(lambda slabs: _determinant(shift, _inverse(shift, pitch), target, slabs), displacement)
    return out


def least_determinant(displacement: Tensor, pitch: float) -> Tensor:
    """Return the least det(I + D(displacement)) at each node as seen from the cells around it."""
    out = torch.empty_like(displacement[0], memory_format=torch.contiguous_format)
    shift, target = _arrays(displacement, out)
    _sweep(lambda slabs: _least_determinant(shift, _inverse(shift, pitch), target, slabs), displacement)
    return out


def lipschitz_bound(displacement: Tensor, pitch: float) -> float:
    """Bound the Lipschitz constant of the linear interpolant of a displacement field."""
    squares = torch.zeros(displacement.shape[1], dtype=displacement.dtype)
    shift, target = _arrays(displacement, squares)
    _sweep(lambda slabs: _largest_slope(shift, target, slabs), displacement)
    return float(squares.amax().sqrt()) / pitch


def dirichlet(field: Tensor, pitch: float) -> tuple[Tensor, Tensor]:
    """Return -½ pitch ⟨u, Δu⟩ of a (C, z, y, x) field and its gradient -pitch Δu, none across the border."""
    out = torch.empty_like(field, memory_format=torch.contiguous_format)
    source, target = _arrays(field, out)
    scale, sums = source.dtype.type(-pitch), np.zeros(field.shape[1])
    _sweep(lambda slabs: _dirichlet(source, scale, target, sums, slabs), field)
    return torch.tensor(sums.sum() / 2, dtype=field.dtype), out


def boundary_pull(
    warped: Tensor,
    difference: Tensor,
    potentials: tuple[Tensor, Tensor],
    share: float,
    pull: Tensor,
    curvature: Tensor,
) -> float:
    """Do what `fields.boundary_pull` does."""
    if not (pull.is_contiguous() and curvature.is_contiguous()):
        msg = "pull and curvature are written in place and must be contiguous"
        raise ValueError(msg)
    image, lack, near, far, force, stiffness = _arrays(warped, difference, *potentials, pull, curvature)
    weight, sums = image.dtype.type(share), np.zeros(len(image))
    _sweep(lambda slabs: _pull(image, lack, (near, far), weight, (force, stiffness), sums, slabs), pull)
    return float(sums.sum())


def splat(values: Tensor, indices: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Spread (N, C) values over the eight nodes around each of (N, 3) x, y, z indices; one thread."""
    out = torch.zeros(values.shape[1], *shape, dtype=values.dtype)
    carried, places, target = _arrays(values, indices, out)
    _splat(carried, places, target)
    return out


def convolve(field: Tensor, profile: Tensor) -> Tensor:
    """Convolve a (C, z, y, x) field with a symmetric profile of odd length along each axis; 0 outside."""
    channels, depth, height, width = field.shape
    source, weights = _arrays(field, profile)
    threads = loop_threads()
    for shape in ((channels, depth, height * width), (channels * depth, height, width)):
        source, target = source.reshape(shape), np.empty(shape, dtype=source.dtype)
        _each_row(_convolve_across, source, weights, target, shape[0] * shape[1], threads)
        source = target
    source, target = source.reshape(-1, width), np.empty((source.size // width, width), dtype=source.dtype)
    _each_row(_convolve_along, source, weights, target, len(source), threads)
    return torch.from_numpy(target.reshape(field.shape))


def _each_row(
    loop: Callable[..., None], source: Array, weights: Array, target: Array, rows: int, threads: int
) -> None:
    work = source.size // rows * len(weights)
    for_rows(lambda slabs: loop(source, weights, target, slabs), rows, work, threads)


def _arrays(*tensors: Tensor) -> list[Array]:
    return [tensor.contiguous().numpy() for tensor in tensors]


def _inverse(array: Array, pitch: float) -> np.floating:
    inverse: np.floating = array.dtype.type(1 / pitch)
    return inverse


def _sweep(loop: Callable[[Range], None], field: Tensor) -> None:
    for_rows(loop, field.shape[1], NODES_AS_PAIRS * field[0, 0].numel(), loop_threads())


@compiled
def _warp(field: Array, shift: Array, inverse: np.floating, out: Array, slabs: tuple[int, int]) -> None:
    channels, depth, height, width = field.shape
    real = field.dtype.type
    for z in range(slabs[0], slabs[1]):
        for y in range(height):
            for x in range(width):
                px = min(max(real(x) + shift[0, z, y, x] * inverse, real(0)), real(width - 1))
                py = min(max(real(y) + shift[1, z, y, x] * inverse, real(0)), real(height - 1))
                pz = min(max(real(z) + shift[2, z, y, x] * inverse, real(0)), real(depth - 1))
                i, j, k = min(int(px), width - 2), min(int(py), height - 2), min(int(pz), depth - 2)
                fx, fy, fz = px - real(i), py - real(j), pz - real(k)
                for c in range(channels):
                    near = field[c, k]
                    far = field[c, k + 1]
                    a = near[j, i] + fx * (near[j, i + 1] - near[j, i])
                    b = near[j + 1, i] + fx * (near[j + 1, i + 1] - near[j + 1, i])
                    d = far[j, i] + fx * (far[j, i + 1] - far[j, i])
                    e = far[j + 1, i] + fx * (far[j + 1, i + 1] - far[j + 1, i])
                    a += fy * (b - a)
                    d += fy * (e - d)
                    out[c, z, y, x] = a + fz * (d - a)


@compiled
def _determinant(shift: Array, inverse: np.floating, out: Array, slabs: tuple[int, int]) -> None:
    _, depth, height, width = shift.shape
    real = shift.dtype.type
    half, whole = real(0.5) * inverse, inverse
    for z in range(slabs[0], slabs[1]):
        below, above = max(z - 1, 0), min(z + 1, depth - 1)
        along_z = half if above - below == 2 else whole
        for y in range(height):
            front, back = max(y - 1, 0), min(y + 1, height - 1)
            along_y = half if back - front == 2 else whole
            for x in range(width):
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                along_x = half if right - left == 2 else whole
                xx = real(1) + (shift[0, z, y, right] - shift[0, z, y, left]) * along_x
                yx = (shift[1, z, y, right] - shift[1, z, y, left]) * along_x
                zx = (shift[2, z, y, right] - shift[2, z, y, left]) * along_x
                xy = (shift[0, z, back, x] - shift[0, z, front, x]) * along_y
                yy = real(1) + (shift[1, z, back, x] - shift[1, z, front, x]) * along_y
                zy = (shift[2, z, back, x] - shift[2, z, front, x]) * along_y
                xz = (shift[0, above, y, x] - shift[0, below, y, x]) * along_z
                yz = (shift[1, above, y, x] - shift[1, below, y, x]) * along_z
                zz = real(1) + (shift[2, above, y, x] - shift[2, below, y, x]) * along_z
                out[z, y, x] = xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx)


@compiled
def _least_determinant(shift: Array, inverse: np.floating, out: Array, slabs: tuple[int, int]) -> None:
    _, depth, height, width = shift.shape
    for z in range(slabs[0], slabs[1]):
        before_z, after_z = max(z - 1, 0), min(z, depth - 2)
        for y in range(height):
            before_y, after_y = max(y - 1, 0), min(y, height - 2)
            for x in range(width):
                before_x, after_x = max(x - 1, 0), min(x, width - 2)
                left = _column(shift, inverse, z, y, before_x, 0, 0, 1)
                right = _column(shift, inverse, z, y, after_x, 0, 0, 1)
                front = _column(shift, inverse, z, before_y, x, 0, 1, 0)
                back = _column(shift, inverse, z, after_y, x, 0, 1, 0)
                below = _column(shift, inverse, before_z, y, x, 1, 0, 0)
                above = _column(shift, inverse, after_z, y, x, 1, 0, 0)
                out[z, y, x] = min(
                    _lesser_volume(left, right, cross(front, below)),
                    _lesser_volume(left, right, cross(front, above)),
                    _lesser_volume(left, right, cross(back, below)),
                    _lesser_volume(left, right, cross(back, above)),
                )


@merged
def _column(shift: Array, inverse: np.floating, z: int, y: int, x: int, dz: int, dy: int, dx: int) -> Vector:
    """Return the image of a unit step along one edge of a cell."""
    one = shift.dtype.type(1)
    return (
        one * dx + (shift[0, z + dz, y + dy, x + dx] - shift[0, z, y, x]) * inverse,
        one * dy + (shift[1, z + dz, y + dy, x + dx] - shift[1, z, y, x]) * inverse,
        one * dz + (shift[2, z + dz, y + dy, x + dx] - shift[2, z, y, x]) * inverse,
    )


@merged
def _lesser_volume(left: Vector, right: Vector, area: Vector) -> np.floating:
    least: np.floating = min(dot(left, area), dot(right, area))
    return least


@compiled
def _dirichlet(field: Array, scale: np.floating, out: Array, sums: Array, slabs: tuple[int, int]) -> None:
    channels, depth, height, width = field.shape
    for z in range(slabs[0], slabs[1]):
        below, above = max(z - 1, 0), min(z + 1, depth - 1)
        for c in range(channels):
            for y in range(height):
                front, back = max(y - 1, 0), min(y + 1, height - 1)
                row = field.dtype.type(0)
                for x in range(width):
                    left, right = max(x - 1, 0), min(x + 1, width - 1)
                    # Beyond the border stands the node itself, which adds no difference.
                    around = field[c, z, y, left] + field[c, z, y, right]
                    around += field[c, z, front, x] + field[c, z, back, x]
                    around += field[c, below, y, x] + field[c, above, y, x]
                    slope = scale * (around - field.dtype.type(6) * field[c, z, y, x])
                    out[c, z, y, x] = slope
                    row += slope * field[c, z, y, x]
                sums[z] += row


@compiled
def _largest_slope(shift: Array, squares: Array, slabs: tuple[int, int]) -> None:
    _, depth, height, width = shift.shape
    for z in range(slabs[0], min(slabs[1], depth - 1)):
        largest = squares[z]
        for y in range(height - 1):
            for x in range(width - 1):
                along_x = max(
                    _edge(shift, z, y, x, 0, 0, 1),
                    _edge(shift, z, y + 1, x, 0, 0, 1),
                    _edge(shift, z + 1, y, x, 0, 0, 1),
                    _edge(shift, z + 1, y + 1, x, 0, 0, 1),
                )
                along_y = max(
                    _edge(shift, z, y, x, 0, 1, 0),
                    _edge(shift, z, y, x + 1, 0, 1, 0),
                    _edge(shift, z + 1, y, x, 0, 1, 0),
                    _edge(shift, z + 1, y, x + 1, 0, 1, 0),
                )
                along_z = max(
                    _edge(shift, z, y, x, 1, 0, 0),
                    _edge(shift, z, y, x + 1, 1, 0, 0),
                    _edge(shift, z, y + 1, x, 1, 0, 0),
                    _edge(shift, z, y + 1, x + 1, 1, 0, 0),
                )
                largest = max(largest, along_x + along_y + along_z)
        squares[z] = largest


@merged
def _edge(shift: Array, z: int, y: int, x: int, dz: int, dy: int, dx: int) -> np.floating:
    """Return the squared length of the difference along one edge of a cell."""
    a = shift[0, z + dz, y + dy, x + dx] - shift[0, z, y, x]
    b = shift[1, z + dz, y + dy, x + dx] - shift[1, z, y, x]
    c = shift[2, z + dz, y + dy, x + dx] - shift[2, z, y, x]
    square: np.floating = a * a + b * b + c * c
    return square


@compiled
def _pull(
    image: Array,
    difference: Array,
    potentials: tuple[Array, Array],
    share: np.floating,
    forces: tuple[Array, Array],
    sums: Array,
    slabs: tuple[int, int],
) -> None:
    near, far = potentials
    pull, curvature = forces
    depth, rows, width = image.shape
    real = image.dtype.type
    half, whole = real(0.5), real(1)
    for z in range(slabs[0], slabs[1]):
        below, above = max(z - 1, 0), min(z + 1, depth - 1)
        along_z = half if above - below == 2 else whole
        for y in range(rows):
            front, back = max(y - 1, 0), min(y + 1, rows - 1)
            along_y = half if back - front == 2 else whole
            row = real(0)
            for x in range(width):
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                along_x = half if right - left == 2 else whole
                sx = (image[z, y, right] - image[z, y, left]) * along_x
                sy = (image[z, back, x] - image[z, front, x]) * along_y
                sz = (image[above, y, x] - image[below, y, x]) * along_z
                potential = near[z, y, x] + far[z, y, x]
                row += difference[z, y, x] * (half * near[z, y, x] + far[z, y, x])
                pull[0, z, y, x] -= share * potential * sx
                pull[1, z, y, x] -= share * potential * sy
                pull[2, z, y, x] -= share * potential * sz
                curvature[z, y, x] += share * (
                    sx * sx + sy * sy + sz * sz + real(0.5) * potential * potential
                )
            sums[z] += row


@compiled
def _splat(values: Array, indices: Array, out: Array) -> None:
    channels, depth, height, width = out.shape
    for n in range(values.shape[0]):
        px, py, pz = indices[n, 0], indices[n, 1], indices[n, 2]
        i, j, k = min(int(px), width - 2), min(int(py), height - 2), min(int(pz), depth - 2)
        for corner in range(8):
            right, up, behind = corner & 1, (corner >> 1) & 1, corner >> 2
            weight = (
                (px - i if right else i + 1 - px)
                * (py - j if up else j + 1 - py)
                * (pz - k if behind else k + 1 - pz)
            )
            for c in range(channels):
                out[c, k + behind, j + up, i + right] += weight * values[n, c]


@compiled
def _convolve_across(field: Array, weights: Array, out: Array, slabs: tuple[int, int]) -> None:
    """Convolve along the middle of three axes; the innermost is swept in parts that stay in the cache."""
    _, count, inner = field.shape
    reach = weights.shape[0] // 2
    for row in range(slabs[0], slabs[1]):
        o, i = row // count, row % count
        for start in range(0, inner, 4096):
            stop = min(start + 4096, inner)
            total = out[o, i, start:stop]
            total[:] = 0
            for k in range(max(i - reach, 0), min(i + reach + 1, count)):
                weight = weights[k - i + reach]
                part = field[o, k, start:stop]
                for x in range(stop - start):
                    total[x] += weight * part[x]


@compiled
def _convolve_along(field: Array, weights: Array, out: Array, slabs: tuple[int, int]) -> None:
    """Convolve the rows of a matrix."""
    width = field.shape[1]
    reach = weights.shape[0] // 2
    padded = np.zeros(width + 2 * reach, dtype=field.dtype)
    for row in range(slabs[0], slabs[1]):
        for x in range(width):
            padded[reach + x] = field[row, x]
        total = out[row]
        total[:] = 0
        for k in range(weights.shape[0]):
            weight = weights[k]
            part = padded[k : k + width]
            for x in range(width):
                total[x] += weight * part[x]
