from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.followers import MovingSurface
from napari_shapereg.plugin.live_view import INTERVAL, MOST_ARROWS, Run, View, stage_of
from napari_shapereg.plugin.scene import shape_of
from napari_shapereg.registration import Registration, RegistrationState, Status
from napari_shapereg.transforms import transform_points


class Steps:
    """A clock that advances by a fixed time whenever a step is made."""

    def __init__(self, seconds: float):
        self.seconds, self.now = seconds, 0.0

    def __call__(self) -> float:
        self.now += self.seconds / 2  # asked twice where a view is kept
        return self.now


@pytest.fixture
def run(volumes, quick) -> Run:
    return Run(*volumes, quick)


def test_a_run_comes_to_what_a_registration_comes_to(run, volumes, quick):
    run.work()
    alone = Registration(*volumes, quick)
    for _ in alone:
        pass
    assert np.array_equal(run.result().warped.data, alone.result().warped.data)
    assert [point.cost for point in run.costs] == [state.objective for state in alone.result().history]
    assert run.result().status is not Status.CANCELLED


def test_a_view_shows_where_the_map_carries_the_shape_and_how_far_the_last_step_went(volumes, quick):
    run = Run(*volumes, quick)
    shape = shape_of(volumes[0], (1, 2))
    run.carry(shape)
    *_, last = Registration(*volumes, quick)
    run.work()
    view = run.take()
    shown = frame_of(volumes[1].grid).to_physical(view.surface.vertices)
    result = run.result()
    carried = transform_points(result.inverse_transform, shape.vertices)
    astray, flow = (
        np.linalg.norm(places - carried, axis=1).mean()
        for places in (shown, result.affine.apply(shape.vertices))
    )
    # The run samples its map 3 mm apart, and its points drift from that by as much as they do here.
    assert astray < 0.3 < 0.4 * flow
    assert np.array_equal(view.surface.faces, shape.faces)
    assert view.stage == "global 1"
    assert view.cost == last.objective
    steps = np.concatenate([cloud.numpy() for cloud in last.arrows.values()])
    lengths = np.linalg.norm(steps, axis=1)
    assert np.linalg.norm(view.arrows, axis=1).max() == pytest.approx(lengths.max(), rel=0.3)
    assert len(view.arrows) <= MOST_ARROWS


@pytest.mark.parametrize("model", ["svf", "lddmm"])
def test_points_and_steps_of_momenta_are_seen(volumes, quick, model):
    momenta = {"widths": (0.5,), "max_steps": 3, "local": ()}
    run = Run(*volumes, quick.changed(model=model, momenta=momenta))
    run.work()
    view = run.take()
    assert run.costs[-1].level == "global 1"
    assert run.costs[-1].cost < 0.5 * next(each.cost for each in run.costs if each.level == "global 1")
    assert len(view.feet) == len(view.arrows) > 100
    assert np.linalg.norm(view.arrows, axis=1).max() > 0.01
    assert run.result().warped.labels == (1, 2)


def test_fewer_points_are_seen_once_the_overlap_is_known(run):
    """Where the overlap is partial, the flow compares fewer points than the linear stage."""
    state = next(run.registration)
    run._keep(states_with(state, 90))
    run._keep(states_with(state, 40))
    assert len(run.take().feet) == 40


def states_with(state: RegistrationState, count: int) -> RegistrationState:
    clouds = {1: torch.rand(count, 3)}
    return replace(state, points=clouds, arrows=clouds)


def test_a_view_is_taken_once(run):
    assert run.take() is None
    run.work()
    assert run.take() is not None
    assert run.take() is None


@pytest.mark.parametrize("seconds", [INTERVAL / 10, 10 * INTERVAL])
def test_no_more_than_ten_views_a_second_are_made(volumes, quick, seconds, monkeypatch):
    made = []
    keep = Run._keep
    monkeypatch.setattr(Run, "_keep", lambda run, state: (made.append(state.iteration), keep(run, state)))
    clock = Steps(seconds)
    run = Run(*volumes, quick, clock=clock)
    run.work()
    assert len(made) <= clock.now / INTERVAL + 2
    assert made[-1] == len(run.costs), "the last step is always shown"
    if seconds > INTERVAL:
        assert len(made) >= len(run.costs)


def test_cancelling_keeps_the_best_state_before_the_step_under_way_has_ended(run):
    states = iter(run.registration)
    for _ in range(5):
        next(states)
    reached = run.result()
    run.cancel()
    at_once = run.result()
    assert at_once.status is Status.CANCELLED
    assert np.array_equal(at_once.affine.matrix, reached.affine.matrix)
    run.work()
    assert run.costs == [], "nothing is reported after the cancellation"


def test_points_are_followed_one_by_one():
    """The same points are shown in every view, or their way could not be seen."""
    clouds = torch.linspace(0, 1, 3 * 5000, dtype=torch.float64).reshape(-1, 3)
    run = Run.__new__(Run)
    run._few, run._surface = None, MovingSurface()
    run.frame = frame_of_identity()
    views = [run._view_of(state_at(clouds + shift)) for shift in (0.0, 2.5)]
    assert len(views[0].feet) <= MOST_ARROWS
    assert np.allclose(views[1].feet - views[0].feet, 2.5)


def test_time_left_follows_from_the_share_of_the_work():
    nothing = np.empty((0, 3))
    early, late = (View("linear", 1.0, progress, 10.0, nothing, nothing) for progress in (0.01, 0.25))
    assert early.seconds_left is None
    assert late.seconds_left == pytest.approx(30.0)


def test_stages_are_called_as_in_the_form():
    names = [stage_of(state_at(torch.zeros(1, 3), stage)) for stage in ("linear", "measures", "voxels")]
    assert names == ["linear", "global 2", "local 2"]


def test_what_cannot_be_registered_is_refused_at_once(volumes, quick):
    with pytest.raises(InputError, match="label 9"):
        Run(*volumes, quick.changed(labels=(9,)))


def frame_of_identity():
    from napari_shapereg.plugin.display_frame import DisplayFrame
    from napari_shapereg.volumes.grid import IDENTITY

    return DisplayFrame(IDENTITY)


def state_at(points: torch.Tensor, stage: str = "linear") -> RegistrationState:
    return RegistrationState(
        stage=stage,
        level=1,
        iteration=1,
        objective=1.0,
        fidelity=1.0,
        energy=0.0,
        points={1: points},
        arrows={1: torch.zeros_like(points)},
        seconds=1.0,
        progress=0.5,
    )
