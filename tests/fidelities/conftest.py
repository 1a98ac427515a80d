from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_shapereg.measures import Measure


@pytest.fixture(params=["torch", "numba"])
def engine(request) -> str:
    return request.param


@pytest.fixture
def cloud():
    """Make a random measure, the same for the same seed."""

    def make(seed: int, count: int, dimension: int = 3, *, mass=None, dtype=torch.float64) -> Measure:
        rng = np.random.default_rng(seed)
        weights = rng.uniform(0.2, 1.0, count)
        if mass is not None:
            weights *= mass / weights.sum()
        return Measure(rng.normal(size=(count, dimension)) * 10, weights).to(dtype=dtype)

    return make
