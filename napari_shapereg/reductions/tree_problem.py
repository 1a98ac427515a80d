"""One kernel between two trees: how far is far enough for a precision, and whether the tree pays at all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.reductions.kernels import CauchyKernel, GaussianKernel, LaplacianKernel
from napari_shapereg.reductions.numba_kernel_sums import kernel_sums
from napari_shapereg.reductions.numba_threads import for_rows
from napari_shapereg.reductions.tree_cells import LEAF, spans
from napari_shapereg.reductions.tree_proxies import polynomials, proxy_weights
from napari_shapereg.reductions.tree_sums import Loop, tree_sums
from napari_shapereg.reductions.tree_walk import Acceptance, Sources, count_pairs

if TYPE_CHECKING:
    from napari_shapereg.reductions.kernels import ElementaryKernel
    from napari_shapereg.reductions.numba_compile import Array
    from napari_shapereg.reductions.tree_cells import Cells

SAMPLED_LEAVES = 64
SAMPLED_POINTS = 4
"""Of each of these leaves."""
MARGIN = 1.4
"""Of the precision over the error on the sample: what 256 points may miss."""
TRIALS = 6
CLOSE, AIM = 0.5, 0.75
"""Of what is allowed: an error above the first is not worth another trial, the second is aimed at."""
WORTH_IT = 0.35
"""Share of the exact sum's pairs that the tree may visit: it walks, copies and interpolates beside."""
_USUAL_ANGLE, _WIDEST = 0.5, 0.9
# How the error falls with the angle: proxies leave quartics out, and smaller cells average over more signs.
_ORDER = 5
# Work of a leaf of targets, in pairs of points, for sharing leaves among threads.
_PAIRS_OF_A_LEAF = 2**18
_NEVER = 1e30


class TreeProblem(NamedTuple):
    """One kernel between two trees, all in the unit of its loop.

    Attributes
    ----------
    loop : Loop
    varies : Acceptance
        What is known of the kernel; the angle is to be found.
    targets : Cells
    sources : Sources
    same : bool
        Both are one set, of which an exact sum evaluates half of the pairs.
    threads : int
    """

    loop: Loop
    varies: Acceptance
    targets: Cells
    sources: Sources
    same: bool
    threads: int

    def sums(self, accepted: Acceptance, leaves: Array, *, with_slopes: bool) -> tuple[Array, Array | None]:
        """Return values (N,) and slopes (N, 3) at the points of some leaves, 0 at all others."""
        count = len(self.targets.order)
        values = np.zeros(count)
        slopes = np.zeros((count, 3)) if with_slopes else None

        def loop(rows: tuple[int, int]) -> None:
            chosen = leaves[rows[0] : rows[1]]
            tree_sums(
                self.loop,
                (self.targets, self.sources),
                polynomials(),
                accepted,
                chosen,
                values,
                slopes,
            )

        for_rows(loop, len(leaves), _PAIRS_OF_A_LEAF, self.threads)
        return values, slopes

    def acceptance(self, precision: float, *, with_slopes: bool) -> Acceptance | None:
        """Return what meets a precision at the least cost, or None where the exact sum costs less.

        The widest angle is sought whose error on a sample leaves a margin; the error is taken to go as a
        power of the angle.
        """
        leaves = np.unique(np.linspace(0, 2**self.targets.depth - 1, SAMPLED_LEAVES).astype(np.int64))
        first, last = spans(leaves, self.targets.depth, len(self.targets.order))
        rows = np.unique(first + (last - first) * np.arange(SAMPLED_POINTS)[:, None] // SAMPLED_POINTS)
        truth = self._exact(rows, with_slopes=with_slopes)
        angle, found, too_wide = _USUAL_ANGLE * (precision / 1e-3) ** (1 / _ORDER), None, math.inf
        for _ in range(TRIALS):
            tried = self.varies._replace(angle=angle)
            if not self._pays(tried, leaves):
                if found or angle == _WIDEST:
                    break
                angle = min(_WIDEST, math.sqrt(angle * too_wide))
                continue
            sums = self.sums(tried, leaves, with_slopes=with_slopes)
            error = max(_error(part, rows, exact) for part, exact in zip(sums, truth, strict=True))
            share = MARGIN * error / precision
            growth = (AIM / min(max(1e-3, share), 1e3)) ** (1 / _ORDER)
            if not share <= 1:
                too_wide = angle
                angle = math.sqrt(angle * found.angle) if found else angle * growth
                continue
            found = tried
            if share > CLOSE or angle == _WIDEST:
                break
            angle = min(angle * growth, math.sqrt(angle * too_wide), _WIDEST)
        return found

    def _pays(self, accepted: Acceptance, leaves: Array) -> bool:
        pairs = count_pairs((self.targets, self.sources), len(polynomials().parents), accepted, leaves)
        whole = len(self.targets.order) * len(self.sources.cells.order) / (2 if self.same else 1)
        return bool(pairs * 2**self.targets.depth < WORTH_IT * whole * len(leaves))

    def _exact(self, rows: Array, *, with_slopes: bool) -> tuple[Array, Array | None]:
        profile, limits = self.loop
        here, there = tuple(self.targets.points.take(rows, axis=1)), tuple(self.sources.cells.points)
        values = np.zeros(len(rows))
        slopes = np.zeros((len(rows), 3)) if with_slopes else None

        def loop(part: tuple[int, int]) -> None:
            kernel_sums(profile, here, there, self.sources.weights, limits, part, values, slopes)

        for_rows(loop, len(rows), len(self.sources.cells.order), self.threads)
        return values, slopes


def sources_of(cells: Cells, weights: Array, threads: int) -> Sources:
    """Return a tree of sources, given the weights (N,) of its points in their own order."""
    count = len(weights)
    ordered = np.zeros(count + LEAF, weights.dtype)
    ordered[:count] = weights[cells.order]
    leaves = 2**cells.depth
    filled = np.zeros(2 * leaves, bool)
    starts, _ = spans(np.arange(leaves), cells.depth, count)
    filled[leaves:] = np.logical_or.reduceat(ordered[:count] != 0, starts)
    for level in range(cells.depth, 0, -1):
        children = filled[2**level : 2 ** (level + 1)]
        filled[2 ** (level - 1) : 2**level] = children[::2] | children[1::2]
    proxies = proxy_weights(cells, ordered, polynomials(), threads).astype(weights.dtype)
    return Sources(cells, ordered, proxies, filled)


def variation(kernel: ElementaryKernel, scale: float, precision: float) -> Acceptance:
    """Return on which length a kernel varies and how it falls off, in a unit of 1 / scale mm.

    The angle is 0: see `TreeProblem.acceptance`.
    """
    bits = 10 - math.log2(precision)
    if isinstance(kernel, GaussianKernel):
        return Acceptance(0.0, _NEVER, 2 * kernel.sigma * scale, 0.0, 1.0, bits)
    if isinstance(kernel, LaplacianKernel):
        return Acceptance(0.0, 0.0, 2 * kernel.sigma * scale, 2.0, 0.0, bits)
    soft = 1.0 if isinstance(kernel, CauchyKernel) else 0.0
    return Acceptance(0.0, soft, _NEVER, 0.0, 0.0, bits)


def _error(sums: Array | None, rows: Array, truth: Array | None) -> float:
    """Return the relative error in L2 at some points."""
    if sums is None or truth is None:
        return 0.0
    error, size = np.linalg.norm(sums[rows] - truth), np.linalg.norm(truth)
    if not math.isfinite(error + size):
        return math.inf
    if size > 0:
        return float(error / size)
    return math.inf if error > 0 else 0.0
