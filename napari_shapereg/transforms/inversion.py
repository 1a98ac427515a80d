"""The inverse of a transform, exact where it is linear and sampled where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.containers import chain, members, require_3d
from napari_shapereg.volumes.quiet import quiet_itk

if TYPE_CHECKING:
    from napari_shapereg.volumes import ImageGrid

MOST_NODES = 1_000_000
"""A finer grid is binned: inverting visits every node at every step."""
_STEPS = 50
_MEAN_ERROR, _LARGEST_ERROR = 1e-4, 1e-3
"""Of the inverse, in voxels, at which ITK's iteration ends."""


def inverse_of(transform: sitk.Transform, grid: ImageGrid) -> sitk.Transform:
    """Return the transform that undoes another one.

    T = L∘(id + d), where L chains the linear members of T, is undone by (id + d)⁻¹∘L⁻¹. The field d is
    sampled on the grid and inverted by fixed points (M. Chen et al., "A simple fixed-point approach to invert
    a deformation field", Medical Physics 35, 2008; in ITK `InvertDisplacementFieldImageFilter`).

    Parameters
    ----------
    transform : SimpleITK.Transform
        3-D, LPS mm.
    grid : ImageGrid
        Where points that are mapped by `transform` lie, the fixed image as a rule; beyond it L alone counts.

    Returns
    -------
    SimpleITK.Transform
        Exact where `transform` is linear; else as good as d is linear between at most a million nodes.

    Raises
    ------
    InputError
        The transform is not 3-D, or a linear member of it is singular.
    """
    require_3d(transform)
    back = _inverse_of_linear(_linear_members(transform))
    if transform.IsLinear():
        return back
    coarse = grid
    while coarse.voxels > MOST_NODES:
        # The axis with the finest voxels first, so that they become cubes.
        finest = min(range(3), key=lambda axis: coarse.spacing[axis])
        coarse = coarse.binned([2 if axis == finest else 1 for axis in range(3)])
    field = sitk.TransformToDisplacementField(
        chain(transform, back),
        sitk.sitkVectorFloat64,
        coarse.size,
        coarse.origin,
        coarse.spacing,
        coarse.direction,
    )
    with quiet_itk():
        inverse = sitk.InvertDisplacementField(
            field,
            maximumNumberOfIterations=_STEPS,
            maxErrorToleranceThreshold=_LARGEST_ERROR,
            meanErrorToleranceThreshold=_MEAN_ERROR,
            enforceBoundaryCondition=False,
        )
    return chain(back, sitk.DisplacementFieldTransform(inverse))


def _linear_members(transform: sitk.Transform) -> sitk.CompositeTransform:
    """Return the linear members of a chain as a chain; the identity where there is none."""
    linear = [member for member in members(transform) if member.IsLinear()]
    return chain(*linear) if linear else chain(sitk.Transform(3, sitk.sitkIdentity))


def _inverse_of_linear(transform: sitk.CompositeTransform) -> sitk.Transform:
    try:
        inverse: sitk.Transform = transform.GetInverse()
    except RuntimeError as error:
        raise InputError("a linear part of the transform is singular: it has no inverse") from error
    return inverse
