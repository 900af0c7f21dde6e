"""Two kinds of exact enough numbers, and how results are written down.

The accounting is written once, for `Fraction` and for `Decimal`. With fractions nothing is ever rounded: averages and
reciprocals stay ratios of integers until they are reported. Their integers grow with every average, so that a stream
of millions of fills is done in `Decimal` instead, where a quotient is cut at `STREAM_DIGITS` digits: some 50 more than
are reported, so that both report the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from typing import TypeVar

N = TypeVar("N", Fraction, Decimal)

PLACES = 28
"""Digits after the point of what is reported. What ends before is exact; the rest is rounded half to even, once."""
STREAM_DIGITS = 100
_WIDE = Context(prec=2 * STREAM_DIGITS)


def stream_context() -> Context:
    """The decimal context of a stream: enter it with `decimal.localcontext` around the work."""
    return Context(prec=STREAM_DIGITS, traps=[InvalidOperation, DivisionByZero, Overflow])


def quanta(value: Fraction | Decimal, places: int = PLACES) -> int:
    """`value` in units of the last place that is reported. Sums of reported numbers are sums of these."""
    if isinstance(value, Decimal):  # the same, five times as fast
        return int(value.scaleb(places, _WIDE).to_integral_value(ROUND_HALF_EVEN))
    scaled: Fraction = Fraction(value) * 10**places
    return round(scaled)


def of_quanta(count: int, places: int = PLACES) -> Decimal:
    """The number of so many units of the last place, without zeros at its end."""
    while places and not count % 10:
        count, places = count // 10, places - 1
    return Decimal(f"{count}E-{places}")


def reported(value: Fraction | Decimal) -> Decimal:
    """`value` as it is reported: at most `PLACES` digits after the point, none of them a zero at the end."""
    return of_quanta(quanta(value))


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """The sum of amounts; the usual decimal context would round one of more than 28 digits."""
    with localcontext(stream_context()):
        return sum(values, Decimal(0))


def short_text(value: Decimal | None, places: int = 8, grouped: bool = False) -> str:
    """For people: so many digits after the point at most, no zeros at the end, thousands apart if `grouped`; a dash
    for nothing."""
    if value is None:
        return "-"
    with localcontext(stream_context()):  # the usual context cannot round what has more than 28 digits
        text = format(round(value, places), ",f" if grouped else "f")
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short == "-0" else short
