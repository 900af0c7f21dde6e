"""Funding histories that people bring as CSV files: read, put on the clock, judged and stored like a venue's own.

A file whose times name no zone is the trap: one well-known history is in UTC+3 and looks right at a glance. Fundings
happen at full intervals of the UTC day, so a wrong zone mostly shows; but zones that differ by whole intervals all fit.
So the zone is never guessed: it is stated, and one that puts the times off the grid is refused.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.funding.history import settle
from xetrade_core.funding.intervals import grid_ns
from xetrade_core.lake.funding_days import Stored, store_fundings
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.funding import FundingRate

_TIME_NAMES = ("date", "time", "timestamp", "datetime", "funding_time", "fundingtime")
_RATE_NAMES = ("funding rate", "funding_rate", "fundingrate", "rate")
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2})(?::?(\d{2}))?")
_ZONES_TRIED = range(-12, 15)
_HOUR_NS = 3600 * NS_PER_S
_YEARS = range(1970, 2262)  # nanoseconds since 1970 end within 2262
_ON_GRID = 0.99  # of the rows: a venue may have been late once


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What a file held and what became of it; times are UTC nanoseconds."""

    venue: str
    symbol: str
    rows: int
    first_ns: int | None
    last_ns: int | None
    missing: tuple[int, ...]
    stored: Stored


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    when: datetime
    rate: float


def import_fundings(
    path: Path, venue: str, symbol: str, zone: str | None, usual_interval_s: float, store: ObjectStore, now_ns: int
) -> ImportReport:
    """Store the fundings of a CSV file as `venue`'s history of `symbol` (universal), as said by a file.

    `zone` is what times without a zone are in: `UTC`, `+03:00`, or an IANA name. Raises ConfigError that names the
    line, the value and what is allowed; LakeError.
    """
    rates = read_fundings(path, venue, symbol, zone)
    found = settle(rates, usual_interval_s)
    stored = store_fundings(store, venue, found.rows, now_ns, source="file")
    rows = found.rows
    first_ns, last_ns = (rows[0].funding_ns, rows[-1].funding_ns) if rows else (None, None)
    return ImportReport(venue, symbol, len(rows), first_ns, last_ns, found.missing, stored)


def read_fundings(path: Path, venue: str, symbol: str, zone: str | None) -> list[FundingRate]:
    """The fundings of a CSV file, in its order. Raises ConfigError; see `import_fundings`."""
    lines = _lines(path)
    stated = None if zone is None else zone_of(zone)
    without = [line for line in lines if line.when.tzinfo is None]
    naive = [line.when for line in without]
    if naive and stated is None:
        raise ConfigError(
            f"{path.name}: its times name no zone, such as {naive[0]:%F %T} in line {without[0].number}: say with "
            f"--timezone what they are in; {_fitting(naive)}"
        )
    rates = [FundingRate(venue, symbol, _utc_ns(line.when, stated), line.rate) for line in lines]
    if naive and not _on_grid([rate.funding_ns for rate in rates]):
        raise ConfigError.of("--timezone", zone, f"it puts the fundings of {path.name} off the grid; {_fitting(naive)}")
    return rates


def zone_of(text: str) -> tzinfo:
    """`UTC`, `+03:00`, `UTC+3` or an IANA name such as Europe/Istanbul. Raises ConfigError."""
    if text.upper() in ("UTC", "Z"):
        return UTC
    if found := _OFFSET.fullmatch(text.upper()):
        sign = -1 if found[1] == "-" else 1
        offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if offset < timedelta(hours=24):
            return timezone(sign * offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError.of(
            "--timezone", text, "UTC, an offset such as +03:00, or a name such as Europe/Istanbul"
        ) from None


def _lines(path: Path) -> list[_Line]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is neither CSV nor gzip of it: {error}") from None
    reader = csv.reader(io.StringIO(text))
    header = [name.strip().lower() for name in next(reader, [])]
    time_at, rate_at = _column(path, header, _TIME_NAMES), _column(path, header, _RATE_NAMES)
    lines = []
    for row in reader:
        if not row:
            continue
        if len(row) <= max(time_at, rate_at):
            raise ConfigError(f"{path.name} line {reader.line_num}: {len(row)} values, the header names {len(header)}")
        lines.append(
            _Line(
                reader.line_num, _when(path, reader.line_num, row[time_at]), _rate(path, reader.line_num, row[rate_at])
            )
        )
    if not lines:
        raise ConfigError(f"{path.name} holds no fundings")
    return lines


def _column(path: Path, header: Sequence[str], known: Sequence[str]) -> int:
    for name in known:
        if name in header:
            return header.index(name)
    raise ConfigError(f"{path.name}: no column named {' or '.join(known)}; it has {', '.join(header) or 'none'}")


def _when(path: Path, number: int, text: str) -> datetime:
    stripped = text.strip()
    try:
        if re.fullmatch(r"\d{10}|\d{13}", stripped):
            when = datetime.fromtimestamp(int(stripped[:10]), UTC)
        else:
            when = datetime.fromisoformat(stripped)
    except ValueError:
        when = None
    if when is None or when.year not in _YEARS:
        raise ConfigError(
            f"{path.name} line {number}: time = {text!r} is not valid: ISO 8601, or seconds or ms since 1970, "
            f"from {_YEARS[0]} to {_YEARS[-1]}"
        )
    return when


def _rate(path: Path, number: int, text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = float("nan")
    if not -1 < rate < 1:
        raise ConfigError(
            f"{path.name} line {number}: rate = {text!r} is not valid: a share of the notional, such as 0.0001"
        )
    return rate


def _utc_ns(when: datetime, zone: tzinfo | None) -> int:
    aware = when if when.tzinfo is not None else when.replace(tzinfo=zone)
    return round((aware - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def _on_grid(times_ns: Sequence[int]) -> bool:
    """Whether times lie on full multiples of the step that most of them are apart, as fundings do."""
    times = sorted({grid_ns(time_ns) for time_ns in times_ns})
    steps = [later - earlier for earlier, later in pairwise(times)]
    if not steps:
        return True
    usual = max(set(steps), key=steps.count)
    return sum(time_ns % usual == 0 for time_ns in times) >= _ON_GRID * len(times)


def _fitting(naive: Iterable[datetime]) -> str:
    """Which whole-hour zones put the times on the funding grid."""
    times = [_utc_ns(when, UTC) for when in naive]
    fits = [hours for hours in _ZONES_TRIED if _on_grid([time_ns - hours * _HOUR_NS for time_ns in times])]
    if not fits:
        return "no whole-hour zone puts them on the funding grid"
    nearest = sorted(fits, key=abs)
    return f"on the funding grid they are with {', '.join(f'{hours:+03d}:00' for hours in nearest)}"
