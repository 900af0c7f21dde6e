"""How the command line reads what people write: durations, times, lists; and the settings with the options on top."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.settings import Settings

NS_PER_HOUR = 3600 * NS_PER_S
MOST_LEVELS = 5000
LEAST_INTERVAL_S, MOST_INTERVAL_S = 0.05, 3600.0  # as in the settings
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_LONGEST_S = 3650 * 86_400.0
_YEARS = range(1970, 2262)  # nanoseconds since 1970 end within 2262
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
LakeOption = Annotated[str | None, typer.Option("--lake", help="Lake root: a directory or s3://bucket/prefix.")]
SpoolOption = Annotated[Path | None, typer.Option("--spool", help="Local directory of running captures.")]


def _venue_ids(incomplete: str) -> list[str]:
    """What the shell offers behind `--venue`."""
    from xetrade_core.venues.registry import venues

    return [one.id for one in venues() if one.id.startswith(incomplete)]


VenueOption = Annotated[
    str, typer.Option("--venue", help="Venue id, such as binance, binanceusdm or okx.", autocompletion=_venue_ids)
]
IntervalOption = Annotated[str | None, typer.Option("--interval", help="Time between snapshots: 1, 500ms, 5s.")]


def levels(text: str | int) -> int:
    """A number of levels a side; ConfigError otherwise."""
    try:
        depth = int(text)
    except ValueError:
        depth = 0
    if not 1 <= depth <= MOST_LEVELS:
        raise ConfigError.of("--depth", text, f"a number of levels, 1 to {MOST_LEVELS}")
    return depth


DepthOption = Annotated[int | None, typer.Option("--depth", parser=levels, metavar="N", help="Levels a side.")]


def seconds(text: str, name: str, words: str = "") -> float:
    """`30s`, `5m`, `1h30m`, `500ms`, or a plain number of seconds; ConfigError names the option otherwise, and `words`:
    what else it takes.
    """
    stripped = text.strip().lower()
    try:
        value = float(stripped)
    except ValueError:
        parts = _PART.findall(stripped)
        if not parts or "".join(number + unit for number, unit in parts) != stripped:
            allowed = f"{words}a time such as 30s, 5m, 1h, 500ms, or a number of seconds"
            raise ConfigError.of(name, text, allowed) from None
        value = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not 0 < value <= _LONGEST_S:
        raise ConfigError.of(name, text, "must be more than zero, and ten years at most")
    return value


def interval_seconds(text: str | None) -> float | None:
    """The value of `--interval`, None where it was not given; ConfigError where no capture could keep it."""
    if text is None:
        return None
    value = seconds(text, "--interval")
    if not LEAST_INTERVAL_S <= value <= MOST_INTERVAL_S:
        raise ConfigError.of("--interval", text, f"{LEAST_INTERVAL_S:g} to {MOST_INTERVAL_S:g} seconds")
    return value


def instant_ns(text: str, name: str) -> int:
    """A time in ISO 8601, UTC where it names no zone (`2026-11-20T13`, `2026-11-20 13:05:00`), as nanoseconds."""
    allowed = "a UTC time such as 2026-11-20T13 or 2026-11-20T13:05:00"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError.of(name, text, allowed) from None
    if moment.year not in _YEARS:
        raise ConfigError.of(name, text, f"{allowed}, from {_YEARS[0]} to {_YEARS[-1]}")
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * NS_PER_S + elapsed.microseconds * 1000


def moment(ns: int) -> datetime:
    """Nanoseconds as a UTC datetime (to the microsecond)."""
    return datetime.fromtimestamp(ns // NS_PER_S, tz=UTC).replace(microsecond=ns % NS_PER_S // 1000)


def window(hour: str | None, start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """The window of `--hour`, or of `--from` and `--to`: nanoseconds, end exclusive, None where open."""
    if hour is not None:
        if start is not None or end is not None:
            raise ConfigError("--hour and --from/--to exclude each other: give one of them")
        first = instant_ns(hour, "--hour") // NS_PER_HOUR * NS_PER_HOUR
        return first, first + NS_PER_HOUR
    first_ns = instant_ns(start, "--from") if start is not None else None
    last_ns = instant_ns(end, "--to") if end is not None else None
    if first_ns is not None and last_ns is not None and last_ns <= first_ns:
        raise ConfigError.of("--to", end, "must be after --from")
    return first_ns, last_ns


def names(text: str | None) -> tuple[str, ...]:
    """A list separated by commas, without empty parts."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def open_settings(lake: str | None = None, spool: Path | None = None) -> Settings:
    """The settings with the command's own options on top; logs are set up, and every venue named must exist."""
    from xetrade_core.settings import load_settings
    from xetrade_core.telemetry import add_alarm_sink, configure_logging
    from xetrade_core.venues.registry import venues
    from xetrade_core.webhook import Webhook

    overrides = {name: value for name, value in (("lake", lake), ("spool", spool)) if value is not None}
    settings = load_settings(**overrides)
    configure_logging(settings.log.level, settings.log.format, settings.secrets())
    if settings.alerts.webhook_url is not None:
        add_alarm_sink(Webhook(settings.alerts.webhook_url))
    known = [venue.id for venue in venues()]
    for name in settings.venues:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean venues.{nearest[0]}?" if nearest else f"known: {', '.join(known)}"
            raise ConfigError(f"unknown venue in settings venues.{name}: {hint}")
    return settings


def pair_as_asked(text: str) -> str:
    """What a person wrote for a pair, for a venue to look up; ConfigError where that is nothing."""
    from xetrade_core.symbols.pairs import as_asked

    if not text.strip():
        raise ConfigError.of("--pair", text, "a pair such as BTC-USDT, or a venue's own id")
    return as_asked(text)


def symbol_fits(text: str, symbol: str, venue: str = "") -> bool:
    """Whether a person means `symbol` (universal) by `text`: `BTC-USDT`, `BTCUSDT`, with or without `:USDT`; or, where
    the venue is known, by its own id of it: `BTC-PERPETUAL`.
    """
    from xetrade_core.symbols.pairs import means
    from xetrade_core.venues.registry import venue as known_venue

    if means(text, symbol):
        return True
    return bool(venue) and text.upper() == known_venue(venue).instruments.venue_id(symbol).upper()


def universal(venue: str, text: str) -> str:
    """The universal symbol of what a person wrote, by rule alone: for files, where no venue can be asked.

    A pair in any spelling or the venue's own id; a pair is the swap on a venue without spot. Raises UnknownVenue,
    UnknownSymbol.
    """
    from xetrade_core.symbols.mapping import map_by_rule
    from xetrade_core.venues.registry import venue as known_venue

    return map_by_rule(known_venue(venue).id, text).symbol
