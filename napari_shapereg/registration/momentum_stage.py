"""The flow of a model with momenta (LDDMM, stationary velocities): L-BFGS on regularisation and fidelity."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_shapereg.measures import Measure
from napari_shapereg.registration.quasi_newton import descended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from napari_shapereg.deformations import GeodesicShooting, StationaryVelocity
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.registration.settings import RegistrationSettings
    from napari_shapereg.registration.shapes import Shapes

FIRST_STEP = 0.02
"""Largest entry of the first step, in radii of the object."""
PATIENCE = 3
"""Steps over which the fall of the cost is judged: a single step of L-BFGS may be a poor one."""
NORMAL_STEP = 0.01
"""Half the distance, in radii, over which the turn of a surface is measured."""


class Parts(NamedTuple):
    """What a cost consists of: the moving points carried, their fidelity, and energy(φ) / r²."""

    points: Mapping[int, Tensor]
    fidelity: float
    energy: float


class MomentumStep(NamedTuple):
    """One step: the parameters, their cost and its parts, and whether it is the last one."""

    parameters: Tensor
    cost: float
    parts: Parts
    last: bool


@dataclass(frozen=True, eq=False)
class MomentumObjective:
    """The cost Σ_l share_l d(φ(α_l), β_l) / d₀ + regularity · energy(φ) / r².

    Both terms are pure numbers: d₀ is the fidelity where the stage starts, r the radius of the object.

    Parameters
    ----------
    model : GeodesicShooting or StationaryVelocity
        φ, parameters to maps of LPS mm.
    shapes : Shapes
        Both shapes, linearly aligned, LPS mm.
    loss : Fidelity
        d.
    radius : float
        r, mm.
    regularity : float
        Weight of the energy.
    scale : float
        d₀.
    unit : float
        Of the landmark term; see `PointPairs.unit`.
    """

    model: GeodesicShooting | StationaryVelocity
    shapes: Shapes
    loss: Fidelity
    radius: float
    regularity: float
    scale: float
    unit: float = 0.0

    def __call__(self, parameters: Tensor) -> tuple[Tensor, Parts]:
        """Return the cost, 0-d, differentiable, and its parts."""
        moved, landmarks, energy = self._carried(parameters)
        fidelity = self._fidelity(moved, landmarks)
        points = {label: measure.points.detach() for label, measure in moved.items()}
        parts = Parts(points, float(fidelity.detach()), float(energy.detach()))
        return fidelity / self.scale + self.regularity * energy, parts

    def _fidelity(self, moved: Mapping[int, Measure], landmarks: Tensor) -> Tensor:
        """Return Σ_l share_l d(φ(α_l), β_l), and the landmark term if there are any, 0-d, differentiable."""
        shapes = self.shapes
        values = [share * self.loss(moved[k], shapes.targets[k]) for k, share in shapes.weights.items()]
        if shapes.pairs:
            values.append(self.unit * shapes.pairs.share(landmarks))
        return torch.stack(values).sum()

    def _carried(self, parameters: Tensor) -> tuple[dict[int, Measure], Tensor, Tensor]:
        """Carry the moving shape, whose weights stay and whose normals turn, and the landmarks, if any.

        The last that is returned is energy(φ) / r².
        """
        sources, pairs = self.shapes.sources, self.shapes.pairs
        clouds = [_with_neighbours(measure, NORMAL_STEP * self.radius) for measure in sources.values()]
        clouds.append(pairs.moving if pairs else clouds[0][:0])
        carried, energy = self.model.flow_and_energy(parameters, torch.cat(clouds))
        *moved, landmarks = torch.split(carried, [len(cloud) for cloud in clouds])
        pieces = zip(sources.items(), moved, strict=True)
        measures = {label: _from_neighbours(measure, cloud) for (label, measure), cloud in pieces}
        return measures, landmarks, energy / self.radius**2


def scaled_objective(
    model: GeodesicShooting | StationaryVelocity,
    shapes: Shapes,
    loss: Fidelity,
    radius: float,
    settings: RegistrationSettings,
) -> MomentumObjective:
    """Return the objective whose fidelity is 1 where the map is the identity."""
    unit = shapes.pairs.unit(shapes, loss) if shapes.pairs else 0.0
    plain = MomentumObjective(model, shapes, loss, radius, settings.momenta.regularity, 1.0, unit)
    with torch.no_grad():
        _, start = plain(model.identity().to(next(iter(shapes.targets.values())).device))
    return replace(plain, scale=max(start.fidelity, 1e-30))


def momentum_steps(
    objective: MomentumObjective, start: Tensor, settings: RegistrationSettings
) -> Iterator[MomentumStep]:
    """Lower the cost from given parameters.

    Yields
    ------
    MomentumStep
        Of falling cost, at most `settings.momenta.max_steps`. The last one lowers it by less than the
        fraction `settings.tolerance` a step, over `PATIENCE` steps. A cost that is not a number is yielded as
        it is.
    """
    costs: list[float] = []
    run = descended(objective, start, FIRST_STEP * objective.radius)
    for reached in itertools.islice(run, settings.momenta.max_steps):
        costs.append(reached.cost)
        last = len(costs) > PATIENCE and costs[-1] > costs[-1 - PATIENCE] * (
            1 - PATIENCE * settings.tolerance
        )
        yield MomentumStep(reached.parameters, reached.cost, reached.parts, last)
        if last:
            return


def _with_neighbours(measure: Measure, step: float) -> Tensor:
    """Return the points, and where there are normals, points a step to each side along two tangents."""
    if measure.normals is None:
        return measure.points
    first, second = _tangents(measure.normals)
    offsets = [0 * first, step * first, -step * first, step * second, -step * second]
    return torch.cat([measure.points + offset for offset in offsets])


def _from_neighbours(measure: Measure, moved: Tensor) -> Measure:
    if measure.normals is None:
        return Measure(moved, measure.weights)
    points, *sides = torch.split(moved, len(measure))
    across = torch.linalg.cross(sides[0] - sides[1], sides[2] - sides[3])
    lengths = torch.linalg.vector_norm(across, dim=1, keepdim=True).clamp_min(1e-12)
    sizes = torch.linalg.vector_norm(measure.normals, dim=1, keepdim=True)
    return Measure(points, measure.weights, across * (sizes / lengths))


def _tangents(normals: Tensor) -> tuple[Tensor, Tensor]:
    """Return two unit vectors across each normal that make a right-handed frame with it."""
    axis = torch.nn.functional.one_hot(normals.abs().argmin(dim=1), 3).to(normals)
    first = torch.nn.functional.normalize(torch.linalg.cross(axis, normals), dim=1)
    return first, torch.nn.functional.normalize(torch.linalg.cross(normals, first), dim=1)
