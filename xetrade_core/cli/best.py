"""`xetrade best`: best bid and ask of each venue and across venues, once or as it moves."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from xetrade_core.cli.options import JsonOption, open_settings, pair_as_asked, seconds
from xetrade_core.cli.output import console, emit_json, emit_text, plain, say, table
from xetrade_core.cli.quoting import (
    PairOption,
    TimeoutOption,
    ViaOption,
    asked_venues,
    books_of,
    bps_text,
    decimals,
    failure_rows,
    market_access,
    price_text,
    size_text,
    tell_failures,
    via_of,
)
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xetrade_core.books.best import BestQuote, VenueQuote
    from xetrade_core.market_data.asking import Failure
    from xetrade_core.settings import Settings

COLUMNS = ("venue", "bid", "size", "ask", "size", "spread bps", "age s", "best")


def best(
    pair: PairOption,
    venues: Annotated[str, typer.Option("--venues", help="binance,okx. Default: those of the settings.")] = "",
    via: ViaOption = "rest",
    max_age: Annotated[
        str | None, typer.Option("--max-age", help="Older quotes do not count. Default: capture.staleness_s.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it over the venues' streams, until Ctrl-C.")] = False,
    every: Annotated[str | None, typer.Option(help="With --watch: how often it is shown. Default: 1s.")] = None,
    duration: Annotated[str | None, typer.Option(help="With --watch: for how long.")] = None,
    timeout: TimeoutOption = "10s",
    as_json: JsonOption = False,
) -> None:
    """Show the best bid and ask across venues.

    Who holds it, the quotes of each venue with their age, and whether the markets are crossed or locked. Sizes are in
    base currency, contracts too. Quotes that are too old, out of sync or crossed within their venue do not count.

    \b
    xetrade best --pair BTC-USDT --venues binance,okx
    xetrade best --pair BTC/USDT:USDT --venues binanceusdm,okx --json
    xetrade best --pair BTC-USDT --venues binance,okx --watch --every 500ms --duration 1m
    """
    settings = open_settings()
    asked = asked_venues("", venues or ",".join(settings.venues))
    limit_s = settings.capture.staleness_s if max_age is None else seconds(max_age, "--max-age")
    if watch:
        length_s = None if duration is None else seconds(duration, "--duration")
        pace = Pace(seconds(every or "1s", "--every"), length_s, seconds(timeout, "--timeout"))
        asyncio.run(_watch(settings, asked, pair, limit_s, pace, as_json))
        return
    for option, given in (("--every", every), ("--duration", duration)):
        if given is not None:
            raise ConfigError(f"{option} goes with --watch: without it the best is shown once")
    books = asyncio.run(books_of(settings, asked, pair, 1, timeout, via_of(via)))
    _show(books.best(SystemClock.wall_ns(), limit_s), books.failures, as_json)
    if not as_json:
        tell_failures(books.failures)


def _show(quote: BestQuote, failures: Sequence[Failure], as_json: bool) -> None:
    if as_json:
        emit_json(fields(quote, failures))
    else:
        console().print(best_table(quote))
        emit_text(summary(quote))


def fields(quote: BestQuote, failures: Sequence[Failure]) -> dict[str, Any]:
    """The quote as JSON's types."""
    return {
        **plain(quote),
        "state": quote.state,
        "spread_bps": quote.spread_bps,
        "failures": failure_rows(failures),
    }


def best_table(quote: BestQuote) -> Any:
    """One row a venue, in the order asked."""
    places = decimals([price for row in quote.quotes for price in (row.bid, row.ask)])
    rows = [
        (
            row.venue,
            price_text(row.bid, places),
            size_text(row.bid_size),
            price_text(row.ask, places),
            size_text(row.ask_size),
            bps_text(row.spread_bps),
            "-" if row.age_s is None else f"{row.age_s:.2f}",
            _standing(quote, row),
        )
        for row in quote.quotes
    ]
    title = f"{quote.symbol} across venues, sizes in {quote.symbol.partition('/')[0]}"
    return table(title, COLUMNS, rows, numbers=range(1, len(COLUMNS) - 1))


