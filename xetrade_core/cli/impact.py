"""`xetrade impact`: what an amount costs if it is taken from a book at once; on one venue, on several, in a file."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import JsonOption, open_settings
from xetrade_core.cli.output import console, emit_json, emit_text, fits, table
from xetrade_core.cli.quoting import (
    FallbackOption,
    TimeoutOption,
    ViaOption,
    asked_venues,
    books_of,
    bps_text,
    decimals,
    failure_rows,
    price_text,
    size_text,
    tell_failures,
    via_of,
)
from xetrade_core.errors import ConfigError
from xetrade_core.model.decimals import plain as exact_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xetrade_core.books.impact import Impact, TakerSide, Unit
    from xetrade_core.market_data.books import Books

COLUMNS = ("venue", "average", "vs mid bps", "vs touch bps", "levels", "base", "quote", "unfilled", "worst price")
NUMBERS = range(1, len(COLUMNS))
TOGETHER = "together"


def impact(
    side: Annotated[str, typer.Option("--side", metavar="buy|sell", help="buy takes asks, sell takes bids.")],
    pair: Annotated[str, typer.Option("--pair", help="BTC-USDT, BTC/USDT, BTCUSDT, or the venue's own id.")] = "",
    venue: Annotated[str, typer.Option("--venue", help="Venue id, such as binance, binanceusdm or okx.")] = "",
    venues: Annotated[str, typer.Option("--venues", help="Several venues, compared: binance,okx.")] = "",
    base: Annotated[str | None, typer.Option("--base", help="Amount of base currency: 1.5.")] = None,
    quote: Annotated[str | None, typer.Option("--quote", help="Amount of quote currency: 50000.")] = None,
    book: Annotated[Path | None, typer.Option("--book", help="A book in a JSON file instead of a venue's.")] = None,
    contract_size: Annotated[
        str | None, typer.Option("--contract-size", help="With --book and --pair: what a unit of size is worth.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, max=5000, help="Levels a side to ask the venue for.")] = 1000,
    require_full: Annotated[bool, typer.Option("--require-full", help="Fail if a book is too thin.")] = False,
    via: ViaOption = "rest",
    fallback: FallbackOption = "",
    timeout: TimeoutOption = "10s",
    as_json: JsonOption = False,
) -> None:
    """Show the price impact of an amount.

    Average price, slippage against mid and touch (positive = worse), levels taken, what is filled and what is not: a
    book that is too thin fills in part. Several venues are compared, alone and together. A file holds
    {"bids": [["price", "size"], ...], "asks": [...]} and is reckoned exactly, in decimal; a price that comes twice is
    one level. Quote is the currency of the prices: for an option that settles in its base, the base.

    \b
    xetrade impact --venue binance --pair BTC-USDT --side buy --quote 50000
    xetrade impact --venues binance,okx --pair BTC-USDT --side sell --base 2 --json
    xetrade impact --book book.json --side buy --base 1.5 --require-full --json
    """
    taker, (unit, amount) = _side(side), _amount(base, quote)
    if book is not None:
        if venue or venues:
            raise ConfigError("--book is a book of its own: leave out --venue and --venues")
        _show_written(_of_file(book, pair, contract_size, taker, unit, amount), pair, require_full, as_json)
        return
    if contract_size is not None:
        raise ConfigError("--contract-size goes with --book: a venue says its own")
    if not pair:
        raise ConfigError("name the pair with --pair: BTC-USDT, or a book in a file with --book")
    asked = asked_venues(venue, venues)
    books = asyncio.run(books_of(open_settings(), asked, pair, depth, timeout, via_of(via), fallback))
    impacts = books.impacts(taker, unit, float(amount))
    if require_full:
        for name, one in impacts.items():
            one.require_filled(f"{books.symbol} on {name}")
    if len(asked) == 1:
        [(name, only)] = impacts.items()
        _show_one(books, name, only, as_json)
        tell_failures(books.failures)
    else:
        _show_several(books, {**impacts, TOGETHER: books.joint_impact(taker, unit, float(amount))}, as_json)


def _side(text: str) -> TakerSide:
    word = text.strip().lower()
    if word == "buy":
        return "buy"
    if word == "sell":
        return "sell"
    raise ConfigError.of("--side", text, "buy or sell")


def _amount(base: str | None, quote: str | None) -> tuple[Unit, Decimal]:
    """Which unit, and how much of it."""
    if base is not None and quote is None:
        return "base", _positive(base, "--base")
    if quote is not None and base is None:
        return "quote", _positive(quote, "--quote")
    raise ConfigError("give the amount as --base or as --quote, one of them")


def _positive(text: str, option: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal(0)
    if not (number.is_finite() and number > 0) or "_" in text:
        raise ConfigError.of(option, text, "a positive number such as 0.5 or 50000")
    return number


def _of_file(
    file: Path, pair: str, contract_size: str | None, side: TakerSide, unit: Unit, amount: Decimal
) -> Impact[Decimal]:
    """The impact on a book in a file; `pair` says whether its contracts are inverse."""
    from xetrade_core.books.impact import price_impact
    from xetrade_core.books.written import read_book
    from xetrade_core.model.contracts import Contract

    if contract_size is not None and not pair:
        raise ConfigError("--contract-size needs --pair: BTC/USDT:USDT, or BTC/USD:BTC for an inverse contract")
    worth = Decimal(1) if contract_size is None else _positive(contract_size, "--contract-size")
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError.of("--book", str(file), f"a file that can be read ({error.strerror})") from None
    written = read_book(text, str(file))
    if not (written.asks if side == "buy" else written.bids):
        raise ConfigError(f"{file} has no {'asks to buy from' if side == 'buy' else 'bids to sell to'}")
    return price_impact(written.bids, written.asks, side, unit, amount, Contract.of(pair, worth))


def _show_written(found: Impact[Decimal], pair: str, require_full: bool, as_json: bool) -> None:
    if require_full:
        found.require_filled("the book")
    if as_json:
        fields = _fields(found, pair)
        emit_json({name: exact_text(v) if isinstance(v, Decimal) else v for name, v in fields.items()})
    else:
        _print("the book of the file", {"": found})


def _show_one(books: Books, venue: str, found: Impact[float], as_json: bool) -> None:
    if as_json:
        fields = _fields(found, books.symbol)
        emit_json({"venue": venue, "symbol": books.symbol, **fields, "failures": failure_rows(books.failures)})
    else:
        _print(_priced(books.symbol), {venue: found})


def _show_several(books: Books, impacts: Mapping[str, Impact[float]], as_json: bool) -> None:
    if as_json:
        fields = {name: _fields(found, books.symbol) for name, found in impacts.items()}
        together = fields.pop(TOGETHER)
        rows = [{"venue": name, **one} for name, one in fields.items()]
        failures = failure_rows(books.failures)
        emit_json({"symbol": books.symbol, "venues": rows, TOGETHER: together, "failures": failures})
    else:
        _print(_priced(books.symbol), impacts)
        tell_failures(books.failures)


def _fields(found: Impact[Any], symbol: str) -> dict[str, Any]:
    """As JSON's types, with the currencies that base and quote are, if the symbol says them."""
    from dataclasses import asdict

    from xetrade_core.model.contracts import Contract

    base, quote = Contract.currencies(symbol)
    named = {"base_currency": base, "quote_currency": quote} if quote else {}
    return {**asdict(found), "filled": found.filled, **named}


