"""A registration that starts from a map which is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.spatial.transform import Rotation

from napari_shapereg.errors import InputError
from napari_shapereg.measures import measure_from_labels
from napari_shapereg.registration import read_result, register
from napari_shapereg.registration.initial import initial_map
from napari_shapereg.transforms import (
    affine_transform,
    chain,
    displacement_transform,
    inverse_of,
    resample_labels,
    transform_points,
)
from napari_shapereg.volumes import ImageGrid, ball_volume, write_labels
from tests.registration.conftest import make_pair, paint

CENTRE = (5.0, 5.0, -5.0)
TURN = Rotation.from_euler("xyz", [20, -35, 140], degrees=True).as_matrix()


def bend(centre=CENTRE, amplitude=2.0):
    """x -> x + u(x), a wave of 2 mm on nodes 1.5 mm apart that reaches far around a point."""
    grid = ImageGrid((60, 60, 60), (1.5, 1.5, 1.5), tuple(np.array(centre) - 44.25))
    points = grid.to_points(np.indices(grid.shape)[::-1].reshape(3, -1).T) - centre
    waves = [np.sin(points[:, 1] / 11), np.cos(points[:, 2] / 13), np.sin(points[:, 0] / 9)]
    fade = np.exp(-((np.abs(points) / 38) ** 8).sum(axis=1, keepdims=True))
    return displacement_transform((amplitude * np.stack(waves, axis=1) * fade).reshape(*grid.shape, 3), grid)


def turn_and_stretch(determinant=1.0):
    matrix = TURN @ np.diag([1.2, 0.9, determinant])
    return affine_transform(matrix, (40.0, 3.0, 20.0) - matrix @ np.array(CENTRE))


@pytest.fixture(scope="module")
def still():
    """Settings that fit nothing."""
    from napari_shapereg.registration import RegistrationSettings

    return RegistrationSettings().changed(linear="none", measures=None, voxels=None)


@pytest.mark.parametrize("make", [lambda: [turn_and_stretch()], lambda: [bend(), turn_and_stretch()]])
def test_without_any_fit_it_is_the_result(make, still):
    pair = make_pair()
    members = make()
    result = register(*pair, settings=still, initial=members)
    points = np.random.default_rng(0).normal(scale=10, size=(300, 3)) + CENTRE
    there = transform_points(chain(*members), points)
    np.testing.assert_allclose(transform_points(result.transform, points), there, atol=1e-9)
    # Exact for linear maps; 1.5 mm nodes leave 0.01 mm of a wave of 2 mm and 60 mm length.
    bound = 1e-9 if len(members) == 1 else 0.05
    np.testing.assert_allclose(transform_points(result.inverse_transform, there), points, atol=bound)
    # The linear part carries the centre of the moving shape where the whole does: it fits best there.
    shape = pair[0].grid.to_points(np.argwhere(pair[0].data > 0)[:, ::-1])
    images = transform_points(result.inverse_transform, shape)
    np.testing.assert_allclose(result.affine.apply(shape).mean(axis=0), images.mean(axis=0), atol=0.05)


def test_it_is_told_in_the_folder(still, tmp_path):
    moving, fixed = (write_labels(volume, tmp_path / f"{k}.nrrd") for k, volume in enumerate(make_pair()))
    result = register(moving, fixed, settings=still, initial=[bend(), turn_and_stretch()])
    result.save(tmp_path / "out", report=False)
    back = read_result(tmp_path / "out")
    np.testing.assert_array_equal(back.affine.matrix, result.affine.matrix)
    told = back.metrics["provenance"]["initial"]
    assert told["members"] == ["DisplacementFieldTransform", "AffineTransform"]
    other = register(moving, fixed, settings=still, initial=[bend(amplitude=2.001), turn_and_stretch()])
    assert other.metrics["provenance"]["initial"] != told


def test_a_bent_and_turned_shape_is_brought_back_without_a_linear_stage(quick):
    # The moving shape is the fixed one seen through the map: with the map the flow has nothing left to do.
    _, fixed = make_pair(np.eye(3))
    known = chain(bend(), turn_and_stretch())
    place = ImageGrid((90, 90, 90), (0.9, 0.9, 0.9), (0.0, -37.0, -20.0))
    moving = resample_labels(fixed, place, inverse_of(known, fixed.grid))
    flow = quick.changed(linear="none")
    started = register(moving, fixed, settings=flow, initial=known)
    lost = register(moving, fixed, settings=flow)
    assert started.measured.after[1].dice > 0.9
    assert started.measured.after[2].dice > 0.9
    assert lost.measured.after[1].dice < 0.8
    assert started.history[0].objective < 0.01 * lost.history[0].objective


def test_a_mirrored_shape_is_registered_from_a_mirror(quick):
    # A linear stage that may not mirror needs such a start for a left and a right knee.
    centre = (30.0, -20.0, 15.0)
    grid = ImageGrid((60, 60, 50), (1.0, 1.0, 1.2), (0.0, -50.0, -15.0))
    fixed = paint(grid, bent=3.0, centre=centre)
    mirrored = type(fixed)(fixed.data[:, :, ::-1], grid)
    flip = affine_transform(np.diag([-1.0, 1.0, 1.0]), (59.0, 0.0, 0.0))
    result = register(mirrored, fixed, settings=quick.changed(mirror="never"), initial=flip)
    assert np.linalg.det(result.affine.matrix) < 0
    for label in (1, 2):
        assert result.measured.after[label].dice > 0.95


@pytest.mark.parametrize("kind", ["voxel", "surface"])
def test_volumes_areas_and_normals_follow_the_map(kind):
    # A ball becomes an ellipsoid: volume 4/3 π abc, and on its surface n ∝ (x/a², y/b², z/c²).
    ball = ball_volume(ImageGrid((48, 48, 48), (0.5, 0.5, 0.5), (-11.75,) * 3), (0.0, 0.0, 0.0), 10.0)
    axes = np.array([2.0, 1.0, 0.5])
    shrink = affine_transform(np.diag(1 / axes), (0.0, 0.0, 0.0))
    start = initial_map(chain(shrink), ball, ball)
    before = measure_from_labels(ball, 1, kind, dtype=torch.float64)
    after = start.carry_measure(before)
    np.testing.assert_allclose(after.points, before.points.numpy() * axes, atol=1e-9)
    if kind == "voxel":
        np.testing.assert_allclose(after.mass / before.mass, axes.prod(), rtol=1e-9)
        return
    expected = before.normals.numpy() / axes
    length = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(after.normals, expected / length, atol=1e-9)
    np.testing.assert_allclose(after.weights, before.weights.numpy() * axes.prod() * length[:, 0], rtol=1e-9)


def test_a_map_without_inverse_is_refused(still):
    flat = sitk.AffineTransform(3)
    flat.SetMatrix((1, 0, 0, 0, 1, 0, 0, 0, 0))
    with pytest.raises(InputError, match="singular"):
        register(*make_pair(), settings=still, initial=flat)
    with pytest.raises(InputError, match="at least one"):
        register(*make_pair(), settings=still, initial=[])
    with pytest.raises(InputError, match=r"nowhere\.mat: no such file"):
        register(*make_pair(), settings=still, initial="nowhere.mat")


def test_views_that_overlap_in_part_are_compared_where_the_map_has_brought_them(quick):
    # Half of the fixed shape is cut off; the moving one lies turned by 140 degrees elsewhere.
    _, fixed = make_pair(np.eye(3))
    known = turn_and_stretch()
    place = ImageGrid((90, 90, 90), (0.9, 0.9, 0.9), (0.0, -37.0, -20.0))
    moving = resample_labels(fixed, place, inverse_of(known, fixed.grid))
    half = fixed.grid.cropped((0, 0, 0), (fixed.grid.size[0] // 2 + 8, *fixed.grid.size[1:]))
    seen = type(fixed)(fixed.data[:, :, : half.size[0]], half)
    settings = quick.changed(linear="none", overlap="partial")
    result = register(moving, seen, settings=settings, initial=known)
    for label in (1, 2):
        assert result.measured.after[label].dice > 0.9
