from __future__ import annotations

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import image
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_shapereg.errors import InputError, MissingExtraError
from napari_shapereg.quality.pictures import comparison_picture, mosaic_picture, write_comparison_picture
from napari_shapereg.quality.silhouettes import MAX_VOXELS, on_one_grid
from napari_shapereg.volumes import ImageGrid, LabelVolume

GREY = 209
DARKER = 168


def pixels(png):
    return (image.imread(io.BytesIO(png), format="png")[..., :3] * 255).round().astype(int)


def lines(picture):
    """Where a line is drawn: everything else is grey."""
    return np.ptp(picture, axis=-1) > 40


@pytest.fixture
def grid():
    """One grid that is no friend of the page: oblique, permuted and flipped (all of them: test_anatomy)."""
    direction = Rotation.from_euler("xyz", [11, -24, 37], degrees=True).as_matrix()[:, [1, 2, 0]] * [1, -1, 1]
    start = np.array([10.0, -20.0, 30.0]) - direction @ [19.6, 19.5, 19.0]
    return ImageGrid((50, 40, 21), (0.8, 1.0, 1.9), tuple(start), tuple(direction.ravel()))


def test_slices_keep_their_physical_proportions():
    # A box of 20 mm (left to right) by 9 mm (front to back), of voxels that are three times as long as wide.
    grid = ImageGrid((40, 14, 20), (1.0, 3.0, 2.0))
    data = np.zeros(grid.shape, np.uint8)
    data[5:11, 5:8, 10:30] = 1
    volume = LabelVolume(data, grid)
    picture = pixels(comparison_picture(volume, volume, volume))
    pieces, _ = ndimage.label((picture[: picture.shape[0] // 2] == GREY).all(axis=-1))
    areas = np.bincount(pieces.ravel())
    # The leftmost is the axial slice; the edges of letters are grey here and there, too.
    large = [
        piece for number, piece in enumerate(ndimage.find_objects(pieces), start=1) if areas[number] > 1000
    ]
    rows, columns = min(large, key=lambda piece: piece[1].start)
    # Both sides are short of a pixel or two under the line.
    ratio = (columns.stop - columns.start) / (rows.stop - rows.start)
    assert ratio == pytest.approx(20 / 9, rel=0.05)


def test_the_moving_labels_are_drawn_over_the_fixed_ones(fixed, warped):
    picture = pixels(comparison_picture(fixed, warped, fixed))
    half = picture.shape[0] // 2
    for row in (picture[:half], picture[half:]):
        assert lines(row).sum() > 1000


def test_nothing_is_drawn_for_labels_that_are_elsewhere(fixed):
    nothing = LabelVolume(np.zeros_like(fixed.data), fixed.grid)
    picture = pixels(comparison_picture(fixed, nothing, nothing))
    above_the_legend = picture[: int(picture.shape[0] * 0.9)]
    assert not lines(above_the_legend).any()
    assert (above_the_legend == GREY).all(axis=-1).any()


def test_a_mosaic_has_slices_of_every_plane(fixed, warped):
    picture = pixels(mosaic_picture(fixed, warped))
    assert picture.shape[1] > 1000
    for third in np.array_split(picture[: int(picture.shape[0] * 0.85)], 3):
        assert lines(third).sum() > 300


def test_many_labels_fit(grid):
    data = np.zeros(grid.shape, np.uint8)
    data[5:15, 5:35, 5:45] = np.arange(30)[:, None] // 2 + 1
    volume = LabelVolume(data, grid)
    assert pixels(mosaic_picture(volume, volume)).shape[1] > 1000


def test_the_same_volumes_give_the_same_bytes(tmp_path, fixed, warped):
    first = write_comparison_picture(tmp_path / "a.png", fixed, warped, fixed).read_bytes()
    assert first == write_comparison_picture(tmp_path / "b.png", fixed, warped, fixed).read_bytes()
    assert first.startswith(b"\x89PNG")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_what_cannot_be_drawn_is_refused(tmp_path, fixed):
    other = LabelVolume(np.ones((3, 3, 3), np.uint8), ImageGrid((3, 3, 3)))
    with pytest.raises(InputError, match="different grids"):
        comparison_picture(fixed, fixed, other)
    with pytest.raises(InputError, match="different grids"):
        mosaic_picture(fixed, other)
    with pytest.raises(InputError, match=r"a \.png file, got '\.jpg'"):
        write_comparison_picture(tmp_path / "a.jpg", fixed, fixed, fixed)
    with pytest.raises(InputError, match="does not exist"):
        write_comparison_picture(tmp_path / "nowhere" / "a.png", fixed, fixed, fixed)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="directory"):
        write_comparison_picture(tmp_path / "folder.png", fixed, fixed, fixed)


def test_without_matplotlib_the_extra_is_named(tmp_path, fixed, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"napari-shapereg\[report\]"):
        write_comparison_picture(tmp_path / "a.png", fixed, fixed, fixed)
    assert list(tmp_path.iterdir()) == []


def test_shapes_that_lie_far_apart_are_both_shown_before(fixed):
    shift = np.asarray(fixed.grid.matrix) @ [70.0, 5.0, 0.0]
    grid = replace(fixed.grid, origin=tuple(np.asarray(fixed.grid.origin) + shift))
    picture = pixels(comparison_picture(fixed, LabelVolume(fixed.data, grid), fixed))
    before = picture[: picture.shape[0] // 2]
    # The outer label, in the second grey.
    assert (before == DARKER).all(axis=-1).sum() > 500
    assert lines(before).sum() > 500


def test_shapes_that_lie_a_mile_apart_take_no_more_memory(fixed):
    shift = np.asarray(fixed.grid.matrix) @ [2e6, 0.0, 0.0]
    grid = replace(fixed.grid, origin=tuple(np.asarray(fixed.grid.origin) + shift))
    both = on_one_grid(fixed, LabelVolume(fixed.data, grid), margin=4.0)
    assert both[0].grid == both[1].grid
    assert both[0].grid.voxels <= 2 * MAX_VOXELS
