"""The walk of a leaf of targets through the tree of sources: what is near, what is far, what is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.numba_compile import compiled, merged
from napari_shapereg.reductions.tree_cells import span

if TYPE_CHECKING:
    from napari_shapereg.reductions.numba_compile import Array
    from napari_shapereg.reductions.tree_cells import Cells

# A walk keeps one sibling a level, and memory ends long before trees of so many levels.
_LEVELS = 64


RELIEF = 0.1
"""Of the exponent by which a kernel is smaller: an error may be larger by its root, and is of fifth order."""


class Acceptance(NamedTuple):
    """When two cells are far enough from each other for their proxies, in the unit of the loops.

    A kernel that is 2^(-E), E(r) = linear r + quadratic r^2, falls off; for one that does not, E = 0.

    Attributes
    ----------
    angle : float
        The radii of both together, at most, over the length on which the kernel varies.
    soft, cap : float
        That length at a distance r: the smaller of sqrt(soft^2 + r^2) and cap.
    linear, quadratic : float
        Of the exponent E.
    bits : float
        A cell for which the kernel is below 2^-bits of what it is for a near one is left out.
    """

    angle: float
    soft: float
    cap: float
    linear: float
    quadratic: float
    bits: float


class Sources(NamedTuple):
    """A tree of points with weights.

    Attributes
    ----------
    cells : Cells
    weights : (N + LEAF,) array
        In the order of the tree, and zeros.
    proxies : (2^(depth + 1), Q) array
        Weights of the proxies of each cell.
    filled : (2^(depth + 1),) bool array
        Cells with a weight other than zero.
    """

    cells: Cells
    weights: Array
    proxies: Array
    filled: Array


@merged
def walk(targets: Cells, cell: int, sources: Sources, accepted: Acceptance, found: Array) -> tuple[int, int]:
    """Write the near leaves into found[0], the far cells into found[1]; return how many there are of each."""
    cells, filled = sources.cells, sources.filled
    stack = np.empty(_LEVELS, np.int64)
    stack[0], height = 1, 1
    near, far = 0, 0
    least = _least_exponent(targets, cell, sources, accepted)
    while height > 0:
        height -= 1
        other = stack[height]
        distance = _distance(targets, cell, cells, other)
        radii = targets.radii[cell] + cells.radii[other]
        exponent = _exponent(accepted, max(distance - radii, 0.0)) - least
        if not filled[other] or exponent > accepted.bits:
            continue
        if radii <= accepted.angle * _length(accepted, distance, exponent):
            found[1, far] = other
            far += 1
        elif other >= 1 << cells.depth:
            found[0, near] = other
            near += 1
        else:
            stack[height], stack[height + 1] = 2 * other + 1, 2 * other
            height += 2
    return near, far


@compiled
def count_pairs(trees: tuple[Cells, Sources], nodes: int, accepted: Acceptance, leaves: Array) -> int:
    """Return how many pairs of points or nodes are evaluated for some leaves."""
    targets, sources = trees
    depth, count = sources.cells.depth, sources.cells.order.shape[0]
    found = np.empty((2, sources.filled.shape[0]), np.int64)
    pairs = 0
    for k in leaves:
        near, far = walk(targets, (1 << targets.depth) + k, sources, accepted, found)
        first, last = span(k, targets.depth, targets.order.shape[0])
        for other in found[0, :near]:
            start, stop = span(other - (1 << depth), depth, count)
            pairs += (last - first) * (stop - start)
        pairs += far * nodes * nodes
    return pairs


@merged
def _least_exponent(targets: Cells, cell: int, sources: Sources, accepted: Acceptance) -> float:
    """Return the exponent between the centres of a cell and of a leaf near it: that of what counts there."""
    cells, other = sources.cells, 1
    if accepted.linear + accepted.quadratic == 0:
        return 0.0
    while other < 1 << cells.depth:
        left, right = 2 * other, 2 * other + 1
        if not sources.filled[left]:
            other = right
        elif not sources.filled[right]:
            other = left
        else:
            nearer = _distance(targets, cell, cells, left) <= _distance(targets, cell, cells, right)
            other = left if nearer else right
    return _exponent(accepted, _distance(targets, cell, cells, other))


@merged
def _length(accepted: Acceptance, distance: float, exponent: float) -> float:
    """Return on which length the kernel varies, as far as it matters beside that of near points."""
    length: float = np.sqrt(distance * distance + accepted.soft * accepted.soft)
    if accepted.linear + accepted.quadratic == 0:
        return min(length, accepted.cap)
    relief: float = 2.0 ** (RELIEF * max(exponent, 0.0))
    return min(length, accepted.cap * relief)


@merged
def _exponent(accepted: Acceptance, distance: float) -> float:
    return (accepted.linear + accepted.quadratic * distance) * distance


@merged
def _distance(targets: Cells, cell: int, cells: Cells, other: int) -> float:
    square = 0.0
    for d in range(3):
        step = targets.centers[cell, d] - cells.centers[other, d]
        square += step * step
    distance: float = np.sqrt(square)
    return distance
