"""What a venue's private client can be asked to do, whoever does it: an unmodified ccxt, or a client of our own.

A client makes each call once: no transport, library or proxy of its own may repeat a request. What happened is told by
the reply, or by one of three errors, of which the first two are certain and the third is not:

* `NotSent`: the request certainly never reached the venue, or was turned away unread (no connection, a rate limit);
* `ErrorReply`: the venue answered with an error of its own; its raw code says which, whatever a library makes of it;
* `NoReply`: nothing, a server error, or something that cannot be read. Nothing is known.

Anything else that a client raises is treated as `NoReply`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from xetrade_core.errors import XETradeError
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.orders import Fill, Intent, Order, OrderReport
from xetrade_core.venues.venue import Venue

T = TypeVar("T")


class ExecutionError(XETradeError):
    """A call to a venue's private side did not succeed."""


class NotSent(ExecutionError):
    """The venue certainly did not act on it; `retry_after_s`: not before so many seconds from now."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotListed(NotSent):
    """The venue does not list the instrument, or lists it no more: an option that has expired, a delisted coin."""


class ErrorReply(ExecutionError):
    """The venue answered with an error: its raw `code` and words, and the HTTP status."""

    def __init__(self, code: str | None, message: str, status: int | None = None) -> None:
        super().__init__(f"{message} (code {code})" if code is not None else message)
        self.code = code
        self.said = message
        self.status = status


class NoReply(ExecutionError):
    """Nothing that can be read came back: a timeout, a lost connection, a server error, a garbled body."""


@dataclass(frozen=True, slots=True)
class OrderRef:
    """Which order of the venue: by our id, or by the venue's where it is known.

    `created_ns`: it is no older, where a venue has to be searched for it.
    """

    symbol: str
    client_id: str | None
    venue_order_id: str | None
    created_ns: int | None = None

    @classmethod
    def of(cls, order: Order) -> OrderRef:
        """The order's names."""
        return cls(order.intent.symbol, order.client_id, order.venue_order_id, order.intent.created_ns)


class Execution(Protocol):
    """The private side of one account on one venue. Symbols are universal. Every call may raise ExecutionError."""

    async def place(self, intent: Intent) -> OrderReport:
        """Send the order with its client id; flags that the venue has no word for are left out."""
        ...

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """Cancel one order. CANCELED with `filled` only if the reply itself states both; OPEN if it only accepts."""
        ...

    async def cancel_all(self, symbol: str | None) -> None:
        """Cancel every order of the account, or of one symbol, by the venue's own call for that."""
        ...

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """Change amount (the new total) and price of an order to those of `intent`; only where the venue can.

        The report states amount and price only if the reply itself says that they are changed.
        """
        ...

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """The order as the venue has it now, looked for among open orders and history, as far as the venue needs.

        None only if every place where it could be was asked and answered: the venue says that there is no such order.
        """
        ...

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """Every open order of the account, whoever placed it; of one symbol, or of all."""
        ...

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[Fill, ...]:
        """Every trade of the account in that symbol with exchange time >= since_ns, all pages, oldest first."""
        ...

    async def balances(self) -> tuple[Balance, ...]:
        """What the account holds of each currency."""
        ...

    async def positions(self) -> tuple[VenuePosition, ...]:
        """Its derivative positions; empty on a spot venue."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class ForgetsTrades(Protocol):
    """An Execution whose `fills_since` goes back so many seconds and no further, whatever is asked for; None: for ever.

    Either its venue keeps no more, or more would take it too many calls.
    """

    trade_history_s: float | None


@runtime_checkable
class KnowsVenueTime(Protocol):
    """An Execution that has measured its venue's clock."""

    @property
    def behind_ns(self) -> int:
        """How far the venue's clock is behind ours, as last measured; 0 where it is not, or nobody has looked."""
        ...


def by_either_clock(execution: Execution, at_ns: int) -> int:
    """A moment of our clock as the venue may have called it, for a question that must miss nothing since then."""
    return at_ns - execution.behind_ns if isinstance(execution, KnowsVenueTime) else at_ns


async def if_listed(asked: Awaitable[T], but_first: Callable[[NotListed], object] = lambda error: None) -> T | None:
    """The answer to a call about an instrument; None where the venue lists it no more.

    One expired option must not keep an account's other instruments from being asked about, nor do so for ever.
    `but_first` hears of it, and may raise what it hears where None would not be the truth.
    """
    try:
        return await asked
    except NotListed as error:
        but_first(error)
        return None


@dataclass(frozen=True, slots=True)
class TradingAccount:
    """One account of one venue, with what it takes to trade there. `live`: real money, so that it must be armed.

    `instruments` are by universal symbol; the mapping may be renewed by its owner at any time.
    """

    venue: Venue
    account: str
    execution: Execution
    instruments: Mapping[str, Instrument]
    live: bool = False
