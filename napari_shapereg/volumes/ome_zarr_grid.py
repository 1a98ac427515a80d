"""Where the voxels of an OME-Zarr image lie, by its axes, units, scales and translations."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.volumes.grid import ImageGrid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MILLIMETRES = {
    "angstrom": 1e-7,
    "nanometer": 1e-6,
    "micrometer": 1e-3,
    "millimeter": 1.0,
    "centimeter": 10.0,
    "decimeter": 100.0,
    "meter": 1000.0,
}
_TOWARDS = {"left": (0, 1), "right": (0, -1), "posterior": (1, 1), "anterior": (1, -1)} | {
    "superior": (2, 1),
    "inferior": (2, -1),
}
"""LPS axis and sign."""


def grid_of(
    multiscale: Mapping[str, Any], dataset: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[tuple[str, ...], ImageGrid]:
    """Return the names of an array's axes, and the grid of its voxels.

    A voxel lies at scale · index + translation along each axis: first the transformations of the dataset,
    then those of the multiscale image. Axes with an anatomical ``orientation`` (OME-NGFF's proposal RFC-4)
    point where it says, "left-to-right" towards the right, and their translations with them; without one, x,
    y and z are taken as L, P and S, as ITK does, and a warning says so. So is a missing unit taken as
    millimetre.

    Parameters
    ----------
    multiscale, dataset : mapping
        One of ``multiscales``, and one of its ``datasets``.
    shape : tuple of int
        Of the array of that dataset.

    Returns
    -------
    tuple of (names, ImageGrid)
        LPS mm.

    Raises
    ------
    InputError
        x, y or z is missing, there are several times or channels, a unit or a transformation is unknown, or
        the orientations do not span space.
    """
    stated = list(multiscale["axes"])
    names = tuple(str(axis["name"]) for axis in stated)
    _check_axes(names, shape)
    scale, shift = np.ones(len(names)), np.zeros(len(names))
    for level in (dataset, multiscale):
        for step in level.get("coordinateTransformations") or []:
            factor, offset = _step(step, len(names))
            scale, shift = scale * factor, shift * factor + offset
    order = [names.index(name) for name in "xyz"]
    spatial = [stated[place] for place in order]
    units = np.array([_unit(axis) for axis in spatial])
    direction = _direction(spatial)
    spacing, start = scale[order] * units, shift[order] * units
    grid = ImageGrid(
        size=(shape[order[0]], shape[order[1]], shape[order[2]]),
        spacing=tuple(spacing.tolist()),
        origin=tuple((direction @ start).tolist()),
        direction=tuple(direction.ravel().tolist()),
    )
    return names, grid


def _check_axes(names: tuple[str, ...], shape: tuple[int, ...]) -> None:
    if len(names) != len(shape) or len(set(names)) != len(names) or not set("xyz") <= set(names):
        raise InputError(
            f"its axes are {names} and its shape {shape}; a 3-D image with axes x, y, z is needed"
        )
    more = {name: count for name, count in zip(names, shape, strict=True) if name not in "xyz" and count > 1}
    if more:
        raise InputError(f"has several images, {more}; store one time and one channel by itself")


def _step(step: Mapping[str, Any], axes: int) -> tuple[Sequence[float], Sequence[float]]:
    """Return the factor and the offset of one transformation."""
    kind = step.get("type")
    if kind == "identity":
        return [1.0] * axes, [0.0] * axes
    values = step.get(str(kind))
    if kind not in ("scale", "translation") or not isinstance(values, list) or len(values) != axes:
        raise InputError(f"the transformation {dict(step)} is not one scale or translation for {axes} axes")
    numbers = [float(value) for value in values]
    return (numbers, [0.0] * axes) if kind == "scale" else ([1.0] * axes, numbers)


def _unit(axis: Mapping[str, Any]) -> float:
    """Return the length of an axis' unit, mm."""
    unit = axis.get("unit")
    if unit is None:
        warnings.warn(f"axis {axis['name']} has no unit; millimetres are assumed", UserWarning, stacklevel=2)
        return 1.0
    if unit not in _MILLIMETRES:
        raise InputError(
            f"the unit {unit!r} of axis {axis['name']} is unknown; use one of {list(_MILLIMETRES)}"
        )
    return _MILLIMETRES[str(unit)]


def _direction(axes: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the matrix whose columns are the directions of x, y and z in LPS."""
    if not any(axis.get("orientation") for axis in axes):
        warnings.warn(
            "states no anatomical orientation; x, y and z are taken as left, posterior and superior",
            UserWarning,
            stacklevel=2,
        )
        return np.eye(3)
    columns = np.zeros((3, 3))
    for place, axis in enumerate(axes):
        stated = axis.get("orientation") or {}
        end = str(stated.get("value") if isinstance(stated, dict) else stated).rpartition("-to-")[2]
        if end not in _TOWARDS:
            raise InputError(
                f"the orientation {stated} of axis {axis['name']} is unknown, such as left-to-right"
            )
        row, sign = _TOWARDS[end]
        columns[row, place] = sign
    if abs(np.linalg.det(columns)) != 1:
        raise InputError("the orientations of its axes do not span space: two of them run along one line")
    return columns
