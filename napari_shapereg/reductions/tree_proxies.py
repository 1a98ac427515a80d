"""What stands for the points of a cell where they are seen from afar: a few points with weights of any sign.

Proxies reproduce the polynomials of a space: Σ_q w_q f(z_q) = Σ_j b_j f(y_j), the weights of the points
being handed to the nodes by Lagrange's polynomials. A kernel that varies little over the cell is such a
polynomial up to a small error, so that sums over pairs need no formula for it but its own (Wang, Krasny &
Tlupova, "A kernel-independent treecode based on barycentric Lagrange interpolation", 2020, on full grids).
Read the other way round, the polynomials carry what was summed at the nodes of a cell of targets to its
points.

The nodes are the 26 of a cube's surface of 3 x 3 x 3, its faces' centres drawn in: then they determine all
cubics, and the quartics but x^4 and x^3 y: more than the 20 nodes that determine cubics alone, and one node
less than the full grid of 27, whose centre sees least of what happens at the surface.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.numba_threads import for_rows
from napari_shapereg.reductions.tree_cells import LEAF, SHARED_LEVEL, span

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array
    from napari_shapereg.reductions.tree_cells import Cells

# Where the nodes lie in the cube [-1, 1]^3, for centres of faces, middles of edges and corners: inside of its
# border, like Chebyshev's.
_PLACES = {1: 0.6, 2: 0.9, 3: 0.8}
PADDED = 32
"""Nodes of a cell, up to whole vectors: what is beyond their number has no weight."""
# Of a leaf's polynomials, in pairs of points.
_WORK = 512


class Polynomials(NamedTuple):
    """Interpolation in the cube [-1, 1]^3, at Q nodes.

    Attributes
    ----------
    nodes : (3, PADDED) array
        Q nodes, and 0 up to whole vectors.
    coefficients : (Q, Q) array
        Times the values at the nodes it is the coefficients of the monomials.
    parents, axes : (Q,) int64 array
        Monomial k is monomial parents[k] times coordinate axes[k]; monomial 0 is 1.
    """

    nodes: Array
    coefficients: Array
    parents: Array
    axes: Array


@cache
def polynomials() -> Polynomials:
    """Return the interpolation that stands for cells."""
    signs = [sign for sign in product((-1, 0, 1), repeat=3) if any(sign)]
    nodes = np.array([np.array(sign) * _PLACES[sum(map(abs, sign))] for sign in signs])
    powers = [power for power in product(range(3), repeat=3) if sum(power) <= 4]
    powers = sorted([*powers, (3, 0, 0), (0, 3, 0), (0, 0, 3)], key=sum)
    exponents = np.array(powers)
    values = np.prod(nodes[:, None, :] ** exponents, axis=2)
    # The largest exponent is lowered, which leads to a monomial of the space.
    axes = exponents.argmax(axis=1)
    lower = exponents - np.eye(3, dtype=int)[axes]
    parents = np.array([0, *[powers.index(tuple(power)) for power in lower[1:].tolist()]])
    padded = np.zeros((3, PADDED))
    padded[:, : len(nodes)] = nodes.T
    return Polynomials(padded, np.ascontiguousarray(np.linalg.inv(values)), parents, axes)


def proxy_weights(cells: Cells, weights: Array, basis: Polynomials, threads: int) -> Array:
    """Return the weights (2^(depth + 1), PADDED) of proxies, given those of the points in tree order."""
    table = np.zeros((2 ** (cells.depth + 1), PADDED))

    def loop(rows: tuple[int, int]) -> None:
        below = cells.depth - shared
        gather_leaves(cells, weights, basis, (rows[0] << below, rows[1] << below), table)
        gather_parents(cells, basis, (shared, cells.depth), rows, table)

    shared = min(SHARED_LEVEL, cells.depth)
    for_rows(loop, 2**shared, _WORK * len(cells.order), threads)
    gather_parents(cells, basis, (0, shared), (0, 1), table)
    return table


@compiled
def gather_leaves(
    cells: Cells, weights: Array, basis: Polynomials, rows: tuple[int, int], table: Array
) -> None:
    """Hand the weights of the points of a range of leaves to their proxies."""
    count, size = cells.order.shape[0], basis.parents.shape[0]
    places, monomials = np.empty((3, LEAF)), np.empty((size, LEAF))
    for k in range(rows[0], rows[1]):
        first, last = span(k, cells.depth, count)
        cell = (1 << cells.depth) + k
        into_cube(cells, cell, cells.points[:, first:last], places)
        fill_monomials(basis, places, last - first, monomials)
        _hand_over(basis, monomials, weights[first:last], table[cell])


@compiled
def gather_parents(
    cells: Cells, basis: Polynomials, levels: tuple[int, int], part: tuple[int, int], table: Array
) -> None:
    """Hand weights from proxies to those of the cells above, up to the cells `part` of the first level."""
    size = basis.parents.shape[0]
    outer, places, monomials = np.empty((3, PADDED)), np.empty((3, PADDED)), np.empty((size, size))
    for level in range(levels[1], levels[0], -1):
        below = level - levels[0]
        for k in range(part[0] << below, part[1] << below):
            cell = (1 << level) + k
            place_nodes(cells, cell, basis, outer)
            into_cube(cells, cell >> 1, outer, places)
            fill_monomials(basis, places, size, monomials)
            _hand_over(basis, monomials, table[cell, :size], table[cell >> 1])


@merged
def place_nodes(cells: Cells, cell: int, basis: Polynomials, nodes: Array) -> None:
    """Write the nodes (3, PADDED) of a cell's box."""
    real = nodes.dtype.type
    for d in range(3):
        center, half = real(cells.centers[cell, d]), real(cells.halves[cell, d])
        row, unit = nodes[d], basis.nodes[d]
        for q in range(PADDED):
            row[q] = center + half * real(unit[q])


@merged
def into_cube(cells: Cells, cell: int, points: Array, places: Array) -> None:
    """Write the points of a cell in the unit of its box."""
    for d in range(3):
        center, half = cells.centers[cell, d], cells.halves[cell, d]
        inverse = 1 / half if half > 0 else 0.0
        for j in range(points.shape[1]):
            places[d, j] = (points[d, j] - center) * inverse


@merged
def fill_monomials(basis: Polynomials, places: Array, count: int, monomials: Array) -> None:
    """Write all monomials (Q, count) at places in the cube."""
    for j in range(count):
        monomials[0, j] = 1.0
    for k in range(1, basis.parents.shape[0]):
        row, lower, factor = monomials[k], monomials[basis.parents[k]], places[basis.axes[k]]
        for j in range(count):
            row[j] = lower[j] * factor[j]


@merged
def _hand_over(basis: Polynomials, monomials: Array, weights: Array, shares: Array) -> None:
    """Add to the weights of a cell's proxies those of points at which the monomials are given."""
    size = basis.parents.shape[0]
    for k in range(size):
        moment = 0.0
        row = monomials[k]
        for j in range(weights.shape[0]):
            moment += weights[j] * row[j]
        for q in range(size):
            shares[q] += moment * basis.coefficients[k, q]
