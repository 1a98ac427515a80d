from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_shapereg.errors import InputError
from napari_shapereg.volumes import (
    ImageGrid,
    Knee,
    KnownDeformation,
    ball_volume,
    knee_pair,
    known_deformation,
    known_pair,
    shell_volume,
)


@pytest.fixture(scope="module")
def knees():
    return knee_pair()


@pytest.fixture(scope="module")
def known():
    return known_pair()


@pytest.fixture
def fine(grid):
    """The directions of the grids of this folder, fine enough for balls."""
    return ImageGrid((90, 80, 50), (0.5, 0.6, 0.9), grid.origin, grid.direction)


def test_ball_has_the_volume_and_place_of_a_ball(fine):
    center = fine.to_points([(40.3, 41.2, 24.4)])[0]
    ball = ball_volume(fine, center, 15.0, label=3)
    assert ball.labels == (3,)
    # The lattice count of a ball is good to a few voxels of its surface.
    assert ball.mask(3).sum() * fine.voxel_volume == pytest.approx(4 / 3 * np.pi * 15**3, rel=2e-3)
    points = fine.to_points(np.argwhere(ball.mask(3))[:, ::-1])
    np.testing.assert_allclose(points.mean(axis=0), center, atol=0.05)
    assert np.linalg.norm(points - center, axis=1).max() <= 15.0


def test_shell_is_thin_and_lies_in_the_middle_of_its_grid(fine):
    shell = shell_volume(fine, radius=16.0, thickness=2.0)
    distance = np.linalg.norm(
        fine.to_points(np.argwhere(shell.mask(1))[:, ::-1]) - fine.corners().mean(axis=0), axis=1
    )
    assert distance.min() >= 14.0
    assert distance.max() <= 16.0
    volume = 4 / 3 * np.pi * (16**3 - 14**3)
    assert shell.mask(1).sum() * fine.voxel_volume == pytest.approx(volume, rel=5e-3)


@pytest.mark.parametrize(("radius", "thickness"), [(0.0, 0.0), (-1.0, 1.0), (3.0, 4.0), (3.0, 0.0)])
def test_shells_that_are_none_are_refused(radius, thickness):
    with pytest.raises(InputError, match="thickness"):
        shell_volume(ImageGrid((5, 5, 5)), radius=radius, thickness=thickness)


def test_femoral_cartilage_is_one_piece_and_the_tibial_two(knees, known):
    for volume in (*knees, *known):
        assert volume.labels == (1, 2)
        assert ndimage.label(volume.mask(1), np.ones((3, 3, 3)))[1] == 1
        assert ndimage.label(volume.mask(2), np.ones((3, 3, 3)))[1] == 2


def test_knees_have_the_size_and_thickness_of_cartilage(knees):
    for volume, thickness in zip(knees, ((3.0, 3.2), (2.4, 2.5)), strict=True):
        for label, largest in zip((1, 2), thickness, strict=True):
            depth = ndimage.distance_transform_edt(volume.mask(label), sampling=volume.grid.spacing[::-1])
            # Twice the largest inner distance, of which half a voxel diagonal is the lattice's.
            assert 2 * depth.max() == pytest.approx(largest, abs=1.3)
    cubic_millimetres = [[v.mask(k).sum() * v.grid.voxel_volume for k in (1, 2)] for v in knees]
    # OAI_a and OAI_b: 15,900 and 4,950; 10,600 and 3,670 mm³
    np.testing.assert_allclose(cubic_millimetres, [[16_400, 5_450], [10_550, 3_450]], rtol=0.03)


def test_knees_lie_apart_on_different_oblique_anisotropic_grids(knees):
    moving, fixed = knees
    centers = [v.grid.to_points(np.argwhere(v.data)[:, ::-1]).mean(axis=0) for v in knees]
    assert 15 < np.linalg.norm(np.subtract(*centers)) < 45
    assert moving.grid.direction != fixed.grid.direction
    for volume in knees:
        assert max(volume.grid.spacing) > 1.9 * min(volume.grid.spacing)
        # no axis of the voxels is one of LPS
        assert np.abs(np.asarray(volume.grid.direction)).max() < 0.9999
        # nothing is cut off
        for axis, count in zip(volume.bounding_box(), volume.data.shape, strict=True):
            assert axis.start > 0
            assert axis.stop < count


