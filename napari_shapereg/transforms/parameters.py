"""ITK's transforms from their type and numbers, as its files hold them.

ITK reads its own files, too, but makes room for what a damaged size promises, and its HDF5 library hangs or
crashes on damaged files. So they are read in Python, and only numbers that were counted reach SimpleITK.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import SimpleITK as sitk

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_TYPE = re.compile(r"(\w+?)_(float|double)_(\d+)_(\d+)(?:_(\d+))?")
COMPOSITE = "CompositeTransform"


class Stated(NamedTuple):
    """What a file says of one transform.

    Parameters
    ----------
    kind : str
        ITK's name with types and dimensions, such as ``AffineTransform_double_3_3``.
    fixed, parameters : (N,) float64 array
        Both empty for a composite, whose members follow it.
    """

    kind: str
    fixed: Numbers
    parameters: Numbers


def made(stated: Sequence[Stated]) -> sitk.Transform:
    """Return the transform that a file states.

    Raises
    ------
    InputError
        There is none, or several that are no composite; one is of another kind than `KINDS`, not in 3-D, or
        its numbers do not fit.
    """
    composite = bool(stated) and stated[0].kind.startswith(f"{COMPOSITE}_")
    if len(stated) <= composite:
        raise InputError("the file is truncated: it announces transforms and holds none; write it again")
    if len(stated) > 1 and not composite:
        raise InputError(
            f"it holds {len(stated)} transforms side by side, and does not say how they combine; "
            "keep one, or write them as one composite transform"
        )
    members = [_made(one) for one in stated[composite:]]
    return sitk.CompositeTransform(members) if composite else members[0]


def _made(stated: Stated) -> sitk.Transform:
    found = _TYPE.fullmatch(stated.kind)
    # The order of a spline follows the dimensions.
    kind = "_".join(filter(None, found.group(1, 5))) if found else ""
    if not found or kind not in KINDS:
        raise InputError(
            f"transforms of the kind {stated.kind[:60]!r} cannot be read; harden or invert in 3D Slicer what "
            "it saves as an inverse one"
        )
    if (found[3], found[4]) != ("3", "3"):
        raise InputError(f"a 3-D transform is needed, got a {found[3]}-D {found[1]}")
    if not (np.isfinite(stated.fixed).all() and np.isfinite(stated.parameters).all()):
        raise InputError(f"its {found[1]} holds NaN or infinite values; compute it again")
    try:
        return KINDS[kind](stated.fixed, stated.parameters)
    except RuntimeError as error:
        raise InputError(
            f"{len(stated.parameters)} parameters and {len(stated.fixed)} fixed ones do not fit a {found[1]}"
        ) from error


def _plain(make: Callable[[], sitk.Transform]) -> Callable[[Numbers, Numbers], sitk.Transform]:
    def fill(fixed: Numbers, parameters: Numbers) -> sitk.Transform:
        transform: sitk.Transform = make()
        if len(fixed):
            transform.SetFixedParameters(fixed.tolist())
        transform.SetParameters(parameters.tolist())
        return transform

    return fill


def _field(fixed: Numbers, parameters: Numbers) -> sitk.Transform:
    size = _nodes(fixed, parameters)
    image = sitk.GetImageFromArray(parameters.reshape(*size[::-1], 3), isVector=True)
    image.SetOrigin(fixed[3:6].tolist())
    image.SetSpacing(fixed[6:9].tolist())
    image.SetDirection(fixed[9:].tolist())
    return sitk.DisplacementFieldTransform(image)


def _bspline(order: int) -> Callable[[Numbers, Numbers], sitk.Transform]:
    def fill(fixed: Numbers, parameters: Numbers) -> sitk.Transform:
        _nodes(fixed, parameters)
        return _plain(lambda: sitk.BSplineTransform(3, order))(fixed, parameters)

    return fill


def _nodes(fixed: Numbers, parameters: Numbers) -> list[int]:
    """Return how many nodes a lattice has along each axis; counted before ITK makes room for them."""
    if len(fixed) != 18 or not (fixed[6:9] > 0).all():
        raise InputError("the geometry of its lattice is damaged; write it again")
    size = [int(length) for length in fixed[:3]]
    if min(size) < 1 or size != fixed[:3].tolist() or len(parameters) != 3 * math.prod(size):
        raise InputError(
            f"the file is truncated or damaged: {fixed[:3].tolist()} nodes have 3 numbers each, it holds "
            f"{len(parameters)}; copy it again"
        )
    return size


def _identity(_fixed: Numbers, _parameters: Numbers) -> sitk.Transform:
    return sitk.Transform(3, sitk.sitkIdentity)


KINDS: dict[str, Callable[[Numbers, Numbers], sitk.Transform]] = {
    "AffineTransform": _plain(lambda: sitk.AffineTransform(3)),
    "MatrixOffsetTransformBase": _plain(lambda: sitk.AffineTransform(3)),
    "BSplineTransform": _bspline(3),
    **{f"BSplineTransform_{order}": _bspline(order) for order in (1, 2, 3)},
    "DisplacementFieldTransform": _field,
    "Euler3DTransform": _plain(sitk.Euler3DTransform),
    "IdentityTransform": _identity,
    "ScaleTransform": _plain(lambda: sitk.ScaleTransform(3)),
    "ScaleSkewVersor3DTransform": _plain(sitk.ScaleSkewVersor3DTransform),
    "ScaleVersor3DTransform": _plain(sitk.ScaleVersor3DTransform),
    "Similarity3DTransform": _plain(sitk.Similarity3DTransform),
    "TranslationTransform": _plain(lambda: sitk.TranslationTransform(3)),
    "VersorRigid3DTransform": _plain(sitk.VersorRigid3DTransform),
    "VersorTransform": _plain(sitk.VersorTransform),
}
"""Kinds of transforms that can be read, by ITK's names."""
