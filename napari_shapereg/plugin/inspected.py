"""A registered pair as it is looked at: its volumes, surfaces and maps, each computed once when asked for."""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_shapereg.plugin.agreement import label_points, measure_agreement
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.maps import FittedMap, common_box, map_grid
from napari_shapereg.plugin.meshes import carried, meshes_of
from napari_shapereg.transforms import affine_transform, resample_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_shapereg.plugin.agreement import Agreement
    from napari_shapereg.plugin.display_frame import DisplayFrame
    from napari_shapereg.plugin.maps import Quantity
    from napari_shapereg.plugin.meshes import Mesh
    from napari_shapereg.registration import RegisteredPair
    from napari_shapereg.volumes import ImageGrid, LabelVolume

_POINTS_FOR_LIMITS = 20_000


class Side(Enum):
    """One of the volumes on the fixed grid, as the menus call it."""

    FIXED = "Fixed"
    BEFORE = "Before"
    AFFINE = "After affine"
    AFTER = "After"

    @property
    def color(self) -> tuple[float, float, float]:
        """Colour of its contours: green and magenta are told apart by colour-blind readers, too."""
        return _COLORS[self.name]


_COLORS = {
    "FIXED": (0.35, 0.85, 0.35),
    "BEFORE": (0.65, 0.65, 0.65),
    "AFFINE": (0.90, 0.85, 0.20),
    "AFTER": (0.95, 0.25, 0.85),
}


class Map(NamedTuple):
    """A quantity as an image.

    Attributes
    ----------
    values : (z, y, x) float32 array
    grid : ImageGrid
    """

    values: NDArray[np.float32]
    grid: ImageGrid


class Inspected:
    """What is known of a registered pair so far.

    Its methods may take seconds the first time: they are meant for a worker, one at a time.

    Parameters
    ----------
    pair : RegisteredPair
    """

    def __init__(self, pair: RegisteredPair) -> None:
        """Compute nothing yet."""
        self.pair = pair
        self.frame: DisplayFrame = frame_of(pair.fixed.grid)
        self._volumes: dict[Side, LabelVolume] = {}
        self._meshes: dict[Side, Mapping[int, Mesh]] = {}
        self._maps: dict[str, Map] = {}
        self._limits: dict[str, tuple[float, float]] = {}
        self._on_surface: dict[tuple[str, int], NDArray[np.float64]] = {}

    @property
    def name(self) -> str:
        """What a layer of the warped labels is called: by the folder that the result was read from."""
        folder = getattr(self.pair, "folder", None)
        return f"{folder.name} registered" if folder else "registered"

    @cached_property
    def fitted(self) -> FittedMap:
        """The map and its affine part, fixed to moving."""
        return FittedMap.of(self.pair)

    @cached_property
    def agreement(self) -> Agreement:
        """The table."""
        return measure_agreement(self.pair)

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """The (z, y, x) box on the fixed grid that holds the fixed and the warped labels."""
        return common_box(self.pair.fixed, self.pair.warped)

    def volume(self, side: Side) -> LabelVolume:
        """Return the volume of a side, on the fixed grid."""
        if side not in self._volumes:
            self._volumes[side] = self._resampled(side)
        return self._volumes[side]

    def meshes(self, side: Side) -> Mapping[int, Mesh]:
        """Return the surfaces of a side: those of the moving labels are carried, not cut anew."""
        if side not in self._meshes:
            self._meshes[side] = self._carried(side)
        return self._meshes[side]

    def map(self, quantity: Quantity) -> Map:
        """Return a quantity as an image."""
        if quantity.name not in self._maps:
            grid = map_grid(self.pair.fixed, self.pair.warped)
            self._maps[quantity.name] = Map(quantity.on_grid(self.fitted, grid), grid)
        return self._maps[quantity.name]

    def on_surface(self, quantity: Quantity, label: int) -> NDArray[np.float64]:
        """Return a quantity at the vertices of the warped surface of a label."""
        key = quantity.name, label
        if key not in self._on_surface:
            vertices = self.meshes(Side.AFTER)[label].vertices
            self._on_surface[key] = quantity.at_points(self.fitted, vertices, self._step)
        return self._on_surface[key]

    def limits(self, quantity: Quantity) -> tuple[float, float]:
        """Return the range of the colours of a quantity: that of its values in the labels."""
        if quantity.name not in self._limits:
            fixed = self.pair.fixed
            points = [label_points(fixed, label, _POINTS_FOR_LIMITS) for label in self.pair.labels]
            values = quantity.at_points(self.fitted, np.concatenate(points), self._step)
            self._limits[quantity.name] = quantity.limits(values)
        return self._limits[quantity.name]

    def known_limits(self, quantity: Quantity) -> tuple[float, float] | None:
        """Return the range of the colours, None as long as nobody has computed it."""
        return self._limits.get(quantity.name)

    @property
    def _step(self) -> float:
        return min(self.pair.fixed.grid.spacing) / 2

    def _resampled(self, side: Side) -> LabelVolume:
        match side:
            case Side.FIXED:
                return self.pair.fixed
            case Side.BEFORE:
                return self.pair.before
            case Side.AFTER:
                return self.pair.warped
            case Side.AFFINE:
                return resample_labels(self.pair.moving, self.pair.fixed.grid, self.fitted.affine)

    def _carried(self, side: Side) -> Mapping[int, Mesh]:
        if side is Side.FIXED:
            return meshes_of(self.pair.fixed, self.pair.labels)
        if side is Side.BEFORE:
            return meshes_of(self.pair.moving, self.pair.labels)
        affine = self.pair.affine
        onward = (
            self.pair.inverse_transform
            if side is Side.AFTER
            else affine_transform(affine.matrix, affine.translation)
        )
        return {label: carried(mesh, onward) for label, mesh in self.meshes(Side.BEFORE).items()}
