"""From one label of a volume to a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.measures.measure import Measure
from napari_shapereg.measures.occupancy import occupancy
from napari_shapereg.measures.surfaces import measure_from_mesh, surface_from_labels

if TYPE_CHECKING:
    from napari_shapereg.volumes.labels import LabelVolume


def measure_from_labels(
    volume: LabelVolume,
    label: int,
    kind: Literal["voxel", "surface"] = "voxel",
    *,
    binning: tuple[int, int, int] = (1, 1, 1),
    dtype: torch.dtype = torch.float32,
) -> Measure:
    r"""Return the measure of one label: its voxels with their volumes, or its surface with its areas.

    Parameters
    ----------
    volume : LabelVolume
        The segmented volume.
    label : int
        One of `volume.labels`.
    kind : "voxel" or "surface"
        "voxel": one point at the centre of each bin that holds any voxel of the label, weighted by the volume
        of those voxels, mm\ :sup:`3` (the filled fraction of the bin times the volume of the bin). The mass
        is the number of voxels times the volume of one.

        "surface": one point at the centroid of each triangle of `surface_from_labels`, weighted by its area,
        mm\ :sup:`2`, with its outward unit normal.
    binning : tuple of 3 int
        Voxels per bin along x, y, z, counted from voxel (0, 0, 0). (2, 2, 1) gives the measures on which
        Feydy & Trouvé, "Global divergences between measures" (2018), compare two OAI knees.
    dtype : torch.dtype
        float32 or float64.

    Returns
    -------
    Measure
        Points in LPS mm, ordered by z, then y, then x of the bins (voxels), on the CPU.

    Raises
    ------
    InputError
        The label is absent (the message names those present), `kind` is another word, `binning` is not three
        positive integers, `dtype` is not float32 or float64, or no bin is half full, so that there is no
        surface.
    """
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"dtype: received {dtype!r}; give torch.float32 or torch.float64.")
    if kind == "voxel":
        return _voxel_measure(volume, label, binning).to(dtype=dtype)
    if kind == "surface":
        mesh = surface_from_labels(volume, label, binning=binning)
        return measure_from_mesh(mesh.vertices, mesh.faces).to(dtype=dtype)
    raise InputError(f'kind: received {kind!r}; give "voxel" or "surface".')


def _voxel_measure(volume: LabelVolume, label: int, binning: tuple[int, int, int]) -> Measure:
    counts, grid = occupancy(volume, label, binning)
    occupied = np.nonzero(counts)
    points = grid.to_points(np.stack(occupied[::-1], axis=1))
    return Measure(points, counts[occupied] * volume.grid.voxel_volume)
