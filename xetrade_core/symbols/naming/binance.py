"""Binance: `BTCUSDT` (spot and USD-M alike), `BTCUSDT_261225`, `BTCUSD_PERP`, `BTCUSD_261225`, `BTC-261225-100000-C`.

Pairs are written together, so the quote is found by its name; 117 ids are a spot pair and a USD-M swap at once.
Source: developers.binance.com, `exchangeInfo` of spot, USD-M, COIN-M and options (checked 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.symbols.expiries import is_day
from xetrade_core.symbols.naming.rule import longest_first, refuse, split_pairs, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_STABLE = (
    "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD1", "USDP", "USDS", "PAX", "DAI", "UST", "VAI", "RLUSD", "XUSD",
    "BFUSD", "USDE",
)  # fmt: skip
_FIAT = (
    "EUR", "TRY", "BRL", "GBP", "AUD", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "JPY", "MXN", "COP", "CZK",
    "IDRT", "BIDR", "BKRW", "BVND", "EURI", "AEUR", "IDR",
)  # fmt: skip
_COINS = ("BTC", "ETH", "BNB", "SOL", "XRP", "TRX", "DOGE", "DOT", "U")
_QUOTES = {
    "binance": longest_first(*_STABLE, *_FIAT, *_COINS),
    "binanceusdm": longest_first("USDT", "USDC", "BUSD", "BTC", "USD1", "U"),
    "binancecoinm": ("USD",),
}
_EXAMPLES = {
    "binance": "BTC/USDT",
    "binanceusdm": "BTC/USDT:USDT or BTC/USDT:USDT-261225",
    "binancecoinm": "BTC/USD:BTC or BTC/USD:BTC-261225",
}
_CONTRACT = re.compile(r"(?P<pair>[^\W_]+)(?:_(?P<end>PERP|\d{6}))?")
_OPTION = re.compile(r"(?P<base>[^\W_]+)-(?P<expiry>\d{6})-(?P<strike>\d+(?:\.\d+)?)-(?P<side>[CP])")


@dataclass(frozen=True, slots=True)
class BinanceNaming:
    """One of Binance's three markets. Options, which have an API of their own, are read under `binance`."""

    venue: str

    @property
    def example(self) -> str:
        return _EXAMPLES[self.venue]

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        if self.venue == "binance" and (option := _OPTION.fullmatch(venue_id)):
            parts = SymbolParts(option["base"], "USDT", "USDT", option["expiry"], option["strike"], option["side"])
            return (to_field(self.venue, parts),) if is_day(option["expiry"]) else ()
        found = _CONTRACT.fullmatch(venue_id)
        if found is None or not self._has(found["end"]):
            return ()
        expiry = found["end"] if found["end"] != "PERP" else None
        return tuple(
            to_field(self.venue, SymbolParts(base, quote, self._settle(base, quote), expiry))
            for base, quote in split_pairs(found["pair"], _QUOTES[self.venue])
        )

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        if self.venue == "binance" and parts.strike is not None and own.quote == own.settle == "USDT":
            return f"{own.base}-{own.expiry}-{own.strike}-{own.side}"
        if parts.strike is not None or own.settle != self._settle(own.base, own.quote):
            raise refuse(self, parts)
        pair = own.base + own.quote
        if own.expiry is not None:
            return f"{pair}_{own.expiry}"
        return f"{pair}_PERP" if self.venue == "binancecoinm" else pair

    def _has(self, end: str | None) -> bool:
        """Whether ids of this market end so: COIN-M's always do, spot's never."""
        if self.venue == "binance":
            return end is None
        if end is None or end == "PERP":
            return (end == "PERP") == (self.venue == "binancecoinm")
        return is_day(end)

    def _settle(self, base: str, quote: str) -> str | None:
        return {"binance": None, "binanceusdm": quote}.get(self.venue, base)
