"""The parts of a universal symbol: `BASE/QUOTE[:SETTLE[-YYMMDD[-STRIKE-(C|P)]]]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.errors import UnknownSymbol

_UNIVERSAL = re.compile(
    r"(?P<base>[^/:\s]+)/(?P<quote>[^/:\s-]+)"
    r"(?::(?P<settle>[^/:\s-]+)(?:-(?P<expiry>\d{6})(?:-(?P<strike>[\d.]+)-(?P<side>[CP]))?)?)?"
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
        if match is None:
            raise UnknownSymbol(symbol, venue, "write it like BTC/USDT, BTC/USDT:USDT or BTC/USD:BTC-261225")
        return cls(**match.groupdict())
