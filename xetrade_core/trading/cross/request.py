"""What a cross-venue order asks for: two legs, one quantity, and how long and how dearly the hedge may be sought.

Venues offer no prepare, so the two legs cannot be made to happen together. What is asked for is therefore bounded: each
leg by a price, the whole by a loss and by a time after which what is not hedged is traded back.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from xetrade_core.errors import InvalidOrder
from xetrade_core.model.orders import Side
from xetrade_core.trading.requests import require_number

#: how far from the touch an order of a leg without a price may trade
SLIPPAGE_BPS = Decimal(10)
WITHIN_S = 10.0
KEY_LENGTH = 200
_LONGEST_S = 3600.0


class LegRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one side is traded. `price` (quote currency) is the worst that any of its orders may trade at; without one,
    `slippage_bps` from the touch at the moment of sending."""

    venue: str
    account: str
    symbol: str
    price: Decimal | None = None
    slippage_bps: Decimal = SLIPPAGE_BPS

    @property
    def name(self) -> tuple[str, str, str]:
        """Venue, account and symbol."""
        return self.venue, self.account, self.symbol

    @property
    def place(self) -> str:
        """For people: `binance/main BTC/USDT`."""
        return f"{self.venue}/{self.account} {self.symbol}"


class CrossRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Buy on one venue what is sold on another. `quantity` is in base currency on both, whatever the venues count in.

    `max_loss` (quote currency, fees apart): no hedge is traded that would cost more, and the first leg is traded back
    once hedging would. `within_s`: so long after the plan the first leg is traded back as far as it is not hedged.
    """

    buy: LegRequest
    sell: LegRequest
    quantity: Decimal
    max_loss: Decimal
    within_s: float = WITHIN_S
    strategy: str = ""

    def leg(self, side: Side) -> LegRequest:
        """The leg of that side."""
        return self.buy if side is Side.BUY else self.sell


def require_sense(request: CrossRequest) -> None:
    """Raises InvalidOrder where the fields do not fit each other, whatever the venues."""
    require_number("quantity", request.quantity)
    if not (request.max_loss.is_finite() and request.max_loss >= 0):
        raise InvalidOrder("max_loss", request.max_loss, "zero or more, in quote currency")
    if not 0 < request.within_s <= _LONGEST_S:
        raise InvalidOrder("within", request.within_s, f"more than 0 and at most {_LONGEST_S:g} seconds")
    for side in Side:
        leg = request.leg(side)
        if leg.price is not None:
            require_number(f"{side.value} price", leg.price)
        if not (leg.slippage_bps.is_finite() and 0 <= leg.slippage_bps < 10_000):
            raise InvalidOrder(f"{side.value} slippage", leg.slippage_bps, "0 up to 10,000 basis points")
    if request.buy.place == request.sell.place:
        raise InvalidOrder("leg", request.buy.place, "both are the same; give one another venue, account or pair")
    pairs = {_pair(request.leg(side).symbol) for side in Side}
    if len(pairs) > 1:
        raise InvalidOrder(
            "pair", " with ".join(sorted(pairs)), "the same base and quote currency in both legs, to hedge"
        )


def require_key(key: str) -> None:
    """Raises InvalidOrder if a saga cannot be called so."""
    if not 0 < len(key) <= KEY_LENGTH:
        raise InvalidOrder("key", key, f"1 to {KEY_LENGTH} characters that name this cross order and no other")


def _pair(symbol: str) -> str:
    """Base and quote of a universal symbol: `BTC/USDT` of `BTC/USDT:USDT`."""
    return symbol.partition(":")[0]
