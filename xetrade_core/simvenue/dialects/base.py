"""What a wire dialect is: the venue-specific half of a simulated venue, free of sockets.

A dialect answers REST calls from its `routes` table, reacts to websocket messages, and renders publications into
frames. A new venue is one new module with one class, registered in `dialects/__init__.py`; private endpoints are more
rows in `routes` and more cases in `receive`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Desk, DeskEvent, DeskRules
from xetrade_core.simvenue.faults import GARBLINGS
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue
from xetrade_core.simvenue.wire import BookShape


@dataclass(frozen=True, slots=True)
class Request:
    """A REST call as the dialect sees it. `now_ns` is the venue's own clock, wrong if it was told to be.

    `query` holds the fields of a JSON or form body too: some venues take their parameters there. `raw_query` is what
    follows the question mark of the URL, as it came: signatures are made of that.
    """

    method: str
    path: str
    query: Mapping[str, str]
    now_ns: int
    sequence: int | None = None  # answer from the book at this id instead of the newest (stale snapshots)
    body: bytes = b""
    host: str = ""  # host and port that the client called
    headers: Mapping[str, str] = field(default_factory=dict)
    raw_query: str = ""

    @property
    def now_ms(self) -> int:
        return self.now_ns // NS_PER_MS

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def every(self, name: str) -> list[str]:
        """All values of a key that may be repeated."""
        repeated = getattr(self.query, "getall", None)
        if repeated is not None:
            return list(repeated(name, []))
        return [self.query[name]] if name in self.query else []


@dataclass(frozen=True, slots=True)
class Reply:
    """A REST reply; the body is JSON."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message of a recording. `changes` are (signed price, lots) under `last_id`; a `snapshot` replaces the book.

    `payload` is sent as it is to those who take that `kind`; None where the venue has that channel no longer: then each
    channel that is there shows the changes in its own way.
    """

    market: Market
    kind: str  # `rest` for a body that is only there to be asked for
    payload: bytes | None
    previous_id: int
    first_id: int
    last_id: int
    changes: list[tuple[int, int]]
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A message to the sessions of an account: to those that have the `topic`, or to all where it is empty."""

    payload: bytes
    topic: str = ""


Handler = Callable[[Request], Reply]


class Session(Protocol):
    """One websocket connection as the dialect sees it."""

    path: str
    combined: bool  # frames are wrapped with their stream's name (Binance)
    names: dict[str, tuple[str, str]]  # what is subscribed: wire name -> (symbol, kind)
    commands: deque[int]  # when the newest messages of the client came (ns)
    account: str | None  # whose private events it takes
    topics: set[str]  # of these kinds, where a venue has private channels

    def reply(self, payload: bytes) -> None:
        """Send a control reply at once."""
        ...

    def subscribe(self, name: str, symbol: str, kind: str) -> None: ...

    def unsubscribe(self, name: str) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class HandshakeRefused(Exception):
    """The dialect refuses a websocket path or query; `status` is the HTTP status to answer with."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Dialect(ABC):
    """The base of all dialects, bound to one venue."""

    book_kinds: ClassVar[frozenset[str]]  # incremental book channels: frame faults hit these
    book_shape: ClassVar[BookShape]
    greeted_kinds: ClassVar[frozenset[str]] = frozenset()  # a new subscriber first gets `greeting`, not the next update
    garblings: ClassVar[tuple[str, ...]] = GARBLINGS  # what does harm on this venue: one of them is drawn
    desk_rules: ClassVar[DeskRules | None] = None  # None: the private side of this venue is not simulated
    order_id_fields: ClassVar[frozenset[str]] = frozenset({"orderId"})  # what an answer names an order by

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.desk: Desk | None = None  # set where orders are taken, before `routes` is read
        self.recorded_group = ""  # of connections, which a played recording says its next frames are of

    @property
    @abstractmethod
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """(method, path) -> handler."""

    @property
    def named_routes(self) -> Mapping[tuple[str, str], Handler]:
        """(method, path up to its last slash) -> handler, for paths whose last part names one thing, like an order."""
        return {}

    @abstractmethod
    def not_found(self, request: Request) -> Reply:
        """The venue's answer to a path it does not have."""

    @abstractmethod
    def unavailable(self, status: int) -> Reply:
        """The venue's 5xx answer."""

    @abstractmethod
    def limited(self, status: int, retry_after_s: int) -> Reply:
        """The venue's rate limit answer."""

    def retry_after(self, delay_s: int, now_ns: int) -> int:
        """What the Retry-After of a limit says for a delay: the delay itself, unless the venue states the moment."""
        return delay_s

    @abstractmethod
    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        """The universal symbol a REST call is about, None if it names none we know."""

    @abstractmethod
    def open(self, session: Session, query: Mapping[str, str]) -> None:
        """A websocket is opened. Raises HandshakeRefused."""

    def opened(self, session: Session) -> None:
        """The handshake is answered: from here on `reply` reaches the client."""
        return

    @abstractmethod
    def receive(self, session: Session, text: str, now_ns: int) -> None:
        """A text message of the client."""

    def closed(self, session: Session, others: Iterable[Session]) -> None:
        """A connection has ended; `others` are those that are left."""
        return

    def parts(self, kind: str, publication: Publication) -> Sequence[Publication]:
        """A publication as the venue sends it: a frame fault hits one of these."""
        return (publication,)

    @abstractmethod
    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        """The messages of that kind for a part of a publication; book kinds have at most one."""

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The messages to the sessions of an account about something that has just happened to it."""
        return ()

    def greeting(self, kind: str, market: Market, now_ns: int) -> bytes:
        """The first message to a new subscriber of a `greeted_kinds` kind, in place of the next update."""
        raise NotImplementedError

    @abstractmethod
    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        """A recorded frame or REST body, None for what is not market data of a listed symbol.

        `symbol` is what the recording says a following REST body is about, None where it does not say.
        """

    def envelope(self, name: str, payload: bytes) -> bytes:
        """A message wrapped for a combined stream."""
        return payload

    def tend(self, session: Session, now_ns: int) -> None:
        """Called for every connection about ten times a second: whatever the venue does by the clock."""
        return

    def idle_limit_s(self) -> float | None:
        """Connections without traffic for so long are closed; None = never."""
        return None

    def silence_limit_s(self) -> float | None:
        """Connections whose client says nothing for so long are closed, whatever is sent to it; None = never."""
        return None

    def ping_interval_s(self) -> float | None:
        """How often the server pings; None = never."""
        return None
