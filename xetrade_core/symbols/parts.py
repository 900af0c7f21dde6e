"""The parts of a universal symbol: `BASE/QUOTE[:SETTLE[-YYMMDD[-STRIKE-(C|P)]]]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xetrade_core.errors import UnknownSymbol
from xetrade_core.model.decimals import plain
from xetrade_core.model.instruments import MarketType
from xetrade_core.symbols.expiries import is_day

# Currency codes may be of any script, hold spaces (KuCoin's "FTX Users' Debt") or a sign (OKX's USDⓈ).
_UNIVERSAL = re.compile(
    r"(?P<base>[^/:\s]+(?: [^/:\s]+)*)/(?P<quote>[^/:\s-]+(?: [^/:\s-]+)*)"
    r"(?::(?P<settle>[^/:\s-]+)(?:-(?P<expiry>\d{6})(?:-(?P<strike>\d+(?:\.\d+)?)-(?P<side>[CP]))?)?)?"
)
FORMS = "write it like BTC/USDT, BTC/USDT:USDT, BTC/USD:BTC-261225 or BTC/USD:BTC-261225-100000-C"


class Style(StrEnum):
    """What a position's value moves with."""

    SPOT = "spot"
    LINEAR = "linear"  # settled in the quote currency, or in a stable coin that stands for it
    INVERSE = "inverse"  # settled in the base currency
    QUANTO = "quanto"  # settled in neither


#: currencies that stand for the US dollar: a contract quoted in one and settled in another is linear
DOLLARS = frozenset(
    ("USD", "USDT", "USDC", "USDG", "USDE", "FDUSD", "BUSD", "TUSD", "USDP", "DAI", "USD1", "RLUSD", "USDⓈ", "PYUSD")
)


@dataclass(frozen=True, slots=True)
class SymbolParts:
    """`expiry` is YYMMDD as written; `strike` and `side` (C or P) belong to options."""

    base: str
    quote: str
    settle: str | None = None
    expiry: str | None = None
    strike: str | None = None
    side: str | None = None

    @classmethod
    def parse(cls, symbol: str, venue: str) -> SymbolParts:
        """Read a universal symbol; UnknownSymbol names `venue` and the forms that are read."""
        match = _UNIVERSAL.fullmatch(symbol)
        if match is None or (match["expiry"] and not is_day(match["expiry"])):
            raise UnknownSymbol(symbol, venue, FORMS)
        return cls(**match.groupdict())

    @property
    def symbol(self) -> str:
        """The universal symbol, the inverse of `parse`."""
        text = f"{self.base}/{self.quote}"
        if self.settle is not None:
            text += f":{self.settle}"
        if self.expiry is not None:
            text += f"-{self.expiry}"
        return text if self.strike is None else f"{text}-{self.strike}-{self.side}"

    @property
    def market_type(self) -> MarketType:
        """Spot, swap, future or option."""
        if self.settle is None:
            return MarketType.SPOT
        if self.expiry is None:
            return MarketType.SWAP
        return MarketType.FUTURE if self.strike is None else MarketType.OPTION

    @property
    def style(self) -> Style:
        """Spot, linear, inverse or quanto."""
        if self.settle is None:
            return Style.SPOT
        if self.settle == self.quote or (self.settle in DOLLARS and self.quote in DOLLARS):
            return Style.LINEAR
        return Style.INVERSE if self.settle == self.base else Style.QUANTO


def plain_strike(strike: Decimal | float | str) -> str:
    """A strike as ccxt writes it: without exponent and trailing zeros, `40000`, `0.5`."""
    value = Decimal(str(strike))
    return plain(value)
