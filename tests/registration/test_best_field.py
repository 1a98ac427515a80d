from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.deformations import Lattice
from napari_shapereg.measures import Measure
from napari_shapereg.registration import Status, iter_registration
from napari_shapereg.registration.best_field import BestField
from napari_shapereg.registration.shapes import Shapes
from napari_shapereg.volumes import sample_pair


@pytest.fixture
def lattice() -> Lattice:
    corners = np.array([[0.0, 0.0, 0.0], [20.0, 20.0, 20.0]])
    return Lattice.around(corners, np.eye(3).ravel().tolist(), pitch=2.0, margin=4.0)


def shifted(lattice: Lattice, length: float) -> tuple[Lattice, torch.Tensor]:
    """A field that carries the shape by a length along x."""
    displacement = torch.zeros(3, *lattice.shape)
    displacement[0] = -length
    return lattice, displacement


def test_the_nearest_is_kept_in_whatever_order(lattice: Lattice) -> None:
    points = torch.rand(300, 3, generator=torch.Generator().manual_seed(3)) * 10 + 8
    apart = points + torch.tensor([2.0, 0.0, 0.0])
    best = BestField(
        Shapes({1: 1.0}, {1: Measure(points, torch.ones(300))}, {1: Measure(apart, torch.ones(300))})
    )
    assert best.offer(None) is None
    near, far, exact = shifted(lattice, 1.5), shifted(lattice, -1.0), shifted(lattice, 2.0)
    assert best.offer(near) is near
    assert best.offer(far) is near
    assert best.offer(None) is near
    assert best.offer(exact) is exact
    assert best.offer(near) is exact


def test_a_run_that_is_cut_short_is_no_worse_than_its_last_level() -> None:
    # Knees as thin as the nodes of the coarsest lattice of voxels are far apart: it loses sight of them.
    moving, fixed = sample_pair("known")
    run = iter_registration(moving, fixed, "fast")
    lowest = {}
    for state in run:
        if (state.stage, state.level) in {("measures", 1), ("voxels", 0)} and state.iteration % 4 == 0:
            scores = [agreement.dice for agreement in run.result().measured.after.values()]
            lowest[state.stage] = min(scores)
        if (state.stage, state.level) == ("voxels", 1):
            break
    run.cancel()
    result = run.result()
    assert result.status is Status.CANCELLED
    assert min(agreement.dice for agreement in result.measured.after.values()) >= lowest["measures"] > 0.8
    assert lowest["voxels"] > 0.8
