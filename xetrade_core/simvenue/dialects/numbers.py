"""How venues write amounts and prices in replies: text with every digit that counts."""

from __future__ import annotations

from decimal import Decimal


def plain(value: Decimal) -> str:
    """A number without trailing zeros and without an exponent."""
    written = f"{value:f}"
    return (written.rstrip("0").rstrip(".") if "." in written else written) if value else "0"
