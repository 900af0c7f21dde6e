"""`xetrade demo-mapper`: a tour of the symbol map over the venues and their quirks, by rule alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from xetrade_core.cli.options import JsonOption
from xetrade_core.cli.output import emit_json, emit_table, emit_text
from xetrade_core.errors import UnknownSymbol
from xetrade_core.model.instruments import MarketType

if TYPE_CHECKING:
    from xetrade_core.symbols.mapping import Mapping


@dataclass(frozen=True, slots=True)
class Stop:
    """One thing to ask: `text` on `venue`, of a kind where one is named."""

    venue: str
    text: str
    kind: MarketType | None = None


TOUR: dict[str, tuple[Stop, ...]] = {
    "One pair, and what each venue calls it": (
        Stop("binance", "BTCUSDT"),
        Stop("okx", "BTC-USDT"),
        Stop("kucoin", "BTC-USDT"),
        Stop("bitmart", "BTC_USDT"),
        Stop("max", "btcusdt"),
        Stop("deribit", "BTC_USDC"),
        Stop("derive", "BTC-USDC"),
    ),
    "One id, two markets: the type decides": (
        Stop("binance", "BTCUSDT"),
        Stop("binance", "BTCUSDT", MarketType.SWAP),
        Stop("bybit", "BTCUSDT", MarketType.SPOT),
        Stop("bybit", "BTCUSDT", MarketType.SWAP),
    ),
    "Spelled as people spell": (
        Stop("binance", "BTC-USDT"),
        Stop("okx", "BTC_USDT"),
        Stop("okx", "btcusdt"),
        Stop("binanceusdm", "BTC/USDT"),
        Stop("deribit", "BTC-USD"),
    ),
    "Contracts: linear, inverse, dated, options": (
        Stop("binancecoinm", "BTCUSD_PERP"),
        Stop("bybit", "BTCUSDH27"),
        Stop("kucoinfutures", "XBTMZ26"),
        Stop("okx", "BTC-USD-261225-100000-C"),
        Stop("deribit", "XRP_USDC-25JUN27-0d5-C"),
        Stop("derive", "BTC-20261225-100000-C"),
        Stop("bybit", "DOGE-25DEC26-0.105-P-USDT"),
    ),
    "One of them is many": (
        Stop("binanceusdm", "1000BONKUSDT"),
        Stop("bybit", "SHIB1000USDT"),
        Stop("binance", "1MBABYDOGEUSDT"),
        Stop("binanceusdm", "1000000MOGUSDT"),
        Stop("binance", "1INCHUSDT"),
    ),
    "Names that mean something else": (
        Stop("kucoinfutures", "XBTUSDTM"),
        Stop("kucoin", "ALT-USDT"),
        Stop("kucoin", "KALT-USDT"),
        Stop("kucoin", "WAX-USDT"),
        Stop("okx", "AE-BTC"),
    ),
    "Not sure, or not at all": (
        Stop("binance", "GBPAEUR"),
        Stop("binance", "BTCUSD"),
        Stop("binance", "FOOBAR"),
        Stop("deribit", "BTC-FS-25JUN27_PERP"),
    ),
}


def demo_mapper(as_json: JsonOption = False) -> None:
    """Tour the venues' spellings and their quirks.

    By naming rules alone, so it needs no network and no lake; `xetrade map` knows more where the lake has the lists.

    \b
    xetrade demo-mapper
    xetrade demo-mapper --json
    """
    answers = {title: [(stop, _ask(stop)) for stop in stops] for title, stops in TOUR.items()}
    if as_json:
        emit_json({title: [_fields(*answer) for answer in rows] for title, rows in answers.items()})
        return
    for title, rows in answers.items():
        emit_table(
            title, ("exchange", "asked", "universal", "is", "confidence", "because"), [_row(*row) for row in rows]
        )
    emit_text("Each by itself: xetrade map --symbol BTCUSDT --exchange binance")


def _ask(stop: Stop) -> Mapping | UnknownSymbol:
    from xetrade_core.symbols.mapping import map_by_rule

    try:
        return map_by_rule(stop.venue, stop.text, stop.kind)
    except UnknownSymbol as error:
        return error


def _asked(stop: Stop) -> str:
    return stop.text if stop.kind is None else f"{stop.text} as {stop.kind}"


def _row(stop: Stop, found: Mapping | UnknownSymbol) -> tuple[object, ...]:
    if isinstance(found, UnknownSymbol):
        return stop.venue, _asked(stop), None, None, 0.0, "no universal symbol: refused in one line"
    kind, style = found.market_type.value, found.style.value
    what = kind if kind == style else f"{style} {kind}"
    if found.multiplier != 1:
        what += f" of {found.multiplier:,f} {found.underlying}"
    because = ", ".join(found.reasons)
    if found.others:
        because += f" (or {', '.join(f'{symbol} on {venue}' for venue, symbol in found.others)})"
    return stop.venue, _asked(stop), found.symbol, what, f"{found.confidence:.4g}", because


def _fields(stop: Stop, found: Mapping | UnknownSymbol) -> dict[str, object]:
    asked = {"exchange": stop.venue, "asked": stop.text, "type": stop.kind}
    if isinstance(found, UnknownSymbol):
        return {**asked, "universal": None, "error": str(found)}
    return {
        **asked,
        "universal": found.symbol,
        "exchange_symbol": found.venue_id,
        "underlying": found.underlying,
        "multiplier": f"{found.multiplier:f}",
        "confidence": found.confidence,
        "reasons": found.reasons,
        "others": [{"exchange": venue, "universal": symbol} for venue, symbol in found.others],
    }


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("demo-mapper")(demo_mapper)
