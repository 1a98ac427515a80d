"""Points as the compiled loops want them: centred, scaled, one array for each of three or six coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_shapereg.errors import EngineError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.reductions.numba_compile import Array, Points

_WIDTHS = (3, 6)


class Sides(NamedTuple):
    """Rows and columns, brought together for squared distances.

    With u = u' + c and v = v' + e around two centres, and d = c - e, |u - v|^2 = |u' - v'|^2 + 2 d (u' - v')
    + |d|^2: what the way between the centres adds is a height of each row and one of each column. Else the
    exponents of points that match would vary the faster the farther the measures lie apart: more digits would
    be lost, and boxes around points would bound them loosely.

    Attributes
    ----------
    rows, columns : Points
        u' and v'.
    row_heights, column_heights : (N,) and (M,) float64 arrays
        -2 d u' - |d|^2 and 2 d v': to be added to the exponents.
    apart : (width,) float64 array
        d: u - v = u' - v' + d.
    """

    rows: Points
    columns: Points
    row_heights: Array
    column_heights: Array
    apart: Array


class Frame:
    """The box around two point sets: its centre, half of its longest edge, and the number of coordinates.

    Far from the origin float32 coordinates differ in their last digits only, so differences are taken between
    centred ones.

    Parameters
    ----------
    x, y
        Points (N, D) and (M, D) on the CPU, mm, float32 or float64.

    Raises
    ------
    EngineError
        When they lie on another device, or D is above 6.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        dimension = x.shape[1]
        if x.device.type != "cpu" or dimension > _WIDTHS[-1]:
            raise EngineError(
                f"The numba engine takes points of at most {_WIDTHS[-1]} coordinates on the CPU and received "
                f"{dimension} coordinates on {x.device}; choose engine='torch'."
            )
        arrays = (x.numpy(), y.numpy())
        low = np.min([array.min(axis=0) for array in arrays], axis=0).astype(np.float64)
        high = np.max([array.max(axis=0) for array in arrays], axis=0).astype(np.float64)
        self.center = (low + high) / 2
        # A single place has no size; any scale will do.
        self.radius = float((high - low).max()) / 2 or 1.0
        self.dimension = dimension
        self.width = next(width for width in _WIDTHS if width >= dimension)

    def columns(self, points: Tensor, scale: float) -> Points:
        """Return (points - center) scale, one contiguous array a coordinate, with zeros for those missing."""
        return self._filled(self._places(points, self.center, scale), points)

    def sides(self, rows: Tensor, columns: Tensor, scale: float) -> Sides:
        """Return rows and columns for sums of 2^(h_j - |u_i - v_j|^2), each centred on its own mean."""
        means = [side.numpy().mean(axis=0, dtype=np.float64) for side in (rows, columns)]
        u, v = (self._places(side, mean, scale) for side, mean in zip((rows, columns), means, strict=True))
        apart = scale * (means[0] - means[1])
        return Sides(
            self._filled(u, rows),
            self._filled(v, columns),
            -2 * u @ apart - apart @ apart,
            2 * v @ apart,
            np.pad(apart, (0, self.width - self.dimension)),
        )

    @staticmethod
    def _places(points: Tensor, center: Array, scale: float) -> Array:
        places: Array = (points.numpy().astype(np.float64) - center) * scale
        return places

    def _filled(self, places: Array, like: Tensor) -> Points:
        dtype = like.numpy().dtype
        filled = [places[:, k].astype(dtype) for k in range(self.dimension)]
        missing = np.zeros(len(places), dtype)
        return (*filled, *[missing] * (self.width - self.dimension))

    def slopes(self, rows: int) -> Array:
        """Return zeros (rows, width) to sum gradients in."""
        return np.zeros((rows, self.width))

    def gradient(self, slopes: Array, like: Tensor) -> Tensor:
        """Return the coordinates of `slopes` that exist, as a tensor of the dtype of `like`."""
        return tensor(slopes[:, : self.dimension], like)


def tensor(array: Array, like: Tensor) -> Tensor:
    """Return an array as a contiguous tensor of the dtype of `like`."""
    return torch.from_numpy(np.ascontiguousarray(array, like.numpy().dtype))
