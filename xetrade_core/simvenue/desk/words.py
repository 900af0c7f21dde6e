"""What a desk speaks of: tickets in, orders and fills out, and why it refuses. Money is Decimal, times UTC nanoseconds.

Amounts are in base currency for spot and in contracts otherwise, prices in quote currency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market


class TimeInForce(StrEnum):
    """What becomes of the part that does not trade at once."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class PositionSide(StrEnum):
    """Which position a contract order is for: the net one, or in hedge mode one of two."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class State(StrEnum):
    """Where an order is; a refused ticket never becomes one."""

    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"  # the venue took it out: no counterpart for a market, IOC or FOK order, or a dead-man switch

    @property
    def resting(self) -> bool:
        """Whether it can still trade."""
        return self in (State.OPEN, State.PARTIALLY_FILLED)


class Cause(StrEnum):
    """Why an order ended without having traded wholly."""

    USER = "user"
    NO_COUNTERPART = "no_counterpart"
    DEAD_MAN = "dead_man"
    AMENDED = "amended"
    DELIVERED = "delivered"  # its contract has ended
    WOULD_TAKE = "would_take"  # post-only, where such an order is taken and canceled


class RefusalKind(StrEnum):
    """Why the desk says no; each dialect knows the venue's code for it."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    BAD_PRICE = "bad_price"  # not on the tick, or none where one is needed
    BAD_AMOUNT = "bad_amount"  # not on the lot, or not above 0
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    NOTIONAL = "notional"
    BAD_CLIENT_ID = "bad_client_id"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    WOULD_TAKE = "would_take"
    WOULD_NOT_FILL = "would_not_fill"  # fill-or-kill, where that is refused
    PRICE_BAND = "price_band"  # too far from the mark
    REDUCE_ONLY = "reduce_only"
    UNKNOWN_ORDER = "unknown_order"
    NOT_OPEN = "not_open"
    BUSY = "busy"


class DeskRefusal(XETradeError):
    """The desk says no, and nothing has changed."""

    def __init__(self, kind: RefusalKind, detail: str = "") -> None:
        super().__init__(f"{kind}{': ' + detail if detail else ''}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client asks for. `price` None is a market order; `quote_amount` stands in for `amount` on spot markets."""

    symbol: str
    side: Side
    amount: Decimal | None = None
    price: Decimal | None = None
    quote_amount: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_id: str | None = None
    position_side: PositionSide = PositionSide.NET


@dataclass(frozen=True, slots=True)
class DeskFill:
    """One execution of one order. `fee` is what the account pays, negative for a rebate, in `fee_currency`."""

    trade_id: int
    order_id: int
    client_id: str | None
    account: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    maker: bool
    fee: Decimal
    fee_currency: str
    realized: Decimal  # profit of the closed part in settlement currency; 0 for spot
    time_ns: int
    position_side: PositionSide = PositionSide.NET


@dataclass(slots=True)
class DeskOrder:
    """An order that the desk has taken. `engine_id` is its id in the matching engine while it rests."""

    order_id: int
    account: str
    ticket: Ticket
    market: Market
    amount: Decimal
    created_ns: int
    updated_ns: int
    state: State = State.OPEN
    cause: Cause | None = None
    filled: Decimal = Decimal(0)
    quote_filled: Decimal = Decimal(0)  # sum of price x amount over the fills (x 1: contract size is not in it)
    engine_id: int | None = None
    locked: Decimal = Decimal(0)
    amendments: int = 0
    fills: list[DeskFill] = field(default_factory=list)  # oldest first

    @property
    def remaining(self) -> Decimal:
        """What has not traded."""
        return self.amount - self.filled

    @property
    def average(self) -> Decimal | None:
        """Mean price of the fills, weighted by amount; None before the first."""
        return self.quote_filled / self.filled if self.filled else None


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order is new, has traded (`fill`), or has ended. The order goes on changing: render it at once."""

    account: str
    order: DeskOrder
    fill: DeskFill | None
    time_ns: int


@dataclass(frozen=True, slots=True)
class LedgerChanged:
    """Balances of these currencies have changed, and why (`trade`, `fee`, `funding`, `lock`, `deposit`)."""

    account: str
    currencies: tuple[str, ...]
    reason: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A position has changed in size or entry."""

    account: str
    symbol: str
    position_side: PositionSide
    time_ns: int


DeskEvent = OrderChanged | LedgerChanged | PositionChanged
