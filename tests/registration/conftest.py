"""Small pairs of shapes, and grids of every direction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.volumes import ImageGrid, LabelVolume

OBLIQUE = Rotation.from_euler("xyz", [11, -24, 37], degrees=True).as_matrix()
FLIPPED = np.diag([1.0, -1.0, 1.0])
PERMUTED = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
DIRECTIONS = {
    "straight": np.eye(3),
    "oblique": OBLIQUE,
    "oblique, permuted, flipped": OBLIQUE @ PERMUTED @ FLIPPED,
}


def paint(grid: ImageGrid, *, bent: float, centre: tuple[float, float, float]) -> LabelVolume:
    """Paint an arch (1) over a slab (2) without symmetry; `bent` deforms them smoothly, in mm."""
    indices = np.indices(grid.shape)[::-1].reshape(3, -1).T
    x, y, z = (grid.to_points(indices) - centre).T
    y = y - bent * np.sin(x / 9) * np.cos(z / 11)
    radius = np.hypot(x, z * 0.8 - 4)
    arch = (np.abs(radius - 14) < 3) & (z > 0) & (np.abs(y) < 6 + 0.2 * x)
    slab = (np.abs(z + 6) < 2.5) & (np.abs(x - 2) < 11) & (np.abs(y + 0.1 * x) < 8)
    return LabelVolume((arch + 2 * slab).astype(np.uint8).reshape(grid.shape), grid)


def grid_around(
    centre: tuple[float, float, float], direction: np.ndarray, spacing: tuple[float, float, float]
) -> ImageGrid:
    """Return a grid of 60 mm edges around a point."""
    size = tuple(round(60 / length) for length in spacing)
    first = direction @ (-(np.array(size) - 1) * spacing / 2) + centre
    return ImageGrid(size, spacing, tuple(first), tuple(direction.ravel()))


@pytest.fixture(params=DIRECTIONS.values(), ids=DIRECTIONS.keys())
def pair(request: pytest.FixtureRequest) -> tuple[LabelVolume, LabelVolume]:
    """A moving and a fixed volume 40 mm apart, on anisotropic grids of different directions."""
    return make_pair(request.param)


def make_pair(direction: np.ndarray = DIRECTIONS["oblique"]) -> tuple[LabelVolume, LabelVolume]:
    """Return an arch and slab, and the same ones bent by 2 mm elsewhere."""
    moving_centre, fixed_centre = (30.0, -20.0, 15.0), (5.0, 5.0, -5.0)
    moving = paint(grid_around(moving_centre, OBLIQUE.T, (1.2, 1.0, 1.5)), bent=0.0, centre=moving_centre)
    fixed = paint(grid_around(fixed_centre, direction, (1.0, 1.3, 1.6)), bent=2.0, centre=fixed_centre)
    return moving, fixed


@pytest.fixture
def quick() -> RegistrationSettings:
    """Settings for which a registration of the small pair takes about a second."""
    return RegistrationSettings.preset("fast").changed(
        pitch=2.0,
        max_steps=12,
        measures={"points": 400},
        voxels={"coarsening": (2, 1), "blurs": ((2.0, 1.0), (0.8,))},
    )
