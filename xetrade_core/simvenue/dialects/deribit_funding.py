"""Deribit's funding: accrued continuously, told by the hour.

`get_funding_rate_history` has a row an hour with what was paid over that hour (`interest_1h`) and over the eight before
(`interest_8h`), at most 744 rows, the newest of the range. `get_funding_rate_value` is what was paid over a span.
"""

from __future__ import annotations

from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.funding import HOUR_MS, FundingCurve, FundingPoint

_MOST_ROWS = 744
_HOURS = 8


def funding_history(curve: FundingCurve, request: Request) -> list[dict[str, object]]:
    """The rows with start_timestamp <= timestamp <= end_timestamp, oldest first."""
    start_ms, end_ms = _span(request)
    points = curve.page(start_ms, end_ms, _MOST_ROWS, newest_first=True)[::-1]
    if not points:
        return []
    before = curve.page(points[0].time_ms - (_HOURS - 1) * HOUR_MS, points[0].time_ms - 1)
    return [_row([*before, *points], index) for index in range(len(before), len(before) + len(points))]


def _row(points: list[FundingPoint], index: int) -> dict[str, object]:
    point = points[index]
    span = [one for one in points[: index + 1] if one.time_ms > point.time_ms - _HOURS * HOUR_MS]
    return {
        "timestamp": point.time_ms,
        "index_price": point.index_price,
        "prev_index_price": points[max(0, index - 1)].index_price,
        "interest_8h": sum(one.rate for one in span),
        "interest_1h": point.rate,
    }


def funding_value(curve: FundingCurve, request: Request) -> float:
    """What was paid between the two timestamps."""
    start_ms, end_ms = _span(request)
    return sum(point.rate for point in curve.page(start_ms + 1, end_ms))


def _span(request: Request) -> tuple[int, int]:
    start, end = (request.query.get(name, "") for name in ("start_timestamp", "end_timestamp"))
    now_ms = request.now_ms
    return int(start) if start.isdigit() else now_ms, min(int(end) if end.isdigit() else now_ms, now_ms)
