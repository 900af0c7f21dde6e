"""What is measured against collateral: margin, return on it, and the price at which a venue liquidates.

A venue liquidates when equity no longer covers the maintenance margin. For one instrument and one price that is a
linear equation in the price (or in its reciprocal, for inverse contracts), whose solution is the formula that Binance
states for USD-M and COIN-M and Bybit for isolated positions; docs/positions.md has them side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from xetrade_core.errors import ConfigError
from xetrade_core.positions.numbers import reported
from xetrade_core.positions.payout import Payout


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a position: signed quantity and entry, and what the venue's tier asks of it.

    `maintenance_rate` is a fraction of the value at the liquidation price; `maintenance_amount` (Binance's `cum`,
    Bybit's deduction) is taken off, in settlement currency. Both belong to the tier in which that value falls.
    """

    quantity: Decimal
    entry: Decimal
    maintenance_rate: Decimal
    maintenance_amount: Decimal = Decimal(0)


def initial_margin(payout: Payout, quantity: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
    """The value at `price` divided by the leverage, in settlement currency. Raises ConfigError."""
    if not leverage > 0:
        raise ConfigError.of("leverage", str(leverage), "above 0")
    return reported(abs(payout.notional(Fraction(quantity), Fraction(price))) / Fraction(leverage))


def return_on_margin(profit: Decimal, margin: Decimal) -> Decimal | None:
    """`profit` as a fraction of `margin`; None where there is no margin. Bybit takes the margin at entry, Binance the
    one at mark: the caller says by the price it gives to `initial_margin`."""
    return reported(Fraction(profit) / Fraction(margin)) if margin else None


def liquidation_price(
    payout: Payout,
    legs: Iterable[Leg],
    wallet: Decimal,
    other_unrealized: Decimal = Decimal(0),
    other_maintenance: Decimal = Decimal(0),
) -> Decimal | None:
    """The price at which equity equals the maintenance margin; None where no price above 0 does.

    `legs` is one position, or the long and the short of a hedge. `wallet` is the balance that backs them: the cross
    wallet, or the isolated margin with nothing `other`. `other_unrealized` and `other_maintenance` are those of the
    account's other instruments. All in settlement currency.
    """
    backing = Fraction(wallet) + Fraction(other_unrealized) - Fraction(other_maintenance)
    multiplier = Fraction(payout.multiplier)
    slope = Fraction(0)
    for leg in legs:
        units = Fraction(leg.quantity) * multiplier
        entered = units * payout.worth(Fraction(leg.entry))
        backing += Fraction(leg.maintenance_amount) + (entered if payout.inverse else -entered)
        slope += abs(units) * Fraction(leg.maintenance_rate) + (units if payout.inverse else -units)
    # linear: backing = slope x price; inverse: backing = slope / price
    upper, lower = (slope, backing) if payout.inverse else (backing, slope)
    return reported(upper / lower) if lower and upper / lower > 0 else None
