from __future__ import annotations

import math

import numpy as np
import pytest

from napari_shapereg.errors import InputError
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    SumKernel,
)


@pytest.mark.parametrize("kind", [GaussianKernel, LaplacianKernel, CauchyKernel])
@pytest.mark.parametrize("sigma", [0, -1.5, math.nan, math.inf, "3", None, True])
def test_a_length_that_is_no_length_is_refused_by_name_and_value(kind, sigma):
    with pytest.raises(InputError, match=f"{kind.__name__}: sigma is {sigma!r}.* above 0 mm"):
        kind(sigma)


def test_lengths_may_be_numpy_numbers():
    assert GaussianKernel(np.float32(2.0)) == GaussianKernel(2)
    assert LaplacianKernel(np.int64(3)).sigma == 3.0


def test_elementary_kernels_are_one_term():
    for kernel in (EnergyKernel(), GaussianKernel(2.0), LaplacianKernel(2.0), CauchyKernel(2.0)):
        assert kernel.terms() == ((1.0, kernel),)


def test_sums_open_into_weighted_elementary_terms():
    inner = SumKernel([EnergyKernel(), LaplacianKernel(4.0)], [0.5, 3.0])
    outer = SumKernel([GaussianKernel(1.0), inner], [1.0, 2.0])
    assert outer.terms() == (
        (1.0, GaussianKernel(1.0)),
        (1.0, EnergyKernel()),
        (6.0, LaplacianKernel(4.0)),
    )


def test_a_sum_without_weights_weighs_every_kernel_once():
    assert SumKernel([EnergyKernel(), GaussianKernel(1.0)]).weights == (1.0, 1.0)


def test_equal_sums_are_equal_whatever_sequence_they_were_given():
    assert SumKernel([EnergyKernel()], [2]) == SumKernel((EnergyKernel(),), (2.0,))
    assert hash(SumKernel([EnergyKernel()], [2])) == hash(SumKernel((EnergyKernel(),), (2.0,)))


@pytest.mark.parametrize(
    ("kernels", "weights", "complaint"),
    [
        ([], [], "kernels is empty"),
        ([EnergyKernel()], [1.0, 2.0], "1 kernels and 2 weights"),
        ([EnergyKernel()], [-1.0], r"weights\[0\] is -1.0"),
        ([EnergyKernel(), 2.0], [1.0, 1.0], "2.0 is not a kernel"),
    ],
)
def test_a_sum_that_makes_no_sense_is_refused(kernels, weights, complaint):
    with pytest.raises(InputError, match=complaint):
        SumKernel(kernels, weights)
