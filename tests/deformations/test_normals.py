"""Normals follow a map as the cross products of carried tangents do."""

from __future__ import annotations

import torch

from napari_shapereg.deformations import Lattice, LinearDeformation
from napari_shapereg.deformations.normals import normals_after_flow
from napari_shapereg.volumes import ImageGrid

PITCH = 1.0


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True)


def _displacement(places: torch.Tensor) -> torch.Tensor:
    """Return u of φ⁻¹ = id + u: a bend of 10 mm wave length, which linear interpolation resolves to 1 %."""
    x, y, z = places
    return torch.stack([1.5 * torch.sin(y / 10), 0.1 * x, torch.cos((x + z) / 12)])


def test_normals_after_a_flow_are_orthogonal_to_the_carried_tangents() -> None:
    random = torch.Generator().manual_seed(3)
    lattice = Lattice(ImageGrid((40, 40, 40), (PITCH,) * 3, (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    displacement = _displacement(lattice.nodes(torch.zeros(1, dtype=torch.float64)))
    places = 8 + 24 * torch.rand(200, 3, generator=random, dtype=torch.float64)
    tangents = torch.randn(2, 200, 3, generator=random, dtype=torch.float64)
    # φ⁻¹ carries tangents at φ(x) back to x: there they span the surface whose normal is known.
    step = 1e-4
    back = [
        (_displacement((places + step * t).T).T - _displacement((places - step * t).T).T) / (2 * step) + t
        for t in tangents
    ]
    normals = 0.7 * _unit(torch.linalg.cross(*back))
    carried = normals_after_flow(normals, displacement, places, PITCH)
    expected = 0.7 * _unit(torch.linalg.cross(*tangents))
    # Measured .0010, from the interpolation of u; normals left as they are differ by .2.
    assert (carried - expected).abs().max() < 0.003
    assert (normals - expected).abs().max() > 0.05


def test_normals_after_an_affine_map() -> None:
    random = torch.Generator().manual_seed(4)
    center = torch.zeros(3, dtype=torch.float64)
    model = LinearDeformation("affine", torch.eye(3, dtype=torch.float64), center, center, 10.0)
    parameters = 0.3 * torch.randn(12, generator=random, dtype=torch.float64)
    tangents = torch.randn(2, 50, 3, generator=random, dtype=torch.float64)
    matrix = model.matrix(parameters)
    expected = _unit(torch.linalg.cross(tangents[0] @ matrix.T, tangents[1] @ matrix.T))
    turned = model.turn_normals(parameters, _unit(torch.linalg.cross(*tangents)))
    torch.testing.assert_close(turned, expected)
