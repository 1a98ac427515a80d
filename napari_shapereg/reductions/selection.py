"""Which engine and which device: chosen by a name or by a written rule, never swapped silently."""

from __future__ import annotations

import importlib.util
import math
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_shapereg.errors import EngineError, InputError, ShapeRegError
from napari_shapereg.reductions.kernels import EnergyKernel

if TYPE_CHECKING:
    from torch import Tensor

    from napari_shapereg.reductions.engine import Engine

ENGINES = ("torch", "numba", "tree", "keops")

# Types of torch devices on which an engine runs; the torch engine runs on all.
_DEVICE_TYPES = {"numba": ("cpu",), "tree": ("cpu",), "keops": ("cpu", "cuda")}


class ExactSumCostsLess(Exception):  # noqa: N818  (no error: it says which way is shorter)
    """A sum to a precision would cost more than the exact one."""


class EngineHealth(NamedTuple):
    """Whether one engine works on one device here; `reason` says why not and what to do."""

    engine: str
    device: str
    works: bool
    reason: str


def get_engine(name: str | Engine, device: torch.device | str) -> Engine:
    """Return an engine that runs on a device.

    Parameters
    ----------
    name
        "torch", "numba", "tree", "keops", or "auto": on the CPU tree; on CUDA KeOps where pykeops is
        installed and torch where it is not; on any other device torch. The rule looks at what is installed,
        not at what works: an engine that fails raises. An engine is returned as it is.

        The tree engine is numba's exact one wherever that is as fast, so that it has no size below which it
        should be avoided: its kernel sums are exact below 6,144 pairs for each point of both sets (12,288
        points against 12,288), and where a sample of the sum tells that a tree saves too little; else they
        are good to 1e-3 in L2. For exact sums of any size choose "numba", for another precision give
        `TreeEngine(precision)`.
    device
        Where the tensors live.

    Returns
    -------
    Engine
        `engine.name` tells which.

    Raises
    ------
    InputError
        When there is no engine of that name.
    EngineError
        When it does not run on that device.
    MissingExtraError
        When it is not installed.
    """
    if not isinstance(name, str):
        return name
    device_type = torch.device(device).type
    chosen = _automatic(device_type) if name == "auto" else name
    if chosen not in ENGINES:
        raise InputError(f"There is no engine {name!r}; choose one of {', '.join(ENGINES)} or auto.")
    supported = _DEVICE_TYPES.get(chosen)
    if supported and device_type not in supported:
        raise EngineError(
            f"The {chosen} engine runs on {' and '.join(supported)} and the tensors are on {device_type}; "
            f"choose engine='auto' or engine='torch', or move the tensors."
        )
    return _load(chosen)


def approximate_engine(name: str | Engine, x: Tensor, y: Tensor) -> Engine | None:
    """Return an engine that sums kernels between these points to a precision, or None where sums are exact.

    Parameters
    ----------
    name
        See `get_engine`. An engine without a method `approximate` is exact.
    x, y
        Points (N, D) and (M, D).

    Returns
    -------
    Engine or None
        Where an exact sum costs less, it raises `ExactSumCostsLess`.
    """
    engine = get_engine(name, x.device)
    approximate = getattr(engine, "approximate", None)
    return approximate(x, y) if approximate else None


def exact_engine(name: str | Engine, device: torch.device | str) -> Engine:
    """Return an engine (see `get_engine`), or the exact one to which an approximate one leaves small sums."""
    engine = get_engine(name, device)
    exact: Engine = getattr(engine, "exact", engine)
    return exact


def resolve_device(name: str | torch.device) -> torch.device:
    """Return the torch device that a setting names.

    Parameters
    ----------
    name
        "cpu", "cuda" (or "cuda:1"), "mps", or "auto": CUDA where there is one, else the CPU. MPS has no
        float64 and is taken only on request.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        When the name is none of these.
    EngineError
        When this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in {"cpu", "cuda", "mps"}:
        raise InputError(f"There is no device {name!r}; choose auto, cpu, cuda or mps.")
    reason = _device_fault(device)
    if reason:
        raise EngineError(f"Device {str(device)!r} cannot be used: {reason}; choose device='auto' or 'cpu'.")
    return device


def engine_health() -> list[EngineHealth]:
    """Try every engine on every device it knows, on a sum whose value is known.

    The first call may compile for some seconds; nothing is printed and nothing is raised.

    Returns
    -------
    list of EngineHealth
        One row for each pair of engine and device.
    """
    pairs = [(name, kind) for name in ENGINES for kind in _DEVICE_TYPES.get(name, ("cpu", "cuda", "mps"))]
    return [_examine(name, kind) for name, kind in pairs]


def _automatic(device_type: str) -> str:
    if device_type == "cpu":
        return "tree"
    # KeOps does not support Windows, even where pykeops can be installed.
    if device_type == "cuda" and sys.platform != "win32" and importlib.util.find_spec("pykeops"):
        return "keops"
    return "torch"


@cache
def _load(name: str) -> Engine:
    if name == "numba":
        from napari_shapereg.reductions.numba_engine import NumbaEngine

        return NumbaEngine()
    if name == "tree":
        from napari_shapereg.reductions.tree_engine import TreeEngine

        return TreeEngine()
    if name == "keops":
        from napari_shapereg.reductions.keops_engine import KeopsEngine

        return KeopsEngine()
    from napari_shapereg.reductions.torch_engine import TorchEngine

    return TorchEngine()


def _device_fault(device: torch.device) -> str:
    if device.type == "cuda" and not torch.cuda.is_available():
        if torch.version.cuda is None:
            return f"torch {torch.__version__} is built without CUDA"
        return "torch sees no CUDA device (is the NVIDIA driver installed?)"
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        return f"torch sees {torch.cuda.device_count()} CUDA devices, numbered from 0"
    if device.type == "mps" and not torch.backends.mps.is_available():
        return "it needs a Mac with Apple silicon and macOS 12.3 or later"
    return ""


def _examine(name: str, device_type: str) -> EngineHealth:
    device = torch.device(device_type)
    fault = _device_fault(device)
    if fault:
        return EngineHealth(name, device_type, works=False, reason=fault)
    try:
        x = torch.tensor([[0.0, 0.0, 0.0]], device=device)
        y = torch.tensor([[3.0, 4.0, 0.0]], device=device)
        value = get_engine(name, device).kernel_sum(EnergyKernel(), x, y, torch.ones_like(y[:, 0])).item()
    except ShapeRegError as error:
        return EngineHealth(name, device_type, works=False, reason=str(error))
    except Exception as error:  # noqa: BLE001 - whatever is broken here, the doctor must be able to say it
        return EngineHealth(name, device_type, works=False, reason=f"{type(error).__name__}: {error}")
    if math.isclose(value, -5.0, rel_tol=1e-5):
        return EngineHealth(name, device_type, works=True, reason="")
    return EngineHealth(name, device_type, works=False, reason=f"-|x - y| is {value} instead of -5")
