"""Arithmetic that LLVM turns into vector instructions on any processor, in float32 and in float64.

The one piece of work is 2^t. The C library's exp is a call for each number, tens of times slower than all
else that a pair needs. This one is arithmetic without branches: with n the integer nearest to t, 2^t = 2^n
2^(t - n), the second factor a polynomial on [-1/2, 1/2] and the first an addition to its exponent bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from llvmlite import ir
from llvmlite.binding import get_process_triple
from numba.core import types

from napari_shapereg.reductions.numba_compile import instruction

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_shapereg.reductions.numba_compile import Code, Number


class _Format(NamedTuple):
    """What the algorithm needs to know of a floating-point format."""

    real: ir.Type
    integer: ir.IntType
    mantissa_bits: int
    lowest: float
    coefficients: tuple[float, ...]


# Minimax in relative error on [-1/2, 1/2] with the constant held at 1, so that 2^0 is 1 exactly: 1.1e-7.
_SINGLE = _Format(
    ir.FloatType(),
    ir.IntType(32),
    mantissa_bits=23,
    lowest=-127.0,
    coefficients=(
        1.0,
        0.6931469775408876,
        0.2402224211812598,
        0.05550733922280844,
        0.009671511509315394,
        0.0013264666115091715,
    ),
)
# Interpolation of (2^t - 1) / t at the Chebyshev nodes: 2e-17.
_DOUBLE = _Format(
    ir.DoubleType(),
    ir.IntType(64),
    mantissa_bits=52,
    lowest=-1023.0,
    coefficients=(
        1.0,
        0.6931471805599453,
        0.24022650695910097,
        0.0555041086648216,
        0.009618129107606888,
        0.0013333558146416936,
        0.0001540353044173605,
        1.525273382983612e-05,
        1.321544258792169e-06,
        1.0178062445845774e-07,
        7.072585949269223e-09,
        4.4549605981865186e-10,
    ),
)
_FORMATS = {"float32": _SINGLE, "float64": _DOUBLE}

# Any flag of its own keeps an instruction from being given all of fastmath, which may take apart what was put
# together for its rounding.
_FUSE_ONLY = ("contract",)

# Where float32 vectors have an instruction that estimates 1 / sqrt to half of their bits.
_ESTIMATED_ON = ("x86_64", "amd64")


def _generate_exp2(number: _Format, builder: ir.IRBuilder, exponent: ir.Value) -> ir.Value:
    def constant(value: float) -> ir.Constant:
        return ir.Constant(number.real, value)

    # At the cut both parts are exact and their bits add up to those of 0.
    is_above = builder.fcmp_ordered(">", exponent, constant(number.lowest))
    clamped = builder.select(is_above, exponent, constant(number.lowest))
    nearest = builder.module.declare_intrinsic("llvm.rint", [number.real])
    rounded = builder.call(nearest, [clamped])
    remainder = builder.fsub(clamped, rounded, flags=_FUSE_ONLY)

    power = constant(number.coefficients[-1])
    for coefficient in reversed(number.coefficients[:-1]):
        product = builder.fmul(power, remainder, flags=_FUSE_ONLY)
        power = builder.fadd(product, constant(coefficient), flags=_FUSE_ONLY)

    # Adding 1.5 * 2^mantissa_bits leaves an integer in the lowest bits, where a conversion to 64-bit integers
    # has no vector instruction on most processors.
    magic = constant(1.5 * 2.0**number.mantissa_bits)
    whole = builder.bitcast(builder.fadd(rounded, magic, flags=_FUSE_ONLY), number.integer)
    to_exponent_bits = builder.shl(whole, ir.Constant(number.integer, number.mantissa_bits))
    return builder.bitcast(builder.add(builder.bitcast(power, number.integer), to_exponent_bits), number.real)


def _type_exp2(_context: Code, exponent: Code) -> Code:
    number_format = _FORMATS.get(str(exponent))
    if number_format is None:
        return None

    def generate(_context: Code, builder: ir.IRBuilder, _signature: Code, arguments: Code) -> ir.Value:
        return _generate_exp2(number_format, builder, arguments[0])

    return exponent(exponent), generate


def _type_larger(_context: Code, a: Code, b: Code) -> Code:
    if str(a) not in _FORMATS or a != b:
        return None

    def generate(_context: Code, builder: ir.IRBuilder, _signature: Code, arguments: Code) -> ir.Value:
        first, second = arguments
        is_larger = builder.fcmp_ordered(">", first, second, flags=("fast",))
        return builder.select(is_larger, first, second, flags=("fast",))

    return a(a, b), generate


def _type_twice_inverse_root(_context: Code, square: Code) -> Code:
    number_format = _FORMATS.get(str(square))
    if number_format is None:
        return None
    is_estimated = number_format is _SINGLE and get_process_triple().startswith(_ESTIMATED_ON)
    generator = _generate_refined_estimate if is_estimated else _generate_quotient

    def generate(_context: Code, builder: ir.IRBuilder, _signature: Code, arguments: Code) -> ir.Value:
        return generator(number_format, builder, arguments[0])

    return square(square), generate


def _generate_quotient(
    number: _Format, builder: ir.IRBuilder, square: ir.Value, numerator: float = 2.0
) -> ir.Value:
    root = builder.module.declare_intrinsic("llvm.sqrt", [number.real])
    length = builder.call(root, [square], fastmath=("fast",))
    return builder.fdiv(ir.Constant(number.real, numerator), length, flags=("fast",))


def _generate_refined_estimate(number: _Format, builder: ir.IRBuilder, square: ir.Value) -> ir.Value:
    _ask_for_bare_estimates(builder)
    estimate = _generate_quotient(number, builder, square, numerator=1.0)
    # Newton's step for e ~ 1 / sqrt(q) is e (3 - q e^2) / 2.
    scaled = builder.fmul(square, estimate, flags=_FUSE_ONLY)
    product = builder.fmul(scaled, estimate, flags=_FUSE_ONLY)
    correction = builder.fsub(ir.Constant(number.real, 3.0), product, flags=_FUSE_ONLY)
    return builder.fmul(estimate, correction, flags=_FUSE_ONLY)


def _ask_for_bare_estimates(builder: ir.IRBuilder) -> None:
    # LLVM would refine the estimate itself, with one multiplication more. The attribute asks for the bare
    # one; llvmlite has no name for it. Where it is not understood the result is refined twice, and as good.
    set.add(builder.function.attributes, '"reciprocal-estimates"="vec-sqrtf:0,sqrtf:0"')


def _type_bare_estimates(_context: Code) -> Code:
    def generate(context: Code, builder: ir.IRBuilder, _signature: Code, _arguments: Code) -> ir.Value:
        _ask_for_bare_estimates(builder)
        return context.get_dummy_value()

    return types.none(), generate


exp2: Callable[[Number], Number] = instruction(_type_exp2)
"""Return 2^t for a float32 or float64, inside compiled code only.

It is 0 for t below -127 or -1023; t must not be NaN, nor above 127 or 1023.
"""

larger: Callable[[Number, Number], Number] = instruction(_type_larger)
"""Return the larger of two numbers of one type, inside compiled code only.

Unlike Python's comparison it promises that there is no NaN, without which LLVM does not vectorise a maximum.
"""

twice_inverse_root: Callable[[Number], Number] = instruction(_type_twice_inverse_root)
"""Return 2 / sqrt(q), q > 0, inside compiled code only.

In float32 on x86 it is the processor's estimate (12 or 14 bits) and one Newton step: good to 3e-7.
"""

bare_estimates: Callable[[], None] = instruction(_type_bare_estimates)
"""Ask for unrefined estimates in a loop into which others that take inverse roots are merged.

What a loop asks for itself is forgotten when it becomes a part of another.
"""
