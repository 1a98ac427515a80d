from __future__ import annotations

import math

import pytest

from napari_shapereg.plugin.cost_curve import CostCurve, curve_of
from napari_shapereg.plugin.live_view import CostPoint

COSTS = [
    CostPoint(1, "linear", 40.0),
    CostPoint(2, "linear", 10.0),
    CostPoint(3, "global 1", 0.5),
    CostPoint(4, "global 1", 0.05),
    CostPoint(5, "local 1", 9e3),
]


def test_each_level_falls_from_its_own_start():
    curve = curve_of(COSTS)
    assert [branch.level for branch in curve.branches] == ["linear", "global 1", "local 1"]
    assert curve.lowest == pytest.approx(0.1)
    linear, flow, alone = curve.branches
    assert linear.points[0] == (0.0, 1.0)
    # A quarter, on a logarithmic axis that ends at a tenth.
    assert linear.points[1] == (0.25, pytest.approx(1 + math.log10(0.25)))
    assert flow.points[-1] == (0.75, pytest.approx(0.0))
    assert alone.points == [(1.0, 1.0)]


def test_noise_is_not_blown_up_to_a_descent():
    curve = curve_of([CostPoint(1, "local 1", 1.0), CostPoint(2, "local 1", 0.999)])
    assert curve.branches[0].points[-1][1] > 0.99


@pytest.mark.parametrize("costs", [[], [CostPoint(1, "linear", math.nan)], [CostPoint(1, "linear", 0.0)]])
def test_there_may_be_nothing_to_draw(costs):
    assert curve_of(costs) is None


def test_a_cost_that_is_no_number_is_left_out():
    curve = curve_of([*COSTS[:2], CostPoint(3, "linear", math.inf)])
    assert len(curve.branches[0].points) == 2


def test_the_plot_tells_the_step_under_the_mouse(qtbot):
    plot = CostCurve()
    qtbot.addWidget(plot)
    assert plot.describe(0.5) == ""
    plot.show_costs(COSTS)
    assert plot.describe(0.3) == "linear, step 2: cost 10"
    assert plot.describe(1.0) == "local 1, step 5: cost 9000"
    plot.resize(300, 100)
    assert not plot.grab().toImage().isNull()
