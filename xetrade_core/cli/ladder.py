"""`xetrade l2`: one order book as a ladder, live from the venue or as it was from the lake."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import (
    JsonOption,
    LakeOption,
    VenueOption,
    instant_ns,
    levels,
    moment,
    open_settings,
    pair_as_asked,
    seconds,
    symbol_fits,
)
from xetrade_core.cli.output import console, emit_json, emit_text
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import UnknownSymbol, VenueUnavailable, XETradeError
from xetrade_core.model.book_events import BookEvent, GapCause, Synced

if TYPE_CHECKING:
    from xetrade_core.settings import Settings

#: how far back a row may lie from the time that was asked for
LOOK_BACK_NS = 3600 * NS_PER_S
BOOK_COLUMNS = ("timestamp", "sequence", "bid_price", "bid_size", "ask_price", "ask_size")


class NoBook(XETradeError):
    """The lake has no book at that time."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """One book: levels best first, (price, size)."""

    venue: str
    symbol: str
    timestamp_ns: int
    sequence: int | None
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


def l2(
    venue: VenueOption,
    pair: Annotated[str, typer.Option("--pair", help="BTC-USDT, BTC/USDT, BTCUSDT, or the venue's own id.")],
    depth: Annotated[int, typer.Option(parser=levels, metavar="N", help="Levels a side.")] = 10,
    at: Annotated[str | None, typer.Option("--at", help="The book of that UTC time, from the lake.")] = None,
    timeout: Annotated[str, typer.Option(help="How long to wait for the venue.")] = "15s",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one order book, live or from the lake.

    Bids and asks, best first, with the size up to each level.

    \b
    xetrade l2 --venue binance --pair BTC-USDT --depth 100
    xetrade l2 --venue okx --pair BTC/USDT:USDT --json
    xetrade l2 --venue binance --pair BTC-USDT --at 2026-11-20T13:05
    """
    settings = open_settings(lake)
    if at is not None:
        book = recorded(settings, venue, pair, depth, instant_ns(at, "--at"))
    else:
        book = asyncio.run(live(settings, venue, pair, depth, seconds(timeout, "--timeout")))
    if as_json:
        emit_json({**_fields(book), "time": moment(book.timestamp_ns)})
        return
    console().print(_table(book))
    emit_text(_summary(book))


async def live(settings: Settings, venue: str, pair: str, depth: int, timeout_s: float) -> Ladder:
    """The book as soon as it is in sync. Raises VenueUnavailable when that takes too long."""
    from xetrade_core.assembly import feed_options
    from xetrade_core.clock import SystemClock
    from xetrade_core.feeds.factory import open_feed

    clock = SystemClock()
    feed = await open_feed(venue, [pair_as_asked(pair)], feed_options(settings, venue, depth), clock, random.Random())
    sink = _UntilSynced()
    running = asyncio.create_task(feed.run(sink))
    synced = asyncio.create_task(sink.synced.wait())
    try:
        done, _ = await asyncio.wait({running, synced}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if running in done:
            running.result()
        if not done:
            raise VenueUnavailable(
                f"no book of {pair} from {venue} within {timeout_s:g} s: is the venue reachable? see `xetrade doctor`"
            )
        sequencer = next(iter(feed.books.sequencers.values()))
        bids, bid_sizes, asks, ask_sizes = sequencer.book.top(depth)
        received_ns = sequencer.received_ns or clock.wall_ns()
        both = list(zip(bids, bid_sizes, strict=True)), list(zip(asks, ask_sizes, strict=True))
        return Ladder(venue, sequencer.symbol, received_ns, sequencer.sequence, *both)
    finally:
        for task in (running, synced):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def recorded(settings: Settings, venue: str, pair: str, depth: int, at_ns: int) -> Ladder:
    """The newest recorded book at or before `at_ns`. Raises NoBook, UnknownSymbol."""
    from xetrade_core.assembly import lake_store
    from xetrade_core.lake.reader import Lake

    reader = Lake(lake_store(settings))
    known = sorted({held.symbol for held in reader.ls(count_rows=False) if held.venue == venue and held.symbol})
    symbol = next((one for one in known if symbol_fits(pair, one)), None)
    if symbol is None:
        raise UnknownSymbol(pair, venue, f"the lake has {', '.join(known) or 'nothing of this venue'}")
    rows = reader.read_l2(venue, symbol, at_ns - LOOK_BACK_NS, at_ns + 1, columns=BOOK_COLUMNS)
    times = rows.column("timestamp").cast("int64")
    for index in range(rows.num_rows - 1, -1, -1):
        sequence, *sides = (rows.column(name)[index].as_py() for name in BOOK_COLUMNS[1:])
        if all(side is not None for side in sides):
            bids, asks = zip(sides[0], sides[1], strict=True), zip(sides[2], sides[3], strict=True)
            return Ladder(venue, symbol, times[index].as_py(), sequence, list(bids)[:depth], list(asks)[:depth])
    raise NoBook(f"the lake has no synced book of {symbol} on {venue} in the hour before {moment(at_ns):%F %T} UTC")


class _UntilSynced:
    """FeedSink that waits for the first book in sync."""

    def __init__(self) -> None:
        self.synced = asyncio.Event()

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        pass

    def events(self, events: tuple[BookEvent, ...]) -> None:
        if any(isinstance(event, Synced) for event in events):
            self.synced.set()

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        pass


def _fields(book: Ladder) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(book)


def _table(book: Ladder) -> Any:
    from itertools import accumulate, zip_longest

    from xetrade_core.cli.output import table

    sides = [
        [
            (price, size, total)
            for (price, size), total in zip(levels, accumulate(size for _, size in levels), strict=True)
        ]
        for levels in (book.bids, book.asks)
    ]
    digits = _digits([price for price, _ in book.bids + book.asks])
    rows = []
    for bid, ask in zip_longest(*sides, fillvalue=None):
        left = (f"{bid[2]:,.8g}", f"{bid[1]:,.8g}", f"{bid[0]:,.{digits}f}") if bid else ("", "", "")
        right = (f"{ask[0]:,.{digits}f}", f"{ask[1]:,.8g}", f"{ask[2]:,.8g}") if ask else ("", "", "")
        rows.append((*left, *right))
    made = table(f"{book.symbol} on {book.venue}", ("total", "size", "bid", "ask", "size", "total"), rows)
    for index, column in enumerate(made.columns):
        column.justify = "right"
        column.style = {2: "green", 3: "red"}.get(index, "")
    return made


def _digits(prices: list[float]) -> int:
    """Decimals that show every price exactly, at most 12."""
    decimals = (Decimal(repr(price)).normalize().as_tuple().exponent for price in prices)
    return min(12, max((-int(exponent) for exponent in decimals if int(exponent) < 0), default=0))


def _summary(book: Ladder) -> str:
    when = f"{moment(book.timestamp_ns):%F %T.%f} UTC"
    if not book.bids or not book.asks:
        return f"at {when}, sequence {book.sequence}; one side is empty"
    bid, ask = book.bids[0][0], book.asks[0][0]
    mid = (bid + ask) / 2
    spread = f"{ask - bid:.6g} ({(ask - bid) / mid * 1e4:.2f} bp)"
    return f"at {when}, sequence {book.sequence}; mid {mid:.10g}, spread {spread}"


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(l2)
