from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.plugin import contours
from napari_shapereg.plugin.contours import Outlines, carried, finest_doubled, label_mesh, merged, meshes_of
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid
from napari_shapereg.volumes.phantoms import ball_volume


@pytest.fixture(scope="module")
def ball():
    return ball_volume(ImageGrid((40, 40, 40), (0.5, 0.5, 0.5), (-3.0, 5.0, 70.0)), radius=8.0)


def test_an_outline_is_the_rim_of_a_label_on_each_slice(ball):
    data = np.zeros((6, 7, 8), dtype=np.uint8)
    data[1:5, 1:6, 1:7] = 3
    rim = Outlines(data)[2]
    expected = np.zeros((7, 8))
    expected[1:6, 1:7] = 3
    expected[2:5, 2:6] = 0
    np.testing.assert_array_equal(rim, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_labels_that_touch_are_both_outlined_where_they_meet(axis):
    data = np.zeros((9, 9, 9), dtype=np.uint8)
    data[1:8, 1:8, 1:4] = 1
    data[1:8, 1:8, 4:8] = 2
    data = np.moveaxis(data, 0, axis)
    rim = np.moveaxis(np.stack([Outlines(data).draw(axis, place) for place in range(9)]), 0, 0)
    middle = rim[4]
    assert (middle[4, 3], middle[4, 4]) == (1, 2)  # the seam
    assert (middle[4, 2], middle[4, 5]) == (0, 0)  # inside of each


def test_a_label_at_the_border_is_closed_there():
    data = np.ones((3, 4, 5), dtype=np.uint8)
    assert Outlines(data)[1].sum() == 2 * (4 + 5) - 4


def test_the_outline_of_a_slice_is_that_of_slices_of_one(ball):
    outlines = Outlines(ball.data)
    np.testing.assert_array_equal(outlines[20:21, :, 3:30], outlines[20, :, 3:30][None])


def test_a_surface_has_the_area_and_the_centre_of_its_ball(ball):
    mesh = label_mesh(ball, 1)
    # Marching cubes on voxels terraces a ball: its area is up to 9 % too large at any resolution.
    assert mesh.areas().sum() == pytest.approx(4 * np.pi * 64, rel=0.1)
    center = np.average(mesh.centers(), axis=0, weights=mesh.areas())
    np.testing.assert_allclose(center, ball.grid.to_points([[19.5] * 3])[0], atol=1e-3)


def test_a_surface_is_carried_as_its_points_are(ball):
    mesh = label_mesh(ball, 1)
    doubled = carried(mesh, affine_transform(2 * np.eye(3), [1.0, 2.0, 3.0]))
    np.testing.assert_allclose(doubled.vertices, 2 * mesh.vertices + [1.0, 2.0, 3.0])
    assert doubled.areas().sum() == pytest.approx(4 * mesh.areas().sum())


def test_merged_meshes_keep_their_triangles(ball):
    mesh = label_mesh(ball, 1)
    far = carried(mesh, affine_transform(np.eye(3), [100.0, 0.0, 0.0]))
    both = merged([mesh, far])
    np.testing.assert_allclose(both.areas(), np.concatenate([mesh.areas(), far.areas()]))
    np.testing.assert_allclose(both.centers(), np.concatenate([mesh.centers(), far.centers()]))
    assert merged([]).faces.shape == (0, 3)


def test_a_surface_of_too_many_triangles_is_cut_from_bins(ball, monkeypatch):
    fine = label_mesh(ball, 1)
    monkeypatch.setattr(contours, "MOST_FACES", len(fine.faces) // 2)
    coarse = label_mesh(ball, 1)
    assert 0 < len(coarse.faces) <= len(fine.faces) // 2
    np.testing.assert_allclose(coarse.vertices.mean(axis=0), fine.vertices.mean(axis=0), atol=0.5)


def test_a_plate_that_bins_would_lose_keeps_its_surface(monkeypatch):
    grid = ImageGrid((30, 30, 30))
    data = np.zeros(grid.shape, dtype=np.uint8)
    data[15, 5:25, 5:25] = 1
    from napari_shapereg.volumes import LabelVolume

    # Bins of eight voxels, of which the plate fills at most four, so that the fraction is one half at most.
    data[:, ::2] = 0
    monkeypatch.setattr(contours, "MOST_FACES", 10)
    assert len(label_mesh(LabelVolume(data, grid), 1).faces) > 0


def test_labels_that_are_not_there_have_no_surface(ball):
    assert list(meshes_of(ball, (1, 7))) == [1]
    with pytest.raises(InputError, match="label 7 is absent"):
        label_mesh(ball, 7)


def test_the_finest_axes_are_doubled_first():
    assert finest_doubled((0.4, 0.4, 1.1)) == (2, 2, 1)
    assert finest_doubled((0.8, 0.8, 1.1)) == (2, 2, 2)
