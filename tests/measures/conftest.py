from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_shapereg.volumes.grid import ImageGrid
from napari_shapereg.volumes.labels import LabelVolume

OBLIQUE = Rotation.from_euler("zyx", [25.0, -40.0, 15.0], degrees=True).as_matrix()
DIRECTIONS = {
    "plain": np.eye(3),
    "flipped": np.diag([1.0, -1.0, 1.0]),
    "permuted": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "oblique": OBLIQUE,
    "oblique and flipped": OBLIQUE @ np.diag([1.0, 1.0, -1.0]),
}


@pytest.fixture(params=DIRECTIONS)
def grid(request) -> ImageGrid:
    """An anisotropic grid of 28 x 26 x 20 voxels far from the origin, in every kind of direction."""
    direction = tuple(DIRECTIONS[request.param].ravel())
    return ImageGrid((28, 26, 20), (0.8, 1.0, 1.3), (-90.0, 40.0, 700.0), direction)


@pytest.fixture
def volume_of():
    """Make a label volume of a rule that says which points (LPS mm) are inside."""

    def make(grid: ImageGrid, inside) -> LabelVolume:
        z, y, x = np.indices(grid.shape).reshape(3, -1)
        points = grid.to_points(np.stack((x, y, z), axis=1))
        return LabelVolume.from_array(inside(points).reshape(grid.shape).astype(np.uint8), grid)

    return make
