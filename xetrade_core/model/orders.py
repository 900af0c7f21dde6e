"""Orders as values: what is wanted, what the venue says of it, what was traded. Decimal throughout: this is money.

Amounts are in the unit of the instrument's lot (base currency for spot, contracts otherwise), prices in quote currency,
times in UTC nanoseconds. A client order id names one intent for ever, here and on the venue.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from xetrade_core.model.contracts import Contract

ZERO = Decimal(0)


class Side(StrEnum):
    """Which way an order or a fill goes."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How the price is found."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order stays."""

    GTC = "gtc"  # until it is cancelled
    IOC = "ioc"  # what matches at once; the rest is cancelled
    FOK = "fok"  # all at once, or nothing


class OrderState(StrEnum):
    """Where an order stands, as far as evidence goes. trading/transitions.py says how they follow each other."""

    INTENT = "intent"  # committed here, not sent
    DENIED = "denied"  # refused by our own risk check; never sent
    SUBMITTING = "submitting"  # may be on the wire
    UNKNOWN = "unknown"  # sent, and no answer tells whether the venue took it
    NEEDS_OPERATOR = "needs_operator"  # the venue could not tell in time, or contradicts itself
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"  # the cancel may be on the wire
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def working(self) -> bool:
        """Whether the order can still trade, as far as we know: such an order reserves risk."""
        return self not in _DONE


_DONE = frozenset({OrderState.DENIED, OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one unit of amount is worth. `rate` is the value of one unit of quote currency in the accounting currency.

    `size` is the contract size: base currency (linear; 1 for spot) or quote currency (inverse).
    """

    size: Decimal = Decimal(1)
    inverse: bool = False
    rate: Decimal = Decimal(1)

    def value(self, amount: Decimal, price: Decimal) -> Decimal:
        """The notional of `amount` at `price` in the accounting currency; an inverse contract's is the same at any."""
        return amount * self.size * self.rate * (1 if self.inverse else price)


class Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order that somebody wants, as it will be sent: amounts and prices are already on the venue's grid.

    `price` is None for a market order. `reserve_price` values it for risk: the limit price, or what a market order may
    come to. `expires_ns`: until then it may wait for a venue that is down, or be sent again where that is safe; None
    means now or never. `live`: real money is at stake. `key` is the caller's own name of it, for people. `replaces` is
    the client id of the order whose place it takes.
    """

    client_id: str
    venue: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    amount: Decimal
    created_ns: int
    reserve_price: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    strategy: str = ""
    expires_ns: int | None = None
    live: bool = False
    terms: Terms = Terms()
    key: str = ""
    replaces: str | None = None

    @property
    def unit(self) -> str:
        """What its amounts count: `BTC`, `USD`, `contracts of 0.01 BTC`."""
        return Contract(self.terms.size, self.terms.inverse).unit(self.symbol)


class Liquidity(StrEnum):
    """Whether a fill gave or took liquidity."""

    MAKER = "maker"
    TAKER = "taker"


#: what the ids of deliveries begin with, before the venue's own; no venue has such a name for a trade
DELIVERY = "delivery:"


class Fill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trade of one order. (venue, account, symbol, trade_id) is its identity, whoever reports it and how often.

    Of a trade between two orders of the account most venues tell both fills by one id: the one that is recorded second
    is `told_apart`.

    `fee` is positive when paid, negative for a rebate, in `fee_currency`; None where the venue has not said (yet).

    What a venue closes when a contract ends is one too, of no order: a delivery, at the delivery price.
    """

    venue: str
    account: str
    symbol: str
    trade_id: str
    side: Side
    price: Decimal
    amount: Decimal
    received_ns: int
    exchange_ns: int | None = None
    venue_order_id: str | None = None
    client_id: str | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    liquidity: Liquidity | None = None

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What no other fill shares."""
        return (self.venue, self.account, self.symbol, self.trade_id)

    @property
    def delivers(self) -> bool:
        """Whether the venue has closed it because the contract has ended, for all in the account who held it."""
        return self.client_id is None and self.trade_id.startswith(DELIVERY)

    def faces(self, side: Side, venue_order_id: str | None) -> bool:
        """Whether a fill of the same trade, of that side and order, is the other one: of another order of the account.

        An order that is not known is taken for this one.
        """
        orders = {self.venue_order_id, venue_order_id}
        return self.side is not side and len(orders) == 2 and None not in orders

    def told_apart(self) -> Fill:
        """Itself, with the order's id beside the trade's."""
        return msgspec.structs.replace(self, trade_id=f"{self.trade_id}-{self.venue_order_id}")


class ReportStatus(StrEnum):
    """What a venue says of an order, the same words for all venues."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class OrderReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement of a venue about one order: a reply, a query's answer or an event of its stream.

    `filled` is cumulative. A field that the venue left out is None: a reply to a placement often says an id and
    nothing else. `code` and `reason` say why it was rejected or cancelled.
    """

    symbol: str
    status: ReportStatus
    client_id: str | None = None
    venue_order_id: str | None = None
    filled: Decimal | None = None
    amount: Decimal | None = None
    price: Decimal | None = None
    exchange_ns: int | None = None
    code: str | None = None
    reason: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an intent stands: the sum of its events and nothing else.

    `version` counts its events. `amount`, `price` and `reserve_price` are the current ones, after amendments;
    `next_amount`, `next_price` and `next_reserve_price` those of an amendment that is under way, and `successor` the
    client id of the order that will take this one's place. `filled` is the most that either fills or the venue's
    reports say; `fills_amount` and `fills_value` (sum of price x amount) come from fills alone. `sent` is how often it
    may have reached the venue, `sent_ns` when it was last given to the wire. `illegal` names what contradicted the
    table and was not applied.
    """

    intent: Intent
    state: OrderState
    version: int
    amount: Decimal
    reserve_price: Decimal
    updated_ns: int
    price: Decimal | None = None
    venue_order_id: str | None = None
    filled: Decimal = ZERO
    fills_amount: Decimal = ZERO
    fills_value: Decimal = ZERO
    sent: int = 0
    sent_ns: int | None = None
    cancel_requested: bool = False
    next_amount: Decimal | None = None
    next_price: Decimal | None = None
    next_reserve_price: Decimal | None = None
    successor: str | None = None
    code: str | None = None
    reason: str | None = None
    illegal: tuple[str, ...] = ()

    @property
    def client_id(self) -> str:
        """Its name, here and on the venue."""
        return self.intent.client_id

    @property
    def remaining(self) -> Decimal:
        """What is not filled yet, by the larger of the amounts while an amendment is under way; never below zero."""
        return max(max(self.amount, self.next_amount or ZERO) - self.filled, ZERO)

    @property
    def untold(self) -> Decimal:
        """What its venue says is filled and its fills do not tell yet: no holding has it."""
        return max(self.filled - self.fills_amount, ZERO)

    @property
    def at_stake(self) -> Decimal:
        """What it may still change a holding by: what can still trade, and what has traded and is not told yet."""
        return self.untold + (self.remaining if self.state.working else ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Volume-weighted over its fills; None while there is none."""
        return self.fills_value / self.fills_amount if self.fills_amount else None

    @property
    def amending(self) -> bool:
        """Whether an amendment or a replacement was asked for and is not settled."""
        return self.next_amount is not None

    @property
    def weighs(self) -> bool:
        """Whether it may still change a holding."""
        return self.state.working or self.fills_missing

    @property
    def unsettled(self) -> bool:
        """Whether something is left to be done for it: it can trade, is to be replaced, or lacks fills."""
        return self.weighs or self.amending

    @property
    def fills_missing(self) -> bool:
        """Whether the venue reports more filled than its fills tell."""
        return self.filled > self.fills_amount
