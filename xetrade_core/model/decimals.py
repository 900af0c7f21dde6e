"""Numbers as text, for wires, files and people: one way, exact for any number of digits."""

from __future__ import annotations

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Every digit that counts: no exponent, no zeros at the end of a fraction, no minus before zero.

    By way of text alone: arithmetic (`normalize`, `+ 0`) rounds to the digits of the decimal context, 28 of them.
    """
    text = format(value, "f")
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short == "-0" else short
