"""A label volume: whole numbers on a grid, with the names and colours of the structures."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.segments import segment_metadata, segments_from_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    Color = tuple[float, float, float]

_TABLE_LIMIT = 1 << 16
# Tools that store labels as scaled integers read them back as 1.00002.
_ROUNDING = 1e-3
_LARGEST_LABEL = int(np.iinfo(np.int32).max)


@dataclass(frozen=True, eq=False)
class LabelVolume:
    """A segmented volume.

    Parameters
    ----------
    data : (z, y, x) integer array
        0 is the background. Kept as a read-only view: no copy is made of an integer array of at most 32 bits.
    grid : ImageGrid
        Where the voxels lie, LPS mm.
    names : mapping from label to str, optional
        Names of the structures; a label without a name is allowed, and a name without voxels too.
    colors : mapping from label to (red, green, blue), optional
        Numbers from 0 to 1.
    source : Path, optional
        The file that the volume was read from; it is named in error messages.

    Raises
    ------
    InputError
        The array is not 3-D, has another shape than the grid, or holds negative values, values above
        2147483647, or numbers that are not whole.
    """

    data: NDArray[np.integer[Any]]
    grid: ImageGrid
    names: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, Color] = field(default_factory=dict)
    source: Path | None = None

    def __post_init__(self) -> None:
        """Check the array against the grid and close everything to changes."""
        data = np.asarray(self.data)
        if data.ndim != 3:
            msg = f"a 3-D array (z, y, x) is needed, got {data.ndim}-D of shape {data.shape}"
            raise InputError(self._say(msg))
        if data.shape != self.grid.shape:
            msg = (
                f"the array has shape {data.shape} (z, y, x), its grid {self.grid.shape}: they must be "
                "equal; transpose an (x, y, z) array first"
            )
            raise InputError(self._say(msg))
        try:
            view = _as_labels(data).view()
        except InputError as error:
            raise InputError(self._say(str(error))) from error
        view.flags.writeable = False
        object.__setattr__(self, "data", view)
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))
        object.__setattr__(self, "colors", MappingProxyType(dict(self.colors)))

    def __repr__(self) -> str:
        """Describe the volume in one line."""
        return f"LabelVolume(size={self.grid.size}, spacing={self.grid.spacing}, labels={self.labels})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as plain values (a mapping proxy cannot be pickled), for workers in other processes."""
        return (LabelVolume, (self.data, self.grid, dict(self.names), dict(self.colors), self.source))

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """The labels present, ascending, without the background 0."""
        return tuple(int(value) for value in _present(self.data) if value != 0)

    @cached_property
    def _boxes(self) -> dict[int | None, tuple[slice, slice, slice]]:
        """The boxes that somebody asked for already."""
        return {}

    def mask(self, label: int) -> NDArray[np.bool_]:
        """Return the (z, y, x) boolean array of the voxels of one label.

        Raises
        ------
        InputError
            The volume has no such label.
        """
        self._require(label)
        return np.asarray(self.data == label)

    def bounding_box(self, label: int | None = None) -> tuple[slice, slice, slice]:
        """Return the smallest (z, y, x) slices that hold one label, or the whole foreground.

        Raises
        ------
        InputError
            The volume has no such label, or no foreground at all.
        """
        if label is not None:
            self._require(label)
        if not self.labels:
            raise InputError(self._say("the volume has no foreground: every voxel is 0"))
        if label not in self._boxes:
            self._boxes[label] = _box(self.data, label)
        return self._boxes[label]

    def to_image(self) -> sitk.Image:
        """Return a SimpleITK image (a copy) with the geometry, and names and colours as Slicer's metadata."""
        image = self.grid.stamp(sitk.GetImageFromArray(self.data))
        for key, value in segment_metadata(self).items():
            image.SetMetaData(key, value)
        return image

    @classmethod
    def from_image(cls, image: sitk.Image, *, source: Path | None = None) -> LabelVolume:
        """Make a volume of a SimpleITK image; segment names and colours in its metadata are kept.

        Raises
        ------
        InputError
            The image is not 3-D, has several components, an unusable geometry, or no label values.
        """
        check_single_component(image.GetNumberOfComponentsPerPixel(), image.GetPixelIDTypeAsString())
        grid = ImageGrid.from_image(image)
        # (SimpleITK gives keys that are no UTF-8 and does not take them back.)
        keys = [key for key in image.GetMetaDataKeys() if key.isascii()]
        metadata = {key: image.GetMetaData(key) for key in keys}
        names, colors = segments_from_metadata(metadata)
        if "vector" in image.GetPixelIDTypeAsString():
            image = sitk.VectorIndexSelectionCast(image, 0)
        return cls(sitk.GetArrayFromImage(image), grid, names, colors, source)

    @classmethod
    def from_array(cls, array: ArrayLike, grid: ImageGrid) -> LabelVolume:
        """Make a volume of a (z, y, x) array: integers, booleans, or floats that hold whole numbers.

        Raises
        ------
        InputError
            As the constructor.
        """
        return cls(np.asarray(array), grid)

    def _require(self, label: int) -> None:
        if label in self.labels:
            return
        msg = f"label {label} is absent; the volume has labels {list(self.labels)}"
        raise InputError(self._say(msg))

    def _say(self, message: str) -> str:
        return message if self.source is None else f"{self.source}: {message}"


