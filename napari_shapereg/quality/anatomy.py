"""Planes of an image as a reader of medical images expects them: named, the right way up, with letters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.volumes import ImageGrid

# Letters at the negative and at the positive end of the three axes of LPS.
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
# Name, then the anatomical axes across, down and through, with the direction (in LPS) that they run in on the
# page: the patient is seen from the feet, from the front and from the left, as radiologists do.
_PLANES = (("axial", (0, 1), (1, 1), 2), ("coronal", (0, 1), (2, -1), 1), ("sagittal", (1, 1), (2, -1), 0))


@dataclass(frozen=True)
class Plane:
    """One family of slices of a (z, y, x) array.

    Parameters
    ----------
    name : str
        ``axial``, ``coronal`` or ``sagittal``: the nearest, where the grid is oblique.
    through, down, across : int
        Axes of the array.
    flip_down, flip_across : bool
        Whether the array runs against the page.
    edges : (left, right, top, bottom)
        Letters: R, L, A, P, I, S.
    tilt : float
        Angle between the slices and the plane that gives the name, degrees.
    """

    name: str
    through: int
    down: int
    across: int
    flip_down: bool
    flip_across: bool
    edges: tuple[str, str, str, str]
    tilt: float

    def cut(self, array: NDArray[Any], place: int) -> NDArray[Any]:
        """Return one slice of a (z, y, x) array as it lies on the page: (down, across)."""
        return self._page(array.take(place, axis=self.through))

    def shadow(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where a (z, y, x) mask is true anywhere along the line of sight: (down, across)."""
        return self._page(np.asarray(mask.any(axis=self.through)))

    def _page(self, flat: NDArray[Any]) -> NDArray[Any]:
        flat = flat if self.down < self.across else flat.T
        flat = flat[::-1] if self.flip_down else flat
        return flat[:, ::-1] if self.flip_across else flat


def planes(grid: ImageGrid) -> tuple[Plane, Plane, Plane]:
    """Return the axial, the coronal and the sagittal plane of a grid.

    Parameters
    ----------
    grid : ImageGrid

    Returns
    -------
    tuple of 3 Plane
        Each of the three array axes is the normal of one.
    """
    direction = np.asarray(grid.direction).reshape(3, 3)
    # The voxel axis nearest to each anatomical axis, such that each is taken once.
    axes = max(permutations(range(3)), key=lambda order: np.abs(direction[range(3), order]).sum())
    axial, coronal, sagittal = (_plane(direction, axes, *row) for row in _PLANES)
    return axial, coronal, sagittal


def _plane(
    direction: NDArray[np.float64],
    axes: tuple[int, ...],
    name: str,
    across: tuple[int, int],
    down: tuple[int, int],
    through: int,
) -> Plane:
    left, right = _LETTERS[across[0]][:: across[1]]
    top, bottom = _LETTERS[down[0]][:: down[1]]
    cosine = min(1.0, abs(float(direction[through, axes[through]])))
    return Plane(
        name=name,
        through=2 - axes[through],
        down=2 - axes[down[0]],
        across=2 - axes[across[0]],
        flip_down=direction[down[0], axes[down[0]]] * down[1] < 0,
        flip_across=direction[across[0], axes[across[0]]] * across[1] < 0,
        edges=(left, right, top, bottom),
        tilt=float(np.degrees(np.arccos(cosine))),
    )


def describe_point(point: NDArray[np.float64] | tuple[float, ...] | list[float]) -> str:
    """Write a point in LPS mm with letters, such as ``L 12.3, A 4.0, S 55.1 mm``."""
    return ", ".join(describe_coordinate(axis, value) for axis, value in enumerate(point)) + " mm"


def describe_coordinate(axis: int, value: float) -> str:
    """Write one coordinate in LPS mm with its letter, such as ``R 12.3``."""
    return f"{_LETTERS[axis][int(value >= 0)]} {abs(value):.1f}"
