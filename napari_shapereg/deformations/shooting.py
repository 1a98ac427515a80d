"""LDDMM: diffeomorphisms at the end of geodesics, shot from momenta on control points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_shapereg.reductions.differentiable import kernel_sum
from napari_shapereg.reductions.kernels import GaussianKernel, SumKernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_shapereg.reductions.engine import Engine


class ControlPoints(NamedTuple):
    """Places q, LPS mm, and momenta p, mm, (K, 3) each, at one time of a geodesic."""

    places: Tensor
    momenta: Tensor


@dataclass(frozen=True, eq=False)
class GeodesicShooting:
    """The maps at the end of geodesics of diffeomorphisms.

    φ = φ₁ with ∂φ_t/∂t = v_t ∘ φ_t and v_t = Σ_j k(·, q_j(t)) p_j(t), along Hamilton's equations

    q̇_i = Σ_j k(q_i, q_j) p_j,   ṗ_i = -½ ∇_{q_i} Σ_jl k(q_j, q_l) p_j · p_l.

    The parameters are the momenta p(0), (K, 3) mm; they are the whole map, and lie in a vector space: means
    and principal components of them are again momenta. H = ½ Σ_ij k(q_i, q_j) p_i · p_j is constant along the
    way, half the squared length of the geodesic (Miller, Trouvé and Younes, "Geodesic shooting for
    computational anatomy", 2006). Time is stepped by the classical Runge-Kutta method of order 4.

    For a Gaussian, ∇_x k(x, y) = (y - x) k(x, y) / σ², so that ṗ is made of plain kernel sums, and its
    derivative needs no second derivative of a kernel.

    Parameters
    ----------
    control : (K, 3) Tensor
        q(0), LPS mm; momenta are float32 or float64 as they are.
    widths : sequence of float
        Standard deviations of the Gaussians whose mean is k, mm; k(x, x) = 1.
    steps : int
        Runge-Kutta steps for a unit of time.
    engine : str or Engine
        Of the kernel sums.
    """

    control: Tensor
    widths: tuple[float, ...]
    steps: int = 3
    engine: str | Engine = "auto"

    @property
    def kernel(self) -> SumKernel:
        """The kernel k of the velocities."""
        return self._gaussians([1.0] * len(self.widths))

    def identity(self) -> Tensor:
        """Return zero momenta, (K, 3)."""
        return torch.zeros_like(self.control)

    def energy(self, parameters: Tensor) -> Tensor:
        """Return H, 0-d, mm²."""
        return self.hamiltonian(ControlPoints(self.control, parameters))

    def hamiltonian(self, control: ControlPoints) -> Tensor:
        """Return H = ½ Σ_ij k(q_i, q_j) p_i · p_j at any time of the geodesic, 0-d, mm²."""
        places, momenta = control
        return (momenta * self._velocity(places, control)).sum() / 2

    def shoot(
        self, control: ControlPoints, points: Tensor | None = None, duration: float = 1.0
    ) -> tuple[ControlPoints, Tensor | None]:
        """Follow a geodesic, and carry points along.

        Parameters
        ----------
        control : ControlPoints
            At the start.
        points : (N, 3) Tensor, optional
            LPS mm.
        duration : float
            Units of time; negative to go back.

        Returns
        -------
        control : ControlPoints
            At the end.
        points : (N, 3) Tensor or None
            There, too.
        """
        count = max(1, math.ceil(abs(duration) * self.steps - 1e-9))
        for _ in range(count):
            control, points = self._step(control, points, duration / count)
        return control, points

    def flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) points, LPS mm, forward: φ₁; differentiable once in both arguments."""
        return _given(self.shoot(ControlPoints(self.control, parameters), points)[1])

    def flow_and_energy(self, parameters: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return `flow` and `energy`."""
        return self.flow(parameters, points), self.energy(parameters)

    def inverse_flow(self, parameters: Tensor, points: Tensor) -> Tensor:
        """Carry (N, 3) points, LPS mm, back: from the end of the geodesic to its start."""
        end, _ = self.shoot(ControlPoints(self.control, parameters))
        _, carried = self.shoot(end, points, -1.0)
        return _given(carried)

    def path(self, parameters: Tensor, points: Tensor, times: Sequence[float]) -> Tensor:
        """Return where points are on their way, (T, N, 3), at ascending times from 0 on; 1 is the end."""
        here, carried, clock = ControlPoints(self.control, parameters), points, 0.0
        frames = []
        for time in times:
            if time > clock:
                here, moved = self.shoot(here, carried, time - clock)
                carried, clock = _given(moved), time
            frames.append(carried)
        return torch.stack(frames)

    def _step(
        self, control: ControlPoints, points: Tensor | None, length: float
    ) -> tuple[ControlPoints, Tensor | None]:
        start = [*control] if points is None else [*control, points]
        total = [torch.zeros_like(part) for part in start]
        slope = total
        for reach, share in ((0.0, 1), (0.5, 2), (0.5, 2), (1.0, 1)):
            slope = self._slope([a + reach * length * b for a, b in zip(start, slope, strict=True)])
            total = [a + share / 6 * b for a, b in zip(total, slope, strict=True)]
        places, momenta, *carried = [a + length * b for a, b in zip(start, total, strict=True)]
        return ControlPoints(places, momenta), carried[0] if carried else None

    def _slope(self, state: list[Tensor]) -> list[Tensor]:
        places, momenta, *points = state
        control = ControlPoints(places, momenta)
        carried = [self._velocity(cloud, control) for cloud in points]
        return [self._velocity(places, control), self._force(control), *carried]

    def _velocity(self, points: Tensor, control: ControlPoints) -> Tensor:
        places, momenta = (part.to(points) for part in control)
        sums = [kernel_sum(self.kernel, points, places, part, self.engine) for part in _columns(momenta)]
        return torch.stack(sums, dim=1)

    def _force(self, control: ControlPoints) -> Tensor:
        """Return ṗ_i = Σ_d p_id (q_i S(p_d)_i - S(p_d q)_i), S the sums with the mean of k_σ / σ²."""
        places, momenta = control
        # From their centre: the difference of the two sums would lose the digits of far coordinates.
        offsets = places - places.detach().mean(dim=0)
        kernel = self._gaussians([1 / width**2 for width in self.widths])
        total = torch.zeros_like(momenta)
        for along in _columns(momenta):
            here = kernel_sum(kernel, places, places, along, self.engine)
            parts = [kernel_sum(kernel, places, places, along * x, self.engine) for x in offsets.unbind(1)]
            total = total + along[:, None] * (offsets * here[:, None] - torch.stack(parts, dim=1))
        return total

    def _gaussians(self, weights: Sequence[float]) -> SumKernel:
        """Return the mean of the Gaussians, each times its weight."""
        shares = [weight / len(self.widths) for weight in weights]
        return SumKernel([GaussianKernel(width) for width in self.widths], shares)


def _columns(vectors: Tensor) -> list[Tensor]:
    return [part.contiguous() for part in vectors.unbind(dim=1)]


def _given(points: Tensor | None) -> Tensor:
    assert points is not None  # noqa: S101 - points in, points out
    return points
