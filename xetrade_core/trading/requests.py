"""What a caller asks for, and what it becomes before it is sent: on the venue's grid, within its bounds, or refused.

Nothing is rounded unless the caller says so: a client library that truncates silently sells more, or less, than was
meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from xetrade_core.errors import InvalidOrder, NotTrading
from xetrade_core.model.contracts import Contract
from xetrade_core.model.decimals import plain
from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.model.orders import Intent, OrderType, Side, Terms, TimeInForce
from xetrade_core.trading.limits import CURRENCY

STRATEGY_LENGTH = 64  # what the order store has room for
_MAGNITUDE = 40  # and as many zeros behind the point: what is reckoned of it is still a number then


class Rounding(StrEnum):
    """What to do with an amount or a price that is off the venue's grid."""

    REFUSE = "refuse"
    FIT = "fit"  # the amount down to the lot, so that never more is traded than asked; the price to the nearest tick


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """An order as somebody asks for it. `amount` is in the unit of the lot, `price` in quote currency.

    `expires_ns`: until when it may wait for a venue that is down, or be sent again where that is safe; None: now or
    never.
    """

    venue: str
    account: str
    symbol: str
    side: Side
    amount: Decimal
    type: OrderType = OrderType.LIMIT
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    strategy: str = ""
    expires_ns: int | None = None
    rounding: Rounding = Rounding.REFUSE


@dataclass(frozen=True, slots=True)
class Pricing:
    """What an order is valued by: the mark price, the value of the quote currency, and how far a market may move.

    `mark` may be None for a limit order, which is valued at its own price. `rate` is the value of one unit of the
    quote currency in the accounting currency.
    """

    mark: Decimal | None
    rate: Decimal | None
    market_slippage: Decimal = Decimal("0.05")


def fit(request: OrderRequest, instrument: Instrument, pricing: Pricing) -> tuple[Decimal, Decimal | None, Decimal]:
    """Amount, price, and the price that risk values the order at. Raises InvalidOrder, NotTrading."""
    if instrument.status is not InstrumentStatus.TRADING:
        raise NotTrading(instrument.symbol, instrument.venue, instrument.status.value)
    require_sense(request)
    amount = _on_grid("quantity", request.amount, instrument.lot, ROUND_DOWN, request, unit_of(instrument))
    price = request.price
    if price is not None:
        quote = Contract.currencies(instrument.symbol)[1]
        price = _on_grid("price", price, instrument.price_tick, ROUND_HALF_EVEN, request, quote)
    _require_bounds(amount, instrument, request)
    reserve = reserve_at(request, price if price is not None else _market_price(request, pricing))
    if not request.reduce_only:  # what is left of a position must be closable, however small: the venue decides
        _require_notional(amount, price, pricing, instrument)
    return amount, price, reserve


def to_intent(
    request: OrderRequest,
    instrument: Instrument,
    pricing: Pricing,
    *,
    client_id: str,
    key: str,
    now_ns: int,
    live: bool,
) -> Intent:
    """The request as it will be sent. Raises InvalidOrder, NotTrading."""
    amount, price, reserve = fit(request, instrument, pricing)
    if pricing.rate is None:
        quote = Contract.currencies(instrument.symbol)[1]
        raise InvalidOrder(
            "symbol", request.symbol, f"{quote} has a known value, so that risk can measure: set its rate"
        )
    return Intent(
        client_id=client_id,
        venue=request.venue,
        account=request.account,
        symbol=instrument.symbol,
        side=request.side,
        type=request.type,
        amount=amount,
        price=price,
        reserve_price=reserve,
        time_in_force=request.time_in_force,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        strategy=request.strategy,
        created_ns=now_ns,
        expires_ns=request.expires_ns,
        live=live,
        key=key,
        terms=Terms(instrument.contract_size, is_inverse(instrument), pricing.rate),
    )


def reserve_at(order: OrderRequest | Intent, price: Decimal) -> Decimal:
    """The price that risk values an order at: its own; an option that is sold, and does not only close, at what its
    seller answers for, if that is more."""
    if order.side is Side.BUY or order.reduce_only:
        return price
    return max(price, Contract.written_at(order.symbol))


def is_inverse(instrument: Instrument) -> bool:
    """Whether the contract is settled in its base currency, so that its size is in quote currency; an option is not."""
    return Contract.of(instrument.symbol).inverse


