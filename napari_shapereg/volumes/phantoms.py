"""Label volumes made of formulas: balls, shells, knees, and a pair whose true deformation is known.

Everything is deterministic: a voxel has the label of its centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.volumes.closed_form import KnownDeformation
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.knees import KNEE_COLORS, KNEE_NAMES, Knee, rotation_matrix
from napari_shapereg.volumes.labels import LabelVolume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Labelling = Callable[[NDArray[np.float64]], NDArray[np.uint8]]

__all__ = [
    "Knee",
    "KnownDeformation",
    "ball_volume",
    "knee_pair",
    "knee_volume",
    "known_deformation",
    "known_pair",
    "paint",
    "sagittal_grid",
    "shell_volume",
]

# Two subjects of different build, 30 mm apart as scanned; a thin, worn and smaller one is the fixed one.
_KNEE_A = Knee(
    condyle_offset=23.5,
    depth=36.0,
    height=31.0,
    femoral_thickness=3.0,
    tibial_thickness=3.2,
    rotation=(4.0, -6.0, 7.0),
    position=(92.0, 3.0, -21.0),
)
_KNEE_B = Knee(
    condyle_offset=21.0,
    depth=33.0,
    height=27.0,
    femoral_thickness=2.4,
    tibial_thickness=2.5,
    notch=8.0,
    front=90.0,
    back=98.0,
    asymmetry=0.1,
    rotation=(-8.0, 5.0, -9.0),
    position=(74.0, -11.0, 2.0),
)
_KNOWN = KnownDeformation(center=(74.0, -11.0, 2.0))


def paint(labelling: Labelling, grid: ImageGrid) -> LabelVolume:
    """Make a volume of a function of space.

    Parameters
    ----------
    labelling : callable
        Takes (N, 3) LPS mm, returns (N,) uint8 labels.
    grid : ImageGrid

    Returns
    -------
    LabelVolume
        Each voxel with the label of its centre.
    """
    width, height, depth = grid.size
    data = np.empty(grid.shape, dtype=np.uint8)
    rows, columns = np.mgrid[:height, :width]
    plane = np.stack([columns.ravel(), rows.ravel(), np.zeros(height * width)], axis=1)
    # Plane by plane: the points of a whole grid would take twenty-four times the memory of its labels.
    for index in range(depth):
        plane[:, 2] = index
        data[index] = labelling(grid.to_points(plane)).reshape(height, width)
    return LabelVolume(data, grid)


def ball_volume(
    grid: ImageGrid, center: Sequence[float] | None = None, radius: float = 10.0, label: int = 1
) -> LabelVolume:
    """Make a solid ball.

    Parameters
    ----------
    grid : ImageGrid
    center : 3 float, optional
        LPS mm; the middle of the grid if not given.
    radius : float
        mm.
    label : int

    Returns
    -------
    LabelVolume

    Raises
    ------
    InputError
        The radius is not positive.
    """
    return shell_volume(grid, center, radius, thickness=radius, label=label)


def shell_volume(
    grid: ImageGrid,
    center: Sequence[float] | None = None,
    radius: float = 10.0,
    thickness: float = 2.0,
    label: int = 1,
) -> LabelVolume:
    """Make a spherical shell: the points whose distance from the centre lies in [radius - thickness, radius].

    Parameters
    ----------
    grid : ImageGrid
    center : 3 float, optional
        LPS mm; the middle of the grid if not given.
    radius, thickness : float
        mm.
    label : int

    Returns
    -------
    LabelVolume

    Raises
    ------
    InputError
        The radius or the thickness is not positive, or the thickness exceeds the radius.
    """
    if not 0 < thickness <= radius:
        msg = f"a shell needs 0 < thickness <= radius, got thickness {thickness} and radius {radius} mm"
        raise InputError(msg)
    middle = grid.corners().mean(axis=0) if center is None else np.asarray(center, dtype=np.float64)

    def labelling(points: NDArray[np.float64]) -> NDArray[np.uint8]:
        distance = np.linalg.norm(points - middle, axis=1)
        inside = (distance <= radius) & (distance >= radius - thickness)
        return np.where(inside, label, 0).astype(np.uint8)

    return paint(labelling, grid)


def sagittal_grid(
    center: Sequence[float],
    extent: Sequence[float],
    spacing: Sequence[float] = (0.6, 0.6, 1.1),
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> ImageGrid:
    """Return a grid as knees are scanned: in sagittal slices, so with the axes of LPS permuted, and turned.

    Parameters
    ----------
    center : 3 float
        The middle of the grid, LPS mm.
    extent : 3 float
        Lengths along the axes x (front to back), y (top to bottom) and z (right to left), mm.
    spacing : 3 float
        Along the same axes, mm.
    rotation : tuple of 3 float
        Angles about the LPS axes x, y and z in degrees.

    Returns
    -------
    ImageGrid

    Raises
    ------
    InputError
        As `ImageGrid`.
    """
    sagittal = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    direction = tuple((rotation_matrix(rotation) @ sagittal).ravel())
    x, y, z = (round(length / step) for length, step in zip(extent, spacing, strict=True))
    a, b, c = spacing
    at_zero = ImageGrid((x, y, z), (a, b, c), (0.0, 0.0, 0.0), direction)
    left, back, up = np.asarray(center) - at_zero.corners().mean(axis=0)
    return ImageGrid((x, y, z), (a, b, c), (float(left), float(back), float(up)), direction)


def knee_volume(knee: Knee, grid: ImageGrid) -> LabelVolume:
    """Make a volume of a knee: femoral cartilage 1, tibial cartilage 2, with names and colours."""
    painted = paint(knee.labels_at, grid)
    return LabelVolume(painted.data, grid, KNEE_NAMES, KNEE_COLORS)


def knee_pair() -> tuple[LabelVolume, LabelVolume]:
    """Make two subjects of different size, thickness and pose on oblique, anisotropic grids.

    Returns
    -------
    moving, fixed : LabelVolume
        ``sample_volumes/knee_a.nii.gz`` and ``knee_b.nii.gz`` hold them.
    """
    grid_a = sagittal_grid((92.0, 4.0, -33.0), (90.0, 72.0, 94.0), (0.5, 0.5, 1.0), (1.0, 2.0, -3.0))
    grid_b = sagittal_grid((74.0, -9.0, -9.0), (84.0, 66.0, 84.0), (0.45, 0.45, 1.1), (-2.0, 1.0, 4.0))
    return knee_volume(_KNEE_A, grid_a), knee_volume(_KNEE_B, grid_b)


def known_deformation() -> KnownDeformation:
    """Return the true deformation of `known_pair`."""
    return _KNOWN


def known_pair() -> tuple[LabelVolume, LabelVolume]:
    """Make a pair whose true deformation is `known_deformation`.

    The fixed volume is the moving shape carried by T⁻¹: a point y has in it the label of ``T(y)``, computed
    from the shape's formula, not by resampling.

    Returns
    -------
    moving, fixed : LabelVolume
        ``sample_volumes/known_moving.nii.gz`` and ``known_fixed.nii.gz`` hold them.
    """
    knee = Knee(rotation=(-3.0, 4.0, 5.0), position=(83.0, -17.0, 7.0))
    knee_grid = sagittal_grid((83.0, -16.0, -6.0), (86.0, 66.0, 88.0), (0.65, 0.65, 1.3), (2.0, 0.0, 3.0))
    fixed_grid = sagittal_grid((73.0, -12.0, -12.0), (84.0, 68.0, 84.0), (0.6, 0.6, 1.2), (0.0, -2.0, -2.0))
    carried = paint(lambda points: knee.labels_at(_KNOWN.fixed_to_moving(points)), fixed_grid)
    return knee_volume(knee, knee_grid), LabelVolume(carried.data, fixed_grid, KNEE_NAMES, KNEE_COLORS)
