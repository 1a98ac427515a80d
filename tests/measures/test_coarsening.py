from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from napari_shapereg.errors import InputError
from napari_shapereg.measures import Measure, coarsen, coarsening, measure_from_labels

seeds = st.integers(0, 2**32 - 1)


def cloud(seed: int, count: int, dimension: int = 3, dtype=np.float64) -> Measure:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-20, 20, (count, dimension))
    normals = rng.normal(size=(count, dimension))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Measure(points.astype(dtype), rng.uniform(0, 1, count).astype(dtype), normals.astype(dtype))


@given(
    seed=seeds, count=st.integers(1, 60), dimension=st.sampled_from([1, 2, 3, 6]), cell=st.floats(1e-3, 1e3)
)
def test_conserves_mass_centre_and_area_vector(seed, count, dimension, cell):
    measure = cloud(seed, count, dimension)
    coarse = coarsen(measure, cell)
    assert len(coarse) <= len(measure)
    np.testing.assert_allclose(coarse.mass, measure.mass, rtol=1e-12)
    np.testing.assert_allclose(coarse.center, measure.center, atol=1e-11)
    np.testing.assert_allclose(coarse.weights @ coarse.normals, measure.weights @ measure.normals, atol=1e-11)
    assert float(coarse.normals.norm(dim=1).max()) <= 1 + 1e-12


def test_merges_cell_by_cell():
    measure = cloud(1, 500, 2)
    points, weights = measure.points.numpy(), measure.weights.numpy()
    expected = {}
    for point, weight in zip(points, weights, strict=True):
        key = tuple(np.floor((point - points.min(axis=0)) / 5.0))
        mass, moment = expected.get(key, (0.0, np.zeros(2)))
        expected[key] = (mass + weight, moment + weight * point)
    coarse = coarsen(measure, 5.0)
    assert len(coarse) == len(expected)
    for (_, (mass, moment)), point, weight in zip(
        sorted(expected.items()), coarse.points.numpy(), coarse.weights.numpy(), strict=True
    ):
        assert weight == pytest.approx(mass)
        assert point == pytest.approx(moment / mass)


@pytest.mark.parametrize("dimension", [1, 3, 6])
def test_a_large_cell_leaves_one_point_and_a_small_one_all(dimension):
    measure = cloud(2, 40, dimension)
    one = coarsen(measure, 1e6)
    assert len(one) == 1
    np.testing.assert_allclose(one.points[0], measure.center, atol=1e-12)
    # Cells so small that their places, as whole numbers in one index, would overflow int64.
    every = coarsen(measure, 1e-9)
    assert len(every) == 40
    np.testing.assert_allclose(sorted(every.weights.tolist()), sorted(measure.weights.tolist()))


def test_cells_are_counted_in_a_table_or_sorted_to_the_same_bytes(monkeypatch):
    measure = cloud(3, 5000)
    cells = (3.0, 7.0, 50.0)
    tabled = [coarsen(measure, cell) for cell in cells]
    monkeypatch.setattr(coarsening, "_tabled", lambda places, lengths: coarsening._sorted(places))
    for one, cell in zip(tabled, cells, strict=True):
        other = coarsen(measure, cell)
        assert torch.equal(one.points, other.points)
        assert torch.equal(one.weights, other.weights)


def test_points_stay_in_their_cells():
    measure = cloud(4, 2000)
    coarse = coarsen(measure, 7.0)
    distance = torch.cdist(measure.points, coarse.points).amin(dim=1)
    # No point is further from the centre of mass of its cell than the diagonal.
    assert float(distance.max()) <= 7 * np.sqrt(3)
    assert 100 < len(coarse) <= 6**3


def test_moves_with_the_measure():
    measure = cloud(6, 300)
    # A shift by a power of two keeps all digits, so that no point changes its cell by rounding.
    shifted = coarsen(Measure(measure.points.float() + 1024, measure.weights.float()), 4.0)
    again = coarsen(Measure((measure.points.float() + 1024) - 1024, measure.weights.float()), 4.0)
    assert len(shifted) == len(again)
    np.testing.assert_allclose(shifted.points - 1024, again.points, atol=1e-4)


def test_drops_cells_without_mass():
    measure = Measure([[0.0], [0.2], [10.0]], [1.0, 3.0, 0.0])
    coarse = coarsen(measure, 1.0)
    assert coarse.points.tolist() == [[pytest.approx(0.15)]]
    assert coarse.weights.tolist() == [4]
    assert coarse.normals is None


def test_is_the_same_to_the_last_bit_each_time():
    measure = cloud(7, 20_000, dtype=np.float32)
    first, second = coarsen(measure, 2.0), coarsen(measure, 2.0)
    assert torch.equal(first.points, second.points)
    assert torch.equal(first.weights, second.weights)


def test_is_differentiable():
    measure = cloud(8, 12, 2)

    def parts(points, weights, normals):
        coarse = coarsen(Measure(points, weights, normals), 15.0)
        return coarse.points, coarse.weights, coarse.normals

    inputs = [
        tensor.clone().requires_grad_() for tensor in (measure.points, measure.weights, measure.normals)
    ]
    assert 1 < len(parts(*inputs)[0]) < 12
    assert torch.autograd.gradcheck(parts, inputs)


def test_float32_voxels_keep_mass_and_centre(grid, volume_of):
    volume = volume_of(grid, lambda points: points[:, 0] > points[:, 0].mean())
    measure = measure_from_labels(volume, 1)
    coarse = coarsen(measure, 3.0)
    assert len(coarse) < len(measure) / 5
    # Weights and points are rounded to float32 once per cell.
    assert float(coarse.mass) == pytest.approx(float(measure.mass), rel=1e-6)
    np.testing.assert_allclose(coarse.center, measure.center, atol=1e-4)


@pytest.mark.parametrize("cell", [0, -1.0, float("nan"), float("inf"), "wide", None])
def test_refuses_what_is_no_length(cell):
    with pytest.raises(InputError, match="cell"):
        coarsen(cloud(0, 3), cell)
