"""One leg on its venue's grid: base currency to the venue's amounts and back, prices to its ticks, books to depth.

Everything is exact: what is called hedged is so to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

import msgspec

from xetrade_core.errors import InvalidOrder
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.model.orders import ZERO, Side
from xetrade_core.model.quotes import BookSnapshot, Level
from xetrade_core.trading.cross.request import LegRequest
from xetrade_core.trading.overview import number
from xetrade_core.trading.requests import is_inverse

BPS = Decimal(10_000)


class Leg(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A side of a cross order with what its venue takes. Amounts are in the unit of `lot`, `size` base currency each.

    `price` and `slippage_bps` are those of the request. `depth` (base currency) is what the book held within the bound
    when the saga was planned, `best` the price at its touch, `average` that at which the quantity would have traded.
    """

    venue: str
    account: str
    symbol: str
    side: Side
    spot: bool
    lot: Decimal
    tick: Decimal
    size: Decimal
    price: Decimal | None
    slippage_bps: Decimal
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    min_notional: Decimal | None = None
    depth: Decimal = ZERO
    best: Decimal | None = None
    average: Decimal | None = None

    @classmethod
    def of(cls, request: LegRequest, side: Side, instrument: Instrument) -> Leg:
        """Raises InvalidOrder for an inverse contract, whose worth in base currency moves with its price, and for an
        option."""
        if is_inverse(instrument) or instrument.market_type is MarketType.OPTION:
            raise InvalidOrder(
                "symbol",
                instrument.symbol,
                "spot or a linear contract: an inverse one, or an option, hedges no fixed quantity",
            )
        return cls(
            venue=request.venue,
            account=request.account,
            symbol=instrument.symbol,
            side=side,
            spot=instrument.market_type is MarketType.SPOT,
            lot=instrument.lot,
            tick=instrument.price_tick,
            size=instrument.contract_size,
            price=request.price,
            slippage_bps=request.slippage_bps,
            min_amount=instrument.min_amount,
            max_amount=instrument.max_amount,
            min_notional=instrument.min_notional,
        )

    @property
    def place(self) -> str:
        """For people: `binance/main BTC/USDT`."""
        return f"{self.venue}/{self.account} {self.symbol}"

    @property
    def name(self) -> tuple[str, str, str]:
        """Venue, account and symbol."""
        return self.venue, self.account, self.symbol

    @property
    def step(self) -> Decimal:
        """The smallest change of a quantity, in base currency; 0 where any will do."""
        return self.lot * self.size

    def off_grid(self, quantity: Decimal) -> bool:
        """Whether a quantity in base currency is no multiple of that."""
        return bool(self.step) and self.base(self.amount_on_grid(quantity)) != quantity

    def base(self, amount: Decimal) -> Decimal:
        """An amount of the venue in base currency."""
        return amount * self.size

    def amount(self, base: Decimal) -> Decimal:
        """The largest amount on the venue's grid, and that one order may have, that is no more than `base`."""
        amount = self.amount_on_grid(base)
        return amount if self.max_amount is None else min(amount, self.max_amount)

    def amount_on_grid(self, base: Decimal) -> Decimal:
        """The largest amount on the venue's grid that is no more than `base`."""
        amount = base / self.size
        return (amount / self.lot).to_integral_value(ROUND_DOWN) * self.lot if self.lot else amount

    def too_small(self, amount: Decimal, price: Decimal, *, exit_of_contracts: bool = False) -> str | None:
        """Why the venue takes no order of `amount`; None if it takes it. An exit of a contract has no minimum."""
        if amount <= 0:
            return f"less than {number(self.step)}, the lot on {self.venue}"
        if exit_of_contracts:
            return None
        if self.min_amount is not None and amount < self.min_amount:
            return f"less than {number(self.base(self.min_amount))}, the smallest order on {self.venue}"
        value = self.base(amount) * price
        if self.min_notional is not None and value < self.min_notional:
            return f"worth less than {number(self.min_notional)}, the smallest order on {self.venue}"
        return None

    # -- prices --------------------------------------------------------------------------------------------------

    def on_tick(self, price: Decimal, side: Side) -> Decimal:
        """A limit that is never past `price`: a buy's rounded down, a sell's up."""
        if not self.tick:
            return price
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        return (price / self.tick).to_integral_value(rounding) * self.tick

    def bound(self, touch: Decimal | None) -> Decimal | None:
        """The worst price that the request allows, with the touch where it is now; None if that is not known."""
        if self.price is not None:
            return self.price
        return None if touch is None else away(touch, self.slippage_bps, self.side)


def away(price: Decimal, bps: Decimal, side: Side) -> Decimal:
    """The price that is so many basis points worse for that side."""
    return price * (1 + side.sign * bps / BPS)


def tighter(side: Side, *bounds: Decimal | None) -> Decimal | None:
    """The strictest of some bounds for that side; None if there is none."""
    given = [one for one in bounds if one is not None]
    if not given:
        return None
    return min(given) if side is Side.BUY else max(given)


def beyond(price: Decimal, bound: Decimal, side: Side) -> bool:
    """Whether a price is worse than the bound of that side."""
    return price > bound if side is Side.BUY else price < bound


# -- books: what `side` would take ----------------------------------------------------------------------------------


def levels(book: BookSnapshot, side: Side) -> Sequence[Level]:
    """The levels that an order of that side trades with, best first."""
    return book.asks if side is Side.BUY else book.bids


def touch(book: BookSnapshot | None, side: Side) -> Decimal | None:
    """The best price for that side; None where there is none."""
    found = levels(book, side) if book is not None else ()
    return exact(found[0][0]) if found else None


def depth_within(book: BookSnapshot, leg: Leg, bound: Decimal | None) -> Decimal:
    """How much base currency the book holds for the leg up to its bound."""
    return sum((base for _, base in _within(book, leg, bound)), ZERO)


def average_price(book: BookSnapshot, leg: Leg, bound: Decimal | None, base: Decimal) -> Decimal | None:
    """The average price at which `base` would trade within the bound; None if the book does not hold so much."""
    left, value = base, ZERO
    for price, offered in _within(book, leg, bound):
        taken = min(left, offered)
        value += taken * price
        left -= taken
        if not left:
            return value / base
    return None


def _within(book: BookSnapshot, leg: Leg, bound: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
    for level_price, size in levels(book, leg.side):
        price = exact(level_price)
        if bound is not None and beyond(price, bound, leg.side):
            return
        yield price, leg.base(exact(size))


def exact(number: float) -> Decimal:
    """The decimal number that a float was read from."""
    return Decimal(repr(number))
