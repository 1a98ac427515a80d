"""The compiled loops of fast kernel sums: near points one by one, far cells by their proxies.

A leaf of targets walks the tree of sources once and notes which leaves are too near and which cells are far
enough. Their points and their proxies are copied into a tile, and `kernel_sums` sums each full tile at vector
speed: over the points of the leaf, or over the nodes of its box. What those receive is interpolated to the
points. The gradient is interpolated like the value, not taken from its polynomial, which would lose an order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_arithmetic import bare_estimates
from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_kernel_sums import TILE, kernel_sums
from napari_shapereg.reductions.numba_vectors import where_given
from napari_shapereg.reductions.tree_cells import LEAF, span
from napari_shapereg.reductions.tree_proxies import PADDED, fill_monomials, into_cube, place_nodes
from napari_shapereg.reductions.tree_walk import walk

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array, Limits, Points
    from napari_shapereg.reductions.numba_profiles import Profile
    from napari_shapereg.reductions.tree_cells import Cells
    from napari_shapereg.reductions.tree_proxies import Polynomials
    from napari_shapereg.reductions.tree_walk import Acceptance, Sources

_LANES = 64
_CACHE_LINE = 64


class Loop(NamedTuple):
    """What a loop is compiled for, and what its precision can tell apart."""

    profile: Profile
    limits: Limits


@compiled
def tree_sums(
    loop: Loop,
    trees: tuple[Cells, Sources],
    basis: Polynomials,
    accepted: Acceptance,
    leaves: Array,
    values: Array,
    slopes: Array | None,
) -> None:
    """Add sum_j k(x_i, y_j) b_j to `values`, and the sum of its slopes to `slopes`, for the points of leaves.

    Rows of both are in the order of the targets' tree.
    """
    bare_estimates()
    targets, sources = trees
    size, depth = basis.parents.shape[0], targets.depth
    found = np.empty((2, sources.filled.shape[0]), np.int64)
    tile = _empty_tile(sources.weights)
    points = (targets.points[0], targets.points[1], targets.points[2])
    block = np.empty((3, PADDED), sources.weights.dtype)
    nodes = (block[0], block[1], block[2])
    node_values, node_slopes = np.empty(size), np.empty((size, 3))
    places, monomials = np.empty((3, LEAF)), np.empty((size, LEAF))
    for k in leaves:
        cell = (1 << depth) + k
        first, last = span(k, depth, targets.order.shape[0])
        near, far = walk(targets, cell, sources, accepted, found)
        _add_points(loop, points, sources, found[0, :near], tile, (first, last), values, slopes)
        if far == 0:
            continue
        place_nodes(targets, cell, basis, block)
        into_cube(targets, cell, targets.points[:, first:last], places)
        fill_monomials(basis, places, last - first, monomials)
        node_values[:], node_slopes[:] = 0, 0
        wanted = where_given(slopes, node_slopes)
        _add_proxies(loop, nodes, sources, basis, found[1, :far], tile, node_values, wanted)
        if slopes is not None:
            for d in range(3):
                _interpolate(basis, monomials, node_slopes[:, d], slopes[first:last, d])
        _interpolate(basis, monomials, node_values, values[first:last])


@merged
def _add_points(
    loop: Loop,
    points: Points,
    sources: Sources,
    near: Array,
    tile: Array,
    rows: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Add what the points of some leaves give to a range of points."""
    cells, count, done = sources.cells, 0, 0
    while done < near.shape[0]:
        start, stop = span(near[done] - (1 << cells.depth), cells.depth, cells.order.shape[0])
        for d in range(3):
            _copy(cells.points[d, start:], tile[d, count:])
        _copy(sources.weights[start:], tile[3, count:])
        count, done = count + stop - start, done + 1
        if count > TILE - LEAF or done == near.shape[0]:
            _sum_tile(loop, points, tile, count, rows, values, slopes)
            count = 0


@merged
def _add_proxies(
    loop: Loop,
    nodes: Points,
    sources: Sources,
    basis: Polynomials,
    far: Array,
    tile: Array,
    values: Array,
    slopes: Array | None,
) -> None:
    """Add what the proxies of some cells give to the nodes of another."""
    size, count, done = basis.parents.shape[0], 0, 0
    # (0, size) is of another type than other rows, for which all below would be compiled once more.
    rows = span(0, 0, size)
    while done < far.shape[0]:
        other = far[done]
        place_nodes(sources.cells, other, basis, tile[:, count:])
        row, weights = tile[3, count:], sources.proxies[other]
        for q in range(PADDED):
            row[q] = weights[q]
        count, done = count + size, done + 1
        if count > TILE - PADDED or done == far.shape[0]:
            _sum_tile(loop, nodes, tile, count, rows, values, slopes)
            count = 0


@merged
def _copy(given: Array, place: Array) -> None:
    """Copy as much as the largest leaf, in whole vectors: the excess is written over or has no weight."""
    for j in range(LEAF):
        place[j] = given[j]


@merged
def _empty_tile(like: Array) -> Array:
    """Return zeros (4, TILE + LEAF) of the precision of an array, from a cache line on: x, y, z, weight."""
    width = TILE + LEAF
    memory = np.zeros(4 * width + _CACHE_LINE // like.itemsize, like.dtype)
    offset = -memory.ctypes.data % _CACHE_LINE // like.itemsize
    return memory[offset : offset + 4 * width].reshape((4, width))


@merged
def _sum_tile(
    loop: Loop,
    points: Points,
    tile: Array,
    count: int,
    rows: tuple[int, int],
    values: Array,
    slopes: Array | None,
) -> None:
    """Sum a tile for a range of points, up to whole vectors: what is beyond the count has no weight."""
    padded = (count + _LANES - 1) & -_LANES
    tile[3, count:padded] = 0
    columns = (tile[0, :padded], tile[1, :padded], tile[2, :padded])
    kernel_sums(loop.profile, points, columns, tile[3, :padded], loop.limits, rows, values, slopes)


@merged
def _interpolate(basis: Polynomials, monomials: Array, given: Array, results: Array) -> None:
    """Add to the results at points what is interpolated from the nodes."""
    size = basis.parents.shape[0]
    for k in range(size):
        coefficient = 0.0
        for q in range(size):
            coefficient += basis.coefficients[k, q] * given[q]
        row = monomials[k]
        for j in range(results.shape[0]):
            results[j] += coefficient * row[j]
