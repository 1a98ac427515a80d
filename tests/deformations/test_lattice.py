"""The lattice and its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_shapereg.deformations import Lattice

if TYPE_CHECKING:
    import numpy.typing as npt


@pytest.fixture
def cloud() -> npt.NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=(300, 3)) * [30, 10, 20] + [500, -900, 100]


def test_it_holds_the_points_with_their_margin(lattice: Lattice, cloud: npt.NDArray[np.float64]) -> None:
    around = Lattice.around(cloud, lattice.grid.direction, pitch=1.5, margin=7.0, multiple=4)
    indices = around.grid.to_indices(cloud) * 1.5
    extent = (np.array(around.grid.size) - 1) * 1.5
    assert indices.min() >= 7.0 - 1e-9
    assert (extent - indices.max(axis=0)).min() >= 7.0 - 1e-9
    assert all((count - 1) % 4 == 0 for count in around.grid.size)
    # No larger than a block of cells more than needed.
    assert (extent - np.ptp(indices, axis=0) - 14.0).max() <= 6.0 + 1e-9


def test_coarser_lattices_have_the_same_corners(lattice: Lattice) -> None:
    coarse = lattice.coarsened(4)
    last = [[count - 1 for count in grid.size] for grid in (lattice.grid, coarse.grid)]
    assert np.allclose(lattice.grid.to_points(last[:1]), coarse.grid.to_points(last[1:]))
    assert coarse.grid.origin == lattice.grid.origin


def test_the_frame_is_that_of_the_grid(lattice: Lattice) -> None:
    nodes = lattice.nodes(torch.zeros((), dtype=torch.float64))
    node = nodes[:, 3, 5, 7]
    expected = torch.from_numpy(lattice.grid.to_points([[7, 5, 3]]))
    assert torch.allclose(lattice.to_physical(node[None]), expected)
    assert torch.allclose(lattice.to_frame(expected), node[None])


def test_vectors_turn_with_the_frame(lattice: Lattice) -> None:
    field = torch.randn(3, *lattice.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nodes = lattice.nodes(field)
    ends = lattice.to_physical((nodes + field).reshape(3, -1).T)
    starts = lattice.to_physical(nodes.reshape(3, -1).T)
    vectors = torch.from_numpy(lattice.vectors_to_physical(field)).reshape(-1, 3)
    assert torch.allclose(vectors, ends - starts)
    assert torch.allclose(lattice.turn_to_physical(field.reshape(3, -1).T), vectors)


def test_the_window_is_zero_on_the_border_and_one_inside(lattice: Lattice) -> None:
    window = lattice.window(2.1, torch.zeros(()))
    assert window[0].abs().max() == window[:, -1].abs().max() == window[:, :, 0].abs().max() == 0
    assert torch.equal(window[3:-3, 3:-3, 3:-3], torch.ones_like(window[3:-3, 3:-3, 3:-3]))
