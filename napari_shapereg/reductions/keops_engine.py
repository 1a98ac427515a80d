"""Pairwise sums on KeOps: the CUDA default, and a CPU engine on request.

KeOps compiles one reduction for each formula, dimension and dtype (for seconds on a CPU, cached on disk) and
stores no matrix of pairs. Lengths and temperatures are run-time parameters: no new size or width compiles
anything again. Value and gradient are the columns of one vector-valued sum, hence one pass. KeOps forms
x_i - y_j directly: nothing cancels far from the origin, so the coordinates need no centring.
"""

from __future__ import annotations

import importlib.util
import math
import os
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from filelock import FileLock
from torch.nn.functional import pad

from napari_shapereg.errors import EngineError, MissingExtraError
from napari_shapereg.reductions.kernels import (
    CauchyKernel,
    EnergyKernel,
    GaussianKernel,
    LaplacianKernel,
    unknown,
)
from napari_shapereg.reductions.threads import all_threads_for_torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import ModuleType

    from torch import Tensor

    from napari_shapereg.reductions.kernels import ElementaryKernel, Kernel

# pykeops carries no types.
_Reduction: TypeAlias = Any
_Variant: TypeAlias = tuple[_Reduction, torch.dtype, str]

_compiled: set[_Variant] = set()

# Formulas in KeOps' language. Rsqrt(0) is 0 there, so coincident points have no gradient, and s * Rsqrt(s) is
# the distance even at s = 0. The scalar before each vector is evaluated once for value and gradient.
_SQUARED = "SqDist(x,y)"
_CAUCHY = f"(IntCst(1)+g*{_SQUARED})"
_KERNEL_VALUES = {
    EnergyKernel: f"-b*Sqrt({_SQUARED})",
    GaussianKernel: f"b*Exp(-g*{_SQUARED})",
    LaplacianKernel: f"b*Exp(-g*Sqrt({_SQUARED}))",
    CauchyKernel: f"b*Inv({_CAUCHY})",
}
_KERNEL_VALUES_AND_GRADIENTS = {
    EnergyKernel: f"-b*Rsqrt({_SQUARED})*Concat({_SQUARED},x-y)",
    GaussianKernel: f"b*Exp(-g*{_SQUARED})*Concat(IntCst(1),x-y)",
    LaplacianKernel: f"b*Exp(-g*Sqrt({_SQUARED}))*Concat(IntCst(1),Rsqrt({_SQUARED})*(x-y))",
    CauchyKernel: f"b*Inv({_CAUCHY})*Concat(IntCst(1),Inv({_CAUCHY})*(x-y))",
}
_SCORES = {1: f"h-g*Sqrt({_SQUARED})", 2: f"h-g*{_SQUARED}"}
_COST_GRADIENTS = {1: f"w*Concat(IntCst(1),Rsqrt({_SQUARED})*(x-y))", 2: "w*Concat(IntCst(1),x-y)"}


