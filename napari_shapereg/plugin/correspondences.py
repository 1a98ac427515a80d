"""Which place corresponds to which: lines from the moving surface to where a map, or a plan, sends it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.transforms import transform_points

if TYPE_CHECKING:
    from collections.abc import Mapping

    import SimpleITK as sitk
    from numpy.typing import NDArray

    from napari_shapereg.measures import Measure
    from napari_shapereg.plugin.meshes import Mesh

MOST_LINES = 1000
"""How many lines are drawn by default."""
BLUR = 1.0
"""Of the transport plan, mm."""

_PLAN_POINTS, _LEAST_POINTS = 8000, 300
"""Of all surfaces together, shared out by area, and of each: plans between them take some seconds."""
_BITS = 10
_NO_POINTS: NDArray[np.float64] = np.empty((0, 3))


class Correspondences(NamedTuple):
    """Pairs of places.

    Attributes
    ----------
    starts, ends : (N, 3) float64 array
        LPS mm.
    labels : (N,) int64 array
        Whose surface they start on.
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    labels: NDArray[np.int64]

    def lengths(self) -> NDArray[np.float64]:
        """Return the distance between the two places of each pair (N,), mm."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.ends - self.starts, axis=1)
        return lengths


def landings(
    meshes: Mapping[int, Mesh], moving_to_fixed: sitk.Transform, most: int = MOST_LINES
) -> Correspondences:
    """Pair places on surfaces with where a map sends them.

    Parameters
    ----------
    meshes : mapping from int to Mesh
        The surface of each moving label.
    moving_to_fixed : SimpleITK.Transform
        LPS mm.
    most : int
        How many pairs there are at most; each stands for the same area, and they lie evenly.

    Returns
    -------
    Correspondences
    """
    starts, labels = _spread(meshes, most)
    return Correspondences(starts, transform_points(moving_to_fixed, starts), labels)


def transported(
    sources: Mapping[int, Mesh], targets: Mapping[int, Mesh], most: int = MOST_LINES, *, blur: float = BLUR
) -> Correspondences:
    """Pair places on surfaces with where the optimal plan of transport between areas sends them.

    Label by label the plan moves the area of one surface, as a whole divided by itself, onto the other at the
    least cost, quadratic in the distance: see `SinkhornDivergence.transport_map`.

    Parameters
    ----------
    sources, targets : mapping from int to Mesh
        The surfaces of the labels; what is not in both is left out.
    most : int
        As for `landings`.
    blur : float
        mm.

    Returns
    -------
    Correspondences
    """
    from napari_shapereg.fidelities import SinkhornDivergence

    loss = SinkhornDivergence(blur=blur)
    common = [label for label in sources if label in targets]
    areas = {label: float(sources[label].areas().sum()) for label in common}
    shares, points = _shares(areas, most), _shares(areas, _PLAN_POINTS)
    starts, ends, labels = [_NO_POINTS], [_NO_POINTS], []
    for label in common:
        count = max(_LEAST_POINTS, points[label])
        source, target = (_measure(meshes[label], count) for meshes in (sources, targets))
        sent = loss.transport_map(source, target).double().numpy()
        places = source.points.double().numpy()
        chosen = evenly(places, source.weights.double().numpy(), shares[label])
        starts.append(places[chosen])
        ends.append(sent[chosen])
        labels += [label] * len(chosen)
    return Correspondences(np.concatenate(starts), np.concatenate(ends), np.array(labels, dtype=np.int64))


def evenly(points: NDArray[np.float64], weights: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Choose points so that each stands for the same weight, and neighbours are thinned alike.

    The points are put in the order of a curve that fills space and keeps neighbours together (G. M. Morton,
    1966), and taken from it at equal steps of the weight passed.

    Parameters
    ----------
    points : (N, 3) array
    weights : (N,) array
        Not negative.
    most : int

    Returns
    -------
    (K,) index array
        K <= most, ascending, without repeats.
    """
    if len(points) <= most:
        return np.arange(len(points))
    order = np.argsort(_along_curve(points), kind="stable")
    passed = np.cumsum(weights[order])
    wanted = (np.arange(most) + 0.5) * passed[-1] / most
    return np.unique(order[np.searchsorted(passed, wanted)])


def _along_curve(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each point on Morton's curve: the bits of its coordinates by turns."""
    low, extent = points.min(axis=0), np.ptp(points, axis=0).max()
    cells = ((points - low) / (extent or 1.0) * ((1 << _BITS) - 1)).astype(np.int64)
    place = np.zeros(len(points), dtype=np.int64)
    for bit in range(_BITS):
        for axis in range(3):
            place |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return place


def _spread(meshes: Mapping[int, Mesh], most: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    areas = {label: mesh.areas() for label, mesh in meshes.items()}
    shares = _shares({label: float(values.sum()) for label, values in areas.items()}, most)
    starts, labels = [_NO_POINTS], []
    for label, mesh in meshes.items():
        centers = mesh.centers()
        chosen = evenly(centers, areas[label], shares[label])
        starts.append(centers[chosen])
        labels += [label] * len(chosen)
    return np.concatenate(starts), np.array(labels, dtype=np.int64)


def _shares(areas: Mapping[int, float], most: int) -> dict[int, int]:
    """Divide a number of lines by area; every surface gets one."""
    total = sum(areas.values())
    return {label: max(1, round(most * area / total)) for label, area in areas.items()}


def _measure(mesh: Mesh, count: int) -> Measure:
    """Return the area of a mesh as a measure of about so many points."""
    import torch

    from napari_shapereg.measures import Measure, coarsen

    areas = mesh.areas()
    measure = Measure(torch.from_numpy(mesh.centers()), torch.from_numpy(areas)).to(dtype=torch.float32)
    if len(measure) <= count:
        return measure
    # A cell of that edge cuts about the square of it out of a surface.
    return coarsen(measure, math.sqrt(areas.sum() / count))
