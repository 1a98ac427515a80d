from __future__ import annotations

import numpy as np
import pytest

from napari_shapereg.plugin import correspondences
from napari_shapereg.plugin.correspondences import evenly, landings, transported
from napari_shapereg.plugin.meshes import carried, label_mesh
from napari_shapereg.transforms import affine_transform
from napari_shapereg.volumes import ImageGrid
from napari_shapereg.volumes.phantoms import ball_volume

SHIFT = np.array([3.0, -4.0, 12.0])  # 13 mm long


@pytest.fixture(scope="module")
def meshes():
    """Two balls, the second with four times the area."""
    grid = ImageGrid((50, 50, 50))
    return {
        label: label_mesh(ball_volume(grid, radius=radius), 1) for label, radius in ((1, 10.0), (2, 20.0))
    }


def test_a_shift_lands_every_place_as_far_away(meshes):
    pairs = landings(meshes, affine_transform(np.eye(3), SHIFT), 300)
    np.testing.assert_allclose(pairs.ends - pairs.starts, np.tile(SHIFT, (len(pairs.starts), 1)))
    np.testing.assert_allclose(pairs.lengths(), 13.0)


def test_lines_are_shared_out_by_area(meshes):
    pairs = landings(meshes, affine_transform(np.eye(3), SHIFT), 500)
    counts = np.bincount(pairs.labels)[1:]
    assert counts.sum() == pytest.approx(500, abs=2)
    assert counts[1] / counts[0] == pytest.approx(4.0, rel=0.1)


def test_places_lie_evenly_on_a_surface(meshes):
    centers, areas = meshes[2].centers(), meshes[2].areas()
    chosen = evenly(centers, areas, 400)
    assert len(chosen) == 400
    # The same number of places in each of the eight octants of a ball, to about the spread of a random
    # choice's third: 50 ± 7 would be chance.
    octants = np.sign(centers[chosen] - centers.mean(axis=0)) @ [1, 2, 4]
    counts = np.unique(octants, return_counts=True)[1]
    assert len(counts) == 8
    assert counts.min() >= 45
    assert counts.max() <= 55


def test_heavy_points_are_chosen_more_often_than_light_ones():
    points = np.random.default_rng(3).uniform(size=(4000, 3))
    weights = np.where(points[:, 0] < 0.5, 3.0, 1.0)
    chosen = evenly(points, weights, 400)
    assert np.mean(points[chosen, 0] < 0.5) == pytest.approx(0.75, abs=0.02)


def test_few_points_are_all_kept():
    np.testing.assert_array_equal(evenly(np.zeros((3, 3)), np.ones(3), 5), [0, 1, 2])
    # All in one place: any of them.
    assert len(evenly(np.zeros((9, 3)), np.ones(9), 5)) == 5


def test_transport_of_a_shifted_surface_is_the_shift(meshes, monkeypatch):
    monkeypatch.setattr(correspondences, "_PLAN_POINTS", 800)
    moved = {1: carried(meshes[1], affine_transform(np.eye(3), SHIFT))}
    pairs = transported({1: meshes[1]}, moved, 200, blur=0.3)
    # The mean under a blurred plan is drawn to the middle by about blur² / radius.
    np.testing.assert_allclose(pairs.ends - pairs.starts, np.tile(SHIFT, (len(pairs.starts), 1)), atol=0.3)
    assert 150 < len(pairs.starts) <= 200
    assert set(pairs.labels) == {1}


def test_labels_that_one_side_lacks_are_left_out(meshes):
    pairs = transported({1: meshes[1]}, {2: meshes[2]}, 10)
    assert pairs.starts.shape == pairs.ends.shape == (0, 3)
    assert landings({}, affine_transform(np.eye(3), SHIFT), 10).starts.shape == (0, 3)
