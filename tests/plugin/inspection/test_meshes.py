from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.plugin import meshes
from napari_shapereg.plugin.meshes import carried, label_mesh, merged, meshes_of
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid, LabelVolume
from napari_shapereg.volumes.phantoms import ball_volume


@pytest.fixture(scope="module")
def ball():
    return ball_volume(ImageGrid((40, 40, 40), (0.5, 0.5, 0.5), (-3.0, 5.0, 70.0)), radius=8.0)


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


def test_a_surface_of_too_many_triangles_is_cut_from_bins(ball):
    fine = label_mesh(ball, 1)
    coarse = label_mesh(ball, 1, len(fine.faces) // 2)
    assert 0 < len(coarse.faces) <= len(fine.faces) // 2
    np.testing.assert_allclose(coarse.vertices.mean(axis=0), fine.vertices.mean(axis=0), atol=0.5)


def test_a_plate_that_bins_would_lose_keeps_its_surface():
    grid = ImageGrid((30, 30, 30))
    data = np.zeros(grid.shape, dtype=np.uint8)
    data[15, 5:25, 5:25] = 1
    # Bins of eight voxels, of which the plate fills at most four, so that the fraction is one half at most.
    data[:, ::2] = 0
    assert len(label_mesh(LabelVolume(data, grid), 1, 10).faces) > 0


def test_labels_share_the_triangles_that_can_be_drawn(ball, monkeypatch):
    data = ball.data.copy()
    data[20:][data[20:] == 1] = 2
    halves = LabelVolume(data, ball.grid)
    whole = meshes_of(halves, (1, 2))
    most = sum(len(mesh.faces) for mesh in whole.values()) // 2
    monkeypatch.setattr(meshes, "MOST_FACES", most)
    drawn = meshes_of(halves, (1, 2))
    assert most // 8 < sum(len(mesh.faces) for mesh in drawn.values()) <= most


def test_labels_that_are_not_there_have_no_surface(ball):
    assert list(meshes_of(ball, (1, 7))) == [1]
    with pytest.raises(InputError, match="label 7 is absent"):
        label_mesh(ball, 7)
