"""Who made a result: versions, machine, settings and the inputs by their hashes."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
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
