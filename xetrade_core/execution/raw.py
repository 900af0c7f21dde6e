"""From a venue's rows to exact numbers: as text, never by way of a float. What cannot be read is a ValueError."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.model.decimals import plain

__all__ = ["Row", "millis", "needed", "needed_number", "number", "plain", "text", "true"]

Row = Mapping[str, Any]


def text(row: Row, name: str) -> str | None:
    """A field as text; None where it is absent, null or empty."""
    value = row.get(name)
    return None if value is None or value == "" else str(value)


def needed(row: Row, name: str) -> str:
    """A field as text that must be there."""
    value = text(row, name)
    if value is None:
        raise ValueError(f"the reply has no {name}")
    return value


def number(row: Row, name: str) -> Decimal | None:
    """A field as an exact number; None where it is absent, null or empty."""
    value = text(row, name)
    if value is None:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ValueError(f"{name} = {value!r} is no number")
    return found


def needed_number(row: Row, name: str) -> Decimal:
    """A number that must be there."""
    found = number(row, name)
    if found is None:
        raise ValueError(f"the reply has no {name}")
    return found


def millis(row: Row, name: str) -> int | None:
    """A field of milliseconds since 1970 as UTC nanoseconds."""
    value = number(row, name)
    return None if value is None else int(value * NS_PER_MS)


def true(value: object) -> bool:
    """A truth value, also where ccxt has made text of it."""
    if value not in (True, False, "true", "false"):
        raise ValueError(f"{value!r} is neither true nor false")
    return value in (True, "true")
