"""Points as tuples of coordinates, inside compiled code: they live in registers, never in memory.

A point set is a tuple of D arrays, one for each coordinate, and a point a tuple of D numbers; D is 3 or 6.
The types tell which while a loop is compiled, so that one loop serves both at full speed. The functions
cannot be called from Python: numba replaces their calls in a compiled loop by the code registered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_shapereg.reductions.numba_compile import code_of

if TYPE_CHECKING:
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


def dot(a: Vector, b: Vector) -> Number:
    """Return a · b, in three dimensions."""
    raise NotImplementedError


def cross(a: Vector, b: Vector) -> Vector:
    """Return a × b, in three dimensions."""
    raise NotImplementedError


def add_to_row(rows: Array, i: int, a: Vector) -> None:
    """Add a to row i of an array (N, D)."""
    raise NotImplementedError


def subtract_scaled(points: Points, j: int, factor: Number, a: Vector) -> None:
    """Subtract factor a from point j."""
    raise NotImplementedError


def first_rows(block: Array, like: Points) -> Points:
    """Return as many rows of an array as `like` has coordinates: a point set in one piece of memory."""
    raise NotImplementedError


def where_given(optional: Array | None, array: Array) -> Array | None:
    """Return the array, or None where the other one is None: a choice that costs no second branch."""
    raise NotImplementedError


@code_of(where_given)
def _where_given(optional: Code, array: Code) -> Code:  # noqa: ARG001
    if str(optional) == "none":
        return lambda optional, array: None  # noqa: ARG005
    return lambda optional, array: array  # noqa: ARG005


@code_of(part)
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


@code_of(point)
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


@code_of(zero)
def _zero(a: Vector) -> Code:
    if len(a) == 3:
        return lambda a: (a[0] - a[0], a[1] - a[1], a[2] - a[2])
    return lambda a: (a[0] - a[0], a[1] - a[1], a[2] - a[2], a[3] - a[3], a[4] - a[4], a[5] - a[5])


@code_of(minus)
def _minus(a: Vector, b: Vector) -> Code:  # noqa: ARG001
    if len(a) == 3:
        return lambda a, b: (a[0] - b[0], a[1] - b[1], a[2] - b[2])
    return lambda a, b: (a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3], a[4] - b[4], a[5] - b[5])


@code_of(plus_scaled)
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


@code_of(plus_square)
def _plus_square(start: Number, a: Vector) -> Code:  # noqa: ARG001
    if len(a) == 3:
        return lambda start, a: start + a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
    return lambda start, a: (
        start + a[0] * a[0] + a[1] * a[1] + a[2] * a[2] + a[3] * a[3] + a[4] * a[4] + a[5] * a[5]
    )


@code_of(dot)
def _dot(a: Vector, b: Vector) -> Code:  # noqa: ARG001
    return lambda a, b: a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@code_of(cross)
def _cross(a: Vector, b: Vector) -> Code:  # noqa: ARG001
    return lambda a, b: (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


@code_of(add_to_row)
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


@code_of(subtract_scaled)
def _subtract_scaled(points: Points, j: int, factor: Number, a: Vector) -> Code:  # noqa: ARG001
    def three(points: Points, j: int, factor: Number, a: Vector) -> None:
        points[0][j] -= factor * a[0]
        points[1][j] -= factor * a[1]
        points[2][j] -= factor * a[2]

    def six(points: Points, j: int, factor: Number, a: Vector) -> None:
        points[0][j] -= factor * a[0]
        points[1][j] -= factor * a[1]
        points[2][j] -= factor * a[2]
        points[3][j] -= factor * a[3]
        points[4][j] -= factor * a[4]
        points[5][j] -= factor * a[5]

    return three if len(points) == 3 else six


@code_of(first_rows)
def _first_rows(block: Array, like: Points) -> Code:  # noqa: ARG001
    if len(like) == 3:
        return lambda block, like: (block[0], block[1], block[2])  # noqa: ARG005
    return lambda block, like: (block[0], block[1], block[2], block[3], block[4], block[5])  # noqa: ARG005
