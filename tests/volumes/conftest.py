from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_shapereg.volumes import ImageGrid, LabelVolume

SIZE = (11, 8, 6)
SPACING = (0.7, 0.83, 1.5)
ORIGIN = (101.125, -57.3, 12.77)
OBLIQUE = Rotation.from_euler("xyz", [11, -24, 37], degrees=True).as_matrix()
FLIP = np.diag([1.0, -1.0, 1.0])
PERMUTE = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])

DIRECTIONS = {
    "straight": np.eye(3),
    "flipped": FLIP,
    "permuted": PERMUTE,
    "half turn": np.diag([-1.0, -1.0, 1.0]),
    # its quaternion, (√½, √½, 0), does not fit into float32
    "slanted half turn": np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]),
    "oblique": OBLIQUE,
    "oblique, flipped": OBLIQUE @ FLIP,
    "oblique, permuted, flipped": OBLIQUE @ PERMUTE @ FLIP,
}


@pytest.fixture(params=DIRECTIONS.values(), ids=DIRECTIONS.keys())
def grid(request) -> ImageGrid:
    """Anisotropic grids with every kind of direction."""
    return ImageGrid(SIZE, SPACING, ORIGIN, tuple(request.param.ravel()))


@pytest.fixture
def volume(grid) -> LabelVolume:
    """Labels 0, 1, 2 and 5 without any symmetry, so that a swapped or reversed axis shows."""
    data = np.random.default_rng(3).choice(np.array([0, 1, 2, 5], np.uint8), grid.shape)
    return LabelVolume(data, grid)
