"""What is not computed exactly is said, and nothing else."""

from __future__ import annotations

import pytest
import torch

from napari_shapereg.fidelities import EnergyDistance, SinkhornDivergence
from napari_shapereg.measures import Measure
from napari_shapereg.reductions.shortcuts import note_shortcut, noted_shortcuts
from napari_shapereg.reductions.tree_engine import TreeEngine


def cloud(count: int, seed: int) -> Measure:
    points = 30 * torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
    return Measure(points, torch.full((count,), 1 / count))


@pytest.mark.parametrize("count", [200, 40_000])
def test_a_sum_by_a_tree_is_said_with_its_precision(count: int) -> None:
    with noted_shortcuts() as noted:
        EnergyDistance(engine=TreeEngine(1e-2))(cloud(count, 1), cloud(count, 2))
    assert noted == (set() if count == 200 else {"kernel sums by a tree, to 0.01"})


@pytest.mark.parametrize("count", [1, 400])
def test_transport_says_whether_it_begins_on_merged_points(count: int) -> None:
    with noted_shortcuts() as noted:
        SinkhornDivergence(blur=5.0)(cloud(count, 1), cloud(count, 2))
    assert noted == (set() if count == 1 else {"transport begun on merged points"})


def test_each_block_hears_of_its_own_sums_alone() -> None:
    note_shortcut("nobody listens")
    with noted_shortcuts() as outer:
        note_shortcut("before")
        with noted_shortcuts() as inner:
            note_shortcut("inside")
        note_shortcut("after")
    assert (outer, inner) == ({"before", "after"}, {"inside"})
