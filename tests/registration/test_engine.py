"""Whole registrations of small shapes: what they reach, how they end, and what they leave."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_shapereg.deformations.fields import jacobian_determinant
from napari_shapereg.errors import EngineError, InputError
from napari_shapereg.fidelities.named import NAMES, OF_SURFACES
from napari_shapereg.registration import (
    Registration,
    RegistrationSettings,
    Status,
    iter_registration,
    register,
)
from napari_shapereg.registration.measure_level import MeasureLevel
from napari_shapereg.transforms import transform_points
from napari_shapereg.volumes import LabelVolume, known_deformation, sample_pair
from tests.registration.conftest import make_pair

if TYPE_CHECKING:
    from napari_shapereg import registration

Pair = tuple[LabelVolume, LabelVolume]


def dice(result: registration.RegistrationResult) -> list[float]:
    return [values["after"]["dice"] for values in result.metrics["labels"].values()]


def test_shapes_far_apart_on_any_grid_are_brought_together(pair: Pair, quick: RegistrationSettings) -> None:
    result = register(*pair, settings=quick)
    assert result.status in {Status.CONVERGED, Status.MAX_STEPS}
    # 0.8 to 0.86 after the linear stage, 0 before.
    assert min(dice(result)) > 0.9
    assert [values["before"]["dice"] for values in result.metrics["labels"].values()] == [0, 0]
    assert result.metrics["jacobian"]["minimum"] > 0.1
    # A tenth of the lattice's pitch of 2 mm, and a voxel.
    assert result.metrics["inverse_consistency"]["mean"] < 0.1
    assert result.metrics["inverse_consistency"]["maximum"] < 1.0


def test_the_result_does_not_depend_on_how_the_fixed_image_is_stored(quick: RegistrationSettings) -> None:
    """Flip and permute the array of the fixed volume, its geometry with it: the same shape, the same map."""
    moving, fixed = make_pair()
    image = fixed.to_image()
    import SimpleITK as sitk

    stored = sitk.PermuteAxes(sitk.Flip(image, [True, False, True]), [2, 0, 1])
    first, second = register(moving, fixed, settings=quick), register(moving, stored, settings=quick)
    points = fixed.grid.to_points(np.argwhere(fixed.data > 0)[::11, ::-1])
    there, here = (transform_points(result.transform, points) for result in (first, second))
    # The lattice may lie up to a node elsewhere.
    assert np.linalg.norm(there - here, axis=1).mean() < 0.15


def test_a_known_deformation_is_found(quick: RegistrationSettings) -> None:
    moving, fixed = sample_pair("known")
    result = register(moving, fixed, settings=quick.changed(pitch=1.5))
    points = fixed.grid.to_points(np.argwhere(fixed.data > 0)[::7, ::-1])
    truth = known_deformation().fixed_to_moving(points)
    found = transform_points(result.transform, points)
    linear = result.affine.inverse().apply(points)
    errors = [np.linalg.norm(mapped - truth, axis=1).mean() for mapped in (points, linear, found)]
    assert errors[0] > 10
    # Along a smooth shell nothing shows how far points slide: larger than the surfaces' distance.
    assert errors[2] < 1.2
    assert min(dice(result)) > 0.88


def test_states_tell_what_happens(quick: RegistrationSettings) -> None:
    run = iter_registration(*make_pair(), settings=quick)
    states = list(run)
    assert {state.stage for state in states} == {"linear", "measures", "voxels"}
    assert [state.iteration for state in states] == list(range(1, len(states) + 1))
    for state in states:
        assert set(state.points) == set(state.arrows) == {1, 2}
        assert all(torch.isfinite(cloud).all() for cloud in state.points.values())
    for _, level in itertools.groupby(states, key=lambda state: (state.stage, state.level)):
        costs = [state.objective for state in level][1:]
        assert all(after < before * 1.001 for before, after in itertools.pairwise(costs))
    progress = [state.progress for state in states]
    assert progress == sorted(progress)
    assert 0 < progress[0] < progress[-1] <= 1
    target = make_pair()[1]
    centre = target.grid.to_points(np.argwhere(target.data == 1)[:, ::-1]).mean(axis=0)
    # The points end on the target, not where they began, 40 mm away.
    assert np.linalg.norm(states[-1].points[1].double().mean(0).numpy() - centre) < 2


def test_arrows_are_what_moved_the_points(quick: RegistrationSettings) -> None:
    states = list(iter_registration(*make_pair(), settings=quick))
    for before, after in itertools.pairwise(states[1:]):
        # (From one level to the next the map is interpolated.)
        if (before.stage, before.level) == (after.stage, after.level) and after.stage != "linear":
            moved = after.points[1] - before.points[1]
            assert torch.allclose(moved, after.arrows[1], atol=1e-3)


def test_cancelling_keeps_the_best_so_far(quick: RegistrationSettings) -> None:
    for steps in (0, 3, 25):
        run = Registration(*make_pair(), quick)
        for _ in itertools.islice(run, steps):
            pass
        run.cancel()
        assert next(run, None) is None
        result = run.result()
        assert result.status is Status.CANCELLED
        assert len(result.history) == steps
        assert result.metrics["jacobian"]["minimum"] > 0
    assert min(dice(result)) > 0.5


def test_another_thread_can_cancel(quick: RegistrationSettings) -> None:
    run = Registration(*make_pair(), quick)
    worker = threading.Thread(target=lambda: list(run))
    worker.start()
    run.cancel()
    worker.join(timeout=20)
    assert not worker.is_alive()
    assert run.result().status is Status.CANCELLED


def test_a_cost_that_is_no_number_ends_as_diverged(
    quick: RegistrationSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = MeasureLevel.position
    calls = itertools.count()

    def broken(level: MeasureLevel, *arguments: object) -> object:
        position = honest(level, *arguments)  # type: ignore[arg-type]
        if next(calls) > 3:
            object.__setattr__(position, "cost", float("nan"))
        return position

    monkeypatch.setattr(MeasureLevel, "position", broken)
    result = register(*make_pair(), settings=quick)
    assert result.status is Status.DIVERGED
    assert min(dice(result)) > 0.5
    assert result.metrics["jacobian"]["minimum"] > 0


def test_only_the_stages_asked_for(quick: RegistrationSettings) -> None:
    linear = register(*make_pair(), settings=quick.changed(measures=None, voxels=None, linear="rigid"))
    assert linear.field is None
    assert {state.stage for state in linear.history} == {"linear"}
    assert np.allclose(linear.affine.matrix @ linear.affine.matrix.T, np.eye(3))
    flow = register(*make_pair(), settings=quick.changed(linear="none", voxels=None))
    assert {state.stage for state in flow.history} == {"measures"}
    assert np.array_equal(flow.affine.matrix, np.eye(3))


@pytest.mark.parametrize("name", NAMES)
def test_every_fidelity_brings_the_shapes_together(name: str, quick: RegistrationSettings) -> None:
    kind = "surface" if name in OF_SURFACES else "voxel"
    measures = {"fidelity": {"name": name}, "points": 500, "kind": kind}
    result = register(*make_pair(), settings=quick.changed(measures=measures, voxels=None))
    # Measured: .904 to .925; the affine map alone has .886.
    assert min(dice(result)) > 0.895


def test_each_stage_has_a_fidelity_of_its_own(quick: RegistrationSettings) -> None:
    linear = {"name": "sinkhorn", "length": 3.0, "p": 1, "reach": 60.0}
    measures = {"fidelity": {"name": "unoriented_varifold", "length": 5.0}, "points": 300, "kind": "surface"}
    settings = quick.changed(linear="rigid", linear_fidelity=linear, measures=measures, voxels=None)
    result = register(*make_pair(), settings=settings)
    assert min(dice(result)) > 0.8
    assert np.allclose(result.affine.matrix @ result.affine.matrix.T, np.eye(3))


def test_one_label_of_two(quick: RegistrationSettings) -> None:
    result = register(*make_pair(), settings=quick.changed(labels=(2,)))
    assert list(result.metrics["labels"]) == ["2"]
    assert dice(result)[0] > 0.87
    # The other label travels along.
    assert result.warped.labels == (1, 2)


def test_the_same_bytes_again_and_for_one_thread_or_two(quick: RegistrationSettings) -> None:
    results = []
    before = torch.get_num_threads()
    # Labels of more than 32,768 voxels: from there on torch shares a sum among its threads.
    settings = quick.changed(max_steps=4)
    for threads in (2, 1):
        torch.set_num_threads(threads)
        results.append(register(*sample_pair("knees"), settings=settings))
    torch.set_num_threads(before)
    first, second = results
    assert first.field is not None
    assert second.field is not None
    assert np.array_equal(first.affine.matrix, second.affine.matrix)
    assert torch.equal(first.field[1], second.field[1])


def test_two_registrations_side_by_side(quick: RegistrationSettings) -> None:
    alone = register(*make_pair(), settings=quick)
    results: list[registration.RegistrationResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(register(*make_pair(), settings=quick)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone.field is not None
    for result in results:
        assert result.field is not None
        assert torch.equal(result.field[1], alone.field[1])


def test_the_flow_folds_nothing_on_its_lattice(quick: RegistrationSettings) -> None:
    result = register(*make_pair(), settings=quick)
    assert result.field is not None
    lattice, displacement = result.field
    assert jacobian_determinant(displacement, lattice.pitch).min() > 0.05
    assert displacement[:, 0].abs().max() == displacement[:, :, :, -1].abs().max() == 0


def test_a_device_that_is_not_here(quick: RegistrationSettings) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(EngineError, match="cuda"):
        register(*make_pair(), settings=quick.changed(device="cuda"))


def test_an_unknown_preset() -> None:
    with pytest.raises(InputError, match="no preset is called 'best'"):
        register(*make_pair(), preset="best")  # type: ignore[arg-type]
