"""Arrays that are made slice by slice, when napari shows the slice."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Key: TypeAlias = int | slice | tuple[int | slice, ...]


class Slicewise(ABC):
    """What napari asks of the data of a 3-D layer, for something that exists on slices only.

    A slice costs what that slice costs, however large the volume is. A view in 3-D finds it empty.

    Parameters
    ----------
    shape : tuple of 3 int
    dtype : dtype
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        """Make nothing yet."""
        self.shape = shape
        self.ndim = len(shape)
        self.size = math.prod(shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    @abstractmethod
    def draw(self, axis: int, place: int) -> NDArray[Any]:
        """Return the whole slice at a place on an axis of the array."""

    def __getitem__(self, key: Key) -> NDArray[Any]:
        """Return what was asked for, drawn where it is a slice or some parallel ones, else 0."""
        parts = key if isinstance(key, tuple) else (key,)
        parts = (*parts, *(slice(None),) * (self.ndim - len(parts)))
        places = [np.arange(length)[part] for length, part in zip(self.shape, parts, strict=True)]
        axis = min(range(self.ndim), key=lambda number: places[number].size)
        if places[axis].size == self.shape[axis] > 1:
            return np.zeros([indices.size for indices in places if indices.ndim], dtype=self.dtype)
        rest = tuple(part for number, part in enumerate(parts) if number != axis)
        slices = [self.draw(axis, int(place))[rest] for place in places[axis].ravel()]
        drawn = np.stack(slices, axis=axis) if places[axis].ndim else slices[0]
        return np.asarray(drawn, dtype=self.dtype)

    def __array__(self, dtype: DTypeLike | None = None, *, copy: bool | None = None) -> NDArray[Any]:
        """Return an empty array: what is meant for slices is none in space."""
        del copy
        return np.zeros(self.shape, dtype=dtype or self.dtype)

    def __len__(self) -> int:
        """Return the number of slices along the first axis."""
        return self.shape[0]
