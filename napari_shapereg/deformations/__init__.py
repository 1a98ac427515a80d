"""Maps of space and their parameters: tensors in, tensors out."""

from __future__ import annotations

from napari_shapereg.deformations.deformation import Deformation
from napari_shapereg.deformations.lattice import Lattice
from napari_shapereg.deformations.lattice_flow import LatticeFlow
from napari_shapereg.deformations.linear import AffineMap, LinearDeformation, LinearKind
from napari_shapereg.deformations.shooting import ControlPoints, GeodesicShooting
from napari_shapereg.deformations.stationary_velocity import StationaryVelocity

__all__ = [
    "AffineMap",
    "ControlPoints",
    "Deformation",
    "GeodesicShooting",
    "Lattice",
    "LatticeFlow",
    "LinearDeformation",
    "LinearKind",
    "StationaryVelocity",
]
