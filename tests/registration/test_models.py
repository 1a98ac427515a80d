"""Every model of deformation finds a known deformation again, folds nothing, and leaves what it should."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_shapereg.deformations import GeodesicShooting, Lattice
from napari_shapereg.deformations.fields import jacobian_determinant, least_determinant
from napari_shapereg.registration import Registration, RegistrationSettings, Status, read_result, register
from napari_shapereg.registration.momentum_plan import Momenta
from napari_shapereg.transforms import affine_transform, read_points, transform_points
from napari_shapereg.volumes import sample_pair
from tests.benchmarks.known_error import known_error
from tests.registration.conftest import make_pair

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_shapereg.registration import RegistrationResult

SMALL = RegistrationSettings(
    labels=(1,),
    measures={"points": 250},
    voxels=None,
    momenta={"widths": (0.5, 0.3), "max_steps": 12, "local": ()},
)


@pytest.mark.parametrize("model", ["lattice", "svf", "lddmm"])
def test_a_known_deformation_is_found(model: str) -> None:
    result = register(*sample_pair("known"), settings=SMALL.changed(model=model))
    back = result.affine.inverse()
    linear = known_error(affine_transform(back.matrix, back.translation), result.fixed)
    whole = known_error(result.transform, result.fixed)
    assert linear.along > 0.5
    # Measured: 0.15, 0.17 and 0.22 mm along the normals, in voxels of 0.6 x 0.6 x 1.2 mm. Across them, a
    # smooth shell shows little of how far its points slid.
    assert whole.along < 0.3
    assert whole.across < linear.across
    assert result.field is not None
    lattice, displacement = result.field
    assert jacobian_determinant(displacement, lattice.pitch).min() > 0.3


def test_the_field_of_a_geodesic_that_squeezes_hard_does_not_fold() -> None:
    """Two layers of control points are pushed onto each other: splines through every second node do fold."""
    control = torch.tensor(list(itertools.product((-3.0, 0.0, 3.0), (-3.0, 0.0, 3.0), (-6.0, 6.0))))
    momenta = torch.zeros_like(control)
    momenta[:, 2] = -4 * control[:, 2].sign()
    model = GeodesicShooting(control, (3.0,), steps=6)
    axes = tuple(np.eye(3).ravel())
    lattice = Lattice.around(control.double().numpy(), axes, pitch=1.05, margin=9.0, multiple=2)
    found, field = Momenta(model, momenta, lattice, fade=4.0).field()
    squeezed = least_determinant(field, found.pitch)
    assert 0 < squeezed.min() < 0.1


def quick(model: str) -> RegistrationSettings:
    momenta = {"widths": (0.5, 0.3), "max_steps": 6, "local": ()}
    return RegistrationSettings(model=model, measures={"points": 150}, voxels=None, momenta=momenta)


def test_states_cost_and_cancelling() -> None:
    run = Registration(*make_pair(), quick("svf"))
    states = [state for state in run if state.stage == "measures"]
    assert 0 < len(states) <= 6
    assert all(after.objective < before.objective for before, after in itertools.pairwise(states))
    assert states[0].energy > 0
    for before, after in itertools.pairwise(states):
        torch.testing.assert_close(after.points[1], before.points[1] + after.arrows[1], atol=1e-4, rtol=0)

    cut = Registration(*make_pair(), quick("svf"))
    for state in cut:
        if state.stage == "measures":
            break
    cut.cancel()
    assert next(cut, None) is None
    result = cut.result()
    assert result.status is Status.CANCELLED
    # One step of many: the field is that of the parameters so far.
    moved = transform_points(result.inverse_transform, points_of(result))
    assert 0.05 < np.linalg.norm(moved - result.affine.apply(points_of(result)), axis=1).max() < 5


def points_of(result: RegistrationResult) -> NDArray[np.float64]:
    return result.moving.grid.to_points(np.argwhere(result.moving.data > 0)[::29, ::-1])


def test_saved_momenta_are_the_map(tmp_path: Path) -> None:
    pair = make_pair()
    result = register(*pair, settings=quick("lddmm"))
    result.save(tmp_path / "out", report=False)
    table = read_points(tmp_path / "out" / "momenta.csv")
    momenta = np.array([table.columns[name] for name in ("dx", "dy", "dz")], dtype=np.float64).T
    widths = read_result(tmp_path / "out", *pair).metrics["momenta"]["widths"]
    again = GeodesicShooting(torch.from_numpy(table.points), tuple(widths), engine="torch")
    laid = torch.from_numpy(result.affine.apply(points_of(result)))
    there = again.flow(torch.from_numpy(momenta), laid).numpy()
    # The transform's field is sampled, and inverted, on a lattice.
    assert np.linalg.norm(there - laid.numpy(), axis=1).max() > 0.5
    assert np.abs(there - transform_points(result.inverse_transform, points_of(result))).max() < 0.05


@pytest.mark.parametrize("model", ["rigid", "affine"])
def test_a_linear_model_stands_alone(model: str) -> None:
    result = register(*make_pair(), settings=RegistrationSettings(model=model, measures={"points": 150}))
    assert result.field is None
    assert {state.stage for state in result.history} == {"linear"}
    turn = result.affine.matrix @ result.affine.matrix.T
    assert np.allclose(turn, np.eye(3)) == (model == "rigid")


def test_surfaces_and_an_annealed_blur() -> None:
    fidelity = {"name": "oriented_varifold", "length": 4.0}
    measures = {"points": 150, "kind": "surface", "fidelity": fidelity}
    result = register(*make_pair(), settings=quick("svf").changed(measures=measures))
    assert {state.level for state in result.history if state.stage == "measures"} == {0, 1, 2}
    assert min(values["after"]["dice"] for values in result.metrics["labels"].values()) > 0.88
