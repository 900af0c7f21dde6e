"""What `best`, `l2` and `impact` have in common: their options, which venues are asked, how prices are written."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.options import names, pair_as_asked, seconds
from xetrade_core.cli.output import say
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.market_data.access import Access
    from xetrade_core.market_data.asking import Failure
    from xetrade_core.market_data.books import Books, Via
    from xetrade_core.settings import Settings

MOST_DECIMALS = 12

PairOption = Annotated[str, typer.Option("--pair", help="BTC-USDT, BTC/USDT, BTCUSDT, or the venue's own id.")]
VenuesOption = Annotated[str, typer.Option("--venues", help="Several venues: binance,okx.")]
FallbackOption = Annotated[str, typer.Option("--fallback", help="Venues to ask, in turn, where that one is down.")]
TimeoutOption = Annotated[str, typer.Option(help="How long to wait; venues that are late are named.")]
ViaOption = Annotated[str, typer.Option("--via", metavar="rest|stream", help="Ask over REST, or over the stream.")]


def asked_venues(venue: str, venues: str) -> tuple[str, ...]:
    """The venues of `--venue` and `--venues`; ConfigError where neither names one."""
    asked = tuple(dict.fromkeys((*names(venue), *names(venues))))
    if not asked:
        raise ConfigError("name a venue with --venue, or several with --venues: binance,okx")
    return asked


def via_of(text: str) -> Via:
    """The value of `--via`."""
    if text == "rest":
        return "rest"
    if text == "stream":
        return "stream"
    raise ConfigError.of("--via", text, "rest or stream")


def market_access(settings: Settings) -> Access:
    """How this machine reaches the venues; made within the event loop that uses it."""
    from xetrade_core import assembly
    from xetrade_core.clock import SystemClock

    return assembly.market_access(settings, SystemClock(), random.Random())


async def books_of(
    settings: Settings, venues: tuple[str, ...], pair: str, depth: int, timeout: str, via: Via, fallback: str = ""
) -> Books:
    """The books that a command line asks for; with `fallback` venues, of the first that is not down."""
    from xetrade_core.market_data.books import fetch_books, fetch_from_first

    deadline_s, access, wanted = seconds(timeout, "--timeout"), market_access(settings), pair_as_asked(pair)
    others = names(fallback)
    if not others:
        return await fetch_books(access, venues, wanted, depth, deadline_s, via)
    if len(venues) > 1:
        raise ConfigError("--fallback goes with one venue: several are asked at once anyway")
    return await fetch_from_first(access, (*venues, *others), wanted, depth, deadline_s, via)


def tell_failures(failures: Iterable[Failure]) -> None:
    """Name the venues that gave no answer, each with its reason, on standard error."""
    for failure in failures:
        say(f"{failure.venue} left out: {failure.reason}")


def failure_rows(failures: Iterable[Failure]) -> list[dict[str, str]]:
    """The same for a JSON document."""
    return [{"venue": failure.venue, "reason": failure.reason} for failure in failures]


def decimals(prices: Iterable[float | Decimal | None]) -> int:
    """Decimal places that show every price exactly, at most MOST_DECIMALS."""
    exponents = (Decimal(str(price)).normalize().as_tuple().exponent for price in prices if price is not None)
    return min(MOST_DECIMALS, max((-int(one) for one in exponents if int(one) < 0), default=0))


def price_text(price: float | Decimal | None, places: int) -> str:
    """A price with so many decimal places, a dash for none."""
    return "-" if price is None else f"{price:,.{places}f}"


def size_text(size: float | Decimal | None) -> str:
    """A size in eight digits, or all that stand before the point; a dash for none."""
    if size is None:
        return "-"
    return f"{size:,.0f}" if size >= 100_000_000 else f"{size:,.8g}"


def bps_text(bps: float | Decimal | None) -> str:
    """Basis points to the hundredth, a dash for none."""
    return "-" if bps is None else f"{bps:,.2f}"
