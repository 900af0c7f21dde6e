"""What a stress test does: how many orders, when each begins, and an order that is allowed but will not trade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from xetrade_core.errors import ConfigError, InvalidOrder
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.orders import Side, Terms
from xetrade_core.trading.requests import OrderRequest, is_inverse

CLIENTS = 200
_SPARE = Decimal("1.1")  # above the venue's least notional, so that a move of the market does not undercut it
_MOST_CLIENTS = 5000


@dataclass(frozen=True, slots=True)
class StressPlan:
    """`clients` at once, each placing and cancelling one order after the other.

    `count` orders in all (default: one a client). `over_s`: they begin evenly spread over so many seconds, however
    long each takes; 0: as soon as a client is free. `soak_s`: go on for so long instead of a count. `patience_s`: how
    long an order may wait for the venue, and for its budget beyond the time that this must take.
    """

    clients: int = CLIENTS
    count: int | None = None
    over_s: float = 0.0
    soak_s: float | None = None
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.clients <= _MOST_CLIENTS:
            raise ConfigError.of("clients", self.clients, f"1 to {_MOST_CLIENTS}")
        if self.count is not None and self.count < 1:
            raise ConfigError.of("count", self.count, "at least 1")
        if self.count is not None and self.soak_s is not None:
            raise ConfigError("a stress test has a count of orders or a time to soak, not both")
        for name, value in (("over", self.over_s), ("soak", self.soak_s), ("patience", self.patience_s)):
            if value is not None and not 0 <= value <= 86_400:
                raise ConfigError.of(name, value, "0 to 86400 seconds")
        if self.soak_s == 0:
            raise ConfigError.of("soak", self.soak_s, "above zero")
        if self.soak_s is not None and self.over_s:
            raise ConfigError("orders are spread over a time where there is a count of them, not in a soak")

    @property
    def orders(self) -> int | None:
        """How many orders there will be; None in a soak."""
        return None if self.soak_s is not None else self.count or self.clients

    def begins_s(self, index: int) -> float:
        """Seconds after the start when order `index` begins at the earliest."""
        return 0.0 if self.orders is None else self.over_s * index / self.orders


@dataclass(frozen=True, slots=True)
class Target:
    """Where orders go: an instrument on an account, and a price that they rest at untouched."""

    venue: str
    account: str
    instrument: Instrument
    amount: Decimal
    price: Decimal

    def request(self, expires_ns: int) -> OrderRequest:
        """One order of it: a buy below the market, post-only so that it cannot take."""
        return OrderRequest(
            venue=self.venue,
            account=self.account,
            symbol=self.instrument.symbol,
            side=Side.BUY,
            amount=self.amount,
            price=self.price,
            post_only=True,
            strategy="stress",
            expires_ns=expires_ns,
        )


def harmless(venue: str, account: str, instrument: Instrument, market: Decimal, below: Decimal) -> Target:
    """The smallest order that the instrument allows, `below` (a share, such as 0.05) under the market price.

    Raises InvalidOrder where the instrument says too little to build one.
    """
    if not (below.is_finite() and 0 < below < 1):
        raise ConfigError.of("below", str(below), "a share above 0 and below 1")
    tick, lot = instrument.price_tick, instrument.lot
    if not (tick > 0 and lot > 0):
        raise InvalidOrder("symbol", instrument.symbol, f"a known tick and lot on {venue}")
    price = (market * (1 - below) / tick).to_integral_value(ROUND_FLOOR) * tick
    if price <= 0:
        raise InvalidOrder("price", price, "above zero: the market is too low for that distance")
    one = Terms(instrument.contract_size, is_inverse(instrument)).value(Decimal(1), price)
    least = max(instrument.min_amount or lot, lot)
    if instrument.min_notional is not None:
        least = max(least, instrument.min_notional * _SPARE / one)
    amount = (least / lot).to_integral_value(ROUND_CEILING) * lot
    return Target(venue, account, instrument, amount, price)


def target_of(index: int, targets: Sequence[Target]) -> Target:
    """Where order `index` goes: in turn, so that every venue has its share at any moment."""
    return targets[index % len(targets)]
