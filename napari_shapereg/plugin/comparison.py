"""Two label volumes on one grid in one picture: blended, wiped across, in a checkerboard, or by turns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from napari_shapereg.plugin.slicewise import Key

Mode = Literal["blend", "wipe", "checkerboard", "flicker"]
MODES: tuple[Mode, ...] = get_args(Mode)


class Pattern(Protocol):
    """Says which voxels of a picture come from the second volume."""

    def second(self, places: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
        """Answer for open grids of indices, one for each axis z, y, x."""
        ...


@dataclass(frozen=True)
class Wipe:
    """The first volume up to a plane, the second from there on.

    Parameters
    ----------
    axis : int
        Of the array.
    place : float
        Index along the axis.
    """

    axis: int
    place: float

    def second(self, places: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
        """Answer for open grids of indices."""
        return np.asarray(places[self.axis] >= self.place)


@dataclass(frozen=True)
class Checkerboard:
    """Blocks of both volumes by turns, along all three axes.

    Parameters
    ----------
    blocks : tuple of 3 float
        Edges of a block along z, y and x, in voxels.
    """

    blocks: tuple[float, float, float]

    @classmethod
    def of_size(cls, length: float, spacing: Sequence[float]) -> Checkerboard:
        """Return the board whose blocks have an edge in mm, for voxels of a spacing x, y, z.

        Raises
        ------
        InputError
            The edge is not a positive number.
        """
        if not 0 < length < math.inf:
            raise InputError(f"block: received {length} mm; give a positive length in mm")
        x, y, z = (max(1.0, length / edge) for edge in spacing)
        return cls((z, y, x))

    def second(self, places: Sequence[NDArray[np.intp]]) -> NDArray[np.bool_]:
        """Answer for open grids of indices."""
        numbers = [
            np.floor(place / block).astype(np.intp) for place, block in zip(places, self.blocks, strict=True)
        ]
        return np.asarray(sum(numbers) % 2 == 1)


class Composite:
    """An array that is made of two others by a pattern, in the moment and only where it is looked at.

    It is what napari asks of the data of a layer: a plane of it costs what that plane costs, however large
    the volumes are, and a change of `pattern` costs nothing.

    Parameters
    ----------
    first, second : (z, y, x) integer array
        Of one shape.
    pattern : Pattern
        May be exchanged.

    Attributes
    ----------
    mark : int
        The value of the seams: voxels of neither volume at which the pattern changes.

    Raises
    ------
    InputError
        The arrays have different shapes.
    """

    def __init__(
        self, first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]], pattern: Pattern
    ) -> None:
        """Keep the arrays, without a copy."""
        if first.shape != second.shape:
            raise InputError(
                f"volumes of shapes {first.shape} and {second.shape} cannot be compared voxel by voxel; "
                "resample one onto the grid of the other first"
            )
        self._first, self._second = first, second
        self.pattern = pattern
        self.mark = 1 + int(max(first.max(initial=0), second.max(initial=0)))
        self.dtype = np.promote_types(first.dtype, second.dtype)
        if self.mark > np.iinfo(self.dtype).max:
            self.dtype = np.promote_types(self.dtype, np.min_scalar_type(self.mark))
        self.shape: tuple[int, ...] = first.shape
        self.ndim: int = first.ndim
        self.size: int = first.size

    def __getitem__(self, key: Key) -> NDArray[Any]:
        """Return what the arrays would, put together."""
        parts = key if isinstance(key, tuple) else (key,)
        parts = (*parts, *(slice(None),) * (self.ndim - len(parts)))
        kept = [np.arange(length)[part] for length, part in zip(self.shape, parts, strict=True)]
        shape = [indices.size for indices in kept if indices.ndim]
        answers = self.pattern.second(np.ix_(*map(np.atleast_1d, kept)))
        second = np.broadcast_to(answers, [indices.size for indices in kept]).reshape(shape)
        voxels = np.where(second, self._second[parts], self._first[parts]).astype(self.dtype, copy=False)
        # In space the seams would be walls.
        if sum(length > 1 for length in shape) <= 2:
            voxels[_seams(second) & (voxels == 0)] = self.mark
        return voxels

    def __array__(self, dtype: DTypeLike | None = None, *, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole as a NumPy array."""
        del copy  # there is nothing that could be shared
        return np.asarray(self[(slice(None),) * self.ndim], dtype=dtype)

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]


def _seams(second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where an answer differs from that of the voxel before, along any axis."""
    seams = np.zeros(second.shape, dtype=bool)
    for axis in range(second.ndim):
        seams |= np.diff(second, axis=axis, prepend=np.take(second, [0], axis))
    return seams


def blend(position: float) -> tuple[float, float]:
    """Return the opacities of the first and of the second volume at a place of the slider, 0 to 1."""
    place = min(1.0, max(0.0, position))
    return 1.0 - place, place


def wipe_at(position: float, box: Sequence[slice], axis: int) -> Wipe:
    """Return the wipe at a place of the slider, 0 to 1: which part of the box the first volume takes."""
    span = box[axis]
    return Wipe(axis, span.start + position * (span.stop - span.start))
