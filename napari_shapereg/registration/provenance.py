"""Who made a result: user, versions, machine, settings and the inputs by their hashes."""

from __future__ import annotations

import getpass
import hashlib
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from napari_shapereg.transforms.containers import members

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.volumes import LabelVolume

PACKAGES = ("napari-shapereg", "torch", "SimpleITK", "numpy", "numba", "pykeops")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on, where installed."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def user_name() -> str | None:
    """Return who is logged in; None where nobody is, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return None


def describe_volume(volume: LabelVolume) -> dict[str, Any]:
    """Return where a volume came from, its geometry, and a hash of its voxels and geometry."""
    grid = volume.grid
    digest = hashlib.sha256(repr((grid, volume.data.dtype.str)).encode())
    digest.update(np.ascontiguousarray(volume.data).data)
    return {
        "source": str(volume.source.absolute()) if volume.source else None,
        "size": list(grid.size),
        "spacing": list(grid.spacing),
        "labels": list(volume.labels),
        "sha256_of_voxels_and_geometry": digest.hexdigest(),
    }


def describe_transform(transform: sitk.Transform) -> dict[str, Any]:
    """Return the members of a transform, the first applied first, and a hash of their numbers."""
    digest, names = hashlib.sha256(), []
    for member in members(transform):
        names.append(member.GetName())
        digest.update(repr((member.GetName(), member.GetFixedParameters())).encode())
        digest.update(_numbers(member).data)
    return {"members": names, "sha256_of_parameters": digest.hexdigest()}


def _numbers(transform: sitk.Transform) -> NDArray[np.float64]:
    if isinstance(transform, sitk.DisplacementFieldTransform):
        # As Python numbers the parameters of a field would take ten times its memory.
        return np.ascontiguousarray(sitk.GetArrayViewFromImage(transform.GetDisplacementField()))
    return np.asarray(transform.GetParameters(), dtype=np.float64)
