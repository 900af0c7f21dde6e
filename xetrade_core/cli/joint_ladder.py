"""`xetrade l2 --venues`: several venues' books as one ladder, each level with who offers how much."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from xetrade_core.cli.output import console, emit_json, emit_text, plain, table
from xetrade_core.cli.quoting import decimals, failure_rows, price_text, size_text, tell_failures

if TYPE_CHECKING:
    from xetrade_core.books.consolidated import ConsolidatedBook, ConsolidatedLevel
    from xetrade_core.market_data.books import Books


def show_joint(books: Books, depth: int, as_json: bool) -> None:
    """Print the joint book of these venues."""
    book = books.consolidated(depth)
    if as_json:
        emit_json({**plain(book), "state": book.state, "failures": failure_rows(books.failures)})
        return
    console().print(_table(book))
    emit_text(_summary(book))
    tell_failures(books.failures)


def _table(book: ConsolidatedBook) -> Any:
    places = decimals([level.price for level in (*book.bids, *book.asks)])
    rows = [
        (*_cells(bid, places), *reversed(_cells(ask, places)))
        for bid, ask in zip_longest(book.bids, book.asks, fillvalue=None)
    ]
    title = f"{book.symbol} on {', '.join(book.venues)}, sizes in {book.symbol.partition('/')[0]}"
    made = table(title, ("who", "size", "bid", "ask", "size", "who"), rows)
    for index, column in enumerate(made.columns):
        column.justify = "right" if index < len(made.columns) - 1 else "left"
        column.style = {2: "green", 3: "red"}.get(index, "")
    return made


def _cells(level: ConsolidatedLevel | None, places: int) -> tuple[str, str, str]:
    """Who offers how much, the size, the price."""
    if level is None:
        return "", "", ""
    who = level.shares[0][0] if len(level.shares) == 1 else ", ".join(f"{v} {size_text(s)}" for v, s in level.shares)
    return who, size_text(level.size), price_text(level.price, places)


def _summary(book: ConsolidatedBook) -> str:
    known = f"{book.bid_known} x {book.ask_known} of {len(book.bids)} x {len(book.asks)}"
    complete = f"{known} levels are complete: past them one venue's answer has ended"
    return f"{complete}; the market is {book.state}" if book.state in ("crossed", "locked") else complete
