"""Geodesic shooting: Hamilton's equations, their integrator, and the maps at their end."""

from __future__ import annotations

import math

import pytest
import torch

from napari_shapereg.deformations import ControlPoints, GeodesicShooting

WIDTHS = (10.0, 5.0)


def random_points(count: int, seed: int, scale: float = 40.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, generator=generator, dtype=torch.float64) * scale


@pytest.fixture
def momenta() -> torch.Tensor:
    return random_points(20, 1, 4.0) - 2


def model(steps: int) -> GeodesicShooting:
    return GeodesicShooting(random_points(20, 0), WIDTHS, steps, engine="torch")


def error_order(errors: list[float]) -> float:
    return math.log2(errors[0] / errors[1])


def test_the_path_obeys_hamiltons_equations(momenta: torch.Tensor) -> None:
    """Compare with the derivatives of H that torch takes of the written-out double sum."""
    shooting = model(1)
    places = shooting.control.clone().requires_grad_()
    free = momenta.clone().requires_grad_()
    squares = (places[:, None] - places[None]).square().sum(2)
    kernel = sum(torch.exp(-squares / (2 * width**2)) for width in WIDTHS) / len(WIDTHS)
    energy = (kernel * (free @ free.T)).sum() / 2
    by_place, by_momentum = torch.autograd.grad(energy, (places, free))
    short = 1e-5
    (there, after), _ = shooting.shoot(ControlPoints(shooting.control, momenta), duration=short)
    # A step of 1e-5 leaves first differences good to about 1e-5.
    torch.testing.assert_close((there - shooting.control) / short, by_momentum, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close((after - momenta) / short, -by_place, rtol=1e-4, atol=1e-4)
    assert float(shooting.energy(momenta)) == pytest.approx(float(energy.detach()))


def test_the_hamiltonian_is_conserved_at_the_order_of_the_integrator(momenta: torch.Tensor) -> None:
    start = model(1).energy(momenta)
    drifts = []
    for steps in (2, 4):
        end, _ = model(steps).shoot(ControlPoints(model(steps).control, momenta))
        drifts.append(float((model(steps).hamiltonian(end) / start - 1).abs()))
    assert drifts[1] < 1e-5
    # Order 4: sixteen times less at half the step; more where leading terms cancel.
    assert error_order(drifts) > 3.5


def test_geodesics_can_be_run_back_and_the_end_converges(momenta: torch.Tensor) -> None:
    points = random_points(30, 2)
    there = [model(steps).flow(momenta, points) for steps in (2, 4, 16)]
    off = [float((end - there[2]).abs().max()) for end in there[:2]]
    assert error_order(off) > 3.5
    back = [model(steps).inverse_flow(momenta, model(steps).flow(momenta, points)) for steps in (2, 4)]
    left = [float((end - points).abs().max()) for end in back]
    assert left[1] < 1e-3
    assert error_order(left) > 3.5


def test_the_way_is_one_path_wherever_it_is_sampled(momenta: torch.Tensor) -> None:
    shooting, points = model(8), random_points(10, 3)
    coarse = shooting.path(momenta, points, [0.0, 0.5, 1.0])
    fine = shooting.path(momenta, points, [0.0, 0.17, 0.5, 0.61, 1.0])
    torch.testing.assert_close(coarse[0], points)
    torch.testing.assert_close(fine[[0, 2, 4]], coarse, atol=1e-5, rtol=0)
    # Half the momenta go half as far in time.
    torch.testing.assert_close(shooting.flow(momenta / 2, points), coarse[1], atol=1e-5, rtol=0)


def test_one_momentum_carries_its_own_point_straight() -> None:
    control, momentum = torch.zeros(1, 3, dtype=torch.float64), torch.tensor([[3.0, -1, 2]]).double()
    shooting = GeodesicShooting(control, (5.0,), engine="torch")
    torch.testing.assert_close(shooting.flow(momentum, control), momentum)


def test_the_map_is_differentiable_in_the_momenta(momenta: torch.Tensor) -> None:
    shooting, points = model(2), random_points(6, 4)
    weights = random_points(6, 5, 1.0)

    def value(parameters: torch.Tensor) -> torch.Tensor:
        return (shooting.flow(parameters, points) * weights).sum() + shooting.energy(parameters)

    free = momenta.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(free), free)
    way = random_points(20, 6, 1.0)
    numeric = (value(momenta + 1e-5 * way) - value(momenta - 1e-5 * way)) / 2e-5
    assert float((slope * way).sum()) == pytest.approx(float(numeric), rel=1e-6)
