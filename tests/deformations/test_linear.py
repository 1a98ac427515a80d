"""Rigid, similarity and affine maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.deformations import AffineMap, LinearDeformation, LinearKind

KINDS: tuple[LinearKind, ...] = ("rigid", "similarity", "affine")


def model(kind: LinearKind) -> LinearDeformation:
    start, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double())
    return LinearDeformation(
        kind,
        start * torch.linalg.det(start),
        torch.tensor([9.0, -2.0, 4.0]).double(),
        torch.ones(3).double(),
        30.0,
    )


def some_parameters(linear: LinearDeformation) -> torch.Tensor:
    return 0.4 * torch.randn(len(linear.identity()), generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize(("kind", "count"), [("rigid", 6), ("similarity", 7), ("affine", 12)])
def test_degrees_of_freedom(kind: LinearKind, count: int) -> None:
    assert model(kind).identity().shape == (count,)


@pytest.mark.parametrize("kind", KINDS)
def test_never_mirrored(kind: LinearKind) -> None:
    linear = model(kind)
    for seed in range(20):
        parameters = (
            3 * torch.randn(len(linear.identity()), generator=torch.Generator().manual_seed(seed)).double()
        )
        assert torch.linalg.det(linear.matrix(parameters)) > 0


def test_rigid_maps_keep_distances_and_similarities_their_ratios() -> None:
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 50
    for kind in ("rigid", "similarity"):
        linear = model(kind)
        ratio = torch.pdist(linear.flow(some_parameters(linear), points)) / torch.pdist(points)
        assert torch.allclose(ratio, ratio[0].expand_as(ratio))
        assert (abs(ratio[0].item() - 1) < 1e-12) == (kind == "rigid")


@pytest.mark.parametrize("kind", KINDS)
def test_back_and_forth(kind: LinearKind) -> None:
    linear = model(kind)
    parameters = some_parameters(linear)
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 50
    moved = linear.flow(parameters, points)
    assert torch.allclose(linear.inverse_flow(parameters, moved), points)
    affine = linear.affine_map(parameters)
    assert np.allclose(affine.apply(points.numpy()), moved.numpy())
    assert np.allclose(affine.inverse().apply(moved.numpy()), points.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives(kind: LinearKind) -> None:
    linear = model(kind)
    points = torch.randn(4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    parameters = some_parameters(linear).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: linear.flow(p, points), parameters)


def test_rebasing_keeps_the_map() -> None:
    linear = model("rigid")
    parameters = some_parameters(linear)
    richer = linear.rebased(parameters, "affine")
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.allclose(richer.flow(richer.identity(), points), linear.flow(parameters, points))


def test_only_strain_costs_energy() -> None:
    assert model("rigid").energy(some_parameters(model("rigid"))) == pytest.approx(0)
    assert model("affine").energy(some_parameters(model("affine"))) > 0.01


def test_the_identity_moves_nothing() -> None:
    points = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(AffineMap.identity().apply(points), points)
