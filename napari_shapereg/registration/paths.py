"""The way from the moving to the fixed shape, for the eye: a turn, a stretch, and straight lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import polar
from scipy.spatial.transform import Rotation

from napari_shapereg.transforms import transform_points

if TYPE_CHECKING:
    import SimpleITK as sitk
    from numpy.typing import ArrayLike, NDArray

    from napari_shapereg.deformations import AffineMap


def straight_path(
    affine: AffineMap, moving_to_fixed: sitk.Transform, points: ArrayLike, times: ArrayLike
) -> NDArray[np.float64]:
    """Return the places of points between their rest and their image.

    With A = R S (a turn by an angle θ and a symmetric stretch) and c the centre of the points, a point x
    is at R^t ((1 - t) I + t S)(x - c) + (1 - t) c + t A(c) + t (φ(x) - A(x)) at time t. The linear part
    neither flattens nor mirrors the shape on its way, which straight lines from x to φ(x) would do where the
    shapes are turned by half a turn; what the flow adds grows along straight lines, as in the displacement
    interpolation of McCann, "A convexity principle for interacting gases" (1997). Where A mirrors, R = T F
    with a turn T about an axis n and the reflection F along n; then R^t is T^t, and the stretch ends at F S:
    the shape passes flat through its plane across n, once.

    Parameters
    ----------
    affine : AffineMap
        A, of positive determinant unless it mirrors.
    moving_to_fixed : SimpleITK.Transform
        φ, which starts with A.
    points : (N, 3) array
        x, LPS mm.
    times : (T,) array
        t, from 0 to 1.

    Returns
    -------
    (T, N, 3) array
        LPS mm.
    """
    places = np.asarray(points, dtype=np.float64)
    center = places.mean(axis=0)
    turn, stretch = polar(affine.matrix)
    if np.linalg.det(turn) < 0:
        reflection = _reflection(turn)
        turn, stretch = turn @ reflection, reflection @ stretch
    angle = Rotation.from_matrix(turn).as_rotvec()
    flow = transform_points(moving_to_fixed, places) - affine.apply(places)
    end = affine.apply(center[None])[0]
    frames = []
    for time in np.asarray(times, dtype=np.float64):
        linear = Rotation.from_rotvec(time * angle).as_matrix() @ ((1 - time) * np.eye(3) + time * stretch)
        frames.append((places - center) @ linear.T + (1 - time) * center + time * end + time * flow)
    return np.stack(frames)


def _reflection(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return I - 2 n nᵀ for the direction n that an orthogonal matrix of determinant -1 reverses."""
    _, _, right = np.linalg.svd(turn + np.eye(3))
    reflection: NDArray[np.float64] = np.eye(3) - 2 * np.outer(right[2], right[2])
    return reflection
