"""What a venue says an account holds. Decimal; amounts in the units of `model.orders`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of one account: `total` includes what open orders lock and is, of margin accounts, the wallet alone:
    what open positions would bring is not in it. `free` is None where a venue's stream does not say it."""

    venue: str
    account: str
    currency: str
    total: Decimal
    free: Decimal | None
    received_ns: int


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the venue states it: `amount` is signed, negative for a short; zero positions may be left out.

    `liquidation_price` (quote currency) is where the venue says that it would close it; None where it states none,
    which is also how it says that no price would.
    """

    venue: str
    account: str
    symbol: str
    amount: Decimal
    entry_price: Decimal | None
    received_ns: int
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One funding that an account was paid (`amount` above 0) or has paid, as the venue booked it.

    (venue, account, symbol, payment_id) is its identity, however often it is reported. `rate` and `mark` are what it
    was reckoned from, where the venue says them.
    """

    venue: str
    account: str
    symbol: str
    payment_id: str
    amount: Decimal
    currency: str
    at_ns: int
    rate: Decimal | None = None
    mark: Decimal | None = None

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What no other payment shares."""
        return (self.venue, self.account, self.symbol, self.payment_id)
