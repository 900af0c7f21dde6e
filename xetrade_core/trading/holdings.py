"""What fills have made of one instrument in the hands of one strategy, as far as risk must know: amount, entry, result.

Enough to bound positions and daily losses in one currency; it is no bookkeeping. Linear: entry averages by amount,
result is amount x (exit - entry) x size. Inverse: entry averages harmonically, result is amount x size x (1/entry -
1/exit) in base, valued at the exit. Fees in base or quote currency lower the result; others are left out.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from xetrade_core.clock import NS_PER_S
from xetrade_core.model.contracts import Contract
from xetrade_core.model.orders import ZERO, Fill, Side, Terms

NS_PER_DAY = 86_400 * NS_PER_S


class Holding(msgspec.Struct, frozen=True, omit_defaults=True):
    """`amount` is signed; `entry` its average price. `realized` (accounting currency) is of the UTC day `day` alone."""

    amount: Decimal = ZERO
    entry: Decimal = ZERO
    day: int = 0
    realized: Decimal = ZERO
    terms: Terms = Terms()

    def after(self, fill: Fill, terms: Terms) -> Holding:
        """With one more fill: it closes first, then opens at its own price."""
        day = (fill.exchange_ns or fill.received_ns) // NS_PER_DAY
        realized = self.realized if day <= self.day else ZERO
        signed = fill.amount * fill.side.sign
        amount = self.amount + signed
        if self.amount * signed >= 0:
            entry = _average(self.amount, self.entry, signed, fill.price, terms)
        else:
            closed = min(abs(signed), abs(self.amount)).copy_sign(self.amount)
            realized += result(closed, self.entry, fill.price, terms)
            entry = fill.price if amount * signed > 0 else self.entry if amount else ZERO
        realized -= _fee_value(fill, terms)
        return Holding(amount, entry, max(day, self.day), realized, terms)

    def delivered(self, delivery: Fill) -> Holding:
        """Closed by a delivery, whatever part of it was this one's; its fee is left out."""
        if not self.amount:
            return self
        side = Side.SELL if self.amount > 0 else Side.BUY
        closing = msgspec.structs.replace(delivery, side=side, amount=abs(self.amount), fee=None)
        return self.after(closing, self.terms)

    def day_result(self, day: int, mark: Decimal | None) -> Decimal:
        """Realized on UTC day `day` plus unrealized at `mark` (None: at entry, so none)."""
        realized = self.realized if day == self.day else ZERO
        return realized + (result(self.amount, self.entry, mark, self.terms) if mark and self.amount else ZERO)


def result(amount: Decimal, entry: Decimal, leave: Decimal, terms: Terms) -> Decimal:
    """Profit, in the accounting currency, of a signed amount that was entered at `entry` and left at `leave`."""
    per_unit = leave / entry - 1 if terms.inverse else leave - entry
    return amount * terms.size * per_unit * terms.rate


def _average(held: Decimal, entry: Decimal, added: Decimal, price: Decimal, terms: Terms) -> Decimal:
    total = held + added
    if not held or not total:
        return price
    if terms.inverse:
        return total / (held / entry + added / price)
    return (held * entry + added * price) / total


def _fee_value(fill: Fill, terms: Terms) -> Decimal:
    if not fill.fee:
        return ZERO
    base, quote = Contract.currencies(fill.symbol)
    if fill.fee_currency == quote:
        return fill.fee * terms.rate
    return fill.fee * fill.price * terms.rate if fill.fee_currency == base else ZERO
