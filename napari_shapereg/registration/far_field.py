"""The pull on what lies far from the fixed shape, which a short kernel does not feel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 2.0
"""Pitches within which a kernel norm of the size of the lattice sees the fixed shape by itself."""
TRACE = 0.1
"""Share of a cell from which it counts: a sheet thinner than half a pitch fills no cell by half."""
LARGEST = 0.3
"""Of the potential: that of the kernel norm, up to 1, prevails near the boundary."""


def far_field(fraction: Tensor, slope: float, scale: float) -> Tensor:
    """Return the potential s of the term ∫ (a∘φ⁻¹ - b) s of a cost.

    Where b is a set B, the term is the volume of what is missing or left over, each part weighted with its
    distance from the boundary of B beyond `NEAR`: at least 0, and 0 where a∘φ⁻¹ is near B everywhere. It is
    to shapes under the indicator action what the SoftMin fidelity with p = 1 is to measures as ε → 0
    (Feydy & Trouvé, "Global divergences between measures", 2018). Its boundary pull does not fade with the
    thickness of what is left over, so that a part of the moving shape that the fixed one lacks is drawn in.

    Parameters
    ----------
    fraction : (1, z, y, x) Tensor
        b, the share of each cell that the label fills.
    slope : float
        Of s with the distance, per pitch of the level.
    scale : float
        Distance between the nodes of `fraction`, in pitches of the level.

    Returns
    -------
    (z, y, x) Tensor
        s, between -`LARGEST` deep inside and `LARGEST` far outside.
    """
    filled = fraction[0].cpu().numpy()
    outside = ndimage.distance_transform_edt(filled < TRACE)
    inside = ndimage.distance_transform_edt(filled > 1 - TRACE)
    beyond = np.maximum(outside * scale - NEAR, 0) - np.maximum(inside * scale - NEAR, 0)
    field = np.clip(slope * beyond, -LARGEST, LARGEST).astype(np.float32)
    return torch.from_numpy(field).to(fraction.device)
