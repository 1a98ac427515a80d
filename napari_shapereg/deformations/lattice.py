"""The regular lattice that carries displacement fields, and its own frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_shapereg.deformations.linear import turned
from napari_shapereg.volumes.grid import ImageGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Lattice:
    """Nodes at one pitch along the axes of the fixed image.

    Fields live in the *frame* of the lattice: mm along its axes, from its first node. In this frame the
    lattice is axis-aligned whatever the direction of the image, so that smoothing, interpolation and
    derivatives are those of a plain array.

    Parameters
    ----------
    grid : ImageGrid
        The nodes, with the same spacing along the three axes.
    """

    grid: ImageGrid

    @classmethod
    def around(
        cls,
        points: NDArray[np.float64],
        direction: Sequence[float],
        *,
        pitch: float,
        margin: float,
        multiple: int = 1,
    ) -> Lattice:
        """Return the smallest lattice that holds the points.

        Parameters
        ----------
        points : (N, 3) array
            LPS mm.
        direction : 9 float
            Axes of the lattice, as of an `ImageGrid`.
        pitch : float
            Distance between nodes, mm.
        margin : float
            Least distance between a point and the border, mm.
        multiple : int
            The number of cells along each axis is a multiple of this, so that the lattice can be coarsened
            by it and still reach from border to border.
        """
        axes = np.asarray(direction, dtype=np.float64).reshape(3, 3)
        frame = points @ axes
        low, high = frame.min(axis=0) - margin, frame.max(axis=0) + margin
        cells = np.maximum(1, np.ceil((high - low) / (pitch * multiple))).astype(int) * multiple
        first = axes @ ((low + high) / 2 - cells * pitch / 2)
        x, y, z = (int(count) + 1 for count in cells)
        return cls(ImageGrid((x, y, z), (pitch,) * 3, tuple(first), tuple(axes.ravel())))

    @property
    def pitch(self) -> float:
        """Distance between neighbouring nodes, mm."""
        return self.grid.spacing[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of nodes (z, y, x)."""
        return self.grid.shape

    def coarsened(self, factor: int) -> Lattice:
        """Return the lattice of every `factor`-th node, which has the same first and last nodes."""
        x, y, z = ((count - 1) // factor + 1 for count in self.grid.size)
        return Lattice(
            ImageGrid((x, y, z), (self.pitch * factor,) * 3, self.grid.origin, self.grid.direction)
        )

    def nodes(self, like: Tensor) -> Tensor:
        """Return the (3, z, y, x) frame coordinates of the nodes, components x, y, z, in mm."""
        axes = [
            torch.arange(count, dtype=like.dtype, device=like.device) * self.pitch for count in self.shape
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1])

    def to_frame(self, points: Tensor) -> Tensor:
        """Map (N, 3) points from LPS mm into the frame; computed in float64, returned as given."""
        axes, origin = self._axes_and_origin(points)
        return turned(points.double() - origin, axes.T).to(points.dtype)

    def to_physical(self, points: Tensor) -> Tensor:
        """Map (N, 3) points from the frame to LPS mm; computed in float64, returned as given."""
        axes, origin = self._axes_and_origin(points)
        return (turned(points.double(), axes) + origin).to(points.dtype)

    def turn_to_physical(self, vectors: Tensor) -> Tensor:
        """Turn (N, 3) vectors from the axes of the frame to LPS."""
        axes, _ = self._axes_and_origin(vectors)
        return turned(vectors, axes.to(vectors.dtype))

    def turn_to_frame(self, vectors: Tensor) -> Tensor:
        """Turn (N, 3) vectors from LPS to the axes of the frame."""
        axes, _ = self._axes_and_origin(vectors)
        return turned(vectors, axes.T.to(vectors.dtype))

    def vectors_to_physical(self, field: Tensor) -> NDArray[np.float64]:
        """Turn a (3, z, y, x) field of frame vectors into the (z, y, x, 3) float64 array of LPS vectors."""
        axes = np.asarray(self.grid.direction).reshape(3, 3)
        vectors = field.detach().permute(1, 2, 3, 0).double().cpu().numpy()
        turned: NDArray[np.float64] = vectors @ axes.T
        return turned

    def window(self, width: float, like: Tensor) -> Tensor:
        """Return the (z, y, x) weights that rise smoothly from 0 on the border to 1 at `width` mm inside."""
        ramps = []
        for count in self.shape:
            steps = torch.arange(count, dtype=like.dtype, device=like.device)
            depth = (torch.minimum(steps, count - 1 - steps) * self.pitch / width).clamp(0, 1)
            ramps.append(depth.square() * (3 - 2 * depth))
        return ramps[0][:, None, None] * ramps[1][None, :, None] * ramps[2][None, None, :]

    def _axes_and_origin(self, like: Tensor) -> tuple[Tensor, Tensor]:
        axes = torch.tensor(self.grid.direction, dtype=torch.float64, device=like.device).reshape(3, 3)
        return axes, torch.tensor(self.grid.origin, dtype=torch.float64, device=like.device)