def test_knee_moves_with_its_pose():
    points = np.random.default_rng(0).uniform(-35, 35, (20_000, 3))
    still, moved = Knee(), Knee(rotation=(0, 0, 90), position=(1.0, 2.0, 3.0))
    # A quarter turn about z takes x to y and y to -x.
    carried = points @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]) + [1, 2, 3]
    np.testing.assert_array_equal(moved.labels_at(carried), still.labels_at(points))
    assert set(still.labels_at(points)) == {0, 1, 2}


def test_rotation_without_three_angles_is_refused():
    with pytest.raises(InputError, match="three finite angles"):
        Knee(rotation=(1, 2)).labels_at([[0, 0, 0]])


def test_inverse_of_the_known_deformation_is_exact():
    truth = known_deformation()
    points = np.random.default_rng(1).uniform(-60, 60, (5000, 3)) + truth.center
    np.testing.assert_allclose(truth.moving_to_fixed(truth.fixed_to_moving(points)), points, atol=1e-11)
    np.testing.assert_allclose(truth.fixed_to_moving(truth.moving_to_fixed(points)), points, atol=1e-11)


def test_determinant_of_the_known_deformation_is_exact():
    truth = KnownDeformation(center=(5.0, -3.0, 2.0))
    points = np.random.default_rng(2).uniform(-40, 40, (500, 3))
    step = 1e-4
    columns = [
        (truth.fixed_to_moving(points + step * axis) - truth.fixed_to_moving(points - step * axis))
        / (2 * step)
        for axis in np.eye(3)
    ]
    # Central differences: step² times third derivatives, and rounding over the step.
    np.testing.assert_allclose(np.linalg.det(np.stack(columns, axis=2)), truth.determinant(points), rtol=1e-7)
    assert truth.determinant(points).min() > 1
    assert np.ptp(truth.determinant(points)) > 0.05


def test_known_deformation_is_not_near_any_affine_map(known):
    truth = known_deformation()
    fixed = known[1]
    points = fixed.grid.to_points(np.argwhere(fixed.data)[:, ::-1])
    moved = truth.fixed_to_moving(points)
    design = np.column_stack([points, np.ones(len(points))])
    residual = moved - design @ np.linalg.lstsq(design, moved, rcond=None)[0]
    assert np.linalg.norm(residual, axis=1).max() > 3  # mm


def test_known_deformation_carries_the_fixed_labels_to_the_moving_ones(known):
    moving, fixed = known
    truth = known_deformation()
    points = fixed.grid.to_points(np.argwhere(fixed.data)[:, ::-1])
    places = np.rint(moving.grid.to_indices(truth.fixed_to_moving(points))).astype(int)
    found = moving.data[places[:, 2], places[:, 1], places[:, 0]]
    wanted = fixed.data[fixed.data > 0]
    # Nearest-neighbour reading of a shell four voxels thick loses some of its rim; the wrong map nearly all.
    assert (found == wanted).mean() > 0.85
    identity = np.rint(moving.grid.to_indices(points)).astype(int).clip(0, np.array(moving.grid.size) - 1)
    assert (moving.data[identity[:, 2], identity[:, 1], identity[:, 0]] == wanted).mean() < 0.3


def test_volumes_of_the_known_pair_obey_the_determinant(known):
    moving, fixed = known
    points = fixed.grid.to_points(np.argwhere(fixed.mask(1))[:, ::-1])
    carried = known_deformation().determinant(points).sum() * fixed.grid.voxel_volume
    # 22,000 voxels of a shell, counted by their centres on two lattices.
    assert carried == pytest.approx(moving.mask(1).sum() * moving.grid.voxel_volume, rel=0.01)
