"""What two images both show, once a linear map has laid the shapes on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_shapereg.deformations import AffineMap
from napari_shapereg.measures import Measure
from napari_shapereg.registration.shapes import Shapes
from napari_shapereg.registration.voxel_level import Fractions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_shapereg.deformations import Lattice
    from napari_shapereg.volumes import ImageGrid


def cropped_shapes(
    shapes: Shapes, affine: AffineMap, back: AffineMap, moving: ImageGrid, fixed: ImageGrid
) -> Shapes:
    """Leave out of both shapes what the other image does not show.

    Parameters
    ----------
    shapes : Shapes
        LPS mm.
    affine : AffineMap
        From the points of the moving shape to the fixed space.
    back : AffineMap
        From the points of the fixed shape to the space of the moving image.
    moving, fixed : ImageGrid
        Their borders are where the shapes are cut off.

    Returns
    -------
    Shapes
        Of unit mass again. A label of which nothing would be left stays whole.
    """
    return Shapes(
        shapes.weights,
        {k: _cropped(measure, affine, fixed) for k, measure in shapes.sources.items()},
        {k: _cropped(measure, back, moving) for k, measure in shapes.targets.items()},
        shapes.pairs,
    )


def cropped_fractions(
    fractions: Fractions, back: AffineMap, moving: ImageGrid, fixed: ImageGrid, lattice: Lattice
) -> Fractions:
    """Empty the cells of a lattice that the other image does not show; see `cropped_shapes`."""
    like = next(iter(fractions.fixed.values()))
    in_fixed = view(fixed, AffineMap.identity(), lattice, like)
    in_moving = view(moving, back, lattice, like)
    return Fractions(
        {label: image * in_fixed for label, image in fractions.moving.items()},
        {label: image * in_moving for label, image in fractions.fixed.items()},
    )


def view(grid: ImageGrid, to_grid: AffineMap, lattice: Lattice, like: Tensor) -> Tensor:
    """Return the (z, y, x) tensor that is 1 at the nodes of a lattice that an image shows, and 0 elsewhere.

    Parameters
    ----------
    grid : ImageGrid
        Of the image.
    to_grid : AffineMap
        From the space of the lattice to that of the image, LPS mm.
    lattice : Lattice
        Where to.
    like : Tensor
        Gives dtype and device.
    """
    planes = []
    x, y, depth = lattice.grid.size
    rows, columns = np.mgrid[:y, :x]
    indices = np.stack([columns.ravel(), rows.ravel(), np.zeros(x * y)], axis=1)
    for plane in range(depth):
        indices[:, 2] = plane
        shown = _shows(grid, to_grid.apply(lattice.grid.to_points(indices)))
        planes.append(torch.from_numpy(shown.reshape(y, x)))
    return torch.stack(planes).to(like)


def _cropped(measure: Measure, to_grid: AffineMap, grid: ImageGrid) -> Measure:
    shown = torch.from_numpy(_shows(grid, to_grid.apply(measure.points.double().cpu().numpy())))
    kept = shown.to(measure.device)
    if not kept.any():
        return measure
    normals = None if measure.normals is None else measure.normals[kept]
    return Measure(measure.points[kept], measure.weights[kept], normals).normalized()


def _shows(grid: ImageGrid, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    indices = grid.to_indices(points)
    shown: NDArray[np.bool_] = np.all((indices >= -0.5) & (indices <= np.array(grid.size) - 0.5), axis=1)
    return shown
