"""Fidelities between curves and surfaces: currents, varifolds, and any fidelity of position and normal."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities import parameters
from napari_shapereg.fidelities.fidelity import Fidelity, check_pair, check_places
from napari_shapereg.fidelities.first_order import first_order
from napari_shapereg.fidelities.kernel_norm import KernelNorm
from napari_shapereg.fidelities.pairing import pairing
from napari_shapereg.measures import Measure
from napari_shapereg.reductions.differentiable import kernel_sum
from napari_shapereg.reductions.kernels import GaussianKernel, Kernel

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SurfaceFidelity(Fidelity):
    """A fidelity that looks at normals: both measures must have them, and so must the places of a potential.

    It is differentiable in the normals too. `measure_from_mesh` makes points, areas and normals from the
    vertices of a surface, so that a deformation of the vertices carries them all.
    """

    def potential(
        self, points: Tensor, source: Measure, target: Measure, *, normals: Tensor | None = None
    ) -> Tensor:
        """Return the first variation of d in its source measure, at places with normals.

        See `Fidelity.potential`; the steepest descent of d along the positions holds the normals fixed.

        Raises
        ------
        InputError
            The places or a measure have no normals, or do not match.
        """
        check_pair(source, target)
        check_places(points, source)
        if normals is None:
            raise InputError(
                f"normals: received None, but {type(self).__name__} looks at the normals of a surface; give "
                f"one for each of the {len(points)} points."
            )
        _check_normals(source, target, type(self).__name__)
        places = Measure(first_order(points), torch.ones_like(points[:, 0]), normals.detach())
        return self._variation(places, source.detach(), target.detach())

    def _value(self, source: Measure, target: Measure) -> Tensor:
        _check_normals(source, target, type(self).__name__)
        return self._distance(source, target)

    def _potential(self, points: Tensor, source: Measure, target: Measure) -> Tensor:
        raise NotImplementedError  # `potential` above takes its place

    @abstractmethod
    def _distance(self, source: Measure, target: Measure) -> Tensor:
        """Return d between measures that have normals."""

    @abstractmethod
    def _variation(self, places: Measure, source: Measure, target: Measure) -> Tensor:
        """Return the first variation at places that have normals."""


@dataclass(frozen=True)
class PositionAndNormal(SurfaceFidelity):
    r"""Any fidelity, between the points (x, λn) of twice the dimension: position and scaled normal.

    Two pieces of surface at one place with normals n, m are then λ \|n - m\| apart, and never less than
    2λ where they face each other: Sinkhorn and Hausdorff divergences do not match the two sides of a thin
    sheet (Feydy, Charlier, Vialard & Peyré, "Optimal transport for diffeomorphic registration", 2017).

    Parameters
    ----------
    loss : Fidelity
        What compares them.
    normal_length : float
        λ, mm: how far turning a normal by about 60 degrees counts.
    engine : str or Engine
        Where it is not "auto", it takes the place of the engine of `loss`.

    Raises
    ------
    InputError
        `loss` is not a fidelity between points, or `normal_length` not a length.
    """

    loss: Fidelity
    normal_length: float

    def __post_init__(self) -> None:
        """Check the parts."""
        if isinstance(self.loss, SurfaceFidelity) or not isinstance(self.loss, Fidelity):
            raise InputError(
                f"loss: received {self.loss!r}; give a fidelity between points, such as "
                f"SinkhornDivergence(blur=1.0)."
            )
        object.__setattr__(self, "normal_length", parameters.length("normal_length", self.normal_length))

    def _distance(self, source: Measure, target: Measure) -> Tensor:
        return self._base(self._lift(source), self._lift(target))

    def _variation(self, places: Measure, source: Measure, target: Measure) -> Tensor:
        return self._base.potential(self._lift(places).points, self._lift(source), self._lift(target))

    @property
    def _base(self) -> Fidelity:
        return self.loss if self.engine == "auto" else replace(self.loss, engine=self.engine)

    def _lift(self, measure: Measure) -> Measure:
        """Return the points (x, λn) with the weights of a measure."""
        points = torch.cat((measure.points, self.normal_length * _normals(measure)), dim=1)
        # The engines know 1, 2, 3 and 6 dimensions: the plane's 4 are padded.
        missing = 2 if points.shape[1] == 4 else 0
        return Measure(torch.nn.functional.pad(points, (0, missing)), measure.weights)


@dataclass(frozen=True)
class OrientedVarifold(SurfaceFidelity):
    r"""The oriented varifold norm with k(x, y) = exp(-\|x - y\|² / 2σ²) exp((⟨n, m⟩ - 1) / τ²).

    Between unit normals it is a Gaussian norm in position and normal, since \|n - m\|² = 2 - 2⟨n, m⟩
    (Kaltenmark, Charlier & Charon, "A general framework for curve and surface comparison and registration
    with oriented varifolds", 2017). Opposite sheets neither match nor cancel.

    Parameters
    ----------
    sigma : float
        σ, mm.
    turn : float
        τ: normals that differ by much more (as vectors of length 1) do not see each other.
    engine : str or Engine
        See `Fidelity`.

    Raises
    ------
    InputError
        An argument is no finite number above 0.
    """

    sigma: float
    turn: float = 0.5

    def __post_init__(self) -> None:
        """Check the numbers."""
        object.__setattr__(self, "sigma", parameters.length("sigma", self.sigma))
        object.__setattr__(self, "turn", parameters.positive("turn", self.turn))

    def _distance(self, source: Measure, target: Measure) -> Tensor:
        return self._gaussian(source, target)

    def _variation(self, places: Measure, source: Measure, target: Measure) -> Tensor:
        return self._gaussian.potential(places.points, source, target, normals=places.normals)

    @property
    def _gaussian(self) -> PositionAndNormal:
        norm = KernelNorm(GaussianKernel(self.sigma), engine=self.engine)
        return PositionAndNormal(norm, self.sigma / self.turn)


@dataclass(frozen=True)
class _FeatureNorm(SurfaceFidelity):
    """½ Σ (α-β)_i (α-β)_j k(x_i, x_j) ⟨F(n_i), F(n_j)⟩: as many signed kernel norms as F has components."""

    kernel: Kernel

    def __post_init__(self) -> None:
        """Check the kernel."""
        if not isinstance(self.kernel, Kernel):
            raise InputError(
                f"kernel: received {self.kernel!r}; give a kernel such as GaussianKernel(sigma=5.0), in mm."
            )

    @staticmethod
    @abstractmethod
    def _features(normals: Tensor) -> Tensor:
        """Return F(n), (N, F)."""

    def _distance(self, source: Measure, target: Measure) -> Tensor:
        positions = torch.cat((source.points, target.points))
        columns = self._signed(source, target)
        fixed = positions.detach()
        whole = sum(
            (
                pairing(
                    column, kernel_sum(self.kernel, positions, fixed, column.detach(), engine=self.engine)
                )
                for column in columns
            ),
            start=torch.zeros((), device=positions.device),
        )
        # With one factor held constant, a quadratic form has the derivatives of its half.
        return (whole - whole.detach() / 2).to(source.dtype)

    def _variation(self, places: Measure, source: Measure, target: Measure) -> Tensor:
        positions = torch.cat((source.points, target.points))
        columns = self._signed(source, target)
        weights = self._features(_normals(places)).unbind(dim=1)
        total = torch.zeros_like(places.weights)
        for weight, column in zip(weights, columns, strict=True):
            total = total + weight * kernel_sum(
                self.kernel, places.points, positions, column, engine=self.engine
            )
        return total

    def _signed(self, source: Measure, target: Measure) -> tuple[Tensor, ...]:
        signed = torch.cat((source.weights, -target.weights))
        features = self._features(torch.cat((_normals(source), _normals(target))))
        return (signed[:, None] * features).unbind(dim=1)


@dataclass(frozen=True)
class Currents(_FeatureNorm):
    r"""The norm of currents: k(x, y) ⟨n, m⟩.

    Area vectors are compared, blurred by the kernel: sheets that face each other cancel, noise and folds
    below the kernel's size too (Vaillant & Glaunès, "Surface matching via currents", 2005). Its
    variation changes sign with the normal.

    Parameters
    ----------
    kernel : Kernel
        Between positions.
    engine : str or Engine
        See `Fidelity`.

    Raises
    ------
    InputError
        `kernel` is not a kernel.
    """

    @staticmethod
    def _features(normals: Tensor) -> Tensor:
        return normals


@dataclass(frozen=True)
class UnorientedVarifold(_FeatureNorm):
    r"""The norm of unoriented varifolds: k(x, y) ⟨n, m⟩².

    Turning normals round changes nothing, and nothing cancels (Charon & Trouvé, "The varifold representation
    of nonoriented shapes for diffeomorphic registration", 2013).

    Parameters
    ----------
    kernel : Kernel
        Between positions.
    engine : str or Engine
        See `Fidelity`.

    Raises
    ------
    InputError
        `kernel` is not a kernel.
    """

    @staticmethod
    def _features(normals: Tensor) -> Tensor:
        # ⟨n, m⟩² = Σ_d n_d² m_d² + Σ_{d<e} 2 n_d n_e m_d m_e
        rows, columns = torch.triu_indices(normals.shape[1], normals.shape[1]).unbind()
        factors = torch.where(rows == columns, 1, 2).to(normals).sqrt()
        return normals[:, rows] * normals[:, columns] * factors


def _normals(measure: Measure) -> Tensor:
    if measure.normals is None:
        raise InputError("measure: has no normals; give Measure(points, weights, normals).")
    return measure.normals


def _check_normals(source: Measure, target: Measure, name: str) -> None:
    for role, measure in (("source", source), ("target", target)):
        if measure.normals is None:
            raise InputError(
                f"{role}: has no normals, but {name} looks at them; use measure_from_labels(..., "
                f"kind='surface') or Measure(points, weights, normals)."
            )
