"""Words and texts that several commands take, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_shapereg.errors import InputError

VECTOR_ENDINGS = (".vtk", ".ply", ".csv")
"""Of point files that have a place for a vector at each point."""


class Preset(StrEnum):
    """Named settings of a registration."""

    FAST = "fast"
    BALANCED = "balanced"
    ACCURATE = "accurate"


class Model(StrEnum):
    """What a map may be."""

    LATTICE = "lattice"
    SVF = "svf"
    LDDMM = "lddmm"
    RIGID = "rigid"
    SIMILARITY = "similarity"
    AFFINE = "affine"


class Linear(StrEnum):
    """The richest linear map that a registration fits."""

    NONE = "none"
    RIGID = "rigid"
    SIMILARITY = "similarity"
    AFFINE = "affine"


class Mirror(StrEnum):
    """Whether the linear map turns left into right."""

    AUTO = "auto"
    NEVER = "never"
    ALWAYS = "always"


class Overlap(StrEnum):
    """How much of the shapes both images show."""

    FULL = "full"
    PARTIAL = "partial"


class FidelityName(StrEnum):
    """Fidelities, as `napari_shapereg.fidelities.named` has them (which takes seconds to load)."""

    ENERGY = "energy"
    GAUSSIAN = "gaussian"
    LAPLACIAN = "laplacian"
    CAUCHY = "cauchy"
    SOFTMIN = "softmin"
    HAUSDORFF = "hausdorff"
    SINKHORN = "sinkhorn"
    CURRENTS = "currents"
    ORIENTED_VARIFOLD = "oriented_varifold"
    UNORIENTED_VARIFOLD = "unoriented_varifold"


class Kind(StrEnum):
    """How a label becomes a measure."""

    VOXEL = "voxel"
    SURFACE = "surface"


class Exponent(StrEnum):
    """Of the cost of transport."""

    ONE = "1"
    TWO = "2"


class Device(StrEnum):
    """Where the work is done."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class EngineName(StrEnum):
    """What computes the pairwise sums."""

    AUTO = "auto"
    TORCH = "torch"
    NUMBA = "numba"
    TREE = "tree"
    KEOPS = "keops"


Moving = Annotated[Path, typer.Argument(metavar="MOVING", help="Label volume that is moved.")]
Fixed = Annotated[Path, typer.Argument(metavar="FIXED", help="Label volume that it is moved onto.")]
Labels = Annotated[
    str | None,
    typer.Option("--labels", metavar="1,2,...", help="Labels to compare. Default: all.", show_default=False),
]
SharedLabels = Annotated[
    bool,
    typer.Option("--shared-labels", help="Take the labels that both volumes have, leave out the others."),
]
LengthOption = Annotated[
    float | None,
    typer.Option(
        "--length",
        metavar="MM",
        help=(
            "Length of the kernel, or blur. Default: a quarter of the radius of the fixed shape for kernels, "
            "a tenth for blurs."
        ),
        show_default=False,
    ),
]
ExponentOption = Annotated[
    Exponent | None,
    typer.Option(
        "--exponent",
        "-p",
        help="Of the cost of transport, for softmin, hausdorff and sinkhorn. Default: 2.",
        show_default=False,
    ),
]
ReachOption = Annotated[
    float | None,
    typer.Option(
        "--reach",
        metavar="MM",
        help="How far sinkhorn transports; what is further apart is paid for. Default: any distance.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="auto: CUDA where there is one, else the CPU.")
]
EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="auto: tree on the CPU, KeOps on CUDA. See `shapereg doctor`.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no table.")]


def parse_labels(text: str | None) -> tuple[int, ...] | None:
    """Return the labels that a text such as ``1,2`` lists, or None where there is no text.

    Raises
    ------
    InputError
        It is no list of whole numbers above 0.
    """
    if text is None:
        return None
    numbers = _whole_numbers(text)
    if not numbers or min(numbers) < 1:
        raise InputError(f"--labels takes whole numbers above 0 such as 1,2, got {text!r}")
    return tuple(sorted(set(numbers)))


def parse_binning(text: str) -> tuple[int, int, int]:
    """Return the three factors of a text such as ``2,2,1``.

    Raises
    ------
    InputError
        It is no list of three whole numbers above 0.
    """
    numbers = _whole_numbers(text)
    if len(numbers) != 3 or min(numbers) < 1:
        raise InputError(f"--binning takes three whole numbers above 0 (x,y,z) such as 2,2,1, got {text!r}")
    return (numbers[0], numbers[1], numbers[2])


def _whole_numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        return []


def fidelity_options(
    name: FidelityName | None, length: float | None, exponent: Exponent | None, reach: float | None
) -> dict[str, object]:
    """Return the options of a fidelity as its settings name them, None where one was not given."""
    return {
        "name": name and name.value,
        "length": length,
        "p": exponent and int(exponent.value),
        "reach": reach,
    }


@contextmanager
def naming_both(moving: Path | None, fixed: Path | None) -> Iterator[None]:
    """Name the two files in what is wrong with them as a pair."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{moving} (moving) and {fixed} (fixed): {error}") from error


def require_place(path: Path) -> None:
    """Refuse a file that could not be written, before the work that it is meant to hold is done.

    Raises
    ------
    InputError
        Its folder does not exist, or it is a directory.
    """
    if path.is_dir():
        raise InputError(f"{path}: this is a directory; give the name of a file")
    if not path.expanduser().parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; create it first")
