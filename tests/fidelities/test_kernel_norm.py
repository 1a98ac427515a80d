from __future__ import annotations

import copy
import dataclasses
import gc
import weakref

import numpy as np
import pytest
import scipy.stats
import SimpleITK as sitk
import torch
from hypothesis import given, strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import EnergyDistance, KernelNorm
from napari_shapereg.measures import Measure, measure_from_labels
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    SumKernel,
)
from napari_shapereg.reductions.torch_engine import TorchEngine
from napari_shapereg.volumes.labels import LabelVolume

# Each kernel as a function of the distance, written independently of the engines.
KERNELS = {
    "energy": (EnergyKernel(), lambda r: -r),
    "Gaussian": (GaussianKernel(7.0), lambda r: np.exp(-(r**2) / (2 * 7.0**2))),
    "Laplacian": (LaplacianKernel(4.0), lambda r: np.exp(-r / 4.0)),
    "Cauchy": (CauchyKernel(5.0), lambda r: 1 / (1 + (r / 5.0) ** 2)),
    "sum": (
        SumKernel((GaussianKernel(3.0), LaplacianKernel(20.0), CauchyKernel(8.0)), (0.5, 2.0, 0.7)),
        lambda r: 0.5 * np.exp(-(r**2) / 18.0) + 2.0 * np.exp(-r / 20.0) + 0.7 / (1 + r**2 / 64.0),
    ),
}


@pytest.fixture(params=KERNELS)
def kernel(request):
    return KERNELS[request.param]


def by_definition(profile, alpha, beta):
    """½⟨α-β, k⋆(α-β)⟩ over the signed points, as it is written."""
    points = np.concatenate((alpha.points, beta.points))
    signed = np.concatenate((alpha.weights, -beta.weights))
    return 0.5 * signed @ profile(cdist(points, points)) @ signed


@pytest.mark.parametrize("dimension", [1, 2, 3, 6])
def test_is_the_formula(engine, kernel, cloud, dimension):
    alpha, beta = cloud(0, 30, dimension), cloud(1, 21, dimension)
    # Points in common and points without weight change nothing in it.
    points = torch.cat((beta.points, alpha.points[:3], alpha.points[:1]))
    beta = Measure(points, torch.cat((beta.weights, torch.tensor([0.3, 0.0, 1.0, 0.2]))))
    loss = KernelNorm(kernel[0], engine=engine)
    assert float(loss(alpha, beta)) == pytest.approx(by_definition(kernel[1], alpha, beta), rel=1e-10)


@pytest.mark.parametrize("distance", [0.0, 1e-3, 2.5, 300.0])
def test_two_diracs(engine, distance):
    alpha, beta = Measure([[1.0, 2.0, 3.0]], [1.0]), Measure([[1.0, 2.0 + distance, 3.0]], [1.0])
    # Coordinates of size 1 are rounded by 2e-16.
    near = {"rel": 1e-10, "abs": 1e-14}
    assert float(EnergyDistance(engine=engine)(alpha, beta)) == pytest.approx(distance, **near)
    gaussian = KernelNorm(GaussianKernel(2.0), engine=engine)(alpha, beta)
    assert float(gaussian) == pytest.approx(1 - np.exp(-(distance**2) / 8), **near)
    laplacian = KernelNorm(LaplacianKernel(2.0), engine=engine)(alpha, beta)
    assert float(laplacian) == pytest.approx(1 - np.exp(-distance / 2), **near)


def test_masses_are_not_normalised(engine):
    alpha, beta = Measure([[0.0]], [3.0]), Measure([[5.0]], [0.5])
    assert float(EnergyDistance(engine=engine)(alpha, beta)) == pytest.approx(3 * 0.5 * 5)
    gaussian = KernelNorm(GaussianKernel(5.0), engine=engine)(alpha, beta)
    assert float(gaussian) == pytest.approx((9 + 0.25) / 2 - 1.5 * np.exp(-0.5))


