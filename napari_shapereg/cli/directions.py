"""Which of a registration's two transforms carries what, and whether the right one was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FIXED_TO_MOVING = "fixed_to_moving"
MOVING_TO_FIXED = "moving_to_fixed"
_WARPED = "warped_labels.nii.gz"


def needed_direction(*, points: bool, backward: bool) -> str:
    """Return the name of the transform that is needed.

    Resampling asks, for each voxel of the result, where it comes from: an image is carried from the moving to
    the fixed space by the map from fixed to moving points. Points are carried by the map itself.

    Parameters
    ----------
    points : bool
        Points or a mesh are carried, not an image.
    backward : bool
        From the fixed to the moving space.
    """
    return MOVING_TO_FIXED if points != backward else FIXED_TO_MOVING


def transform_file(given: Path, needed: str, what: str) -> Path:
    """Return the transform file that a path means, a file or the folder of a registration.

    Parameters
    ----------
    given : Path
        A folder that `shapereg register` wrote, or a file.
    needed : str
        From `needed_direction`.
    what : str
        What is carried, for the message.

    Raises
    ------
    InputError
        The folder has no such transform, or the file is named as the other direction.
    """
    if given.is_dir():
        found = given / f"{needed}.h5"
        if not found.is_file():
            raise InputError(
                f"{given}: there is no {found.name} in this folder; give a folder that `shapereg register` "
                "wrote, or the file of a transform"
            )
        return found
    other = MOVING_TO_FIXED if needed == FIXED_TO_MOVING else FIXED_TO_MOVING
    if given.name.startswith(other):
        right = given.with_name(given.name.replace(other, needed, 1))
        raise InputError(
            f"{given}: this is the wrong direction for {what}: give {right}. An image is resampled through "
            "the map opposite to the way it goes; points and meshes take the map itself. (--backward says "
            "that the input lies in the fixed space and goes to the moving one.)"
        )
    return given


def fixed_image_of(given: Path) -> Path | None:
    """Return an image on the fixed grid where a path is the folder of a registration or a file in one."""
    folder = given if given.is_dir() else given.parent
    image = folder / _WARPED
    return image if image.is_file() else None
