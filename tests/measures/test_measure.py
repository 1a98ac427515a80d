from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch

from napari_shapereg.errors import InputError
from napari_shapereg.measures import Measure

POINTS = [[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_numpy_and_keeps_its_precision(dtype):
    measure = Measure(np.array(POINTS, dtype), np.array([1, 2, 3], dtype), np.ones((3, 2), dtype))
    assert measure.dtype == (torch.float32 if dtype is np.float32 else torch.float64)
    assert (len(measure), measure.dimension, measure.device) == (3, 2, torch.device("cpu"))
    assert measure.weights.tolist() == [1, 2, 3]
    assert measure.normals is not None


@pytest.mark.parametrize(
    "points",
    [
        np.asfortranarray(POINTS),
        np.array(POINTS, ">f8"),
        np.array(POINTS)[::-1][::-1],
        np.lib.stride_tricks.as_strided(np.array(POINTS), writeable=False),
        POINTS,
    ],
    ids=["column-major", "byte-swapped", "negative strides", "read-only", "lists"],
)
def test_takes_arrays_of_any_layout(points):
    assert Measure(points, [1.0, 1.0, 1.0]).points.tolist() == POINTS


def test_does_not_follow_later_changes_of_a_numpy_array():
    points = np.array(POINTS)
    measure = Measure(points, np.ones(3))
    points[:] = 7
    assert measure.points.tolist() == POINTS


def test_keeps_the_autograd_graph_of_tensors():
    points = torch.tensor(POINTS, requires_grad=True)
    weights = torch.tensor([1.0, 1.0, 2.0], requires_grad=True)
    measure = Measure(points, weights)
    assert measure.points is points
    measure.center[0].backward()
    # c = sum w x / W, so dc/dx_i = w_i / W and dc/dw_i = (x_i - c) / W, with c_x = 1.
    assert points.grad[:, 0].tolist() == [0.25, 0.25, 0.5]
    assert weights.grad.tolist() == [-0.25, 0.75, -0.25]


def test_mass_and_centre():
    measure = Measure(POINTS, [1.0, 1.0, 2.0])
    assert float(measure.mass) == 4
    assert measure.center.tolist() == [1, 1]
    assert float(measure.normalized().mass) == 1
    assert measure.normalized().center.tolist() == [1, 1]


def test_centre_of_float32_points_far_away_is_good_to_their_own_resolution():
    rng = np.random.default_rng(0)
    offsets = rng.uniform(-50, 50, (50_000, 3)).astype(np.float32)
    weights = rng.uniform(0, 1, 50_000).astype(np.float32)
    measure = Measure(offsets + np.float32(1e4), weights)
    expected = np.average(measure.points.double().numpy(), axis=0, weights=weights.astype(float))
    # float32 numbers near 1e4 lie 1e-3 apart: the sum costs no more than its last rounding.
    np.testing.assert_allclose(measure.center.double(), expected, atol=5e-4)


def test_changes_precision_and_leaves_the_graph():
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    measure = Measure(
        torch.tensor(POINTS, dtype=torch.float64), weights, torch.tensor(POINTS, dtype=torch.float64)
    )
    narrow = measure.to(dtype=torch.float32)
    assert {t.dtype for t in (narrow.points, narrow.weights, narrow.normals)} == {torch.float32}
    assert measure.to(device="cpu").points is measure.points
    assert not measure.detach().weights.requires_grad


def test_is_frozen_and_can_be_replaced_copied_and_pickled():
    measure = Measure(POINTS, [1.0, 2.0, 3.0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        measure.points = torch.zeros(3, 2)
    moved = dataclasses.replace(measure, points=measure.points + 1)
    assert moved.points[0].tolist() == [1, 1]
    assert moved.weights is measure.weights
    for twin in (copy.deepcopy(measure), pickle.loads(pickle.dumps(measure))):
        assert torch.equal(twin.points, measure.points)


def test_describes_itself_in_one_line():
    assert "mass 3" in repr(Measure(POINTS, torch.ones(3, dtype=torch.float64, requires_grad=True)))
    assert repr(Measure(POINTS, [1.0, 2.0, 3.0])) == "Measure(3 points in 2-D, mass 6, torch.float64, cpu)"


WRONG = {
    "no points": (np.zeros((0, 3)), np.zeros(0), None, "points"),
    "no coordinates": (np.zeros((3, 0)), np.ones(3), None, "points"),
    "flat points": (np.zeros(3), np.ones(3), None, r"points.*\(3,\).*reshape"),
    "whole numbers": (np.zeros((3, 2), int), np.ones(3), None, "points.*int64.*float32"),
    "half precision": (np.zeros((3, 2), np.float16), np.ones(3), None, "points.*float16"),
    "words": ([["a", "b"]], np.ones(1), None, "points"),
    "ragged": ([[1.0, 2.0], [3.0]], np.ones(2), None, "points"),
    "NaN point": ([[0.0, 0.0], [np.nan, 1.0]], np.ones(2), None, r"points: 1 of 2.*points\[1\]"),
    "infinite point": ([[0.0, np.inf]], np.ones(1), None, r"points\[0\]"),
    "too few weights": (np.zeros((3, 2)), np.ones(2), None, r"weights.*\(2,\).*\(3,\)"),
    "weights in a column": (np.zeros((3, 2)), np.ones((3, 1)), None, r"weights.*\(3, 1\)"),
    "NaN weight": (np.zeros((3, 2)), [1.0, np.nan, 1.0], None, r"weights\[1\]"),
    "infinite weight": (np.zeros((3, 2)), [1.0, 1.0, np.inf], None, r"weights\[2\]"),
    "negative weight": (np.zeros((3, 2)), [1.0, -0.5, 1.0], None, r"weights\[1\] = -0.5"),
    "no mass": (np.zeros((3, 2)), np.zeros(3), None, "weights.*no|without mass"),
    "overflowing mass": (
        np.zeros((2, 2), np.float32),
        np.full(2, 3e38, np.float32),
        None,
        "weights.*overflow",
    ),
    "weights of another type": (np.zeros((3, 2)), np.ones(3, np.float32), None, "weights.*float32.*float64"),
    "normals of another shape": (np.zeros((3, 2)), np.ones(3), np.ones((3, 3)), r"normals.*\(3, 3\)"),
    "normals of another type": (
        np.zeros((3, 2)),
        np.ones(3),
        np.ones((3, 2), np.float32),
        "normals.*float32",
    ),
    "NaN normal": (np.zeros((1, 2)), np.ones(1), [[np.nan, 1.0]], r"normals\[0\]"),
    "weights elsewhere": (
        np.zeros((3, 2)),
        torch.ones(3, dtype=torch.float64, device="meta"),
        None,
        "weights.*meta",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_refuses_by_the_name_of_the_argument(case):
    points, weights, normals, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        Measure(points, weights, normals)


def test_accepts_zero_weights_beside_others():
    assert float(Measure(POINTS, [0.0, 0.0, 1e-12]).mass) == 1e-12


def test_refuses_a_precision_that_the_engines_lack():
    with pytest.raises(InputError, match="float16"):
        Measure(POINTS, [1.0, 2.0, 3.0]).to(dtype=torch.float16)
