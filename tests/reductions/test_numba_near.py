"""Soft minima and plans over the columns that count are those over all columns, to rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.reductions import numba_engine, numba_near
from napari_shapereg.reductions.numba_engine import NumbaEngine
from napari_shapereg.reductions.numba_layout import Frame
from napari_shapereg.reductions.tree_cells import cells_of

N, M = 6001, 5003
"""Enough pairs for each point of both, and no multiples of anything."""


def ball(rng, count, dimension=3):
    directions = rng.normal(size=(count, dimension))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return 30 * directions * rng.uniform(size=(count, 1)) ** (1 / dimension)


def shell(rng, count):
    points = ball(rng, count)
    return 30 * points / np.linalg.norm(points, axis=1, keepdims=True) + rng.normal(size=points.shape) * 0.3


def blobs(rng, count):
    return ball(rng, count) / 10 + np.where(rng.uniform(size=(count, 1)) < 0.5, 0, 900)


def line(rng, count):
    return np.stack((rng.uniform(-50, 50, count), np.zeros(count), np.zeros(count)), axis=1)


def one_place(_rng, count):
    return np.full((count, 3), 7.0)


def with_an_outlier(rng, count):
    points = shell(rng, count)
    points[count // 2] = (4000.0, 0.0, 0.0)
    return points


CLOUDS = [ball, shell, blobs, line, one_place, with_an_outlier]


def problem(cloud, dtype, epsilon, seed=0):
    """Points, logarithms of masses of which some are none, potentials, and weights of either sign."""
    rng = np.random.default_rng(seed)
    arrays = {
        "x": cloud(rng, N),
        "y": cloud(rng, M) + 2.0,
        "h": rng.normal(size=M) * 3,
        "f": rng.normal(size=N) * 3 * epsilon,
        "w": rng.normal(size=N),
    }
    arrays["h"][::97] = -np.inf
    arrays["w"][::89] = 0
    return {name: torch.from_numpy(array).to(dtype) for name, array in arrays.items()}


def both(monkeypatch, call):
    """What a call returns over the columns that count, and over all of them."""
    near = call()
    monkeypatch.setattr(numba_engine, "worth_leaves", lambda *_: False)
    return near, call()


def assert_same(near, exact):
    # Both round: they add in different orders.
    tolerance = 3e-6 if exact.dtype == torch.float32 else 1e-13
    torch.testing.assert_close(near, exact, rtol=tolerance, atol=tolerance * float(exact.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("p", "blur"), [(1, 0.1), (1, 2.0), (2, 0.5), (2, 3.0), (2, 60.0)])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_soft_minima_are_those_over_all_columns(monkeypatch, cloud, p, blur, dtype):
    epsilon = blur**p
    given = problem(cloud, dtype, epsilon)
    values, exact = both(
        monkeypatch,
        lambda: NumbaEngine().softmin_and_gradient(epsilon, p, given["x"], given["y"], given["h"]),
    )
    assert_same(values[0], exact[0])
    assert_same(values[1], exact[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("p", "blur"), [(1, 0.5), (2, 0.5), (2, 3.0), (2, 60.0)])
@pytest.mark.parametrize("cloud", [ball, shell, one_place])
def test_plans_are_those_over_all_columns(monkeypatch, cloud, p, blur, dtype):
    epsilon = blur**p
    given = problem(cloud, dtype, epsilon)
    # Potentials whose plan has rows of about mass 1, as those of transport have.
    height = NumbaEngine().softmin(epsilon, p, given["y"], given["x"], given["f"] / epsilon) / epsilon
    height[torch.isneginf(given["h"])] = -torch.inf
    (values, slopes), (exact, inclines) = both(
        monkeypatch,
        lambda: NumbaEngine().plan_sum_and_gradient(
            epsilon, p, given["x"], given["y"], given["f"], height, given["w"]
        ),
    )
    assert_same(values, exact)
    assert_same(slopes, inclines)
    assert not values[torch.isneginf(height)].any()


@pytest.mark.parametrize("dimension", [1, 2])
def test_points_of_fewer_coordinates(monkeypatch, dimension):
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(ball(rng, count, dimension)) for count in (N, M))
    heights = torch.zeros(M).double()
    near, exact = both(monkeypatch, lambda: NumbaEngine().softmin_and_gradient(4.0, 2, x, y, heights))
    assert near[1].shape == (N, dimension)
    assert_same(near[0], exact[0])
    assert_same(near[1], exact[1])


def test_the_number_of_threads_does_not_change_a_bit():
    given = problem(shell, torch.float32, 1.0)
    arguments = 1.0, 2, given["x"], given["y"], given["h"]
    one, three = (NumbaEngine(threads).softmin_and_gradient(*arguments) for threads in (1, 3))
    assert torch.equal(one[0], three[0])
    assert torch.equal(one[1], three[1])


def share_visited(rows, columns, heights):
    """The share of the leaves of columns that count, over all leaves of rows."""
    here, there = cells_of(rows, 1), numba_near.columns_of(columns, heights, 1)
    limits = numba_engine.LIMITS[torch.float32]
    visited = [
        len(numba_near.leaves_that_count(here, there, None, limits, leaf)) for leaf in range(2**here.depth)
    ]
    return np.mean(visited) / len(there.masses)


def test_little_of_a_wide_shell_is_visited():
    given = problem(shell, torch.float32, 1.0)
    x, y = (tuple(given[name].numpy().T.copy()) for name in "xy")
    assert share_visited(x, y, np.zeros(M, "f4")) < 0.4


def test_as_little_is_visited_of_a_shell_that_has_moved_far():
    """With the potentials of that transport. Without centres of their own all of it is."""
    points = torch.from_numpy(shell(np.random.default_rng(1), N)).float()
    shares = []
    for way in (torch.zeros(3), torch.tensor([200.0, -100.0, 50.0])):
        moved = points + way
        potentials = (moved @ way - way @ way / 2) * np.log2(np.e)
        sides = Frame(points, moved).sides(points, moved, np.sqrt(np.log2(np.e) / 2))
        heights = potentials.double().numpy() + sides.column_heights
        shares.append(share_visited(sides.rows, sides.columns, (heights - heights.max()).astype("f4")))
    assert shares[1] == pytest.approx(shares[0], rel=0.1)
    assert shares[0] < 0.4
