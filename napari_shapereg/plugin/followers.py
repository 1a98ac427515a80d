"""Vertices that follow the points of a run: how the moving surface is seen on its way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.plugin.scene import Shape

_NEIGHBOURS = 9
_HARDLY_ANY = 1e-9


class Followers:
    """Places that go where the points around them go.

    A run carries points, not the vertices of a surface. With A the affine map that comes nearest to it, which
    carries q_k to p_k, a place x goes to A x + Σ w_k (p_k - A q_k): exact where the run is affine, and where
    it is not, as smooth as its map. The weights are w_k ∝ (1 / |x - q_k| - 1 / r)², with r the distance of
    the first neighbour that is left out, so that none begins or ends with a jump (Franke & Nielson, "Smooth
    interpolation of large sets of scattered data", 1980).

    Parameters
    ----------
    places : (V, 3) array
        x, at rest.
    points : (N, 3) array
        q, at rest; at least one.
    """

    def __init__(self, places: NDArray[np.float64], points: NDArray[np.float64]) -> None:
        self._places, self._points = places, points
        found = cKDTree(points).query(places, k=range(1, _NEIGHBOURS + 1))
        distances, neighbours = (np.asarray(each) for each in found)
        near = np.maximum(distances[:, :-1], _HARDLY_ANY)
        weights = np.square(1 / near - 1 / np.maximum(distances[:, -1:], near + _HARDLY_ANY))
        weights[~np.isfinite(distances[:, :-1])] = 0.0
        self._weights = weights / weights.sum(axis=1, keepdims=True)
        self._neighbours = np.minimum(neighbours[:, :-1], len(points) - 1)

    def when(self, moved: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the places (V, 3) are when the points are at `moved`, (N, 3)."""
        center = self._points.mean(axis=0)
        moves = moved - self._points
        shift = moves.mean(axis=0)
        # Of the moves, not of the places: where all points lie in a plane, what is off it keeps its distance.
        slope = np.linalg.lstsq(self._points - center, moves - shift, rcond=1e-6)[0]
        rest = moves - shift - (self._points - center) @ slope
        own = np.einsum("vk,vkd->vd", self._weights, rest[self._neighbours])
        places: NDArray[np.float64] = self._places + shift + (self._places - center) @ slope + own
        return places


class MovingSurface:
    """A surface that is carried by whatever points a run has at the time."""

    def __init__(self) -> None:
        self.shape: Shape | None = None
        """At rest, LPS mm. It may be given when the run is on its way already."""
        self._rest: NDArray[np.float64] | None = None
        self._now: NDArray[np.float64] | None = None
        self._followers: Followers | None = None

    def track(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
        """Hear of a step.

        Parameters
        ----------
        before, after : (N, 3) array
            The points, LPS mm. Where the overlap is partial, there are fewer once it is known.
        """
        if self._rest is None or self._now is None:
            self._rest = before
        elif len(before) != len(self._rest):
            self._rest, self._followers = Followers(before, self._now).when(self._rest), None
        self._now = after

    def shown(self) -> Shape | None:
        """Return the surface where the last step has carried it; None where there is no surface or step."""
        if self.shape is None or self._rest is None or self._now is None:
            return None
        if self._followers is None:
            self._followers = Followers(self.shape.vertices, self._rest)
        return replace(self.shape, vertices=self._followers.when(self._now))
