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
        low, high = _box(x, y)
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
        here, there = _mean(rows), _mean(columns)
        u, v = self._places(rows, here, scale), self._places(columns, there, scale)
        apart = scale * (here - there)
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


def _box(*sets: Tensor) -> tuple[Array, Array]:
    """Return the least and the largest coordinates (D,) among points, float64."""
    # Not by NumPy, which is slow where it goes through the few coordinates of each point.
    ends = [torch.aminmax(points, dim=0) for points in sets]
    low = torch.stack([end.min for end in ends]).amin(dim=0)
    high = torch.stack([end.max for end in ends]).amax(dim=0)
    return low.double().numpy(), high.double().numpy()


def _mean(points: Tensor) -> Array:
    # A coordinate at a time, and not by torch, whose sums depend on the number of threads.
    columns = np.ascontiguousarray(points.numpy().T)
    mean: Array = columns.mean(axis=1, dtype=np.float64)
    return mean


def tensor(array: Array, like: Tensor) -> Tensor:
    """Return an array as a contiguous tensor of the dtype of `like`."""
    return torch.from_numpy(np.ascontiguousarray(array, like.numpy().dtype))
