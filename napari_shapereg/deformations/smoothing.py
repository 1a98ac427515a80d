"""Gaussian smoothing of lattice fields."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from napari_shapereg.deformations import lattice_loops

REACH = 4.0
"""Standard deviations at which the Gaussian is cut: 6e-5 of its mass lie beyond."""


def smooth(field: Tensor, sigma: float, pitch: float) -> Tensor:
    """Convolve a field with a Gaussian of unit mass, cut at 4 σ; the field is 0 outside the lattice.

    The convolution is symmetric: ⟨f, G g⟩ = ⟨G f, g⟩. On the CPU the taps are summed up; elsewhere each axis
    is one dense (n, n) matrix product, the fastest thing a GPU does.

    Parameters
    ----------
    field : (C, z, y, x) Tensor
        Any number of channels.
    sigma : float
        Standard deviation, mm; 0 leaves the field as it is.
    pitch : float
        Distance between nodes, mm.

    Returns
    -------
    (C, z, y, x) Tensor
        The smoothed field.
    """
    if sigma <= 0:
        return field
    profile = _profile(sigma / pitch, field.dtype, field.device)
    if field.device.type == "cpu":
        return lattice_loops.convolve(field, profile)
    channels, depth, height, width = field.shape
    along_z, along_y, along_x = (_band(profile, count) for count in (depth, height, width))
    smoothed = along_y @ (field @ along_x)
    return (along_z @ smoothed.reshape(channels, depth, height * width)).reshape(field.shape)


@lru_cache(maxsize=64)
def _profile(sigma: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the (2 r + 1,) taps of a Gaussian of `sigma` nodes."""
    reach = max(1, math.ceil(REACH * sigma))
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    taps = torch.exp(-(steps**2) / (2 * sigma**2))
    return (taps / taps.sum()).to(dtype=dtype, device=device)


def _band(profile: Tensor, count: int) -> Tensor:
    """Return the (n, n) matrix that convolves along an axis of n nodes."""
    reach = len(profile) // 2
    nodes = torch.arange(count, device=profile.device)
    offsets = nodes[:, None] - nodes[None, :]
    taps = profile[offsets.clamp(-reach, reach) + reach]
    return torch.where(offsets.abs() <= reach, taps, torch.zeros_like(taps))
