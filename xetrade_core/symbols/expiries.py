"""How venues write the day of an expiry, as against the universal YYMMDD."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime

from xetrade_core.clock import NS_PER_S

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTH_CODES = "FGHJKMNQUVXZ"
_WORDED = re.compile(rf"(\d{{1,2}})({'|'.join(MONTHS)})(\d{{2}})")
_CODED = re.compile(rf"([{MONTH_CODES}])(\d{{2}})")


def is_day(expiry: str) -> bool:
    """Whether a YYMMDD is a day of the calendar."""
    try:
        _day(expiry)
    except ValueError:
        return False
    return True


def from_ms(milliseconds: int) -> str:
    """YYMMDD of a time in milliseconds since the epoch, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%y%m%d")


def expiry_ns(expiry: str) -> int:
    """The start (UTC ns) of the day of a YYMMDD. At which hour a venue settles, its listing says."""
    day = _day(expiry)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_S


def from_worded(text: str) -> str | None:
    """`25JUN21` (Deribit, Bybit) -> `210625`; None where it is no day."""
    found = _WORDED.fullmatch(text)
    if found is None:
        return None
    expiry = f"{found[3]}{MONTHS.index(found[2]) + 1:02}{int(found[1]):02}"
    return expiry if is_day(expiry) else None


def to_worded(expiry: str) -> str:
    """`210603` -> `3JUN21`: the day without a leading zero, as Deribit and Bybit write it."""
    day = _day(expiry)
    return f"{day.day}{MONTHS[day.month - 1]}{expiry[:2]}"


def from_coded(text: str) -> str | None:
    """`H25` (Bybit inverse, KuCoin) -> `250328`: contracts with a month code end on the last Friday of the month."""
    found = _CODED.fullmatch(text)
    if found is None:
        return None
    month = MONTH_CODES.index(found[1]) + 1
    return f"{found[2]}{month:02}{_last_friday(2000 + int(found[2]), month):02}"


def to_coded(expiry: str) -> str | None:
    """The inverse of `from_coded`; None for a day that has no such code."""
    day = _day(expiry)
    if day.day != _last_friday(day.year, day.month):
        return None
    return f"{MONTH_CODES[day.month - 1]}{expiry[:2]}"


def _day(expiry: str) -> date:
    return date(2000 + int(expiry[:2]), int(expiry[2:4]), int(expiry[4:6]))


def _last_friday(year: int, month: int) -> int:
    return max(week[calendar.FRIDAY] for week in calendar.monthcalendar(year, month))
