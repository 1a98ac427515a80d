from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_shapereg.transforms import affine_transform, chain, displacement_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume

CENTRE = np.array([10.0, -20.0, 30.0])
OBLIQUE = Rotation.from_euler("xyz", [11, -24, 37], degrees=True).as_matrix()
PERMUTE = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
DIRECTIONS = {
    "straight": np.eye(3),
    "flipped": np.diag([1.0, -1.0, 1.0]),
    "permuted": PERMUTE,
    "oblique, flipped": OBLIQUE @ np.diag([1.0, 1.0, -1.0]),
    "oblique, permuted": OBLIQUE @ PERMUTE,
}


def centred_grid(size, spacing, direction):
    start = CENTRE - direction @ (np.array(spacing) * (np.array(size) - 1) / 2)
    return ImageGrid(size, spacing, tuple(start), tuple(direction.ravel()))


@pytest.fixture(params=DIRECTIONS.values(), ids=DIRECTIONS.keys())
def grid(request):
    """Anisotropic grids of about 40 mm along each axis, with every kind of direction: the fixed image."""
    return centred_grid((50, 40, 21), (0.8, 1.0, 1.9), request.param)


@pytest.fixture
def lattice(grid):
    """The lattice of a displacement field: coarser, isotropic, well inside the grid."""
    return centred_grid((15, 13, 12), (2.0, 2.0, 2.0), np.array(grid.direction).reshape(3, 3))


@pytest.fixture
def field(lattice):
    """Smooth displacements of up to 3 mm that vanish on the border of the lattice."""
    noise = np.random.default_rng(0).normal(size=(*lattice.shape, 3))
    smooth = ndimage.gaussian_filter(noise, (1.5, 1.5, 1.5, 0), mode="constant")
    smooth *= np.pad(np.ones([n - 2 for n in lattice.shape]), 1)[..., None]
    return 3 * smooth / np.abs(smooth).max()


@pytest.fixture
def affine():
    matrix = Rotation.from_euler("xyz", [5, -4, 12], degrees=True).as_matrix() @ np.diag([1.1, 0.9, 0.95])
    return affine_transform(matrix, CENTRE + np.array([3.0, -2.0, 1.0]) - matrix @ CENTRE)


@pytest.fixture
def smooth_map(field, lattice, affine):
    """A fixed-to-moving map as registration makes it: x -> A(x + u(x))."""
    return chain(displacement_transform(field, lattice), affine)


def ellipsoid(grid, radii, centre=CENTRE):
    offset = (grid.to_points(np.indices(grid.shape)[::-1].reshape(3, -1).T) - centre) / radii
    return (np.linalg.norm(offset, axis=1) < 1).reshape(grid.shape)


@pytest.fixture
def fixed(grid):
    """Two nested ellipsoids, label 2 inside label 5."""
    data = np.where(ellipsoid(grid, [9.0, 6.0, 7.0]), 2, np.where(ellipsoid(grid, [15.0, 10.0, 12.0]), 5, 0))
    return LabelVolume(data.astype(np.uint8), grid, names={2: "core"})


@pytest.fixture
def warped(grid):
    """The same, moved and resized."""
    centre = CENTRE + np.array([1.5, -1.0, 0.7])
    shell, core = ellipsoid(grid, [14.0, 11.0, 12.5], centre), ellipsoid(grid, [8.0, 7.0, 7.0], centre)
    return LabelVolume(np.where(core, 2, np.where(shell, 5, 0)).astype(np.uint8), grid)
