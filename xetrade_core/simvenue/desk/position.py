"""Positions as a venue keeps them: net quantity and entry, exact to the fraction, rounded only when booked.

Written for the simulated venues alone, so that the accounting of the product is proved against something that is not
itself. Linear profit is quantity x (exit - entry) x contract size in the settlement currency; inverse profit is
quantity x contract size x (1/entry - 1/exit); so an inverse entry averages harmonically (COIN-M and OKX documents).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction


def decimal_of(value: Fraction) -> Decimal:
    """The nearest Decimal (28 digits)."""
    return Decimal(value.numerator) / Decimal(value.denominator)


@dataclass(slots=True)
class Position:
    """One position in contracts: `quantity` is positive when long. `contract_size` and `inverse` are the instrument's.

    `basis` is the sum over the open contracts of their entry price (linear) or of its reciprocal (inverse), times
    quantity: the entry price follows from it without a rounding on the way.
    """

    contract_size: Decimal
    inverse: bool
    quantity: Decimal = Decimal(0)
    basis: Fraction = field(default_factory=Fraction)
    realized: Decimal = Decimal(0)  # in settlement currency, ever

    def trade(self, signed: Decimal, price: Decimal) -> Decimal:
        """Apply a fill of `signed` contracts; gives the realized profit in settlement currency, not yet rounded."""
        worth = self._worth(price)
        closing = Decimal(0)
        if self.quantity * signed < 0:
            closing = min(abs(signed), abs(self.quantity)).copy_sign(self.quantity)
        realized = Fraction(0)
        if closing:
            share = Fraction(closing) / Fraction(self.quantity)
            released = self.basis * share
            gain = Fraction(closing) * worth - released
            realized = (-gain if self.inverse else gain) * Fraction(self.contract_size)
            self.basis -= released
        opening = signed + closing
        self.basis += Fraction(opening) * worth
        self.quantity += signed
        profit = decimal_of(realized)
        self.realized += profit
        return profit

    @property
    def entry(self) -> Decimal | None:
        """The average entry price; None when flat."""
        if not self.quantity:
            return None
        per_contract = self.basis / Fraction(self.quantity)
        return decimal_of(1 / per_contract if self.inverse else per_contract)

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit in settlement currency if it were closed at `mark`."""
        gain = Fraction(self.quantity) * self._worth(mark) - self.basis
        return decimal_of((-gain if self.inverse else gain) * Fraction(self.contract_size))

    def notional(self, mark: Decimal) -> Decimal:
        """Its size in settlement currency, without sign."""
        size = abs(self.quantity) * self.contract_size
        return size / mark if self.inverse else size * mark

    def _worth(self, price: Decimal) -> Fraction:
        return 1 / Fraction(price) if self.inverse else Fraction(price)
