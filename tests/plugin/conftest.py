from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from scipy.spatial.transform import Rotation

import napari_shapereg
from napari_shapereg.volumes import ImageGrid, LabelVolume

MANIFEST = Path(napari_shapereg.__file__).parent / "napari.yaml"

ROTATION = Rotation.from_euler("xyz", (25.0, -35.0, 50.0), degrees=True).as_matrix()
DIRECTIONS = {
    "identity": np.eye(3),
    "flipped": np.diag([-1.0, -1.0, 1.0]),
    "mirrored": np.diag([1.0, -1.0, 1.0]),
    "permuted": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "oblique": ROTATION,
    "oblique and mirrored": ROTATION @ np.diag([1.0, 1.0, -1.0]),
}


@pytest.fixture(params=sorted(DIRECTIONS))
def grid(request) -> ImageGrid:
    """An anisotropic grid far from the origin, in every kind of direction."""
    return ImageGrid(
        (9, 8, 7), (0.4, 0.7, 1.5), (-31.5, 44.25, 107.0), tuple(DIRECTIONS[request.param].ravel())
    )


@pytest.fixture
def volume(grid) -> LabelVolume:
    """Two labels without any symmetry."""
    return two_labels(grid)


@pytest.fixture
def turned() -> LabelVolume:
    """The same on an oblique, mirrored grid: for what needs one volume of a hard kind."""
    direction = tuple(DIRECTIONS["oblique and mirrored"].ravel())
    return two_labels(ImageGrid((9, 8, 7), (0.4, 0.7, 1.5), (-31.5, 44.25, 107.0), direction))


def two_labels(grid: ImageGrid) -> LabelVolume:
    data = np.zeros(grid.shape, dtype=np.uint8)
    data[1:4, 2:5, 3:7] = 1
    data[4:6, 2:4, 1:3] = 3
    data[2, 3, 4] = 3
    return LabelVolume(data, grid, {1: "femoral", 3: "tibial"}, {1: (0.8, 0.4, 0.2), 3: (0.1, 0.5, 0.9)})


@pytest.fixture
def shapereg(npe2pm):
    """The plugin, registered: tests see no installed plugin of their own accord."""
    with npe2pm.tmp_plugin(manifest=str(MANIFEST)) as plugin:
        yield plugin


@pytest.fixture
def viewer(shapereg) -> ViewerModel:
    """A viewer without a window that knows the plugin."""
    return ViewerModel()


@pytest.fixture
def notices():
    """What napari was asked to tell."""
    told = []
    notification_manager.notification_ready.connect(told.append)
    yield told
    notification_manager.notification_ready.disconnect(told.append)
