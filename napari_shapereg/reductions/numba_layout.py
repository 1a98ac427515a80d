"""Points as the compiled loops want them: centred, scaled, one array for each of three or six coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_shapereg.errors import EngineError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.reductions.numba_compile import Array, Points

_WIDTHS = (3, 6)


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
        array = points.numpy()
        filled = [
            ((array[:, k].astype(np.float64) - self.center[k]) * scale).astype(array.dtype)
            for k in range(self.dimension)
        ]
        missing = np.zeros(len(array), array.dtype)
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
