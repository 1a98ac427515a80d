"""The linear stage, from any pose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_shapereg.fidelities import EnergyDistance
from napari_shapereg.measures import Measure
from napari_shapereg.registration.linear_stage import linear_steps
from napari_shapereg.registration.shapes import Shapes, shapes_from_volumes
from tests.registration.conftest import OBLIQUE, make_pair

if TYPE_CHECKING:
    from napari_shapereg.deformations import LinearKind


def shapes(matrix: np.ndarray, shift: np.ndarray) -> Shapes:
    """Two labels without symmetry, and the same ones moved by a linear map."""
    random = np.random.default_rng(0)
    clouds = {
        1: random.normal(size=(300, 3)) * [20, 8, 4] + [0, 0, 10],
        2: random.uniform(size=(200, 3)) * [20, 10, 3] - [15, 0, 5],
    }
    sources = {
        k: Measure(c.astype(np.float32), np.full(len(c), 1 / len(c), np.float32)) for k, c in clouds.items()
    }
    targets = {
        k: Measure((c @ matrix.T + shift).astype(np.float32), np.full(len(c), 1 / len(c), np.float32))
        for k, c in clouds.items()
    }
    return Shapes({1: 0.5, 2: 0.5}, sources, targets)


@pytest.mark.parametrize(
    ("kind", "turn", "stretch"),
    [
        ("rigid", [0, 0, 0], np.eye(3)),
        ("rigid", [170, 20, -40], np.eye(3)),
        ("similarity", [0, 180, 0], 1.9 * np.eye(3)),
        ("similarity", [75, -60, 120], 0.55 * np.eye(3)),
        ("affine", [30, -20, 200], np.array([[1.2, 0.2, 0], [0, 0.8, 0.1], [0, -0.1, 1.1]])),
    ],
)
def test_a_linear_map_is_found_again(kind: LinearKind, turn: list[float], stretch: np.ndarray) -> None:
    matrix = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ stretch
    shift = np.array([900.0, -400.0, 2500.0])
    *_, last = linear_steps(shapes(matrix, shift), kind, EnergyDistance())
    # The energy distance is flat at its minimum, and float32 points 2 m away are good to 0.1 µm.
    assert np.abs(last.affine.matrix - matrix).max() < 0.02
    corners = np.array([[30.0, 10, 10], [-30, -10, -5]])
    assert np.abs(last.affine.apply(corners) - (corners @ matrix.T + shift)).max() < 0.5


def test_a_mirrored_shape_gets_no_mirrored_map() -> None:
    *_, last = linear_steps(shapes(np.diag([-1.0, 1.0, 1.0]), np.zeros(3)), "affine", EnergyDistance())
    assert np.linalg.det(last.affine.matrix) > 0


def test_the_cost_falls_within_a_kind() -> None:
    matrix = Rotation.from_euler("xyz", [30, 20, 10], degrees=True).as_matrix() * 1.2
    steps = list(linear_steps(shapes(matrix, np.ones(3)), "affine", EnergyDistance()))
    costs = torch.tensor([step.cost for step in steps])
    assert (costs.diff() <= 1e-6).all()
    assert costs[-1] < 1e-3


def test_a_flat_valley_throws_no_map_out_of_range() -> None:
    # Along a wrong start of this pair at this resolution L-BFGS asks for a scale of e^134.
    volumes = make_pair(OBLIQUE)
    coarse = shapes_from_volumes(*volumes, (1, 2), {}, points=200, device=torch.device("cpu"))
    *_, last = linear_steps(coarse, "affine", EnergyDistance())
    assert np.isfinite(last.affine.matrix).all()
    assert last.cost < 0.1
