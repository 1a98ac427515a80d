"""The transform parameter files of elastix, ``TransformParameters.N.txt``.

Lines ``(Name value value ...)``; see S. Klein and M. Staring, "elastix, the manual". Points are LPS mm and
maps go from the fixed to the moving space, as in ITK. The file that a file names as its initial transform is
applied to points first; it is looked for beside the file itself, wherever it was when elastix ran.
"""

from __future__ import annotations

import math
import re
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.transforms.containers import chain
from napari_shapereg.volumes.files import naming

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LINE = re.compile(r"\(\s*(\w+)\s+(.*)\)\s*(?://.*)?")
_VALUE = re.compile(r'"([^"]*)"|(\S+)')
_NONE = "NoInitialTransform"
_MOST_NODES = 1 << 20
"""Along one axis."""
_MOST_FILES = 20
"""In a row: a file that names itself as its initial transform would else never end."""

Fields: TypeAlias = dict[str, list[str]]


def is_elastix(head: bytes) -> bool:
    """Tell a parameter file of elastix from a text file of ITK."""
    lines = (line.strip() for line in head.splitlines())
    return next((line for line in lines if line and not line.startswith(b"//")), b"").startswith(b"(")


def read_elastix(path: Path) -> sitk.Transform:
    """Read a transform and those that it starts from.

    Raises
    ------
    InputError
        A file is missing or damaged, or a transform is of another kind than `KINDS` or not 3-D. Without the
        name of the file itself, which the caller adds.
    """
    maps: list[sitk.Transform] = []
    place: Path | None = path
    while place is not None:
        if len(maps) == _MOST_FILES:
            raise InputError(
                f"more than {_MOST_FILES} initial transforms follow each other: they go in circles"
            )
        with naming(place):
            fields = _fields(place)
            maps.append(_transform(fields))
            place = _initial(fields, place)
    return chain(*reversed(maps))


def _fields(path: Path) -> Fields:
    if not path.is_file():
        raise InputError("no such file; it is the initial transform of the file given, keep it beside that")
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError as error:
        raise InputError("this is no text file; give the TransformParameters file of elastix") from error
    fields: Fields = {}
    for line in map(str.strip, lines):
        if not line or line.startswith("//"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise InputError(
                f"the line {line[:60]!r} is no '(Name values)': the file is damaged; copy it again"
            )
        fields[match[1]] = [quoted or bare for quoted, bare in _VALUE.findall(match[2])]
    return fields


def _transform(fields: Fields) -> sitk.Transform:
    kind = _text(fields, "Transform")
    make = KINDS.get(kind)
    if make is None:
        raise InputError(
            f"elastix transforms of the kind {kind!r} cannot be read, only {', '.join(KINDS)}; let "
            "transformix write the displacement field (-def all) and give that"
        )
    if _text(fields, "HowToCombineTransforms", "Compose") != "Compose":
        raise InputError('only transforms that are composed can be read, (HowToCombineTransforms "Compose")')
    try:
        return make(fields)
    except RuntimeError as error:
        raise InputError("its parameters do not fit its kind: the file is damaged; copy it again") from error


def _initial(fields: Fields, path: Path) -> Path | None:
    for name in ("InitialTransformParameterFileName", "InitialTransformParametersFileName"):
        stated = _text(fields, name, _NONE)
        if stated == _NONE:
            continue
        beside = PureWindowsPath(stated).name
        if not beside:
            raise InputError(f'{name} names no file, got {stated!r}; without one it is "{_NONE}"')
        return path.with_name(beside)
    return None


def _text(fields: Fields, name: str, default: str | None = None) -> str:
    values = fields.get(name, [] if default is None else [default])
    if len(values) != 1:
        raise InputError(f"one value of {name} is needed, got {values}: the file is damaged; copy it again")
    return values[0]


def _numbers(fields: Fields, name: str, count: int) -> list[float]:
    try:
        values = [float(word) for word in fields.get(name, ())]
    except ValueError as error:
        raise InputError(f"{name} must be numbers ({error}); copy the file again") from error
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds NaN or infinite numbers; register again")
    if len(values) != count:
        raise InputError(f"{name} has {len(values)} numbers, {count} are needed; copy the file again")
    return values


def _translation(fields: Fields) -> sitk.Transform:
    return sitk.TranslationTransform(3, _numbers(fields, "TransformParameters", 3))


def _euler(fields: Fields) -> sitk.Transform:
    transform = sitk.Euler3DTransform()
    transform.SetComputeZYX(_text(fields, "ComputeZYX", "false") == "true")
    return _about_centre(transform, fields, 6)


def _similarity(fields: Fields) -> sitk.Transform:
    return _about_centre(sitk.Similarity3DTransform(), fields, 7)


def _affine(fields: Fields) -> sitk.Transform:
    return _about_centre(sitk.AffineTransform(3), fields, 12)


def _about_centre(transform: Any, fields: Fields, count: int) -> sitk.Transform:  # noqa: ANN401
    transform.SetCenter(_numbers(fields, "CenterOfRotationPoint", 3))
    transform.SetParameters(_numbers(fields, "TransformParameters", count))
    return sitk.Transform(transform)


def _bspline(fields: Fields) -> sitk.Transform:
    if _text(fields, "UseCyclicTransform", "false") == "true":
        raise InputError("cyclic B-splines cannot be read")
    order = _text(fields, "BSplineTransformSplineOrder", "3")
    if order not in ("1", "2", "3"):
        raise InputError(f"B-splines have an order of 1, 2 or 3, got {order!r}")
    size, origin, spacing = (_numbers(fields, name, 3) for name in ("GridSize", "GridOrigin", "GridSpacing"))
    if any(not length.is_integer() or not int(order) < length < _MOST_NODES for length in size):
        raise InputError(f"GridSize must be whole numbers above the order of the spline, got {size}")
    # ITK lists directions row by row, elastix column by column.
    direction = np.reshape(_numbers(fields, "GridDirection", 9), (3, 3)).T.ravel().tolist()
    # Counted before ITK is told of the size, for which it makes room.
    coefficients = _numbers(fields, "TransformParameters", 3 * int(math.prod(size)))
    transform = sitk.BSplineTransform(3, int(order))
    transform.SetFixedParameters([*size, *origin, *spacing, *direction])
    transform.SetParameters(coefficients)
    return transform


KINDS: dict[str, Callable[[Fields], sitk.Transform]] = {
    "TranslationTransform": _translation,
    "EulerTransform": _euler,
    "SimilarityTransform": _similarity,
    "AffineTransform": _affine,
    "BSplineTransform": _bspline,
    "RecursiveBSplineTransform": _bspline,
}
"""Kinds of transforms that can be read, by their name in the file."""
