"""Transforms as SimpleITK holds them: a displacement field, an affine map, a chain of transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_shapereg.volumes import ImageGrid

_SMALLEST_DETERMINANT = 1e-9


def displacement_transform(displacement: ArrayLike, grid: ImageGrid) -> sitk.DisplacementFieldTransform:
    """Return the transform ``x -> x + u(x)`` of a displacement field sampled on a grid.

    Between the nodes u is interpolated linearly. ITK's rule at the border: up to half a voxel outside the
    outermost nodes u has the value of the nearest point between nodes; further out it is zero, and the map
    the identity.

    Parameters
    ----------
    displacement : (z, y, x, 3) array
        Displacement vectors, LPS mm, finite; computed with in float64. A copy is taken.
    grid : ImageGrid
        Where the nodes lie, LPS mm.

    Returns
    -------
    SimpleITK.DisplacementFieldTransform

    Raises
    ------
    InputError
        The array does not fit the grid, or holds a NaN or an infinite value.
    """
    vectors = np.asarray(displacement, dtype=np.float64)
    if vectors.shape != (*grid.shape, 3):
        raise InputError(
            f"displacement must have shape {(*grid.shape, 3)} like its grid (z, y, x), got {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise InputError("displacement holds NaN or infinite vectors: the fit that made it has diverged")
    # The transform takes the image over and leaves an empty one behind: it must not outlive this line.
    return sitk.DisplacementFieldTransform(grid.stamp(sitk.GetImageFromArray(vectors, isVector=True)))


def affine_transform(matrix: ArrayLike, translation: ArrayLike) -> sitk.AffineTransform:
    """Return the transform ``x -> matrix @ x + translation``.

    Parameters
    ----------
    matrix : (3, 3) array-like
        Acts on points in LPS mm.
    translation : (3,) array-like
        LPS mm.

    Returns
    -------
    SimpleITK.AffineTransform

    Raises
    ------
    InputError
        A shape is wrong, a value not finite, or the matrix singular.
    """
    linear = np.asarray(matrix, dtype=np.float64)
    offset = np.asarray(translation, dtype=np.float64)
    if linear.shape != (3, 3) or offset.shape != (3,):
        raise InputError(
            f"an affine map is a (3, 3) matrix and a (3,) translation, got {linear.shape} and {offset.shape}"
        )
    if not (np.isfinite(linear).all() and np.isfinite(offset).all()):
        raise InputError(
            f"the affine map must be finite, got matrix {linear.tolist()}, translation {offset.tolist()}"
        )
    if abs(np.linalg.det(linear)) < _SMALLEST_DETERMINANT:
        raise InputError(f"the matrix {linear.tolist()} is singular: it flattens space and has no inverse")
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(linear.ravel().tolist())
    transform.SetTranslation(offset.tolist())
    return transform


def chain(*transforms: sitk.Transform) -> sitk.CompositeTransform:
    """Return the composition of transforms, given in the order in which they are applied to a point.

    ``chain(f, g)`` maps x to g(f(x)). (`SimpleITK.CompositeTransform` lists them the other way round.) Chains
    among them are unpacked: ITK's files hold one level only.

    Parameters
    ----------
    *transforms : SimpleITK.Transform
        At least one, all 3-D.

    Returns
    -------
    SimpleITK.CompositeTransform

    Raises
    ------
    InputError
        None is given, or one is not 3-D.
    """
    if not transforms:
        raise InputError("chain() needs at least one transform, got none")
    for transform in transforms:
        require_3d(transform)
    composite = sitk.CompositeTransform(list(reversed(transforms)))
    composite.FlattenTransform()
    return composite


def members(transform: sitk.Transform) -> list[sitk.Transform]:
    """Return what a chain is made of, in the order in which it is applied to a point; else itself alone.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Chains among the members of a chain are unpacked.
    """
    if not isinstance(transform, sitk.CompositeTransform):
        return [transform]
    # ITK lists them in the order of matrix products, the last one is applied first.
    places = reversed(range(transform.GetNumberOfTransforms()))
    return [member for place in places for member in members(transform.GetNthTransform(place))]


def require_3d(transform: sitk.Transform) -> None:
    """Refuse what is no transform of 3-D points.

    Raises
    ------
    InputError
        It is something else, or of another dimension.
    """
    if not isinstance(transform, sitk.Transform):
        raise InputError(
            f"a SimpleITK transform is needed, got {type(transform).__name__}; read files with read_transform"
        )
    if transform.GetDimension() != 3:
        raise InputError(
            f"a 3-D transform is needed, got a {transform.GetDimension()}-D {transform.GetName()}"
        )