class KeopsEngine:
    """Pairwise sums on KeOps, CPU or CUDA; `Engine` says what each method computes.

    Raises
    ------
    MissingExtraError
        When pykeops is not installed.
    EngineError
        When it cannot be imported.
    """

    name = "keops"

    def __init__(self) -> None:
        self._pykeops = _import_pykeops()

    @torch.no_grad()
    def kernel_sum(self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor) -> Tensor:
        """Return (N,): sum_j k(x_i, y_j) b_j."""
        total = x.new_zeros(len(x))
        for weight, elementary in kernel.terms():
            reduction = _kernel_reduction(_formula(_KERNEL_VALUES, elementary), _compiled_dimension(x))
            sums = self._run(reduction, x, y, b, _parameter(elementary))
            total.add_(sums[:, 0], alpha=weight)
        return total

    @torch.no_grad()
    def kernel_sum_and_gradient(
        self, kernel: Kernel, x: Tensor, y: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `kernel_sum` (N,) and its gradient in x_i (N, D)."""
        total, gradient = x.new_zeros(len(x)), torch.zeros_like(x)
        for weight, elementary in kernel.terms():
            formula = _formula(_KERNEL_VALUES_AND_GRADIENTS, elementary)
            reduction = _kernel_reduction(formula, _compiled_dimension(x))
            sums = self._run(reduction, x, y, b, _parameter(elementary))
            total.add_(sums[:, 0], alpha=weight)
            gradient.add_(sums[:, 1 : 1 + x.shape[1]], alpha=weight * _gradient_factor(elementary))
        return total, gradient

    @torch.no_grad()
    def softmin(self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor) -> Tensor:
        """Return (N,): -epsilon log sum_j exp(h_j - C(x_i, y_j) / epsilon)."""
        y, h = _with_mass(y, h)
        if len(y) == 0:
            return x.new_full((len(x),), math.inf)
        reduction = _log_sum_exp_reduction(p, _compiled_dimension(x))
        return -epsilon * self._run(reduction, x, y, h, 1 / (p * epsilon))[:, 0]

    @torch.no_grad()
    def softmin_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `softmin` (N,) and its gradient in x_i (N, D)."""
        y, h = _with_mass(y, h)
        if len(y) == 0:
            return x.new_full((len(x),), math.inf), torch.zeros_like(x)
        maximum, sums, slopes = self._weighted_exponentials(epsilon, p, x, y, h, torch.ones_like(h))
        return -epsilon * (maximum + sums.log()), slopes / sums[:, None]

    @torch.no_grad()
    def plan_sum_and_gradient(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, f: Tensor, h: Tensor, w: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return sum_i w_i pi_ij (M,) and sum_i w_i pi_ij grad_y C(x_i, y_j) (M, D), at y_j."""
        maximum, sums, slopes = self._weighted_exponentials(epsilon, p, y, x, f / epsilon, w)
        scale = torch.exp(maximum + h)
        return scale * sums, scale[:, None] * slopes

    @torch.no_grad()
    def nearest(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N,) int64, the index in `y` of a point nearest to x_i, and (N,) its distance in mm."""
        index = self._run(_nearest_reduction(_compiled_dimension(x)), x, y)[:, 0]
        return index, torch.linalg.vector_norm(x - y[index], dim=1)

    def _weighted_exponentials(
        self, epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor, w: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return m_i = max_j s_ij, sum_j w_j exp(s_ij - m_i) and the same sum of gradients of the cost."""
        reduction = _weighted_exponentials_reduction(p, _compiled_dimension(x))
        sums = self._run(reduction, x, y, h, 1 / (p * epsilon), w)
        return sums[:, 0], sums[:, 1], sums[:, 2 : 2 + x.shape[1]]

    def _run(self, reduction: _Reduction, x: Tensor, y: Tensor, *others: Tensor | float) -> Tensor:
        inputs = [_padded(x), _padded(y)]
        for other in others:
            column = other[:, None] if isinstance(other, torch.Tensor) else x.new_full((1,), other)
            inputs.append(column.contiguous())
        backend = "CPU" if x.device.type == "cpu" else "GPU"
        self._check_backend(backend)
        variant = (reduction, x.dtype, backend)
        try:
            with self._alone(variant), all_threads_for_torch():
                result: Tensor = reduction(*inputs, backend=backend)
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"KeOps could not compile or run a formula on {x.device} ({error}); see what "
                f"`python -c 'import pykeops; pykeops.check_health()'` says, or choose {_OTHER_ENGINES}."
            ) from error
        _compiled.add(variant)
        return result

    def _alone(self, variant: _Variant) -> AbstractContextManager[object]:
        """Keep other processes from what may compile: one would load the half-written library of another."""
        if variant in _compiled:
            return nullcontext()
        return FileLock(Path(self._pykeops.get_build_folder()) / "napari-shapereg.lock")

    def _check_backend(self, backend: str) -> None:
        if backend == "CPU" and self._pykeops.config.pykeops_base.get_cxx_compiler() is None:
            raise EngineError(
                "KeOps compiles its formulas and finds no C++ compiler; install g++ (on macOS: "
                f"xcode-select --install), point CXX to a compiler, or choose {_OTHER_ENGINES}."
            )
        if backend == "GPU" and not self._pykeops.config.gpu_available:
            raise EngineError(
                "KeOps finds no CUDA: it needs the driver, libnvrtc and the headers of the CUDA toolkit "
                f"(set CUDA_PATH and LD_LIBRARY_PATH to it), or choose {_OTHER_ENGINES}."
            )


_OTHER_ENGINES = "engine='torch' (any device) or engine='numba' (CPU)"


def _import_pykeops() -> ModuleType:
    if importlib.util.find_spec("pykeops") is None:
        raise MissingExtraError(
            "The keops engine needs pykeops, which is not installed; "
            'run: pip install "napari-shapereg[keops]", or choose ' + _OTHER_ENGINES + "."
        )
    # KeOps decides while it is imported whether to print what it finds; afterwards set_verbose decides.
    names = ("KEOPS_VERBOSE", "PYKEOPS_VERBOSE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "0"))
    try:
        import pykeops.torch
    except Exception as error:
        raise EngineError(
            f"pykeops is installed and cannot be imported ({type(error).__name__}: {error}); "
            f"reinstall it, or choose {_OTHER_ENGINES}."
        ) from error
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    pykeops.set_verbose(False)
    module: ModuleType = pykeops
    return module


@cache
def _kernel_reduction(formula: str, dimension: int) -> _Reduction:
    return _reduction(formula, dimension, ("b=Vj(1)", "g=Pm(1)"), "Sum")


@cache
def _log_sum_exp_reduction(p: int, dimension: int) -> _Reduction:
    return _reduction(_SCORES[p], dimension, ("h=Vj(1)", "g=Pm(1)"), "LogSumExp")


@cache
def _weighted_exponentials_reduction(p: int, dimension: int) -> _Reduction:
    # KeOps' stable reduction behind LogSumExp and SumSoftMaxWeight, before either divides or takes a log.
    variables = ("h=Vj(1)", "g=Pm(1)", "w=Vj(1)")
    return _reduction(_SCORES[p], dimension, variables, "Max_SumShiftExpWeight", _COST_GRADIENTS[p])


@cache
def _nearest_reduction(dimension: int) -> _Reduction:
    return _reduction(_SQUARED, dimension, (), "ArgMin")


def _reduction(
    formula: str, dimension: int, others: Sequence[str], operation: str, weights: str | None = None
) -> _Reduction:
    from pykeops.torch import Genred

    variables = [f"x=Vi({dimension})", f"y=Vj({dimension})", *others]
    return Genred(formula, variables, reduction_op=operation, axis=1, formula2=weights)


def _compiled_dimension(points: Tensor) -> int:
    """Return the dimension that formulas are compiled for: 1-D and 2-D points share those of 3-D ones."""
    return max(3, points.shape[1])


def _padded(points: Tensor) -> Tensor:
    return pad(points, (0, _compiled_dimension(points) - points.shape[1])).contiguous()


def _formula(formulas: Mapping[type[ElementaryKernel], str], kernel: ElementaryKernel) -> str:
    formula = formulas.get(type(kernel))
    if formula is None:
        raise unknown(kernel, KeopsEngine.name)
    return formula


def _parameter(kernel: ElementaryKernel) -> float:
    """Return g of the kernel's formula."""
    if isinstance(kernel, GaussianKernel):
        return 0.5 / kernel.sigma**2
    if isinstance(kernel, LaplacianKernel):
        return 1 / kernel.sigma
    if isinstance(kernel, CauchyKernel):
        return 1 / kernel.sigma**2
    return 1.0


def _gradient_factor(kernel: ElementaryKernel) -> float:
    """Return what the gradient columns of the kernel's formula still lack."""
    if isinstance(kernel, GaussianKernel):
        return -1 / kernel.sigma**2
    if isinstance(kernel, LaplacianKernel):
        return -1 / kernel.sigma
    if isinstance(kernel, CauchyKernel):
        return -2 / kernel.sigma**2
    return 1.0


def _with_mass(y: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Drop the points of zero weight: KeOps' running maximum turns two scores of -inf into NaN."""
    massive = h != -math.inf
    return (y, h) if massive.all() else (y[massive], h[massive])
