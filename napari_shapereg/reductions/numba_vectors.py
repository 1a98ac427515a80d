"""Points as tuples of coordinates, inside compiled code: they live in registers, never in memory.

A point set is a tuple of D arrays, one for each coordinate, and a point a tuple of D numbers; D is 3 or 6.
The types tell which while a loop is compiled, so that one loop serves both at full speed. The functions
cannot be called from Python: numba replaces their calls in a compiled loop by the code registered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from numba.extending import overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_shapereg.reductions.numba_compile import Array, Code, Number, Points, Vector


def part(points: Points, start: int, stop: int) -> Points:
    """Return the points from start to stop, as views."""
    raise NotImplementedError


def point(points: Points, i: int) -> Vector:
    """Return point i."""
    raise NotImplementedError


def zero(a: Vector) -> Vector:
    """Return the zero vector of a's length and type."""
    raise NotImplementedError


def minus(a: Vector, b: Vector) -> Vector:
    """Return a - b."""
    raise NotImplementedError


def plus_scaled(a: Vector, factor: Number, b: Vector) -> Vector:
    """Return a + factor b."""
    raise NotImplementedError


def plus_square(start: Number, a: Vector) -> Number:
    """Return start + |a|^2."""
    raise NotImplementedError


def add_to_row(rows: Array, i: int, a: Vector) -> None:
    """Add a to row i of an array (N, D)."""
    raise NotImplementedError


def _code_of(function: Callable[..., Code]) -> Callable[[Code], Code]:
    """Register what a call of `function` compiles to; it is merged into the loop before vectorisation.

    `strict` compares annotations too, which a lambda cannot have.
    """
    return cast("Callable[[Code], Code]", overload(function, inline="always", strict=False))


@_code_of(part)
def _part(points: Points, start: int, stop: int) -> Code:  # noqa: ARG001
    if len(points) == 3:
        return lambda points, start, stop: (
            points[0][start:stop],
            points[1][start:stop],
            points[2][start:stop],
        )
    return lambda points, start, stop: (
        points[0][start:stop],
        points[1][start:stop],
        points[2][start:stop],
        points[3][start:stop],
        points[4][start:stop],
        points[5][start:stop],
    )


@_code_of(point)
def _point(points: Points, i: int) -> Code:  # noqa: ARG001
    if len(points) == 3:
        return lambda points, i: (points[0][i], points[1][i], points[2][i])
    return lambda points, i: (
        points[0][i],
        points[1][i],
        points[2][i],
        points[3][i],
        points[4][i],
        points[5][i],
    )


@_code_of(zero)
def _zero(a: Vector) -> Code:
    if len(a) == 3:
        return lambda a: (a[0] - a[0], a[1] - a[1], a[2] - a[2])
    return lambda a: (a[0] - a[0], a[1] - a[1], a[2] - a[2], a[3] - a[3], a[4] - a[4], a[5] - a[5])


@_code_of(minus)
def _minus(a: Vector, b: Vector) -> Code:  # noqa: ARG001
    if len(a) == 3:
        return lambda a, b: (a[0] - b[0], a[1] - b[1], a[2] - b[2])
    return lambda a, b: (a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3], a[4] - b[4], a[5] - b[5])


@_code_of(plus_scaled)
def _plus_scaled(a: Vector, factor: Number, b: Vector) -> Code:  # noqa: ARG001
    if len(a) == 3:
        return lambda a, factor, b: (a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2])
    return lambda a, factor, b: (
        a[0] + factor * b[0],
        a[1] + factor * b[1],
        a[2] + factor * b[2],
        a[3] + factor * b[3],
        a[4] + factor * b[4],
        a[5] + factor * b[5],
    )


@_code_of(plus_square)
def _plus_square(start: Number, a: Vector) -> Code:  # noqa: ARG001
    if len(a) == 3:
        return lambda start, a: start + a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
    return lambda start, a: (
        start + a[0] * a[0] + a[1] * a[1] + a[2] * a[2] + a[3] * a[3] + a[4] * a[4] + a[5] * a[5]
    )


@_code_of(add_to_row)
def _add_to_row(rows: Array, i: int, a: Vector) -> Code:  # noqa: ARG001
    def three(rows: Array, i: int, a: Vector) -> None:
        rows[i, 0] += a[0]
        rows[i, 1] += a[1]
        rows[i, 2] += a[2]

    def six(rows: Array, i: int, a: Vector) -> None:
        rows[i, 0] += a[0]
        rows[i, 1] += a[1]
        rows[i, 2] += a[2]
        rows[i, 3] += a[3]
        rows[i, 4] += a[4]
        rows[i, 5] += a[5]

    return three if len(a) == 3 else six
