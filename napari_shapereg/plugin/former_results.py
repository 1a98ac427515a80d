"""A result that was saved before, with its volumes: from where they were, or from what is open."""

from __future__ import annotations

from contextlib import suppress
from itertools import permutations
from typing import TYPE_CHECKING

from napari.layers import Labels

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.layers import volume_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from napari.components import ViewerModel

    from napari_shapereg.registration import RegisteredPair
    from napari_shapereg.volumes import LabelVolume

_MOST_OPEN = 6
"""Among how many open volumes those of a result are looked for."""


def open_volumes(viewer: ViewerModel) -> list[LabelVolume]:
    """Return the volumes of the labels layers that are open."""
    layers = [layer for layer in viewer.layers if isinstance(layer, Labels) and layer.ndim == 3]
    volumes = []
    for layer in layers:
        # What is no volume of voxels is none that was registered.
        with suppress(InputError):
            volumes.append(volume_of(layer))
    return volumes[:_MOST_OPEN]


def read_former(folder: str | os.PathLike[str], volumes: Sequence[LabelVolume]) -> RegisteredPair:
    """Read a result from its folder.

    Parameters
    ----------
    folder : path
    volumes : sequence of LabelVolume
        Where the volumes that were registered are no longer where they were, they are looked for here.

    Returns
    -------
    RegisteredPair

    Raises
    ------
    InputError
        The folder holds no result, or a volume is found nowhere.
    """
    from napari_shapereg.registration import read_result

    pairs: list[tuple[LabelVolume | None, LabelVolume | None]] = [(None, None)]
    pairs += [(volume, None) for volume in volumes] + [(None, volume) for volume in volumes]
    pairs += list(permutations(volumes, 2))
    errors = []
    for moving, fixed in pairs:
        try:
            return read_result(folder, moving, fixed)
        except InputError as error:
            errors.append(error)
    raise InputError(f"{errors[0]}; in napari: open the two volumes as layers, and load the result again")
