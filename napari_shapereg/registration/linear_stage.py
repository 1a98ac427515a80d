"""The linear stage: from any pose to a rigid, similarity or affine map, by L-BFGS on a fidelity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_shapereg.registration.linear_descent import LinearObjective, linear_descent
from napari_shapereg.registration.poses import best_pose
from napari_shapereg.registration.shapes import pooled, radius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_shapereg.deformations import AffineMap, LinearDeformation, LinearKind
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.shapes import Shapes

Mirror = Literal["auto", "never", "always"]
KINDS: tuple[LinearKind, ...] = ("rigid", "similarity", "affine")
MAX_STEPS = 40
CLEARLY = 0.7
"""A mirror image is taken if it leaves less than this fraction of the cost that the shape itself leaves,"""
MISFIT = 1e-3
"""and if it spares more than this, in radii of the fixed shape: two good fits tell nothing."""


class LinearStep(NamedTuple):
    """One step of the linear stage: its map, cost and strain energy."""

    affine: AffineMap
    cost: float
    energy: float


def linear_steps(
    shapes: Shapes, kind: LinearKind, loss: Fidelity, mirror: Mirror = "never"
) -> Iterator[LinearStep]:
    """Fit a linear map of the moving onto the fixed shape.

    The best of the poses that `napari_shapereg.registration.poses` tries is refined as a rigid map, a
    similarity and an affine map, as far as `kind` goes.

    Parameters
    ----------
    shapes : Shapes
        Both shapes, LPS mm.
    kind : {"rigid", "similarity", "affine"}
        The richest map.
    loss : Fidelity
        What is descended. The start is chosen by the energy distance, which sees from any distance.
    mirror : {"auto", "never", "always"}
        Whether the map turns left into right: "auto" where the mirror image fits clearly better.

    Yields
    ------
    LinearStep
        With falling cost within one kind.
    """
    yield from refining_steps(_start(shapes, kind, loss, mirror), shapes, kind, loss)


def refining_steps(
    model: LinearDeformation, shapes: Shapes, kind: LinearKind, loss: Fidelity
) -> Iterator[LinearStep]:
    """Fit a linear map from the zero parameters of a model on; see `linear_steps`."""
    for richer in KINDS[: KINDS.index(kind) + 1]:
        parameters = model.identity()
        model = model.rebased(parameters, richer)
        for parameters, cost in linear_descent(LinearObjective(model, shapes, loss), MAX_STEPS):
            yield LinearStep(model.affine_map(parameters), cost, float(model.energy(parameters)))
        model = model.rebased(parameters, richer)


def _start(shapes: Shapes, kind: LinearKind, loss: Fidelity, mirror: Mirror) -> LinearDeformation:
    first: LinearKind = "rigid" if kind == "rigid" else "similarity"
    poses = [
        best_pose(shapes, first, mirrored=mirrored, engine=loss.engine)
        for mirrored, allowed in ((False, mirror != "always"), (True, mirror != "never"))
        if allowed
    ]
    if mirror != "auto":
        return poses[0].model
    proper, mirrored = poses
    spared = proper.cost - mirrored.cost
    object_radius = radius(pooled(shapes.targets, shapes.weights))
    better = mirrored.cost < CLEARLY * proper.cost and spared > MISFIT * object_radius
    return mirrored.model if better else proper.model
