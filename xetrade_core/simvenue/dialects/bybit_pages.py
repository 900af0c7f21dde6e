"""Bybit's pages of private history: newest first, a week at a time, with a cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.dialects.bybit_replies import BybitRefused

_T = TypeVar("_T")
_WEEK_MS = 7 * 86_400_000


def whole(fields: Mapping[str, str], name: str) -> int | None:
    """An optional parameter that is a whole number. Raises BybitRefused."""
    text = fields.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BybitRefused(10001, f"params error: {name} invalid")
    return int(text)


def of_a_week(
    fields: Mapping[str, str], rows: Sequence[_T], time_ns: Callable[[_T], int], now_ms: int, *, named: bool
) -> list[_T]:
    """The rows in the range of a call, newest first: a week from its start, or the last one; any if `named` by id."""
    start, end = whole(fields, "startTime"), whole(fields, "endTime")
    if start is not None and end is not None and end - start > _WEEK_MS:
        raise BybitRefused(10001, "The time range between startTime and endTime must be no more than 7 days")
    if named and start is None and end is None:
        return list(reversed(rows))
    if start is None:
        start = (now_ms if end is None else end) - _WEEK_MS
    end = start + _WEEK_MS if end is None else end
    return [row for row in reversed(rows) if start <= time_ns(row) // NS_PER_MS <= end]


def page(fields: Mapping[str, str], rows: Sequence[_T], usual: int, most: int) -> tuple[list[_T], str]:
    """A page of rows from the cursor on, and the cursor of the next one, empty after the last."""
    limit = min(most, max(1, whole(fields, "limit") or usual))
    start = whole(fields, "cursor") or 0
    following = str(start + limit) if start + limit < len(rows) else ""
    return list(rows[start : start + limit]), following
