"""All positions at once: a stream of fills and funding, each to the position it belongs to. In decimals, for millions.

A position is one instrument of one account in the hands of one strategy. Use it within `numbers.stream_context`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Fill, Side
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import NoConversion, Position, streamed

Payouts = Callable[[str, str], Payout]
"""The payout of an instrument, by venue and symbol."""
FeeRates = Callable[[str, str, int], Decimal | None]
"""The value of one unit of a currency in another at a time (ns); None where it is not known."""


class Holder(NamedTuple):
    """Whose position of what it is."""

    venue: str
    account: str
    symbol: str
    strategy: str


def no_rates(currency: str, settle: str, at_ns: int) -> Decimal | None:
    """Knows nothing: fees in third currencies stay in their own."""
    return None


class PositionBook:
    """Positions by holder. Fees (and fundings, as negative ones) whose value nothing tells are kept in their own
    currency, in `unvalued`, and are in no result: whoever reads the one must read the other."""

    def __init__(self, payouts: Payouts, method: LotMethod = LotMethod.AVERAGE, fee_rates: FeeRates = no_rates) -> None:
        self.positions: dict[Holder, Position[Decimal]] = {}
        self.unvalued: dict[Holder, dict[str, Decimal]] = {}
        self._payouts = payouts
        self._method = method
        self._fee_rates = fee_rates

    def position(self, holder: Holder) -> Position[Decimal]:
        """The position of a holder, empty where there was none."""
        found = self.positions.get(holder)
        if found is None:
            payout = self._payouts(holder.venue, holder.symbol)
            found = self.positions[holder] = streamed(payout, self._method)
        return found

    def fill(self, fill: Fill, strategy: str = "") -> None:
        """One fill; it must come once, and after those before it. A delivery closes what each strategy holds."""
        if not strategy and fill.delivers:
            for owner, part in self.delivered(fill):
                self._fill(owner, part)
            return
        self._fill(Holder(fill.venue, fill.account, fill.symbol, strategy), fill)

    def _fill(self, holder: Holder, fill: Fill) -> None:
        position = self.positions.get(holder) or self.position(holder)
        signed = fill.amount if fill.side is Side.BUY else -fill.amount
        if not fill.fee:
            position.trade(signed, fill.price)
            return
        currency = fill.fee_currency or position.payout.settle
        try:
            position.fill(signed, fill.price, fill.fee, currency)
        except NoConversion:
            at_ns = fill.exchange_ns or fill.received_ns
            rate = self._fee_rates(currency, position.payout.settle, at_ns)
            if rate is not None:
                position.fill(signed, fill.price, fill.fee, currency, rate)
                return
            self._keep_apart(holder, currency, fill.fee)
            position.trade(signed, fill.price)

    def fills(self, fills: Iterable[Fill], strategy: str = "") -> None:
        """Many fills of one strategy, in order."""
        for fill in fills:
            self.fill(fill, strategy)

    def fund(self, holder: Holder, received: Decimal, currency: str = "") -> None:
        """A funding payment as the venue booked it, negative when paid; in settlement currency unless another is named,
        which is kept apart as a fee would be."""
        position = self.position(holder)
        if currency in ("", position.payout.settle):
            position.receive_funding(received)
        else:
            self._keep_apart(holder, currency, -received)

    def _keep_apart(self, holder: Holder, currency: str, paid: Decimal) -> None:
        kept = self.unvalued.setdefault(holder, {})
        kept[currency] = kept.get(currency, Decimal(0)) + paid

    def shares(self, payment: FundingPayment) -> list[tuple[Holder, Decimal]]:
        """A payment to an account, by strategy: each has its share by what it holds, and all add up to the payment.

        Where nothing is held that could have been paid for, it is nobody's: the strategy is empty.
        """
        return self._shared(payment, payment.amount)

    def delivered(self, fill: Fill) -> list[tuple[Holder, Fill]]:
        """A delivery by strategy, with its share of the fee: where the venue closes what our fills make, each closes
        what it holds, one that held against the others too."""
        fees = [fee for _, fee in self._shared(fill, fill.fee or Decimal(0))]
        parts = self._shared(fill, fill.amount if fill.side is Side.BUY else -fill.amount)
        return [
            (holder, msgspec.structs.replace(fill, side=Side.BUY if part > 0 else Side.SELL, amount=abs(part), fee=fee))
            for (holder, part), fee in zip(parts, fees, strict=True)
        ]

    def _shared(self, event: Fill | FundingPayment, whole: Decimal) -> list[tuple[Holder, Decimal]]:
        """An amount of an account by what each strategy holds of the instrument; the strategy is empty where none
        does."""
        where = (event.venue, event.account, event.symbol)
        held = [(one, position.quantity) for one, position in self.positions.items() if one[:3] == where]
        held = [(holder, quantity) for holder, quantity in held if quantity]
        total = sum((quantity for _, quantity in held), Decimal(0))
        if not total:
            return [(Holder(*where, ""), whole)]
        found = [(holder, whole * quantity / total) for holder, quantity in held[:-1]]
        return [*found, (held[-1][0], whole - sum((part for _, part in found), Decimal(0)))]
