"""Instruments as JSON: in a raw recording's control lines, and in a session's directory."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from xetrade_core.errors import CorruptFile
from xetrade_core.model.instruments import Instrument, MarketType


def instrument_rows(instruments: Iterable[Instrument]) -> list[dict[str, str]]:
    """Instruments as JSON, for a control line and for the session directory."""
    return [
        {
            "venue": one.venue,
            "symbol": one.symbol,
            "venue_id": one.venue_id,
            "market_type": one.market_type.value,
            "price_tick": str(one.price_tick),
            "lot": str(one.lot),
            "contract_size": str(one.contract_size),
        }
        for one in instruments
    ]


def instruments_of(rows: Iterable[dict[str, Any]]) -> list[Instrument]:
    """The inverse of `instrument_rows`. Raises CorruptFile."""
    try:
        return [
            Instrument(
                venue=row["venue"],
                symbol=row["symbol"],
                venue_id=row["venue_id"],
                market_type=MarketType(row["market_type"]),
                price_tick=Decimal(row["price_tick"]),
                lot=Decimal(row["lot"]),
                contract_size=Decimal(row["contract_size"]),
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise CorruptFile(f"instruments cannot be read: {error!r}") from None
