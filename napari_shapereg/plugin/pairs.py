"""What is read from two labels layers before anything is computed: two volumes, and the labels they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_shapereg.plugin.comparison import Composite
from napari_shapereg.plugin.display_frame import DisplayFrame, frame_of
from napari_shapereg.plugin.layer_affine import known_frame
from napari_shapereg.plugin.layer_points import points_of
from napari_shapereg.plugin.layers import volume_of
from napari_shapereg.plugin.scene import label_colors
from napari_shapereg.plugin.slicewise import Slicewise
from napari_shapereg.registration.landmarks import checked_landmarks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer, Points
    from numpy.typing import NDArray

    from napari_shapereg.volumes import LabelVolume


_SAME_DIRECTION = 1e-4


@dataclass(frozen=True)
class LabelRow:
    """One line of the list of labels.

    Parameters
    ----------
    label : int
    name : str
        Empty where nobody named it.
    color : tuple of 3 float
    missing_in : str
        "moving" or "fixed" where that layer does not have it, else empty.
    """

    label: int
    name: str
    color: tuple[float, float, float]
    missing_in: str

    @property
    def shared(self) -> bool:
        """Whether both layers have it."""
        return not self.missing_in

    @property
    def title(self) -> str:
        """Number and name."""
        return f"{self.label}  {self.name}" if self.name else str(self.label)

    @property
    def reason(self) -> str:
        """Why it cannot be chosen, or empty."""
        if self.shared:
            return ""
        return f"The {self.missing_in} layer has no voxel of label {self.label}: there is nothing to compare."


@dataclass(frozen=True, eq=False)
class Pair:
    """Two label volumes, the names of their layers, and landmarks: (K, 3) moving and fixed points, LPS mm."""

    moving: LabelVolume
    fixed: LabelVolume
    moving_name: str
    fixed_name: str
    landmarks: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    @property
    def frame(self) -> DisplayFrame:
        """Where everything is drawn: the frame of the fixed volume."""
        return frame_of(self.fixed.grid)

    @property
    def turned(self) -> bool:
        """Whether the moving layer lies in another frame, so that it does not overlay the fixed one."""
        own = frame_of(self.moving.grid).direction
        return not np.allclose(own, self.frame.direction, atol=_SAME_DIRECTION)


def label_layers(layers: Iterable[Layer]) -> list[Labels]:
    """Return the layers that can be registered, in the order of the layer list."""
    return [
        layer
        for layer in layers
        if isinstance(layer, Labels)
        and layer.ndim == 3
        and not layer.multiscale
        # What the inspection draws over labels is made slice by slice.
        and not isinstance(layer.data, (Composite, Slicewise))
    ]


def default_pair(layers: list[Labels]) -> tuple[Labels | None, Labels | None]:
    """Return which layers to register if nobody says: those that their names call so, else the first two."""
    first, second = [*layers, None, None][:2]
    for one, other in ((first, second), (second, first)):
        if (
            one is not None
            and other is not None
            and "moving" in one.name.lower()
            and "fixed" in other.name.lower()
        ):
            return one, other
    return first, second


def read_pair(
    moving: Labels, fixed: Labels, points: tuple[Points, Points] | None = None, *, copy: bool = False
) -> Pair:
    """Return the volumes of two layers.

    Parameters
    ----------
    moving, fixed : napari.layers.Labels
    points : (moving, fixed) of napari.layers.Points, optional
        Landmarks. Those clicked by hand lie in the frame of the volume that they belong to.
    copy : bool
        Take copies, which stay as they are when somebody paints on the layers.

    Raises
    ------
    InputError
        As `volume_of`; or the landmarks come in no pairs.
    """
    volumes = _colored(moving, copy=copy), _colored(fixed, copy=copy)
    return Pair(*volumes, moving.name, fixed.name, _landmarks(points, volumes) if points else None)


def _landmarks(
    points: tuple[Points, Points], volumes: tuple[LabelVolume, LabelVolume]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    moving, fixed = (
        points_of(layer, known_frame(layer) or frame_of(volume.grid))
        for layer, volume in zip(points, volumes, strict=True)
    )
    return checked_landmarks((moving, fixed))


def _colored(layer: Labels, *, copy: bool) -> LabelVolume:
    """Return the volume of a layer with the colours in which napari shows its labels."""
    volume = volume_of(layer, copy=copy)
    shown = {label: layer.colormap.map(label)[:3].tolist() for label in volume.labels}
    return replace(volume, colors={**{label: tuple(rgb) for label, rgb in shown.items()}, **volume.colors})


def label_rows(pair: Pair) -> tuple[LabelRow, ...]:
    """Return all labels of both volumes, ascending."""
    moving, fixed = set(pair.moving.labels), set(pair.fixed.labels)
    names = {**pair.moving.names, **pair.fixed.names}
    labels = sorted(moving | fixed)
    return tuple(
        LabelRow(
            label,
            names.get(label, ""),
            _color(pair.fixed if label in fixed else pair.moving, label),
            "" if label in moving & fixed else "fixed" if label in moving else "moving",
        )
        for label in labels
    )


def _color(volume: LabelVolume, label: int) -> tuple[float, float, float]:
    red, green, blue, _ = label_colors(volume, np.array([label]))[0].tolist()
    return (red, green, blue)
