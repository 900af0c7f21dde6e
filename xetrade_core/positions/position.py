"""One position: what fills and funding make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Generic

from xetrade_core.errors import XETradeError
from xetrade_core.positions.lots import LotMethod, Lots, lots_of
from xetrade_core.positions.numbers import N, of_quanta, quanta, reported, stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.symbols.parts import Style


class NoConversion(XETradeError):
    """A fee is in a currency whose value in settlement currency nothing tells."""

    def __init__(self, currency: str, settle: str) -> None:
        super().__init__(f"a fee in {currency} has no value in {settle or 'settlement currency'}: give a rate for it")
        self.currency = currency


@dataclass(frozen=True, slots=True)
class Pnl:
    """A position and its result in settlement currency, as reported: at most 28 digits after the point.

    `avg_entry` is None when flat. `fees` is positive when paid, negative when rebates exceed them; `funding` is
    positive when received. `unrealized_pnl` and `net_pnl` are None while a position is open and no mark is known.
    realized_pnl_net_of_fees = realized_pnl - fees, and net_pnl = realized_pnl_net_of_fees + unrealized_pnl + funding,
    to the last digit of these very numbers.
    """

    qty_signed: Decimal
    avg_entry: Decimal | None
    realized_pnl: Decimal
    realized_pnl_net_of_fees: Decimal
    unrealized_pnl: Decimal | None
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal | None


class Position(Generic[N]):
    """A position of one instrument, netted: a fill against it closes first, and what is left of it opens the other way.

    `number` turns a Decimal into the numbers to compute in: `Fraction` (`exact`) or `Decimal` (`streamed`, within
    `numbers.stream_context`). Everything is in settlement currency but `fees_paid`, which is by currency of the fee.
    """

    __slots__ = ("_inverse", "_lots", "_multiplier", "fees", "fees_paid", "funding", "method", "payout", "realized")

    realized: N
    fees: N
    funding: N
    _lots: Lots[N]
    _multiplier: N

    def __init__(self, payout: Payout, method: LotMethod, number: Callable[[Decimal], N]) -> None:
        zero = number(Decimal(0))
        self.payout = payout
        self.method = method
        self.realized = zero
        self.fees = zero
        self.funding = zero
        self.fees_paid: dict[str, N] = {}
        self._lots = lots_of(method, zero)
        self._multiplier = number(payout.multiplier)
        self._inverse = payout.inverse

    @property
    def quantity(self) -> N:
        """Signed: negative for a short."""
        return self._lots.quantity

    @property
    def average_entry(self) -> N | None:
        """Weighted by quantity, harmonic for an inverse contract; None when flat. Of the open lots under FIFO, LIFO."""
        return self._price(self._lots.basis / self.quantity) if self.quantity else None

    @property
    def state(self) -> tuple[N, ...]:
        """What every result is made of: where it is the same, so are they."""
        return self._lots.quantity, self._lots.basis, self.realized, self.fees, self.funding

    def open_lots(self) -> list[tuple[N, N]]:
        """The open lots as (signed quantity, entry price), the oldest first."""
        return [(quantity, self._price(worth)) for quantity, worth in self._lots.open_lots()]

    def trade(self, signed: N, price: N) -> N:
        """A fill of a signed quantity at a price; the profit that it realizes."""
        worth = 1 / price if self._inverse else price
        lots = self._lots
        held = lots.quantity
        if held * signed >= 0:
            if signed:
                lots.enter(signed, worth)
            return signed - signed
        closing = -signed if abs(signed) <= abs(held) else held
        gain = closing * worth - lots.release(closing)
        realized = (-gain if self._inverse else gain) * self._multiplier
        self.realized += realized
        if signed != -closing:  # it flips: what is left opens at the price of the fill
            lots.enter(signed + closing, worth)
        return realized

    def fill(self, signed: N, price: N, fee: N | None = None, currency: str = "", rate: N | None = None) -> N:
        """A fill with its fee, positive when paid; the profit that it realizes, fees apart.

        A fee in the base currency of a spot instrument is taken from the inventory at the price of the fill: less is
        bought, or more is given away. `rate` is the value of one unit of `currency` in settlement currency; where it
        is left out, the price of the fill tells it for the instrument's own currencies. Raises NoConversion, and then
        nothing has changed.
        """
        if fee is None or not fee:
            return self.trade(signed, price)
        if self.payout.style is Style.SPOT and currency and currency == self.payout.base:
            signed, rate = signed - fee / self._multiplier, price
        self._charge(fee, currency, price, rate)
        return self.trade(signed, price)

    def _charge(self, fee: N, currency: str, price: N, rate: N | None) -> None:
        value = fee * rate if rate is not None else self.payout.in_settlement(fee, currency, price)
        if value is None:
            raise NoConversion(currency, self.payout.settle)
        self.fees += value
        self.fees_paid[currency] = self.fees_paid.get(currency, fee - fee) + fee

    def fund(self, rate: N, mark: N) -> N:
        """A funding at `rate` on the value at `mark`; what was received. Longs pay when the rate is positive."""
        worth = 1 / mark if self._inverse else mark
        received = -self.quantity * self._multiplier * worth * rate
        self.funding += received
        return received

    def receive_funding(self, amount: N) -> None:
        """A funding payment as the venue booked it, in settlement currency: negative when paid."""
        self.funding += amount

    def unrealized(self, mark: N) -> N:
        """The profit of closing everything at `mark`."""
        gain = self.quantity * (1 / mark if self._inverse else mark) - self._lots.basis
        return (-gain if self._inverse else gain) * self._multiplier

    @property
    def break_even(self) -> N | None:
        """The price at which closing everything, without a further fee, makes the net result zero.

        None when flat, and where no price does.
        """
        if not self.quantity:
            return None
        banked = (self.realized - self.fees + self.funding) / self._multiplier
        worth = (self._lots.basis + (banked if self._inverse else -banked)) / self.quantity
        return self._price(worth) if worth > 0 else None

    def pnl(self, mark: N | None) -> Pnl:
        """Where it stands at `mark`."""
        return summed([self], [mark])

    def _price(self, worth: N) -> N:
        return 1 / worth if self._inverse else worth


def summed(positions: list[Position[N]], marks: list[N | None]) -> Pnl:
    """The result of positions of one instrument together; they have an average entry only if one of them is open."""
    still_open = [position for position in positions if position.quantity]
    entry = still_open[0].average_entry if len(still_open) == 1 else None
    realized = sum(quanta(position.realized) for position in positions)
    fees = sum(quanta(position.fees) for position in positions)
    funding = sum(quanta(position.funding) for position in positions)
    unrealized: int | None = 0
    for position, mark in zip(positions, marks, strict=True):
        if position.quantity:
            unrealized = None if mark is None or unrealized is None else unrealized + quanta(position.unrealized(mark))
    return Pnl(
        qty_signed=of_quanta(sum(quanta(position.quantity) for position in positions)),
        avg_entry=None if entry is None else reported(entry),
        realized_pnl=of_quanta(realized),
        realized_pnl_net_of_fees=of_quanta(realized - fees),
        unrealized_pnl=None if unrealized is None else of_quanta(unrealized),
        fees=of_quanta(fees),
        funding=of_quanta(funding),
        net_pnl=None if unrealized is None else of_quanta(realized - fees + unrealized + funding),
    )


def exact(payout: Payout, method: LotMethod = LotMethod.AVERAGE) -> Position[Fraction]:
    """An empty position that never rounds."""
    return Position(payout, method, Fraction)


def streamed(payout: Payout, method: LotMethod = LotMethod.AVERAGE) -> Position[Decimal]:
    """An empty position for many fills: to be used within `numbers.stream_context`."""
    return Position(payout, method, Decimal)


def as_exact(position: Position[Decimal]) -> Position[Fraction]:
    """One that stands where a streamed one does, and never rounds from there on."""
    made = exact(position.payout, position.method)
    made.realized, made.fees, made.funding = map(Fraction, (position.realized, position.fees, position.funding))
    made.fees_paid = {currency: Fraction(fee) for currency, fee in position.fees_paid.items()}
    with localcontext(stream_context()):
        for quantity, worth in position._lots.open_lots():
            made._lots.enter(Fraction(quantity), Fraction(worth))
    return made


def resumed(payout: Payout, state: tuple[Decimal, ...], fees_paid: dict[str, Decimal]) -> Position[Decimal]:
    """A position by the average method that goes on from the `state` of another."""
    position = streamed(payout)
    lots = position._lots
    lots.quantity, lots.basis, position.realized, position.fees, position.funding = state
    position.fees_paid = dict(fees_paid)
    return position
