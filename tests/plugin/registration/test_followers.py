from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_shapereg.plugin.cross_section import cross_section
from napari_shapereg.plugin.followers import Followers, MovingSurface
from napari_shapereg.plugin.scene import Shape

TURN = Rotation.from_euler("xyz", (40.0, -80.0, 120.0), degrees=True).as_matrix()
SHIFT = np.array([1.0, 2.0, 3.0])


@pytest.fixture
def cloud() -> np.ndarray:
    return np.random.default_rng(0).uniform(-20, 20, (3000, 3))


@pytest.fixture
def places() -> np.ndarray:
    return np.random.default_rng(1).uniform(-18, 18, (200, 3))


def affine(points):
    return points @ (TURN * (1.2, 0.7, 1.0)) + (30.0, -5.0, 80.0)


def bent(points):
    return affine(points) + 3.0 * np.sin(points[:, [1, 2, 0]] / 10.0)


def test_an_affine_map_is_followed_exactly(cloud, places):
    assert np.abs(Followers(places, cloud).when(affine(cloud)) - affine(places)).max() < 1e-9


def test_a_bent_map_is_followed_as_far_as_the_points_tell(cloud, places):
    astray = np.linalg.norm(Followers(places, cloud).when(bent(cloud)) - bent(places), axis=1)
    # The bend is 3 mm high; points are 2.5 mm apart, over which it changes by 0.7 mm.
    assert astray.mean() < 0.25
    assert astray.max() < 1.0


def test_what_is_at_a_point_goes_with_it(cloud):
    moved = bent(cloud)
    assert np.abs(Followers(cloud[:5], cloud).when(moved)[:5] - moved[:5]).max() < 1e-5


@pytest.mark.parametrize("count", [1, 3, 9, 30])
def test_few_points_or_points_in_a_plane_carry_a_body_that_stays_one(count, places):
    flat = np.random.default_rng(2).uniform(-20, 20, (count, 3)) * (1, 1, 0)
    moved = Followers(places, flat).when(flat + SHIFT)
    assert np.allclose(moved, places + SHIFT)


def test_a_surface_stays_on_its_way_when_it_comes_late_and_points_are_left_out(cloud, places):
    """Where the overlap is partial, the flow has fewer points than the linear stage."""
    surface = MovingSurface()
    assert surface.shown() is None
    surface.track(cloud, affine(cloud))
    assert surface.shown() is None
    few = affine(cloud)[::2]
    surface.shape = Shape(places, np.zeros((0, 3), int), np.ones(len(places), int), np.ones((len(places), 4)))
    assert np.abs(surface.shown().vertices - affine(places)).max() < 1e-9
    surface.track(few, few + SHIFT)
    assert np.abs(surface.shown().vertices - affine(places) - SHIFT).max() < 1e-9


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plane_cuts_a_tetrahedron_in_a_triangle(axis):
    corners = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 4]])
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
    segments, tips = cross_section(corners, faces, axis, 1.0)
    others = [other for other in range(3) if other != axis]
    lengths = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    assert np.allclose(segments[:, :, axis], 1.0)
    assert sorted(lengths) == pytest.approx([3.0, 3.0, 3.0 * 2**0.5])
    assert {tuple(end) for end in segments[:, :, others].reshape(-1, 2)} == {(0, 0), (3, 0), (0, 3)}
    assert set(tips) == {1 + axis}


def test_a_plane_beside_a_surface_cuts_nothing():
    segments, tips = cross_section(np.eye(3), np.array([[0, 1, 2]]), 0, 5.0)
    assert segments.shape == (0, 2, 3)
    assert len(tips) == 0