def test_gaussian_norm_of_two_gaussians():
    def normal(mean, deviation):
        points = np.linspace(-12, 12, 481)
        weights = scipy.stats.norm.pdf(points, mean, deviation) * 0.05
        return Measure(points[:, None], weights)

    def product(variance, shift):
        return sigma / np.sqrt(sigma**2 + variance) * np.exp(-(shift**2) / (2 * (sigma**2 + variance)))

    sigma = 1.7
    value = KernelNorm(GaussianKernel(sigma))(normal(-1.0, 0.8), normal(1.5, 1.3))
    expected = product(2 * 0.8**2, 0) / 2 + product(2 * 1.3**2, 0) / 2 - product(0.8**2 + 1.3**2, 2.5)
    # The trapezoidal rule is exact to rounding for Gaussians that are this well sampled.
    assert float(value) == pytest.approx(expected, rel=1e-9)


@given(
    x=st.lists(st.integers(-50, 50), min_size=1, max_size=12),
    y=st.lists(st.integers(-50, 50), min_size=1, max_size=12),
    seed=st.integers(0, 1000),
)
def test_energy_distance_in_one_dimension_is_half_of_scipys_squared(x, y, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.1, 1, len(x)), rng.uniform(0.1, 1, len(y))
    alpha = Measure(np.array(x, float)[:, None], a).normalized()
    beta = Measure(np.array(y, float)[:, None], b).normalized()
    # SciPy's is the root of 2 E|X-Y| - E|X-X'| - E|Y-Y'|, ours half of what is under the root.
    expected = scipy.stats.energy_distance(x, y, a, b) ** 2 / 2
    assert float(EnergyDistance(engine="torch")(alpha, beta)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


# A few sites, so that points coincide within a measure and between two.
sites = st.tuples(*[st.integers(-3, 3)] * 3)
masses = st.floats(0, 10).map(lambda mass: round(mass, 3))
atoms = st.lists(st.tuples(sites, masses), min_size=1, max_size=8).filter(
    lambda a: sum(m for _, m in a) > 0.01
)


def measure_of(atoms) -> Measure:
    points, weights = zip(*atoms, strict=True)
    return Measure(np.array(points, float), np.array(weights))


class TestLaws:
    @given(a=atoms, b=atoms, name=st.sampled_from(sorted(KERNELS)))
    def test_symmetric_and_zero_at_equality(self, a, b, name):
        loss = KernelNorm(KERNELS[name][0], engine="torch")
        alpha, beta = measure_of(a), measure_of(b)
        scale = float(alpha.mass + beta.mass) ** 2
        assert float(loss(alpha, beta)) == pytest.approx(float(loss(beta, alpha)), abs=1e-13 * scale)
        assert float(loss(alpha, alpha)) == pytest.approx(0, abs=1e-13 * scale)

    @given(a=atoms, b=atoms, name=st.sampled_from(sorted(KERNELS)))
    def test_positive_between_equal_masses_and_for_positive_kernels_always(self, a, b, name):
        alpha, beta = measure_of(a), measure_of(b)
        if name == "energy":
            alpha, beta = alpha.normalized(), beta.normalized()
        scale = float(alpha.mass + beta.mass) ** 2
        assert float(KernelNorm(KERNELS[name][0], engine="torch")(alpha, beta)) >= -1e-12 * scale

    @given(a=atoms, b=atoms, seed=st.integers(0, 1000), name=st.sampled_from(sorted(KERNELS)))
    def test_the_same_after_a_rigid_motion_of_both(self, a, b, seed, name):
        motion = torch.from_numpy(Rotation.random(rng=seed).as_matrix())
        loss = KernelNorm(KERNELS[name][0], engine="torch")
        alpha, beta = measure_of(a), measure_of(b)
        moved = [dataclasses.replace(m, points=m.points @ motion.T + 17.0) for m in (alpha, beta)]
        scale = float(alpha.mass + beta.mass) ** 2
        assert float(loss(*moved)) == pytest.approx(float(loss(alpha, beta)), abs=1e-12 * scale)

    @given(a=atoms, b=atoms, factor=st.floats(0.01, 100))
    def test_scales_with_the_unit_of_length(self, a, b, factor):
        alpha, beta = measure_of(a), measure_of(b)
        larger = [dataclasses.replace(m, points=m.points * factor) for m in (alpha, beta)]
        scale = float(alpha.mass + beta.mass) ** 2
        energy = EnergyDistance(engine="torch")
        tolerance = 1e-12 * scale * max(1, factor)
        assert float(energy(*larger)) == pytest.approx(factor * float(energy(alpha, beta)), abs=tolerance)
        before = KernelNorm(GaussianKernel(1.5), engine="torch")(alpha, beta)
        after = KernelNorm(GaussianKernel(1.5 * factor), engine="torch")(*larger)
        assert float(after) == pytest.approx(float(before), abs=1e-12 * scale)

    @given(a=atoms, b=atoms, share=st.floats(0, 1), name=st.sampled_from(sorted(KERNELS)))
    def test_the_same_when_an_atom_is_split(self, a, b, share, name):
        loss = KernelNorm(KERNELS[name][0], engine="torch")
        (site, mass), *rest = a
        alpha, beta = measure_of(a), measure_of(b)
        split = measure_of([(site, mass * share), *rest, (site, mass * (1 - share))])
        scale = float(alpha.mass + beta.mass) ** 2
        assert float(loss(split, beta)) == pytest.approx(float(loss(alpha, beta)), abs=1e-12 * scale)


def test_energy_distance_may_be_negative_where_masses_differ():
    spread = Measure([[-100.0], [100.0]], [1.0, 1.0])
    assert float(EnergyDistance(engine="torch")(spread, Measure([[0.0]], [0.1]))) < -1


class TestGradients:
    def test_gradcheck_on_both_measures(self, engine, kernel, cloud):
        loss = KernelNorm(kernel[0], engine=engine)
        alpha, beta = cloud(2, 9), cloud(3, 7)
        inputs = [
            t.clone().requires_grad_() for t in (alpha.points, alpha.weights, beta.points, beta.weights)
        ]
        assert torch.autograd.gradcheck(lambda x, a, y, b: loss(Measure(x, a), Measure(y, b)), inputs)

    @pytest.mark.parametrize("dimension", [1, 2, 6])
    def test_gradients_by_central_differences_of_the_definition(self, engine, kernel, cloud, dimension):
        """Of the formula in NumPy: gradcheck alone would accept a wrong value together with its gradient."""
        alpha, beta = cloud(4, 5, dimension), cloud(5, 6, dimension)
        points = alpha.points.clone().requires_grad_()
        weights = alpha.weights.clone().requires_grad_()
        KernelNorm(kernel[0], engine=engine)(Measure(points, weights), beta).backward()
        step = 1e-5

        def value(points, weights):
            return by_definition(kernel[1], Measure(points, weights), beta)

        for i in range(5):
            nudge = torch.zeros(5, dtype=torch.float64)
            nudge[i] = step
            slope = value(alpha.points, alpha.weights + nudge) - value(alpha.points, alpha.weights - nudge)
            assert float(weights.grad[i]) == pytest.approx(slope / (2 * step), rel=1e-6, abs=1e-8)
            for d in range(dimension):
                shift = nudge[:, None] * torch.eye(dimension, dtype=torch.float64)[d]
                slope = value(alpha.points + shift, alpha.weights) - value(
                    alpha.points - shift, alpha.weights
                )
                assert float(points.grad[i, d]) == pytest.approx(slope / (2 * step), rel=1e-6, abs=1e-8)

    def test_only_one_measure_needs_to_move(self, engine, cloud):
        loss = EnergyDistance(engine=engine)
        alpha, beta = cloud(6, 8), cloud(7, 9)
        for name in ("points", "weights"):
            tensor = getattr(beta, name).clone().requires_grad_()
            loss(alpha, dataclasses.replace(beta, **{name: tensor})).backward()
            as_source = getattr(beta, name).clone().requires_grad_()
            loss(dataclasses.replace(beta, **{name: as_source}), alpha).backward()
            np.testing.assert_allclose(tensor.grad, as_source.grad, rtol=1e-10)

    def test_finite_where_points_coincide(self, engine):
        points = torch.zeros((4, 3), requires_grad=True)
        alpha, beta = Measure(points, torch.ones(4)), Measure(torch.zeros(2, 3), torch.ones(2))
        EnergyDistance(engine=engine)(alpha, beta).backward()
        assert points.grad.tolist() == [[0, 0, 0]] * 4

    def test_value_and_gradient_cost_three_sums(self, cloud):
        engine, alpha, beta = Counting(), cloud(8, 5), cloud(9, 7)
        points = alpha.points.clone().requires_grad_()
        EnergyDistance(engine=engine)(dataclasses.replace(alpha, points=points), beta).backward()
        assert sorted(engine.sums) == [(5, 5, "gradient"), (5, 7, "gradient"), (7, 7, "value")]


class Counting(TorchEngine):
    """The torch engine, which remembers what it summed."""

    def __init__(self):
        super().__init__()
        self.sums = []

    def kernel_sum(self, kernel, x, y, b):
        self.sums.append((len(x), len(y), "value"))
        return super().kernel_sum(kernel, x, y, b)

    def kernel_sum_and_gradient(self, kernel, x, y, b):
        self.sums.append((len(x), len(y), "gradient"))
        return super().kernel_sum_and_gradient(kernel, x, y, b)


class TestTheTermOfAFixedTarget:
    def test_is_summed_once(self, cloud):
        engine, beta = Counting(), cloud(1, 7)
        loss, fresh = EnergyDistance(engine=engine), EnergyDistance(engine="torch")
        for seed in (2, 3, 4):
            alpha = cloud(seed, 5)
            assert loss(alpha, beta) == fresh(alpha, copy.copy(beta))
        assert engine.sums.count((7, 7, "value")) == 1

    @pytest.mark.parametrize("write", [lambda beta, shared: beta.points.add_(1.0),
                                       lambda beta, shared: beta.weights.mul_(2.0),
                                       lambda beta, shared: np.multiply(shared, 1.5, out=shared)],
                             ids=["points", "weights", "memory that it shares"])  # fmt: skip
    def test_follows_a_target_that_is_written_to(self, kernel, cloud, write):
        loss, alpha = KernelNorm(kernel[0], engine="torch"), cloud(1, 5)
        shared = cloud(2, 7).points.numpy().copy()
        beta = Measure(torch.from_numpy(shared), cloud(2, 7).weights)
        loss(alpha, beta)
        write(beta, shared)
        assert float(loss(alpha, beta)) == pytest.approx(by_definition(kernel[1], alpha, beta), rel=1e-10)

    def test_belongs_to_one_kernel_and_one_engine(self, cloud):
        alpha, beta = cloud(1, 5), cloud(2, 7)
        wide, narrow, engine = GaussianKernel(9.0), GaussianKernel(3.0), Counting()
        for kernel in (wide, narrow, wide):
            expected = KernelNorm(kernel, engine="torch")(*map(copy.copy, (alpha, beta)))
            assert KernelNorm(kernel, engine="torch")(alpha, beta) == expected
        KernelNorm(wide, engine=engine)(alpha, beta)
        assert (7, 7, "value") in engine.sums

    def test_has_its_gradient_where_the_target_moves_too(self, cloud):
        loss, alpha, beta = EnergyDistance(engine="torch"), cloud(1, 5), cloud(2, 7)
        loss(alpha, beta)
        weights = beta.weights.requires_grad_()
        loss(alpha, beta).backward()
        expected = loss.potential(beta.points, beta, alpha)
        np.testing.assert_allclose(weights.grad, expected, rtol=1e-10)

    def test_keeps_no_measure_alive(self, cloud):
        beta = cloud(2, 7)
        points, measure = weakref.ref(beta.points), weakref.ref(beta)
        EnergyDistance(engine="torch")(cloud(1, 5), beta)
        del beta
        gc.collect()
        assert measure() is None
        assert points() is None


class TestFloat32:
    def test_far_from_the_origin(self, engine, cloud):
        # Sites of 1/64 mm survive a shift of 1e4 mm in float32, so that both are the same measures.
        alpha, beta = (
            dataclasses.replace(m, points=torch.round(m.points * 64) / 64)
            for m in (
                cloud(10, 400, mass=1.0, dtype=torch.float32),
                cloud(11, 300, mass=1.0, dtype=torch.float32),
            )
        )
        loss = EnergyDistance(engine=engine)
        here = float(loss(alpha, beta))
        far = [
            dataclasses.replace(m, points=m.points + torch.tensor([1e4, -1e4, 8e3])) for m in (alpha, beta)
        ]
        assert float(loss(*far)) == pytest.approx(here, rel=1e-4)
        exact = EnergyDistance(engine="torch")(alpha.to(dtype=torch.float64), beta.to(dtype=torch.float64))
        # A value 30 times below the pairings that it is the difference of.
        assert here == pytest.approx(float(exact), rel=1e-4)

    def test_equal_measures_are_at_distance_zero_to_rounding(self, engine, kernel, cloud):
        alpha = cloud(12, 1000, mass=1.0, dtype=torch.float32)
        shuffled = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
        same = Measure(alpha.points[shuffled], alpha.weights[shuffled])
        largest = abs(kernel[1](np.float64(100.0))) + abs(kernel[1](np.float64(0.0)))
        assert abs(float(KernelNorm(kernel[0], engine=engine)(alpha, same))) < 1e-6 * largest

    def test_resolves_small_distances(self, engine, kernel, cloud):
        """Near the optimum a norm is a small difference of large sums: here down to 1e-5 of them."""
        alpha = cloud(18, 2000, mass=1.0, dtype=torch.float32)
        beta = dataclasses.replace(alpha, points=alpha.points + 0.05)
        exact = by_definition(kernel[1], alpha.to(dtype=torch.float64), beta.to(dtype=torch.float64))
        # Measured 3e-4; where the pairings are added up in float32, 9e-3.
        assert float(KernelNorm(kernel[0], engine=engine)(alpha, beta)) == pytest.approx(exact, rel=2e-3)

    def test_keeps_its_precision_in_value_and_gradients(self, engine, cloud):
        alpha, beta = cloud(13, 10, dtype=torch.float32), cloud(14, 10, dtype=torch.float32)
        points = alpha.points.clone().requires_grad_()
        value = EnergyDistance(engine=engine)(dataclasses.replace(alpha, points=points), beta)
        value.backward()
        assert value.dtype == points.grad.dtype == torch.float32
        assert value.ndim == 0


def test_oai_numba_float32_against_torch_float64(oai_folder):
    alpha, beta = (
        measure_from_labels(
            LabelVolume.from_image(sitk.ReadImage(str(oai_folder / f"OAI_{name}.nii.gz"))),
            1,
            binning=(2, 2, 1),
        )
        for name in "ab"
    )
    alpha, beta = (Measure(m.points[::25], m.weights[::25] / m.weights[::25].sum()) for m in (alpha, beta))
    fast, exact = EnergyDistance(engine="numba"), EnergyDistance(engine="torch")
    results = {}
    for loss, dtype in ((fast, torch.float32), (exact, torch.float64)):
        source = alpha.to(dtype=dtype)
        points = source.points.clone().requires_grad_()
        value = loss(dataclasses.replace(source, points=points), beta.to(dtype=dtype))
        value.backward()
        results[dtype] = value.item(), points.grad.double()
    value, gradient = results[torch.float32]
    true_value, true_gradient = results[torch.float64]
    assert value == pytest.approx(true_value, rel=1e-5)
    assert float((gradient - true_gradient).norm() / true_gradient.norm()) < 1e-5
    # The knees lie 25 mm apart: the energy distance of far bodies is about their distance.
    assert 10 < true_value < 30


def test_energy_distance_is_the_norm_of_the_energy_kernel(cloud):
    alpha, beta = cloud(15, 10), cloud(16, 12)
    assert torch.equal(
        EnergyDistance(engine="torch")(alpha, beta), KernelNorm(EnergyKernel(), engine="torch")(alpha, beta)
    )


def test_is_a_value():
    assert KernelNorm(GaussianKernel(2.0)) == KernelNorm(GaussianKernel(2.0), engine="auto")
    assert len({EnergyDistance(), EnergyDistance(), EnergyDistance(engine="torch")}) == 2
    assert repr(EnergyDistance(engine="numba")) == "EnergyDistance(engine='numba')"
    with pytest.raises(dataclasses.FrozenInstanceError):
        EnergyDistance().engine = "torch"


@pytest.mark.parametrize("kernel", ["gaussian", 3.0, GaussianKernel, None])
def test_refuses_what_is_no_kernel(kernel):
    with pytest.raises(InputError, match=r"kernel.*GaussianKernel"):
        KernelNorm(kernel)


def test_refuses_an_engine_that_does_not_exist(cloud):
    with pytest.raises(InputError, match="warp"):
        EnergyDistance(engine="warp")(cloud(0, 2), cloud(1, 2))
