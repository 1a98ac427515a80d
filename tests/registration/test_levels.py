"""The costs of the levels, their directions, and the descent."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_shapereg.deformations import AffineMap, Lattice, LatticeFlow
from napari_shapereg.deformations.fields import least_determinant, sample_points
from napari_shapereg.deformations.smoothing import smooth
from napari_shapereg.registration.far_field import far_field
from napari_shapereg.registration.level import Position, descend
from napari_shapereg.registration.settings import RegistrationSettings
from napari_shapereg.registration.voxel_level import VoxelLevel, label_fractions
from napari_shapereg.volumes import ImageGrid, LabelVolume, ball_volume

PITCH = 1.1
CPU = torch.device("cpu")


@pytest.fixture
def grid() -> ImageGrid:
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    return ImageGrid((40, 30, 24), (0.8, 1.0, 1.3), (50.0, -20.0, 9.0), tuple(turn.ravel()))


@pytest.fixture
def balls(grid: ImageGrid) -> tuple[LabelVolume, LabelVolume]:
    """Two balls of unequal size, 3 mm apart."""
    centre = grid.to_points([[20, 15, 12]])[0]
    return ball_volume(grid, centre, 8.0), ball_volume(grid, centre + np.array([1.5, -2, 1.5]), 7.0)


@pytest.fixture
def level(grid: ImageGrid, balls: tuple[LabelVolume, LabelVolume]) -> VoxelLevel:
    lattice = Lattice.around(grid.corners(), grid.direction, pitch=PITCH, margin=1.0)
    moving, fixed = (label_fractions(ball, 1, AffineMap.identity(), lattice, CPU) for ball in balls)
    window = lattice.window(3.0, moving)
    far = far_field(fixed, 0.2, 1.0)
    return VoxelLevel(
        LatticeFlow(lattice), {1: moving}, {1: fixed}, {1: far}, {1: 1.0}, 1.5, 2.0, window, regularity=1e-3
    )


def wavy(level: VoxelLevel, size: float) -> torch.Tensor:
    noise = torch.randn(3, *level.flow.lattice.shape, generator=torch.Generator().manual_seed(0))
    return size * smooth(noise, 3 * PITCH, PITCH) * level.window / smooth(noise, 3 * PITCH, PITCH).abs().max()


def test_fractions_keep_the_volume(grid: ImageGrid, balls: tuple[LabelVolume, LabelVolume]) -> None:
    stretch = AffineMap(np.diag([1.2, 0.9, 1.0]), np.array([1.0, 2.0, 3.0]))
    moved = stretch.apply(grid.corners())
    lattice = Lattice.around(moved, grid.direction, pitch=PITCH, margin=2.0)
    fractions = label_fractions(balls[0], 1, stretch, lattice, CPU)
    volume = (balls[0].data == 1).sum() * grid.voxel_volume * 1.2 * 0.9
    assert float(fractions.sum()) * PITCH**3 == pytest.approx(volume, rel=1e-5)


@pytest.mark.parametrize("pitch", [0.5, 0.9, 1.6, 3.1])
def test_a_solid_is_solid_at_any_pitch(grid: ImageGrid, pitch: float) -> None:
    block = LabelVolume(np.ones(grid.shape, np.uint8), grid)
    lattice = Lattice.around(grid.corners(), grid.direction, pitch=pitch, margin=0.0)
    inside = label_fractions(block, 1, AffineMap.identity(), lattice, CPU)[0]
    rim = int(3 / pitch) + 2
    core = inside[rim:-rim, rim:-rim, rim:-rim]
    assert core.numel() > 0
    # Up to 1.7 % of ripple along each of three axes.
    assert (core - 1).abs().max() < 0.053


def test_the_pull_is_minus_the_gradient(level: VoxelLevel) -> None:
    # The pull is that of the continuum: on edges two nodes wide the lattice is 15 % off, so blur them.
    blurred = [{1: smooth(image[1], 2.5, PITCH)} for image in (level.moving, level.fixed)]
    level = replace(level, moving=blurred[0], fixed=blurred[1])
    flow = level.flow
    here = wavy(level, 1.0)
    step = wavy(level, 1.0).flip(0).roll(2, 1)
    position = level.position(here, {})
    ahead, behind = (level.position(flow.compose(here, sign * 0.05 * step), {}) for sign in (1, -1))
    slope = (ahead.fidelity - behind.fidelity) / 0.1
    only_fidelity = replace(level, regularity=0.0).position(here, {})
    pull = -float((only_fidelity.pull * step).sum()) * PITCH**2
    assert pull == pytest.approx(slope, rel=0.03)
    assert position.cost == pytest.approx(position.fidelity + 1e-3 * position.energy)


def test_descending_brings_the_balls_together(level: VoxelLevel) -> None:
    start = level.position(level.flow.identity(), {})
    settings = RegistrationSettings(max_steps=30)
    positions = list(descend(level, start, {}, settings))
    costs = [start.cost, *(position.cost for position in positions)]
    assert all(after < before for before, after in itertools.pairwise(costs))
    assert positions[-1].fidelity < 0.02 * start.fidelity
    assert least_determinant(positions[-1].displacement, PITCH).min() >= settings.min_jacobian


def test_no_volume_is_squeezed_below_the_bound(level: VoxelLevel) -> None:
    start = level.position(level.flow.identity(), {})
    settings = RegistrationSettings(max_steps=30, min_jacobian=0.7, regularity=0)
    free = level.position(level.flow.identity(), {})
    *_, last = descend(replace(level, regularity=0.0), start, {}, settings)
    determinant = least_determinant(last.displacement, PITCH)
    assert determinant.min() >= 0.7
    # The balls differ by a factor of 0.67 in volume, so they cannot agree; but they come together.
    assert last.fidelity < 0.35 * free.fidelity


def test_points_follow_the_map_as_it_stands(level: VoxelLevel) -> None:
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) * 20 + 3
    start = level.position(level.flow.identity(), {1: points})
    *_, last = descend(level, start, {1: points}, RegistrationSettings(max_steps=10))
    assert not torch.allclose(last.points[1], points, atol=0.5)
    back = last.points[1] + sample_points(last.displacement, last.points[1], PITCH)
    # The tolerance of the inversion is 1e-3 of the pitch.
    assert torch.allclose(back, points, atol=2e-3 * PITCH)


class Rising:
    """A level whose direction leads uphill, or whose cost is not a number."""

    momentum = 0.0

    def __init__(self, flow: LatticeFlow, cost: float) -> None:
        self.flow, self.cost = flow, cost

    def position(self, displacement: torch.Tensor, points: dict[int, torch.Tensor]) -> Position:
        cost = 1.0 if not displacement.any() else self.cost
        return Position(displacement, points, cost, 0.0, cost)

    def direction(self, position: Position) -> torch.Tensor:
        return torch.full_like(position.displacement, 0.1)


def test_a_direction_uphill_ends_the_level(level: VoxelLevel) -> None:
    rising = Rising(level.flow, 2.0)
    start = rising.position(level.flow.identity(), {})
    assert list(descend(rising, start, {}, RegistrationSettings())) == []


class Overflowing(Rising):
    """A level whose direction is longer than any number, as that of a fit that cannot be better."""

    calls = 0

    def position(self, displacement: torch.Tensor, points: dict[int, torch.Tensor]) -> Position:
        self.calls += 1
        assert self.calls < 100, "the level does not end"
        return super().position(displacement, points)

    def direction(self, position: Position) -> torch.Tensor:
        nodes = torch.arange(position.displacement.numel()).reshape(position.displacement.shape)
        return 3e38 * (-1.0) ** nodes


def test_a_direction_that_overflows_ends_the_level(level: VoxelLevel) -> None:
    overflowing = Overflowing(level.flow, 2.0)
    start = overflowing.position(level.flow.identity(), {})
    assert list(descend(overflowing, start, {}, RegistrationSettings())) == []


def test_a_cost_that_is_no_number_is_the_last(level: VoxelLevel) -> None:
    broken = Rising(level.flow, float("nan"))
    start = broken.position(level.flow.identity(), {})
    positions = list(descend(broken, start, {}, RegistrationSettings()))
    assert len(positions) == 1
    assert positions[0].cost != positions[0].cost


class Halting(Rising):
    """A level whose cost is told beforehand."""

    def __init__(self, flow: LatticeFlow, costs: list[float]) -> None:
        super().__init__(flow, 1.0)
        self.costs = iter(costs)

    def position(self, displacement: torch.Tensor, points: dict[int, torch.Tensor]) -> Position:
        cost = next(self.costs)
        return Position(displacement, points, cost, 0.0, cost)


def test_one_slow_step_does_not_end_a_level_but_two_in_a_row_do(level: VoxelLevel) -> None:
    halting = Halting(level.flow, [1.0, 0.9, 0.8999, 0.7, 0.6999, 0.6998, 0.5])
    start = halting.position(level.flow.identity(), {})
    costs = [position.cost for position in descend(halting, start, {}, RegistrationSettings(tolerance=1e-3))]
    assert costs == [0.9, 0.8999, 0.7, 0.6999, 0.6998]


class Collapsing:
    """A level whose cost falls as long as the middle of the lattice is squeezed."""

    momentum = 0.0

    def __init__(self, flow: LatticeFlow) -> None:
        self.flow = flow

    def position(self, displacement: torch.Tensor, points: dict[int, torch.Tensor]) -> Position:
        cost = -float(displacement.abs().sum())
        return Position(displacement, points, cost, 0.0, cost)

    def direction(self, position: Position) -> torch.Tensor:
        nodes = self.flow.lattice.nodes(position.displacement)
        centre = nodes.flatten(1).mean(1)[:, None, None, None]
        return -torch.tanh(nodes - centre)


def test_a_place_that_cannot_be_relieved_does_not_hold_the_run(level: VoxelLevel) -> None:
    collapsing = Collapsing(level.flow)
    start = collapsing.position(level.flow.identity(), {})
    settings = RegistrationSettings(max_steps=40, min_jacobian=0.9)
    positions = list(descend(collapsing, start, {}, settings))
    assert len(positions) <= 40
    assert all(least_determinant(each.displacement, PITCH).min() >= 0.9 for each in positions)
