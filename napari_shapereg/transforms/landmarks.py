"""Which landmark of one file is which of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.markups import names_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_shapereg.transforms.point_sets import PointSet


class LandmarkPairs(NamedTuple):
    """Landmarks that correspond, row by row.

    Parameters
    ----------
    names : tuple of str
    fixed, moving : (N, 3) float64 array
        LPS mm.
    """

    names: tuple[str, ...]
    fixed: NDArray[np.float64]
    moving: NDArray[np.float64]


def paired_landmarks(fixed: PointSet, moving: PointSet) -> LandmarkPairs:
    """Pair landmarks by their names (the column ``label`` or ``name``), or by their order without names.

    Raises
    ------
    InputError
        A name occurs twice or in one set only, or sets without names differ in number.
    """
    names, others = names_of(fixed), names_of(moving)
    if names is None or others is None:
        if len(fixed.points) != len(moving.points):
            raise InputError(
                f"landmarks without names are paired by their order: {len(fixed.points)} fixed and "
                f"{len(moving.points)} moving ones do not pair; name them (a column 'label')"
            )
        numbers = tuple(str(number) for number in range(1, len(fixed.points) + 1))
        return LandmarkPairs(names or others or numbers, fixed.points, moving.points)
    alone = sorted(set(names) ^ set(others))
    twice = sorted({name for group in (names, others) for name in group if group.count(name) > 1})
    if alone or twice:
        what = f"only in one set: {', '.join(alone)}" if alone else f"more than once: {', '.join(twice)}"
        raise InputError(f"landmarks pair by their names, but there is {what}; correct the names")
    return LandmarkPairs(names, fixed.points, moving.points[[others.index(name) for name in names]])
