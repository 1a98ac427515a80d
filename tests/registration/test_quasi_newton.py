"""L-BFGS with backtracking."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from napari_shapereg.registration.quasi_newton import descended


def rosenbrock(x: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
    return (100 * (x[1:] - x[:-1].square()).square() + (1 - x[:-1]).square()).sum(), x.tolist()


def test_it_goes_down_a_curved_valley_to_its_end() -> None:
    start = torch.tensor([-1.2, 1.0, -0.5, 0.8], dtype=torch.float64)
    steps = list(itertools.islice(descended(rosenbrock, start, 0.1), 200))
    costs = [step.cost for step in steps]
    assert all(after < before for before, after in itertools.pairwise(costs))
    torch.testing.assert_close(steps[-1].parameters, torch.ones(4, dtype=torch.float64), atol=1e-5, rtol=0)
    assert all(step.parts == step.parameters.tolist() for step in steps)
    # Steepest descent with backtracking needs very many more steps here.
    assert len(steps) < 150


def test_at_the_bottom_it_stops() -> None:
    assert list(descended(lambda x: (x.square().sum(), None), torch.zeros(3), 1.0)) == []


def test_steps_shun_costs_that_are_no_numbers() -> None:
    """The logarithm of a negative number is none, and the minimum lies near."""
    run = descended(lambda x: ((x - x.log()).sum(), None), torch.tensor([0.05]), 3.0)
    steps = list(itertools.islice(run, 60))
    assert all(math.isfinite(step.cost) for step in steps)
    assert float(steps[-1].parameters) == pytest.approx(1, abs=1e-3)


def test_a_cost_that_is_no_number_anywhere_is_shown() -> None:
    first = iter([1.0])

    def broken(x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return x.square().sum() * next(first, math.inf), None

    (only,) = descended(broken, torch.ones(2), 0.3)
    assert math.isinf(only.cost)
