"""Where a registration starts: the poses worth trying, tried on a few points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from napari_shapereg.deformations import LinearDeformation
from napari_shapereg.fidelities import EnergyDistance, KernelNorm
from napari_shapereg.reductions.kernels import CauchyKernel
from napari_shapereg.registration.linear_descent import LinearObjective, linear_descent
from napari_shapereg.registration.shapes import pooled, radius

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.deformations import LinearKind
    from napari_shapereg.fidelities import Fidelity
    from napari_shapereg.measures import Measure
    from napari_shapereg.reductions.engine import Engine
    from napari_shapereg.registration.shapes import Shapes

AMBIGUOUS = 0.8
"""Ratio of the variances along two principal axes above which either may be the longer one."""
FEW_POINTS = 150
FEW_STEPS = 8
REFINED = 3
"""Poses that are refined, of those that are scored."""
LEFT_TO_RIGHT = np.diag([-1.0, 1.0, 1.0])
ANNEALING = ((0.5, 80), (0.25, 150), (0.1, 300), (0.05, 600))
"""For partial overlap: kernel length in radii, and points per label."""
APART = 0.1
"""Poses that differ by less, root mean square in radii, are one."""


class Pose(NamedTuple):
    """A pose, as the zero parameters of a model, and what is left of the cost there."""

    model: LinearDeformation
    cost: float


def best_pose(shapes: Shapes, kind: LinearKind, *, mirrored: bool, engine: str | Engine = "auto") -> Pose:
    """Find the pose from which to start where both shapes are seen as a whole.

    The centres are matched, and all `turns` are scored by the energy distance, which sees from any distance,
    on a few points per label. The best are refined, and the best of these is kept. Labels correspond, so that
    a shape that looks the same from two sides is still turned the right way.

    Parameters
    ----------
    shapes : Shapes
        Both shapes, LPS mm.
    kind : {"rigid", "similarity"}
        With "similarity" the sizes are matched, too.
    mirrored : bool
        Whether to try mirror images of the moving shape, and only these.
    engine : str or Engine
        Of the pairwise sums.
    """
    source, target = (pooled(measures, shapes.weights) for measures in (shapes.sources, shapes.targets))
    scale = 1.0 if kind == "rigid" else radius(target) / max(radius(source), 1e-9 * radius(target))
    few, loss = shapes.coarsened(FEW_POINTS), EnergyDistance(engine=engine)
    scored = []
    for turn in turns(source, target, mirrored=mirrored):
        model = _centred(kind, turn * scale, source, target)
        scored.append(Pose(model, LinearObjective(model, few, loss)(model.identity()).item()))
    promising = sorted(scored, key=lambda pose: pose.cost)[:REFINED]
    return min((_refined(pose, few, loss) for pose in promising), key=lambda pose: pose.cost)


def best_partial_pose(shapes: Shapes, *, mirrored: bool, engine: str | Engine = "auto") -> Pose:
    """Find the rigid pose from which to start where one shape or both are cut off by their images.

    Neither centres nor axes correspond then. Turns spread evenly over all directions are refined, shift
    included, by the kernel correlation of Tsin and Kanade, "A correlation-based approach to robust point set
    registration" (2004): under rigid maps a kernel norm differs from minus the cross term ⟨α, k ⋆ β⟩ by a
    constant, and what has no counterpart does not count in it. A wide kernel draws any part to where most of
    the other shape is, so the right pose may be far from the best until the kernel is narrow: only poses that
    have met another one are dropped.

    Parameters
    ----------
    shapes, mirrored, engine
        See `best_pose`. Volumes tell poses apart better than surfaces do.
    """
    source, target = (pooled(measures, shapes.weights) for measures in (shapes.sources, shapes.targets))
    length = max(radius(source), radius(target))
    axes = (
        _principal_axes(target).axes
        @ _spread("I")
        @ _handed(_principal_axes(source).axes, mirrored=mirrored).T
    )
    poses = [Pose(_centred("rigid", turn, source, target), 0.0) for turn in axes]
    for share, points in ANNEALING:
        few, loss = shapes.coarsened(points), KernelNorm(CauchyKernel(share * length), engine=engine)
        refined = sorted((_refined(pose, few, loss) for pose in poses), key=lambda pose: pose.cost)
        poses = _distinct(refined, few, APART * length)
    return poses[0]


def _distinct(poses: list[Pose], shapes: Shapes, apart: float) -> list[Pose]:
    """Keep of poses that lay the source on about the same place the first one."""
    points = pooled(shapes.sources, shapes.weights).points.double().cpu().numpy()
    kept: list[Pose] = []
    places: list[NDArray[np.float64]] = []
    for pose in poses:
        place = pose.model.affine_map(pose.model.identity()).apply(points)
        if all(np.square(place - other).sum(1).mean() > apart**2 for other in places):
            kept.append(pose)
            places.append(place)
    return kept


def turns(source: Measure, target: Measure, *, mirrored: bool = False) -> list[NDArray[np.float64]]:
    """Return no turn, and the turns that may carry principal axes onto principal axes.

    There are four where the variances along the three axes differ. Where two of them are about equal, turns
    about the third one by 30 degrees each are tried; where all are, the 60 turns of an icosahedron, which
    leave no turn further away than 45 degrees.

    Parameters
    ----------
    source, target : Measure
        The moving and the fixed shape.
    mirrored : bool
        Return the same turns of the mirror image instead, and the exchange of left and right.

    Returns
    -------
    list of (3, 3) array
        Orthogonal matrices, of determinant -1 if mirrored.
    """
    here, there = _principal_axes(source), _principal_axes(target)
    first, second = (max(pair) for pair in zip(here.ratios, there.ratios, strict=True))
    if first > AMBIGUOUS and second > AMBIGUOUS:
        group = _spread("I")
    elif second > AMBIGUOUS:
        group = _spread("D12", "X")
    else:
        group = _spread("D12" if first > AMBIGUOUS else "D2", "Z")
    still = LEFT_TO_RIGHT if mirrored else np.eye(3)
    return [still, *(there.axes @ group @ _handed(here.axes, mirrored=mirrored).T)]


class _Axes(NamedTuple):
    axes: NDArray[np.float64]
    ratios: tuple[float, float]


def _principal_axes(measure: Measure) -> _Axes:
    """Return the right-handed matrix whose columns are the axes, shortest first, and how alike they are."""
    offsets = (measure.points - measure.center).double().cpu().numpy()
    # No matrix product: those of a BLAS round differently on other numbers of threads.
    moments = np.einsum("n,ni,nj->ij", measure.weights.double().cpu().numpy(), offsets, offsets)
    variances, axes = np.linalg.eigh(moments)
    low, middle, high = np.maximum(variances, 1e-12 * max(variances[2], 1e-12))
    return _Axes(axes * np.sign(np.linalg.det(axes)), (low / middle, middle / high))


def _handed(axes: NDArray[np.float64], *, mirrored: bool) -> NDArray[np.float64]:
    return axes @ LEFT_TO_RIGHT if mirrored else axes


def _spread(group: str, axis: Literal["X", "Y", "Z"] = "Z") -> NDArray[np.float64]:
    # SciPy's types know the name "Dn", but no number in its place.
    matrices: NDArray[np.float64] = Rotation.create_group(group, axis=axis).as_matrix()  # type: ignore[arg-type]
    return matrices


def _centred(
    kind: LinearKind, matrix: NDArray[np.float64], source: Measure, target: Measure
) -> LinearDeformation:
    start: Tensor = torch.from_numpy(matrix).to(source.device)
    return LinearDeformation(kind, start, source.center.double(), target.center.double(), radius(target))


def _refined(pose: Pose, shapes: Shapes, loss: Fidelity) -> Pose:
    *_, (parameters, cost) = linear_descent(LinearObjective(pose.model, shapes, loss), FEW_STEPS)
    return Pose(pose.model.rebased(parameters, pose.model.kind), cost)
