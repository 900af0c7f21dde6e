"""`xetrade l2`: an order book as a ladder: of one venue, of several together, or as it was from the lake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.joint_ladder import show_joint
from xetrade_core.cli.options import JsonOption, LakeOption, instant_ns, levels, moment, open_settings, symbol_fits
from xetrade_core.cli.output import console, emit_json, emit_text, table
from xetrade_core.cli.quoting import (
    FallbackOption,
    PairOption,
    TimeoutOption,
    ViaOption,
    asked_venues,
    books_of,
    decimals,
    failure_rows,
    tell_failures,
    via_of,
)
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, UnknownSymbol, XETradeError
from xetrade_core.model.contracts import SPOT
from xetrade_core.model.quotes import Level

if TYPE_CHECKING:
    from xetrade_core.market_data.asking import Failure
    from xetrade_core.market_data.books import VenueBook
    from xetrade_core.settings import Settings

#: how far back a row may lie from the time that was asked for
LOOK_BACK_NS = 3600 * NS_PER_S
SIDES = ("total", "size", "bid", "ask", "size", "total")
BOOK_COLUMNS = ("timestamp", "sequence", "bid_price", "bid_size", "ask_price", "ask_size")


class NoBook(XETradeError):
    """The lake has no book at that time."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """One book: levels best first, (price, size). `unit` says what sizes count: base currency, or which contracts."""

    venue: str
    symbol: str
    unit: str
    timestamp_ns: int
    sequence: int | None
    bids: Sequence[Level]
    asks: Sequence[Level]

    @classmethod
    def of(cls, given: VenueBook) -> Ladder:
        """A book as a venue has just given it."""
        book, unit = given.book, given.contract.unit(given.book.symbol)
        return cls(book.venue, book.symbol, unit, book.received_ns, book.sequence, book.bids, book.asks)


def l2(
    pair: PairOption,
    venue: Annotated[str, typer.Option("--venue", help="Venue id, such as binance, binanceusdm or okx.")] = "",
    venues: Annotated[str, typer.Option("--venues", help="Several venues, as one book: binance,okx.")] = "",
    depth: Annotated[int, typer.Option(parser=levels, metavar="N", help="Levels a side.")] = 10,
    at: Annotated[str | None, typer.Option("--at", help="The book of that UTC time, from the lake.")] = None,
    via: ViaOption = "stream",
    fallback: FallbackOption = "",
    timeout: TimeoutOption = "15s",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an order book, live or from the lake.

    Bids and asks, best first, with the size up to each level. Of several venues: one book, each level with who offers
    how much, in base currency.

    \b
    xetrade l2 --venue binance --pair BTC-USDT --depth 100
    xetrade l2 --venue okx --pair BTC/USDT:USDT --via rest --json
    xetrade l2 --venues binance,okx --pair BTC-USDT
    xetrade l2 --venue binance --pair BTC-USDT --at 2026-11-20T13:05
    """
    settings = open_settings(lake)
    asked = asked_venues(venue, venues)
    if at is not None:
        if len(asked) > 1:
            raise ConfigError("--at shows the recorded book of one venue: name it with --venue")
        show(recorded(settings, asked[0], pair, depth, instant_ns(at, "--at")), as_json)
        return
    books = asyncio.run(books_of(settings, asked, pair, depth, timeout, via_of(via), fallback))
    if len(asked) == 1:
        show(Ladder.of(books.books[0]), as_json, books.failures)
        tell_failures(books.failures)
    else:
        show_joint(books, depth, as_json)


def show(book: Ladder, as_json: bool, failures: Sequence[Failure] = ()) -> None:
    """Print one venue's book; `failures` are the venues that were asked before it."""
    if as_json:
        emit_json({**asdict(book), "time": moment(book.timestamp_ns), "failures": failure_rows(failures)})
        return
    console().print(_table(book))
    emit_text(_summary(book))


def recorded(settings: Settings, venue: str, pair: str, depth: int, at_ns: int) -> Ladder:
    """The newest recorded book at or before `at_ns`. Raises NoBook, UnknownSymbol."""
    from xetrade_core.assembly import lake_store
    from xetrade_core.lake.reader import Lake

    reader = Lake(lake_store(settings))
    known = reader.recorded(venue)
    symbol = next((one for one in known if symbol_fits(pair, one)), None)
    if symbol is None:
        raise UnknownSymbol(pair, venue, f"the lake has {', '.join(known) or 'nothing of this venue'}")
    rows = reader.read_l2(venue, symbol, at_ns - LOOK_BACK_NS, at_ns + 1, columns=BOOK_COLUMNS)
    times = rows.column("timestamp").cast("int64")
    for index in range(rows.num_rows - 1, -1, -1):
        sequence, *sides = (rows.column(name)[index].as_py() for name in BOOK_COLUMNS[1:])
        if all(side is not None for side in sides):
            bids, asks = zip(sides[0], sides[1], strict=True), zip(sides[2], sides[3], strict=True)
            unit = "contracts" if ":" in symbol else SPOT.unit(symbol)  # how large is in `instruments`, if anywhere
            return Ladder(venue, symbol, unit, times[index].as_py(), sequence, list(bids)[:depth], list(asks)[:depth])
    raise NoBook(f"the lake has no synced book of {symbol} on {venue} in the hour before {moment(at_ns):%F %T} UTC")


def _table(book: Ladder) -> Any:
    sides = [
        [
            (price, size, total)
            for (price, size), total in zip(levels, accumulate(size for _, size in levels), strict=True)
        ]
        for levels in (book.bids, book.asks)
    ]
    digits = decimals([price for price, _ in (*book.bids, *book.asks)])
    rows = []
    for bid, ask in zip_longest(*sides, fillvalue=None):
        left = (f"{bid[2]:,.8g}", f"{bid[1]:,.8g}", f"{bid[0]:,.{digits}f}") if bid else ("", "", "")
        right = (f"{ask[0]:,.{digits}f}", f"{ask[1]:,.8g}", f"{ask[2]:,.8g}") if ask else ("", "", "")
        rows.append((*left, *right))
    title = f"{book.symbol} on {book.venue}, sizes in {book.unit}"
    made = table(title, SIDES, rows, numbers=range(len(SIDES)))
    made.columns[2].style, made.columns[3].style = "green", "red"
    return made


def _summary(book: Ladder) -> str:
    sequence = "" if book.sequence is None else f", sequence {book.sequence}"
    when = f"at {moment(book.timestamp_ns):%F %T.%f} UTC{sequence}"
    if not book.bids or not book.asks:
        return f"{when}; one side is empty"
    bid, ask = book.bids[0][0], book.asks[0][0]
    mid = (bid + ask) / 2
    return f"{when}; mid {mid:.10g}, spread {ask - bid:.6g} ({(ask - bid) / mid * 1e4:.2f} bp)"


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(l2)
