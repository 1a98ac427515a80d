"""The two maps of a registration, wherever they come from: a result, an opened transform, or files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_shapereg.transforms import read_transform

if TYPE_CHECKING:
    from pathlib import Path

    import SimpleITK as sitk

    from napari_shapereg.registration import RegisteredPair
    from napari_shapereg.volumes import ImageGrid

Direction = Literal["moving to fixed", "fixed to moving"]
DIRECTIONS: tuple[Direction, Direction] = ("moving to fixed", "fixed to moving")

FORWARD_FILE, INVERSE_FILE = "fixed_to_moving", "moving_to_fixed"


@dataclass(frozen=True, eq=False)
class MapPair:
    """The two maps of a registration, as far as they are known, and the grids of its two spaces.

    Parameters
    ----------
    fixed_to_moving : SimpleITK.Transform or None
        Carries points of the fixed space, and resamples what lies in the moving space.
    moving_to_fixed : SimpleITK.Transform or None
        Its inverse.
    fixed_grid, moving_grid : ImageGrid or None
    """

    fixed_to_moving: sitk.Transform | None
    moving_to_fixed: sitk.Transform | None
    fixed_grid: ImageGrid | None = None
    moving_grid: ImageGrid | None = None

    def carrying(self, direction: Direction) -> sitk.Transform | None:
        """Return the map that carries points in a direction."""
        return self.moving_to_fixed if direction == "moving to fixed" else self.fixed_to_moving

    def pulling(self, direction: Direction) -> sitk.Transform | None:
        """Return the map that resampling in a direction takes: it asks where a voxel comes from."""
        return self.fixed_to_moving if direction == "moving to fixed" else self.moving_to_fixed

    def goal(self, direction: Direction) -> ImageGrid | None:
        """Return the grid of the space that a direction leads to."""
        return self.fixed_grid if direction == "moving to fixed" else self.moving_grid


def maps_of_result(result: RegisteredPair) -> MapPair:
    """Return both maps of a registration, with the grids of its volumes."""
    return MapPair(result.transform, result.inverse_transform, result.fixed.grid, result.moving.grid)


def maps_of_transform(transform: sitk.Transform, inverse: sitk.Transform | None = None) -> MapPair:
    """Return the maps of a transform that resampling takes, fixed to moving; a linear one is inverted."""
    if inverse is None and transform.IsLinear():
        inverse = transform.GetInverse()
    return MapPair(transform, inverse)


def maps_of_file(path: Path) -> MapPair:
    """Read a transform that resampling takes, and its inverse where it lies beside it.

    As this package names them: ``fixed_to_moving.h5`` and ``moving_to_fixed.h5``, either of which may be
    given. A file of any other name maps fixed to moving, as ITK, ANTs and 3D Slicer write transforms.

    Raises
    ------
    InputError
        A file cannot be used.
    """
    transform = read_transform(path)
    for mine, other in ((FORWARD_FILE, INVERSE_FILE), (INVERSE_FILE, FORWARD_FILE)):
        if not path.name.startswith(mine):
            continue
        partner = path.with_name(path.name.replace(mine, other, 1))
        beside = read_transform(partner) if partner.is_file() else None
        found = maps_of_transform(transform, beside)
        return found if mine == FORWARD_FILE else MapPair(found.moving_to_fixed, found.fixed_to_moving)
    return maps_of_transform(transform)
