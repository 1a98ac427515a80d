"""Lattices and displacement fields of the tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.deformations import Lattice
from napari_shapereg.volumes.grid import ImageGrid

PITCH = 0.7


@pytest.fixture
def lattice() -> Lattice:
    """An oblique, left-handed lattice far from the origin."""
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn[:, 0] *= -np.sign(np.linalg.det(turn))
    return Lattice(ImageGrid((25, 29, 21), (PITCH,) * 3, (120.0, -80.0, 40.0), tuple(turn.ravel())))


@pytest.fixture
def swirl(lattice: Lattice) -> torch.Tensor:
    """A smooth displacement of up to 2 mm, steep in places, zero on the border; float64."""
    nodes = lattice.nodes(torch.zeros((), dtype=torch.float64))
    x, y, z = nodes / 3
    field = torch.stack([torch.sin(y + z), torch.cos(x - z), torch.sin(x) * torch.cos(y)])
    return 1.7 * field * lattice.window(4.0, nodes)
