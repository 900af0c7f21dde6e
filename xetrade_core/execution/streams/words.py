"""How one venue's private stream is opened, kept and read: what each venue says in its own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from xetrade_core.errors import XETradeError
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import Fill, OrderReport
from xetrade_core.venues.venue import Venue, WebsocketRules


@dataclass(frozen=True, slots=True)
class TradeToAskFor:
    """A trade that the stream names and does not tell: it is asked for over REST. `at_ns`: when it was, about."""

    symbol: str
    trade_id: str
    at_ns: int


Statement = OrderReport | Fill | Balance
Heard = Statement | TradeToAskFor


class StreamOver(XETradeError):
    """The venue says that this connection tells nothing any more: a new one is due at once."""


class StreamRefused(XETradeError):
    """The venue does not open the stream: a wrong key, or one that may not read."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a venue's private streams are. A simulated venue or a proxy takes the place of scheme and host."""

    live: str
    testnet: str


class StreamWords(Protocol):
    """One account's stream of one venue."""

    addresses: ClassVar[Addresses]
    rules: WebsocketRules  # its pings
    renew_every_s: float | None  # how often `renew` is due; None = never

    async def prepare(self) -> str:
        """Ask the venue for what opens the stream. Raises ExecutionError.

        Gives what is added to the address, or a whole one, where the venue itself says where to connect.
        """
        ...

    def greeting(self) -> Sequence[bytes]:
        """The messages that open it, each to be answered by the venue before the next."""
        ...

    def greeted(self, frame: bytes) -> bool:
        """Whether a frame is the good answer to a message of the greeting. Raises StreamRefused for a bad one."""
        ...

    def read(self, frame: bytes) -> Sequence[Heard]:
        """What a frame says of orders, trades and balances. Raises StreamOver, and ValueError for an unreadable one."""
        ...

    async def renew(self) -> None:
        """Keep what `prepare` got. Raises ExecutionError."""
        ...


@runtime_checkable
class GuardedWords(StreamWords, Protocol):
    """Those of a venue that cancels what rests when the stream is lost (see execution/dead_man.py)."""

    async def guard(self, within_s: float) -> Sequence[bytes]:
        """Ask the venue for that; gives the messages that switch it on for this connection, each to be answered as
        those of the greeting are. Raises ExecutionError."""
        ...

    def unguard(self) -> Sequence[bytes]:
        """The messages that switch it off, so that the connection can be ended and orders stay."""
        ...


class NamesSymbols(Protocol):
    """A client of an account that knows what its venue calls things."""

    rules: Venue

    async def symbols(self) -> Callable[[str, str], str]:
        """From the venue's name of an instrument, and its kind (spot or contract), to the universal symbol."""
        ...


E = TypeVar("E", bound=NamesSymbols)


class AccountWords(Generic[E]):
    """What the venues have in common: the account's client, and the names of its instruments."""

    renew_every_s: float | None = None

    def __init__(self, execution: E) -> None:
        self.execution = execution
        self.rules: WebsocketRules = execution.rules.websocket
        self.symbol: Callable[[str, str], str] = lambda venue_id, kind: venue_id

    async def prepare(self) -> str:
        """See StreamWords. Learns the venue's instruments and clock; adds nothing to the address."""
        self.symbol = await self.execution.symbols()
        return ""

    async def renew(self) -> None:
        """See StreamWords."""


def decoded(frame: bytes) -> dict[str, Any]:
    """A frame as an object. Raises ValueError."""
    body = msgspec.json.decode(frame)
    if not isinstance(body, dict):
        raise ValueError(f"a frame is no object but {type(body).__name__}")
    return body


def balance(execution: CcxtExecution, currency: str, total: Decimal, free: Decimal | None) -> Balance:
    """A balance of the account of a client, as of now."""
    return Balance(execution.rules.id, execution.account, currency, total, free, execution.clock.wall_ns())