def _priced(symbol: str) -> str:
    """The symbol, and what its prices are in where that is not what it names after the slash."""
    from xetrade_core.model.contracts import Contract

    base, quote = Contract.currencies(symbol)
    return f"{symbol}, where quote is {quote}" if base == quote else symbol


def _print(title: str, impacts: Mapping[str, Impact[Any]]) -> None:
    """A row an impact, and a line of what is left where a book is too thin."""
    first = next(iter(impacts.values()))
    places = decimals(price for one in impacts.values() for price in (one.best_price, one.worst_price))
    rows = [
        (
            name or "file",
            price_text(one.average_price, places + 2),
            bps_text(one.slippage_mid_bps),
            bps_text(one.slippage_touch_bps),
            str(one.levels),
            size_text(one.base),
            size_text(one.quote),
            size_text(one.unfilled),
            price_text(one.worst_price, places),
        )
        for name, one in impacts.items()
    ]
    title = f"{first.side} {size_text(first.asked)} {first.unit} of {title}"
    if fits(COLUMNS, rows, NUMBERS):
        made = table(title, COLUMNS, rows, numbers=NUMBERS)
    else:  # a column a venue
        head, *turned = zip(COLUMNS, *rows, strict=True)
        made = table(title, head, turned, numbers=range(1, len(head)))
    console().print(made)
    for name, one in impacts.items():
        if not one.filled:
            emit_text(f"{name or 'file'}: {one.shortfall}")


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(impact)
