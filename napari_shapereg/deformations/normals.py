"""How the normals of a surface turn when a map carries the surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_shapereg.deformations.fields import sample_points

if TYPE_CHECKING:
    from torch import Tensor


def turned_normals(normals: Tensor, pulled: Tensor) -> Tensor:
    """Return vectors along `pulled`, each as long as the normal it came from.

    A map φ turns a normal n into the direction of Dφ⁻ᵀ n. Its length stays: in a coarsened surface it tells
    how flat the piece is that it stands for.

    Parameters
    ----------
    normals : (N, 3) Tensor
        n.
    pulled : (N, 3) Tensor
        Dφ⁻ᵀ n, or a positive multiple of it.
    """
    lengths = torch.linalg.vector_norm(pulled, dim=1, keepdim=True).clamp_min(1e-12)
    scaled: Tensor = pulled * (torch.linalg.vector_norm(normals, dim=1, keepdim=True) / lengths)
    return scaled


def normals_after_flow(normals: Tensor, displacement: Tensor, places: Tensor, pitch: float) -> Tensor:
    """Return the normals of a surface that a flow has carried.

    With φ⁻¹ = id + u, Dφ⁻ᵀ n at x is (Dφ⁻¹)ᵀ n = n + (Du)ᵀ n at φ(x), by central differences of half a pitch.

    Parameters
    ----------
    normals : (N, 3) Tensor
        Before the flow, in the frame of the lattice.
    displacement : (3, z, y, x) Tensor
        u, frame mm.
    places : (N, 3) Tensor
        φ(x), frame mm.
    pitch : float
        Of the lattice, mm.
    """
    half = pitch / 2
    pulled = normals.clone()
    for axis in range(3):
        shift = torch.zeros(3, dtype=places.dtype, device=places.device)
        shift[axis] = half
        ahead = sample_points(displacement, places + shift, pitch)
        behind = sample_points(displacement, places - shift, pitch)
        pulled[:, axis] += ((ahead - behind) * normals).sum(1) / pitch
    return turned_normals(normals, pulled)
