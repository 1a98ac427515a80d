"""Where registrations start: any pose, symmetric shapes, ambiguous axes, cropped views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_shapereg.fidelities import EnergyDistance
from napari_shapereg.measures import Measure
from napari_shapereg.registration import MeasureSettings, RegistrationSettings, register
from napari_shapereg.registration.linear_stage import linear_steps
from napari_shapereg.registration.shapes import Shapes, shapes_from_volumes
from napari_shapereg.transforms import transform_points
from napari_shapereg.volumes import ImageGrid, LabelVolume, sample_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_shapereg.deformations import AffineMap

CPU = torch.device("cpu")


def posed(volume: LabelVolume, turn: NDArray[np.float64], scale: float, shift: list[float]) -> LabelVolume:
    """Return the same voxels elsewhere: the volume carried by x ↦ scale · turn x + shift."""
    grid = volume.grid
    direction = turn @ np.reshape(grid.direction, (3, 3))
    origin = scale * turn @ grid.origin + shift
    spacing = tuple(scale * step for step in grid.spacing)
    return LabelVolume(volume.data, ImageGrid(grid.size, spacing, tuple(origin), tuple(direction.ravel())))


def cropped(volume: LabelVolume, first: int, last: int) -> LabelVolume:
    """Return the planes of a volume between two indices along z."""
    grid = volume.grid.cropped((0, 0, first), (*volume.grid.size[:2], last - first))
    return LabelVolume(volume.data[first:last], grid)


def cloud(points: NDArray[np.float64]) -> Measure:
    return Measure(points.astype(np.float32), np.full(len(points), 1 / len(points), np.float32))


@pytest.mark.parametrize(
    ("turn", "scale", "shift"),
    [
        ([180, 0, 0], 1.0, [0, 0, 0]),
        ([0, 130, 95], 2.0, [3000, -800, 1500]),
        ([-70, 40, 170], 0.5, [-20, 5000, 10]),
    ],
)
def test_the_pose_of_a_knee_is_found(turn: list[float], scale: float, shift: list[float]) -> None:
    knee = sample_pair("knees")[1]
    matrix = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    moving = posed(knee, matrix, scale, shift)
    shapes = shapes_from_volumes(moving, knee, knee.labels, {}, points=500, device=CPU)
    *_, last = linear_steps(shapes, "similarity", EnergyDistance())
    # Both are merged into cells of their own axes. Measured: 0.1 degrees, 0.1 mm.
    left = last.affine.matrix @ matrix * scale
    assert np.degrees(Rotation.from_matrix(left / np.cbrt(np.linalg.det(left))).magnitude()) < 0.5
    points = knee.grid.to_points(np.argwhere(knee.data > 0)[::99, ::-1])
    found = last.affine.apply(scale * points @ matrix.T + shift)
    assert np.linalg.norm(found - points, axis=1).max() < 0.5


def test_a_ball_has_no_axes_and_breaks_nothing() -> None:
    random = np.random.default_rng(3)
    balls = random.normal(size=(2, 400, 3))
    balls *= 10 * random.uniform(size=(2, 400, 1)) ** (1 / 3) / np.linalg.norm(balls, axis=2, keepdims=True)
    shapes = Shapes({1: 1.0}, {1: cloud(balls[0])}, {1: cloud(2 * balls[1] + [500, 0, -90])})
    for mirror in ("never", "auto"):
        *_, last = linear_steps(shapes, "similarity", EnergyDistance(), mirror)
        assert np.linalg.det(last.affine.matrix) == pytest.approx(8, rel=0.1)
        # The centre of 400 random points lies about half a millimetre off, their radius 1 to 2 %.
        assert np.allclose(last.affine.apply(np.zeros((1, 3))), [500, 0, -90], atol=1.5)


def test_the_turn_of_a_shape_whose_axes_are_ambiguous_is_found() -> None:
    """A disc with two marks of other labels: all turns about its axis have the same principal axes."""
    random = np.random.default_rng(5)
    angle, height = random.uniform(0, 2 * np.pi, 400), random.uniform(-1, 1, 400)
    disc = np.stack([20 * np.cos(angle), 20 * np.sin(angle), height], axis=1)
    marks = random.normal(size=(2, 40, 3)) + np.array([[[15, 0, 3]], [[6, 14, 0]]])
    parts = {1: disc, 2: marks[0], 3: marks[1]}
    matrix = Rotation.from_euler("zyx", [133, 12, 200], degrees=True).as_matrix()
    shapes = Shapes(
        dict.fromkeys(parts, 1 / 3),
        {label: cloud(points) for label, points in parts.items()},
        {label: cloud(points @ matrix.T) for label, points in parts.items()},
    )
    *_, last = linear_steps(shapes, "rigid", EnergyDistance())
    assert np.abs(last.affine.matrix - matrix).max() < 0.01


def test_half_a_knee_finds_its_place_on_a_whole_one() -> None:
    knee = sample_pair("knees")[0]
    half = cropped(knee, 0, knee.grid.size[2] // 2)
    matrix = Rotation.from_euler("xyz", [100, -30, 60], degrees=True).as_matrix()
    moving = posed(knee, matrix, 1.0, [900, -300, 200])
    settings = RegistrationSettings(model="rigid", measures=MeasureSettings(points=1000), overlap="partial")
    result = register(moving, half, settings=settings)
    points = knee.grid.to_points(np.argwhere(half.data > 0)[::99, ::-1])
    found = result.affine.apply(points @ matrix.T + [900, -300, 200])
    # Measured: 0.2 mm; with the whole of both compared it is 30 mm.
    assert np.linalg.norm(found - points, axis=1).max() < 1.0
    assert min(values["after"]["dice"] for values in result.metrics["labels"].values()) > 0.9


@pytest.fixture(scope="module")
def whole() -> AffineMap:
    """How one sample knee lies on the other, where all of both is seen."""
    return register(*sample_pair("knees"), settings=RegistrationSettings(model="rigid")).affine


def test_landmarks_say_how_two_parts_lie(whole: AffineMap) -> None:
    """Where both views are cut, other parts fit as well as those that both show."""
    moving, fixed = sample_pair("knees")
    (*_, planes), (*_, last) = moving.grid.size, fixed.grid.size
    parts = cropped(moving, 0, int(0.65 * planes)), cropped(fixed, int(0.35 * last), last)
    here = moving.grid.to_points(np.argwhere(moving.data > 0)[::4001, ::-1])[:6]
    there = whole.apply(here)
    settings = RegistrationSettings(model="rigid", overlap="partial")
    found = register(*parts, settings=settings, landmarks=(here, there)).affine
    # Measured: 0.3 mm; 12 mm if the search does not know them, 68 mm without any.
    assert np.linalg.norm(found.apply(here) - there, axis=1).mean() < 3


def test_a_part_of_another_knee_is_not_drawn_to_where_most_of_the_knee_is(whole: AffineMap) -> None:
    """The inner half fits the whole best where it is turned by 180 degrees, until the kernel is narrow."""
    moving, fixed = sample_pair("knees")
    columns, rows, planes = moving.grid.size
    grid = moving.grid.cropped((columns // 2, 0, 0), (columns - columns // 2, rows, planes))
    half = LabelVolume(np.ascontiguousarray(moving.data[:, :, columns // 2 :]), grid)
    part = register(half, fixed, settings=RegistrationSettings(model="rigid", overlap="partial"))
    points = half.grid.to_points(np.argwhere(half.data > 0)[::99, ::-1])
    off = np.linalg.norm(part.affine.apply(points) - whole.apply(points), axis=1)
    # Measured: 4 mm, since the two knees are of unlike size; 60 mm if poses are dropped while it is wide.
    assert off.mean() < 10


def mirrored(volume: LabelVolume) -> LabelVolume:
    """Return the other side of the body: the same array on a grid turned from left to right."""
    grid = volume.grid
    flip = np.array([-1.0, 1.0, 1.0])
    direction = flip[:, None] * np.reshape(grid.direction, (3, 3))
    return LabelVolume(
        volume.data, ImageGrid(grid.size, grid.spacing, tuple(flip * grid.origin), tuple(direction.ravel()))
    )


@pytest.fixture(scope="module")
def sides() -> tuple[LabelVolume, LabelVolume, LabelVolume]:
    """A knee of another subject, the knee, and its other side."""
    other, knee = sample_pair("knees")
    return other, knee, mirrored(knee)


def linear(mirror: str) -> RegistrationSettings:
    return RegistrationSettings(measures=MeasureSettings(points=400), voxels=None, mirror=mirror, max_steps=5)


def test_a_left_knee_on_a_right_one_is_noticed_and_said(
    sides: tuple[LabelVolume, LabelVolume, LabelVolume],
) -> None:
    other, knee, wrong_side = sides
    same = register(other, knee, settings=linear("auto"))
    assert np.linalg.det(same.affine.matrix) > 0
    assert not same.metrics["jacobian"]["mirrored"]
    assert 0 < same.metrics["orientation"]["turn"] < 45

    crossed = register(other, wrong_side, settings=linear("auto"))
    assert np.linalg.det(crossed.affine.matrix) < 0
    assert crossed.metrics["jacobian"]["mirrored"]
    assert any("turns left into right" in concern for concern in crossed.metrics["concerns"])
    # A mirrored pair is registered as well as the pair itself: the same up to where grids and cells begin.
    overlaps = [[v["after"]["dice"] for v in run.metrics["labels"].values()] for run in (same, crossed)]
    assert overlaps[1] == pytest.approx(overlaps[0], abs=0.03)
    assert crossed.metrics["jacobian"]["fraction_folded"] == 0
    assert crossed.metrics["jacobian"]["minimum"] > 0.1
    assert crossed.metrics["inverse_consistency"]["maximum"] < 0.5
    # On its way the shape stays where it should begin and end.
    points = other.grid.to_points(np.argwhere(other.data > 0)[::997, ::-1])
    there = transform_points(crossed.inverse_transform, points)
    start, end = crossed.path(points, [0, 1])
    np.testing.assert_allclose(start, points, atol=1e-6)
    np.testing.assert_allclose(end, there, atol=1e-6)


def test_mirroring_is_what_was_asked_for(sides: tuple[LabelVolume, LabelVolume, LabelVolume]) -> None:
    other, knee, wrong_side = sides
    never = register(other, wrong_side, settings=linear("never").changed(measures=None))
    assert np.linalg.det(never.affine.matrix) > 0
    always = register(other, knee, settings=linear("always").changed(measures=None))
    assert np.linalg.det(always.affine.matrix) < 0
