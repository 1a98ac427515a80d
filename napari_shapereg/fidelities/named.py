"""Fidelities by name: what settings, command lines and menus choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from napari_shapereg.errors import InputError
from napari_shapereg.fidelities.hausdorff import HausdorffDivergence
from napari_shapereg.fidelities.kernel_norm import EnergyDistance, KernelNorm
from napari_shapereg.fidelities.sinkhorn import SinkhornDivergence
from napari_shapereg.fidelities.softmin_fidelity import SoftMin
from napari_shapereg.fidelities.surfaces import Currents, OrientedVarifold, UnorientedVarifold
from napari_shapereg.reductions.kernels import CauchyKernel, GaussianKernel, LaplacianKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_shapereg.fidelities.fidelity import Fidelity
    from napari_shapereg.reductions.kernels import Kernel

FidelityName = Literal[
    "energy",
    "gaussian",
    "laplacian",
    "cauchy",
    "softmin",
    "hausdorff",
    "sinkhorn",
    "currents",
    "oriented_varifold",
    "unoriented_varifold",
]
NAMES: tuple[FidelityName, ...] = get_args(FidelityName)
BLURRED: frozenset[FidelityName] = frozenset({"softmin", "hausdorff", "sinkhorn"})
"""Those whose length is a blur, and whose cost has an exponent."""
OF_SURFACES: frozenset[FidelityName] = frozenset({"currents", "oriented_varifold", "unoriented_varifold"})
"""Those that compare normals: both measures must be surfaces."""
_KERNELS: dict[str, Callable[[float], Kernel]] = {
    "gaussian": GaussianKernel,
    "laplacian": LaplacianKernel,
    "cauchy": CauchyKernel,
}


def named_fidelity(
    name: FidelityName, *, length: float, p: int = 2, reach: float | None = None, engine: str = "auto"
) -> Fidelity:
    """Return the fidelity of that name.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    length : float
        σ of a Gaussian, Laplacian, Cauchy, current or varifold, or the blur of a SoftMin, Hausdorff or
        Sinkhorn divergence, mm. The energy distance has none.
    p : {1, 2}
        Exponent of the cost of those that have a blur.
    reach : float, optional
        Of the Sinkhorn divergence, mm; left out, all mass is transported.
    engine : str
        See `Fidelity`.

    Raises
    ------
    InputError
        There is no such fidelity, a length is not positive, or only the Sinkhorn divergence has a reach.
    """
    if name not in NAMES:
        raise InputError(f"no fidelity is called {name!r}; choose one of {', '.join(NAMES)}")
    if reach is not None and name != "sinkhorn":
        raise InputError(f"reach: received {reach} mm for {name!r}; only 'sinkhorn' has one, leave it out")
    if name in BLURRED:
        return _blurred(name, length, p, reach, engine)
    return _of_kernel(name, length, engine)


def _of_kernel(name: FidelityName, length: float, engine: str) -> Fidelity:
    match name:
        case "energy":
            return EnergyDistance(engine=engine)
        case "currents":
            return Currents(GaussianKernel(length), engine=engine)
        case "oriented_varifold":
            return OrientedVarifold(length, engine=engine)
        case "unoriented_varifold":
            return UnorientedVarifold(GaussianKernel(length), engine=engine)
        case _:
            return KernelNorm(_KERNELS[name](length), engine=engine)


def _blurred(name: FidelityName, blur: float, p: int, reach: float | None, engine: str) -> Fidelity:
    match name:
        case "softmin":
            return SoftMin(blur, p, engine=engine)
        case "hausdorff":
            return HausdorffDivergence(blur, p, engine=engine)
        case _:
            return SinkhornDivergence(blur, p, reach, engine=engine)
