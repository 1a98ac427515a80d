"""What the numbers of a fidelity may be: each is refused by its name, with the value received."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np

from napari_shapereg.errors import InputError


def length(name: str, value: object) -> float:
    """Return a length in mm as a float.

    Raises
    ------
    InputError
        It is no finite number above 0.
    """
    return _number(name, value, 0, math.inf, "give a finite length above 0, in mm")


def exponent(value: object) -> int:
    """Return p, the exponent of the cost.

    Raises
    ------
    InputError
        It is neither 1 nor 2.
    """
    if isinstance(value, bool) or value not in {1, 2}:
        raise InputError(f"p: received {value!r}; the cost |x - y|^p / p takes p = 1 or p = 2.")
    return 1 if value == 1 else 2


def fraction(name: str, value: object) -> float:
    """Return a number between 0 and 1, both excluded.

    Raises
    ------
    InputError
        It is not.
    """
    return _number(name, value, 0, 1, "give a number above 0 and below 1")


def positive(name: str, value: object) -> float:
    """Return a number above 0.

    Raises
    ------
    InputError
        It is no finite number above 0.
    """
    return _number(name, value, 0, math.inf, "give a finite number above 0")


def count(name: str, value: object) -> int:
    """Return a number of repetitions, at least 1.

    Raises
    ------
    InputError
        It is no integer, or below 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InputError(f"{name}: received {value!r}; give an integer of at least 1.")
    return int(value)


def _number(name: str, value: object, above: float, below: float, remedy: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not above < value < below:
        raise InputError(f"{name}: received {value!r}; {remedy}.")
    return float(value)