def unit_of(instrument: Instrument) -> str:
    """What amounts of an instrument count: `BTC`, `USD`, `contracts of 0.01 BTC`."""
    return Contract(instrument.contract_size, is_inverse(instrument)).unit(instrument.symbol)


def require_number(name: str, value: Decimal) -> None:
    """Raises InvalidOrder for what is no number above zero, or one that no amount or price has ever been like."""
    if not (value.is_finite() and value > 0):
        raise InvalidOrder(name, value, "a number above zero")
    if abs(value.adjusted()) > _MAGNITUDE:
        raise InvalidOrder(name, str(value), f"a number above zero, of at most {_MAGNITUDE} digits before the point")


def require_sense(request: OrderRequest) -> None:
    """Whether the fields fit each other, whatever the venue. Raises InvalidOrder."""
    if len(request.strategy) > STRATEGY_LENGTH or not request.strategy.isprintable():
        shown = request.strategy[:STRATEGY_LENGTH]
        raise InvalidOrder("strategy", repr(shown), f"at most {STRATEGY_LENGTH} characters that can be printed")
    for name, value in (("quantity", request.amount), ("price", request.price)):
        if value is not None:
            require_number(name, value)
    if request.type is OrderType.LIMIT and request.price is None:
        raise InvalidOrder("price", None, "a limit order needs one")
    if request.type is OrderType.MARKET:
        if request.price is not None:
            raise InvalidOrder("price", request.price, "a market order has none")
        if request.post_only:
            raise InvalidOrder("post_only", True, "a market order always takes")
    if request.post_only and request.time_in_force is not TimeInForce.GTC:
        raise InvalidOrder("time_in_force", request.time_in_force.value, "a post-only order rests: gtc")


def _on_grid(name: str, value: Decimal, step: Decimal, rounding: str, request: OrderRequest, unit: str) -> Decimal:
    """`value` as a multiple of `step` (0: any), rounded only if the request says so. `unit`: what it counts."""
    if not step:
        return value
    steps = value / step
    whole = steps.to_integral_value(rounding)
    if whole == steps and whole * step == value:
        return value
    if request.rounding is Rounding.REFUSE:
        raise InvalidOrder(name, value, f"a multiple of {plain(step)} {unit}, or ask for rounding to fit")
    if not whole:
        raise InvalidOrder(name, value, f"at least {plain(step)} {unit}")
    return whole * step


def _require_bounds(amount: Decimal, instrument: Instrument, request: OrderRequest) -> None:
    if instrument.min_amount is not None and amount < instrument.min_amount and not request.reduce_only:
        raise InvalidOrder("quantity", amount, f"at least {plain(instrument.min_amount)} {unit_of(instrument)}")
    if instrument.max_amount is not None and amount > instrument.max_amount:
        raise InvalidOrder("quantity", amount, f"at most {plain(instrument.max_amount)} {unit_of(instrument)}")
    at_market = instrument.max_market_amount if request.type is OrderType.MARKET else None
    if at_market is not None and amount > at_market:
        raise InvalidOrder("quantity", amount, f"at most {plain(at_market)} {unit_of(instrument)} at market")


def _require_notional(amount: Decimal, price: Decimal | None, pricing: Pricing, instrument: Instrument) -> None:
    """`price` None: an order at market, which is valued at the mark."""
    valued_at = pricing.mark if price is None else price
    if valued_at is None:
        return
    notional = Terms(instrument.contract_size, is_inverse(instrument)).value(amount, valued_at)
    quote = Contract.currencies(instrument.symbol)[1]
    if instrument.min_notional is not None and notional < instrument.min_notional:
        raise InvalidOrder("notional", plain(notional), f"at least {plain(instrument.min_notional)} {quote}")
    most, most_usd = (
        (instrument.max_notional, instrument.max_usd)
        if price is not None
        else (instrument.max_market_notional, instrument.max_market_usd)
    )
    at_market = "" if price is not None else " at market"
    if most is not None and notional > most:
        raise InvalidOrder("notional", plain(notional), f"at most {plain(most)} {quote}{at_market}")
    worth = None if pricing.rate is None else notional * pricing.rate
    if most_usd is not None and worth is not None and worth > most_usd:
        raise InvalidOrder("notional", plain(worth), f"at most {plain(most_usd)} {CURRENCY}{at_market}")


def _market_price(request: OrderRequest, pricing: Pricing) -> Decimal:
    if pricing.mark is None:
        raise InvalidOrder("type", request.type.value, "a market order needs a fresh mark price to be valued by")
    return pricing.mark * (1 + pricing.market_slippage)
