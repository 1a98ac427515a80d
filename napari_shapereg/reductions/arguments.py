"""What the pairwise sums accept: one place that says no, before any engine is called.

Every check costs O(N + M), and all values are looked at together, so that a GPU is waited for once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

DIMENSIONS = (1, 2, 3, 6)
DTYPES = (torch.float32, torch.float64)


def check_points(x: Tensor, y: Tensor) -> None:
    """Check two point sets against each other.

    Raises
    ------
    InputError
        When one is not a float32 or float64 tensor of shape (N >= 1, D) with D one of 1, 2, 3, 6, or the two
        differ in D, dtype or device.
    """
    for name, points in (("x", x), ("y", y)):
        if not isinstance(points, torch.Tensor):
            raise InputError(f"{name} is a {type(points).__name__}; give a torch tensor of points (N, D).")
        if points.ndim != 2 or points.shape[1] not in DIMENSIONS:
            raise InputError(
                f"{name} has shape {tuple(points.shape)}; give points (N, D) with D one of {DIMENSIONS}."
            )
        if len(points) == 0:
            raise InputError(f"{name} holds no point; give at least one.")
        if points.dtype not in DTYPES:
            raise InputError(f"{name} is of {points.dtype}; convert it to torch.float32 or torch.float64.")
    if x.shape[1] != y.shape[1]:
        raise InputError(
            f"x has {x.shape[1]} coordinates a point and y has {y.shape[1]}; give both the same."
        )
    _check_same_kind("y", y, "x", x)


def check_vector(name: str, vector: Tensor, points_name: str, points: Tensor) -> None:
    """Check that `vector` has one entry for each of `points`, of the same dtype and on the same device.

    Raises
    ------
    InputError
        When it does not.
    """
    if not isinstance(vector, torch.Tensor):
        raise InputError(f"{name} is a {type(vector).__name__}; give a torch tensor ({len(points)},).")
    if vector.shape != points.shape[:1]:
        raise InputError(
            f"{name} has shape {tuple(vector.shape)}; give one number for each of the {len(points)} points "
            f"of {points_name}: shape ({len(points)},)."
        )
    _check_same_kind(name, vector, points_name, points)


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Check that no named tensor holds NaN or an infinity.

    Raises
    ------
    InputError
        Naming the first tensor that does, and how many of its values.
    """
    _check_values({name: torch.isfinite(tensor) for name, tensor in tensors.items()}, "NaN or infinite")


def check_softmin(epsilon: float, p: int, x: Tensor, y: Tensor, h: Tensor) -> None:
    """Check the numbers of a softmin: epsilon > 0, p in {1, 2}, finite points, h below +inf.

    Raises
    ------
    InputError
        Naming the argument that is wrong.
    """
    if not math.isfinite(epsilon) or epsilon <= 0:
        raise InputError(f"epsilon is {epsilon!r}; give a finite number above 0 (mm^p).")
    if p not in {1, 2}:
        raise InputError(f"p is {p!r}; the cost |x - y|^p / p takes p = 1 or p = 2.")
    fine = {"x": torch.isfinite(x), "y": torch.isfinite(y), "h": h < math.inf}
    _check_values(fine, "NaN or infinite (h may hold -inf, the logarithm of a zero weight)")


def _check_same_kind(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    if tensor.dtype != other.dtype:
        raise InputError(
            f"{name} is of {tensor.dtype} and {other_name} of {other.dtype}; "
            f"convert one to the dtype of the other."
        )
    if tensor.device != other.device:
        raise InputError(
            f"{name} is on {tensor.device} and {other_name} on {other.device}; "
            f"move one to the device of the other."
        )


def _check_values(fine: Mapping[str, Tensor], complaint: str) -> None:
    if torch.stack([flags.all() for flags in fine.values()]).all():
        return
    for name, flags in fine.items():
        wrong = int((~flags).sum())
        if wrong:
            raise InputError(f"{name} holds {wrong} values that are {complaint}; remove or repair them.")
