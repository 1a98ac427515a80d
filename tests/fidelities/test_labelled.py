from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import EnergyDistance, LabelledFidelity, SoftMin, descent_field


@pytest.fixture
def pairs(cloud):
    return {1: cloud(0, 6), 4: cloud(1, 7)}, {1: cloud(2, 5), 4: cloud(3, 8)}


def test_is_the_weighted_sum_and_so_are_its_gradients(pairs):
    sources, targets = pairs
    losses = {1: EnergyDistance(), 4: SoftMin(5.0)}
    objective = LabelledFidelity(losses, {1: 0.5, 4: 3.0})
    points = sources[4].points.clone().requires_grad_()
    moving = {**sources, 4: dataclasses.replace(sources[4], points=points)}
    value = objective(moving, targets)
    value.backward()
    expected = 0.5 * losses[1](sources[1], targets[1]) + 3 * losses[4](sources[4], targets[4])
    assert value.item() == pytest.approx(float(expected), rel=1e-12)
    fields = objective.descent_fields(sources, targets)
    np.testing.assert_allclose(fields[4], -points.grad / sources[4].weights[:, None], rtol=1e-9)
    np.testing.assert_allclose(fields[1], 0.5 * descent_field(losses[1], sources[1], targets[1]))


def test_one_loss_serves_every_label(pairs):
    sources, targets = pairs
    loss = EnergyDistance()
    expected = sum(float(loss(sources[label], targets[label])) for label in (1, 4))
    assert float(LabelledFidelity(loss)(sources, targets)) == pytest.approx(expected)


def test_refuses_labels_that_do_not_match(pairs):
    sources, targets = pairs
    loss = EnergyDistance()
    with pytest.raises(InputError, match=r"targets: has the labels \[1\].*\[1, 4\]"):
        LabelledFidelity(loss)(sources, {1: targets[1]})
    with pytest.raises(InputError, match=r"loss: has the labels \[1, 2\]"):
        LabelledFidelity({1: loss, 2: loss})(sources, targets)
    with pytest.raises(InputError, match=r"weights: has the labels \[4\]"):
        LabelledFidelity(loss, {4: 1.0}).descent_fields(sources, targets)
    with pytest.raises(InputError, match="no label"):
        LabelledFidelity(loss)({}, {})
    with pytest.raises(InputError, match=r"weights\[4\]: received -1"):
        LabelledFidelity(loss, {4: -1})
    with pytest.raises(InputError, match="loss: 'energy' is no fidelity"):
        LabelledFidelity("energy")
