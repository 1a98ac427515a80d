from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer

from napari_shapereg.plugin.display_frame import DisplayFrame
from napari_shapereg.plugin.gradient_arrows import Field, arrows_layer, spread, unit_of
from napari_shapereg.volumes.grid import IDENTITY

FRAME = DisplayFrame(IDENTITY)


def sphere(count: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return 20.0 * points / np.linalg.norm(points, axis=1)[:, None]


def chosen_of(points: np.ndarray, most: int) -> np.ndarray:
    return spread(points, np.ones(len(points)), np.zeros(len(points), dtype=int), most)


def field_with(lengths: np.ndarray, *, unit: str, transport: bool) -> Field:
    points = sphere(len(lengths))
    vectors = lengths[:, None] * points / 20.0
    ones = np.ones(len(lengths))
    return Field("d", unit, transport, points, vectors, ones, ones.astype(int), 5, 1.0, 0.1)


def test_equal_areas_get_equally_many_arrows_whatever_the_density_of_their_points():
    fine = sphere(100_000)
    half = fine[:, 0] > 0
    # One half of the sphere keeps a tenth of its points.
    points = np.concatenate([fine[half], fine[~half][::10]])
    chosen = chosen_of(points, 1000)
    share = np.mean(points[chosen, 0] > 0)
    # By count, or drawn at random, the fine half would get 91 % of the arrows. Cubes that the border of the
    # halves cuts, and the few that a coarse half leaves empty, are worth some per cent.
    assert 0.47 < share < 0.56


def test_no_place_is_far_from_an_arrow():
    points = sphere(20_000)
    chosen = points[chosen_of(points, 500)]
    gaps = np.sqrt(np.square(points[:, None] - chosen).sum(axis=2)).min(axis=1)
    # 500 caps of equal area have a radius of 2 r / sqrt(500) = 1.8 mm on this sphere.
    assert gaps.max() < 2.5 * 1.8


@pytest.mark.parametrize("most", [1, 7, 300, 4000])
def test_the_cap_is_kept_and_nearly_used(most):
    points = sphere(5000)
    chosen = chosen_of(points, most)
    assert len(chosen) <= most
    assert len(chosen) >= 0.8 * most
    assert np.all(np.diff(chosen) > 0)


def test_all_are_shown_where_there_are_few():
    assert np.array_equal(chosen_of(sphere(40), 40), np.arange(40))


def test_the_choice_is_the_same_every_time_and_moves_with_the_shape():
    # In 32nds of a mm, which shifts by whole mm do not round.
    points = np.round(32 * sphere(3000)) / 32
    chosen = chosen_of(points, 200)
    assert np.array_equal(chosen, chosen_of(points, 200))
    assert np.array_equal(chosen, chosen_of(np.add(points, (512.0, -64.0, 32.0)), 200))


def test_labels_that_touch_keep_their_own_arrows():
    points = np.repeat(sphere(500), 2, axis=0)
    groups = np.tile([1, 2], 500)
    chosen = spread(points, np.ones(1000), groups, 100)
    assert np.bincount(groups[chosen])[1:].tolist() == [len(chosen) // 2] * 2


def test_points_without_weight_are_no_trouble():
    points = sphere(100)
    assert len(spread(points, np.zeros(100), np.zeros(100, dtype=int), 10)) <= 10


def test_units_are_those_of_the_gradients():
    assert [unit_of("energy", 2), unit_of("gaussian", 2), unit_of("currents", 2)] == ["", "1/mm", "1/mm"]
    assert [unit_of("sinkhorn", 2), unit_of("sinkhorn", 1), unit_of("hausdorff", 2)] == ["mm", "", "mm"]


def test_displacements_are_drawn_to_scale_and_land_where_the_fidelity_sends_them():
    field = field_with(np.linspace(30.0, 40.0, 50), unit="mm", transport=True)
    layer = Layer.create(*arrows_layer(field, FRAME, 15.0, name="v"))
    assert layer.length == 1.0
    ends = FRAME.to_physical(layer.data[:, 0] + layer.data[:, 1])
    # But for the longest hundredth, which is drawn shorter.
    assert np.abs(ends - (field.points + field.vectors))[:49].max() < 1e-9
    assert np.allclose(layer.features["length"], field.lengths)


def test_other_arrows_are_stretched_to_a_share_of_the_shape():
    field = field_with(np.full(50, 1e-4), unit="1/mm", transport=False)
    layer = Layer.create(*arrows_layer(field, FRAME, 20.0, name="v"))
    drawn = layer.length * np.linalg.norm(layer.data[:, 1], axis=1)
    assert np.all((drawn > 2.0) & (drawn < 20.0))
    assert layer.vector_style == "arrow"
    assert layer.edge_contrast_limits == (0.0, pytest.approx(1e-4))


def test_a_few_giants_do_not_hide_the_others():
    lengths = np.concatenate([np.full(95, 30.0), np.full(5, 3e4)])
    assert field_with(lengths, unit="mm", transport=True).top == pytest.approx(30.0)
    # Where a kernel is narrow, on the other hand, the few that feel it are what there is to see.
    narrow = np.concatenate([np.full(95, 1e-9), np.full(5, 1.0)])
    assert field_with(narrow, unit="1/mm", transport=False).top == pytest.approx(1.0)


def test_no_arrow_is_longer_on_the_screen_than_the_colours_reach():
    lengths = np.concatenate([np.full(95, 30.0), np.full(5, 3e4)])
    layer = Layer.create(*arrows_layer(field_with(lengths, unit="mm", transport=True), FRAME, 15.0, name="v"))
    assert np.linalg.norm(layer.data[:, 1], axis=1).max() < 31.0
    assert layer.features["length"].max() == pytest.approx(3e4)
