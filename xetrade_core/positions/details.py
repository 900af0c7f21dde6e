"""What else is to be said of a case: break-even, worth, margin, liquidation, lots, fees as paid, another currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from xetrade_core.positions.case import Case, Ledger
from xetrade_core.positions.conversion import Path
from xetrade_core.positions.margin import Leg, initial_margin, liquidation_price, return_on_margin
from xetrade_core.positions.numbers import reported
from xetrade_core.positions.position import Position


@dataclass(frozen=True, slots=True)
class Lot:
    """A part of a position with an entry of its own; all of it by the average method."""

    qty_signed: Decimal
    entry: Decimal


@dataclass(frozen=True, slots=True)
class Details:
    """Of one position; None where it is flat, or where what it takes is not known.

    `break_even` is the price at which closing everything makes the net zero. `notional` is at the mark. `margin` is the
    value at entry / leverage, `return_on_margin` what is unrealized of it, a fraction. `liquidation_price` is of the
    wallet of the case, or else of the margin (isolated).
    """

    break_even: Decimal | None
    notional: Decimal | None
    margin: Decimal | None
    return_on_margin: Decimal | None
    liquidation_price: Decimal | None
    fees_paid: dict[str, Decimal]
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class Valued:
    """A net in another currency, and how it got there."""

    currency: str
    net_pnl: Decimal | None
    path: Path


def details(case: Case, position: Position[Fraction]) -> Details:
    """What is to be said of one position of a case."""
    entry, mark, payout = position.average_entry, case.mark, case.payout
    break_even = position.break_even
    quantity = reported(position.quantity)
    margin = None
    if entry is not None and case.leverage is not None:
        margin = initial_margin(payout, quantity, reported(entry), case.leverage)
    liquidation = None
    backing = margin if case.wallet is None else case.wallet
    if entry is not None and backing is not None and case.maintenance_rate is not None:
        leg = Leg(quantity, reported(entry), case.maintenance_rate, case.maintenance_amount)
        liquidation = liquidation_price(payout, [leg], backing)
    unrealized = None if mark is None else reported(position.unrealized(Fraction(mark)))
    return Details(
        break_even=None if break_even is None else reported(break_even),
        notional=None if mark is None else abs(reported(payout.notional(position.quantity, Fraction(mark)))),
        margin=margin,
        return_on_margin=None if margin is None or unrealized is None else return_on_margin(unrealized, margin),
        liquidation_price=liquidation,
        fees_paid={currency: reported(fee) for currency, fee in sorted(position.fees_paid.items())},
        lots=tuple(Lot(reported(amount), reported(price)) for amount, price in position.open_lots()),
    )


def in_currency(ledger: Ledger, currency: str) -> Valued:
    """The net of a case in another currency, through its rates. Raises NoPath."""
    path = ledger.case.rates.path(ledger.case.payout.settle, currency)
    net = ledger.pnl().net_pnl
    return Valued(currency, None if net is None else reported(Fraction(net) * path.factor), path)