def _standing(quote: BestQuote, row: VenueQuote) -> str:
    """What a venue holds of the best, or why it does not count."""
    if row.excluded is not None:
        return f"does not count: {row.excluded}"
    held = [side for side, venues in (("bid", quote.bid_venues), ("ask", quote.ask_venues)) if row.venue in venues]
    return " and ".join(held)


def summary(quote: BestQuote) -> str:
    """The best in one line, and the market's state where it is not the normal one."""
    places = decimals([quote.bid, quote.ask])
    sides = [
        f"best {name} {price_text(price, places)} on {', '.join(venues)} ({size_text(size)})"
        if venues
        else f"no {name}"
        for name, price, size, venues in (
            ("bid", quote.bid, quote.bid_size, quote.bid_venues),
            ("ask", quote.ask, quote.ask_size, quote.ask_venues),
        )
    ]
    spread = "" if quote.spread_bps is None else f", spread {bps_text(quote.spread_bps)} bps"
    flag = f"; the market is {quote.state}" if quote.state in ("crossed", "locked") else ""
    return f"{', '.join(sides)}{spread}{flag}"


async def _watch(
    settings: Settings, venues: tuple[str, ...], pair: str, limit_s: float, pace: Pace, as_json: bool
) -> None:
    """Show the live best until the time is over or a signal comes; a line of JSON each time with `--json`."""
    from xetrade_core.market_data.live import live_market

    stop, clock = asyncio.Event(), SystemClock()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    access = market_access(settings)
    async with live_market(access, venues, pair_as_asked(pair), limit_s, pace.deadline_s) as market:
        await market.synced(pace.deadline_s)
        ends_ns = pace.end_ns(clock.monotonic_ns())
        with _Screen(as_json) as screen:
            while not stop.is_set() and clock.monotonic_ns() < ends_ns:
                screen.show(market.best(clock.wall_ns()), market.failures)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pace.every_s)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long to show; how long to wait for the venues at first. `duration_s` None: until stopped."""

    every_s: float
    duration_s: float | None
    deadline_s: float

    def end_ns(self, start_ns: int) -> float:
        """When it is over, on the clock of `start_ns`."""
        return math.inf if self.duration_s is None else start_ns + self.duration_s * NS_PER_S


class _Screen:
    """A live table on a terminal; elsewhere a line each time, of text or of JSON."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._live: Any = None
        self._told: dict[str, str] = {}  # why a venue does not count, as it was last told

    def __enter__(self) -> Self:
        if sys.stdout.isatty() and not self._as_json:
            from rich.live import Live

            self._live = Live(console=console(), auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def show(self, quote: BestQuote, failures: Sequence[Failure]) -> None:
        if self._as_json:
            emit_json(fields(quote, failures))
        elif self._live is None:
            self._tell(quote, failures)
            emit_text(summary(quote))
        else:
            from rich.console import Group

            left_out = (f"{failure.venue} left out: {failure.reason}" for failure in failures)
            self._live.update(Group(best_table(quote), summary(quote), *left_out), refresh=True)
        sys.stdout.flush()

    def _tell(self, quote: BestQuote, failures: Sequence[Failure]) -> None:
        """Name on standard error each venue that has ceased to count since it was last looked at, or counts again."""
        silent = {row.venue: f"{row.venue} does not count: {row.excluded}" for row in quote.quotes if row.excluded}
        silent |= {failure.venue: f"{failure.venue} left out: {failure.reason}" for failure in failures}
        for venue, why in silent.items():
            if self._told.get(venue) != why:
                say(why)
        for venue in self._told.keys() - silent.keys():
            say(f"{venue} counts again")
        self._told = silent


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(best)
