"""An account's money: balances by currency, and the journal that they are the sum of, to the last digit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

PLACES = Decimal("0.00000001")  # venues book to eight digits


def booked(amount: Decimal) -> Decimal:
    """The amount as it is booked: eight digits after the point."""
    return amount.quantize(PLACES, ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a contract's end has closed: of a long it is negative; at which price, and for which fee."""

    quantity: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking: `kind` is deposit, trade, fee, pnl, funding or delivery; `reference` names the trade or the funding.

    Of a delivery it is the profit less the fee."""

    entry_id: int
    time_ns: int
    kind: str
    currency: str
    amount: Decimal
    symbol: str | None
    reference: str
    delivered: Delivered | None = None


class Ledger:
    """Balances and journal of one account. What is locked is still owned: total = free + locked."""

    def __init__(self) -> None:
        self.journal: list[Entry] = []
        self._total: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._locked: defaultdict[str, Decimal] = defaultdict(Decimal)

    def book(
        self,
        time_ns: int,
        kind: str,
        currency: str,
        amount: Decimal,
        symbol: str | None = None,
        reference: str = "",
        delivered: Delivered | None = None,
    ) -> Entry:
        """Add a booking of any sign; what is booked is rounded to eight digits before."""
        entry = Entry(len(self.journal) + 1, time_ns, kind, currency, booked(amount), symbol, reference, delivered)
        self.journal.append(entry)
        self._total[currency] += entry.amount
        return entry

    def lock(self, currency: str, amount: Decimal) -> None:
        """Lock more, or less where `amount` is negative."""
        self._locked[currency] += amount

    def total(self, currency: str) -> Decimal:
        """Everything owned of it."""
        return self._total[currency]

    def locked(self, currency: str) -> Decimal:
        """What resting orders hold of it."""
        return self._locked[currency]

    def free(self, currency: str) -> Decimal:
        """What a new order may use."""
        return self._total[currency] - self._locked[currency]

    @property
    def currencies(self) -> tuple[str, ...]:
        """Every currency that was ever booked."""
        return tuple(self._total)
