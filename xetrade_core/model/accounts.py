"""What a venue says an account holds. Decimal; amounts in the units of `model.orders`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of one account: `total` includes what open orders lock."""

    venue: str
    account: str
    currency: str
    total: Decimal
    free: Decimal
    received_ns: int


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the venue states it: `amount` is signed, negative for a short; zero positions may be left out."""

    venue: str
    account: str
    symbol: str
    amount: Decimal
    entry_price: Decimal | None
    received_ns: int