def check_single_component(components: int, pixel_type: str) -> None:
    """Refuse vector, colour and complex pixels.

    Raises
    ------
    InputError
        There is more than one number per voxel.
    """
    if components == 1 and "complex" not in pixel_type:
        return
    msg = (
        f"one number per voxel is needed, got {components} ({pixel_type}): this is a vector or colour image, "
        "or a layered segmentation; save one channel, or all labels in one layer (Slicer collapses layers)"
    )
    raise InputError(msg)


def _as_labels(data: NDArray[Any]) -> NDArray[np.integer[Any]]:
    if data.dtype == bool:
        return data.view(np.uint8)
    if data.dtype.kind == "f":
        return _whole_numbers(data)
    if data.dtype.kind not in "iu":
        msg = f"labels must be whole numbers, got an array of {data.dtype}"
        raise InputError(msg)
    _check_range(data)
    return data if data.dtype.itemsize < 4 or data.dtype == np.int32 else data.astype(np.int32)


def _whole_numbers(data: NDArray[np.floating[Any]]) -> NDArray[np.integer[Any]]:
    for plane in data:
        if not np.isfinite(plane).all():
            msg = "holds NaN or infinite values, so it is no label volume; replace them by 0"
            raise InputError(msg)
        wrong = plane[np.abs(plane - np.rint(plane)) > _ROUNDING]
        if wrong.size:
            msg = (
                f"holds values that are not whole numbers (for example {wrong[0]:g}), so it is an intensity "
                "or probability image, not a label volume; segment or threshold it first"
            )
            raise InputError(msg)
    _check_range(data)
    whole = np.rint(data)
    small = whole.max() <= np.iinfo(np.uint8).max
    labels: NDArray[np.integer[Any]] = whole.astype(np.uint8 if small else np.int32)
    return labels


def _check_range(data: NDArray[Any]) -> None:
    if data.dtype.kind != "u" and data.min() < 0:
        msg = f"holds the negative value {data.min():g}; labels are 0 (background) and positive whole numbers"
        raise InputError(msg)
    if data.max() > _LARGEST_LABEL:
        msg = f"holds the value {data.max()}, above the largest label {_LARGEST_LABEL}; renumber the labels"
        raise InputError(msg)


def _present(data: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    largest = int(data.max())
    if largest >= _TABLE_LIMIT:
        return np.unique(data)
    # A table of hits is four times as fast as sorting 24 million voxels.
    hit = np.zeros(largest + 1, dtype=bool)
    hit[data] = True
    return np.flatnonzero(hit)


def _box(data: NDArray[np.integer[Any]], label: int | None) -> tuple[slice, slice, slice]:
    rows = _extent([_any(plane, label) for plane in data])
    inside = data[rows]
    mask = inside != 0 if label is None else inside == label
    return (rows, _extent(mask.any(axis=(0, 2))), _extent(mask.any(axis=(0, 1))))


def _any(plane: NDArray[np.integer[Any]], label: int | None) -> bool:
    return bool(plane.any() if label is None else (plane == label).any())


def _extent(occupied: ArrayLike) -> slice:
    places = np.flatnonzero(occupied)
    return slice(int(places[0]), int(places[-1]) + 1)
