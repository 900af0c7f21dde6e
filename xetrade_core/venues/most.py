"""The most that one order may be, as a venue's own list of instruments says it.

ccxt reads some of it, some of it wrongly (a bound of market orders for one of all, dollars for the quote currency), so
it is read from the row that the venue wrote, which ccxt keeps beside its own.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

Row = TypeVar("Row")


class Most(NamedTuple):
    """The fields of an `Instrument` of the same names; None where the venue states none."""

    max_amount: Decimal | None = None
    max_notional: Decimal | None = None
    max_usd: Decimal | None = None
    max_market_amount: Decimal | None = None
    max_market_notional: Decimal | None = None
    max_market_usd: Decimal | None = None


def most_of(row: type[Row], read: Callable[[Row], Most]) -> Callable[[object], Most]:
    """What `read` finds in a decoded row of that kind. Raises ValueError for what is none."""

    def found(info: object) -> Most:
        try:
            return read(msgspec.convert(info, row, strict=False))
        except msgspec.ValidationError as error:
            raise ValueError(f"not a row of the venue's list: {error}") from error

    return found
