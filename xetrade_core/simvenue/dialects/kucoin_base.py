"""What the wire dialects of KuCoin spot and futures have in common: replies, the connect ticket, topics, pings.

The websocket's address is told by `bullet-public`, with a token without which the handshake is refused; the venue says
`welcome` first, and closes a connection whose client does not ping. Every single level change is sent, with its own
sequence. A subscription that names an instrument that does not exist is refused as a whole.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import DeskRefusal
from xetrade_core.simvenue.dialects.base import Dialect, Handler, HandshakeRefused, Reply, Request, Session
from xetrade_core.simvenue.dialects.call_meter import CallMeter
from xetrade_core.simvenue.dialects.kucoin_replies import Row, answer, refused
from xetrade_core.simvenue.dialects.kucoin_signed import SignedCalls
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue

_WEIGHT, _WINDOW_MS = 2_000, 30_000
_ANONYMOUS = ""
_TOKENS_KEPT = 1_000
_PING_SHARE = 0.6  # of the time after which a silent client is cut off; on the venue 18 s of 28 s
_TOPICS_MOST = 100
_MISSING_ID = "The id is required."

Render = Callable[[Publication, int], Sequence[bytes]]


class _Command(msgspec.Struct):
    type: str
    id: str | int | None = None
    topic: str = ""
    response: bool = False


class PrivateSide(Protocol):
    """The signed calls of one of the two markets."""

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]: ...

    @property
    def named_routes(self) -> Mapping[tuple[str, str], Handler]: ...


class KucoinDialect(Dialect):
    """The subclasses hold what differs: topics, rows and numbers."""

    book_kinds = frozenset({"level2"})
    prefixes: ClassVar[Mapping[str, str]]
    """Kind of message -> what its topics begin with."""
    private_topics: ClassVar[tuple[str, ...]]
    """Without the instrument that some name behind a colon."""
    private_weight: ClassVar[int]
    """Of the calls of an account in 30 s."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        limit = venue.config.weight_limit
        self._meter = CallMeter(_WEIGHT if limit is None else limit, _WINDOW_MS)
        self._rng = random.Random(f"tokens:{venue.venue}")
        self._tokens: deque[tuple[str, str]] = deque(maxlen=_TOKENS_KEPT)  # and the account that each is of
        self._private: PrivateSide | None = None
        self._kinds = {prefix: kind for kind, prefix in self.prefixes.items()}
        self._shown: dict[tuple[str, str], object] = {}
        self._renders: dict[str, Render] = {"level2": self._book, **self.renders()}

    # --- REST -------------------------------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        handlers: dict[tuple[str, str], tuple[int, Handler]] = {
            ("POST", "/api/v1/bullet-public"): (10, lambda request: answer(self._ticket(request, _ANONYMOUS))),
            ("GET", "/api/v1/timestamp"): (3, lambda request: answer(request.now_ms)),
            ("GET", "/api/v3/currencies"): (3, self._currencies),
            ("GET", "/api/v1/status"): (3, lambda request: answer({"status": "open", "msg": ""})),
            **self.reads(),
        }
        routes = {key: self._metered(weight, handler) for key, (weight, handler) in handlers.items()}
        if self.desk is None:
            return routes
        limit = self.venue.config.weight_limit
        calls = SignedCalls(self.desk, self.private_weight if limit is None else limit, self.words, self.limited)
        self._private = self.private_side(calls)
        ticket = calls.handler(10, lambda account, request: self._ticket(request, account.name))
        return {**routes, ("POST", "/api/v1/bullet-private"): ticket, **self._private.routes}

    @property
    def named_routes(self) -> Mapping[tuple[str, str], Handler]:
        return {} if self._private is None else self._private.named_routes

    @abstractmethod
    def words(self, refusal: DeskRefusal) -> tuple[str, str]:
        """The code and words of a refusal."""

    @abstractmethod
    def private_side(self, calls: SignedCalls) -> PrivateSide:
        """The signed calls of this market."""

    @abstractmethod
    def reads(self) -> Mapping[tuple[str, str], tuple[int, Handler]]:
        """(method, path) -> weight and handler, of what the two markets do not share."""

    def _metered(self, weight: int, handler: Handler) -> Handler:
        def handle(request: Request) -> Reply:
            wait_s = self._meter.take(request.now_ms, weight)
            return handler(request) if wait_s is None else self.limited(429, wait_s)

        return handle

    def not_found(self, request: Request) -> Reply:
        return Reply(404, b'{"code":"404000","msg":"URL Not Found"}')

    def unavailable(self, status: int) -> Reply:
        return Reply(status, b'{"code":"500000","msg":"Internal Server Error"}')

    def limited(self, status: int, retry_after_s: int) -> Reply:
        headers = {"gw-ratelimit-reset": str(1000 * retry_after_s), "Retry-After": str(retry_after_s)}
        return Reply(status, b'{"code":"429000","msg":"Too many requests. Request limit exceeded."}', headers)

    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        market = self.venue.by_id.get(query.get("symbol", ""))
        return market.symbol if market else None

    def _currencies(self, request: Request) -> Reply:
        """Without chains: nothing is deposited or withdrawn here."""
        listings = [market.listing for market in self.venue.markets.values()]
        codes = dict.fromkeys(code for listing in listings for code in (listing.base, listing.quote))
        more: dict[str, object] = {
            "precision": 8,
            "confirms": None,
            "isMarginEnabled": True,
            "isDebitEnabled": True,
            "chains": [],
        }
        return answer([{"currency": code, "name": code, "fullName": code, **more} for code in codes])

    def _ticket(self, request: Request, account: str) -> Row:
        """Where to connect, and the token of an account or of nobody."""
        token = f"{self._rng.getrandbits(128):032x}"
        self._tokens.append((token, account))
        limit_ms = round(1000 * self.venue.config.idle_s)
        ping_ms = round(_PING_SHARE * limit_ms)
        server = {"endpoint": f"ws://{request.host}/endpoint", "encrypt": False, "protocol": "websocket"}
        server |= {"pingInterval": ping_ms, "pingTimeout": limit_ms - ping_ms}
        return {"token": token, "instanceServers": [server]}

    def asked(self, request: Request) -> Market | Reply:
        """The market that a call names, or what is wrong with it."""
        market = self.venue.by_id.get(request.query.get("symbol", ""))
        return refused("400100", "symbol not exists") if market is None else market

    def book_of(self, request: Request, market: Market) -> tuple[int, Levels]:
        """The book to answer a call from, and its sequence."""
        if request.sequence is None:
            return market.sequence, market.levels
        return market.truth.book_at(request.sequence)

    # --- websocket --------------------------------------------------------------------------------------------------

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        if session.path != "/endpoint":
            raise HandshakeRefused(404)
        account = dict(self._tokens).get(query.get("token", ""))
        if account is None:
            raise HandshakeRefused(401)
        session.account = account or None

    def opened(self, session: Session) -> None:
        session.reply(b'{"id":"simulated","type":"welcome"}')

    def silence_limit_s(self) -> float | None:
        return self.venue.config.idle_s

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        try:
            command = msgspec.json.decode(text, type=_Command)
        except msgspec.DecodeError:
            self._refuse(session, None, 400, "invalid json")
            return
        if command.type == "ping":
            session.reply(msgspec.json.encode({"id": command.id, "type": "pong"}))
        elif command.type not in ("subscribe", "unsubscribe") or command.id is None:
            self._refuse(session, command.id, 406, _MISSING_ID if command.id is None else "type is not supported")
        else:
            self._subscribe(session, command)

    def _subscribe(self, session: Session, command: _Command) -> None:
        if command.topic.partition(":")[0] in self.private_topics:
            self._subscribe_private(session, command)
            return
        prefix, _, names = command.topic.partition(":")
        kind, ids = self._kinds.get(prefix), names.split(",")
        markets = [market for name in ids if (market := self.venue.by_id.get(name)) is not None]
        if kind is None or len(markets) < len(ids):
            self._refuse(session, command.id, 404, f"topic {command.topic} is not found")
            return
        if len(ids) > _TOPICS_MOST:
            self._refuse(session, command.id, 509, f"exceed max subscription count limitation of {_TOPICS_MOST}")
            return
        for market in markets:
            topic = f"{prefix}:{market.venue_id}"
            if command.type == "subscribe":
                session.subscribe(topic, market.symbol, kind)
            else:
                session.unsubscribe(topic)
        self._acknowledge(session, command)

    def _subscribe_private(self, session: Session, command: _Command) -> None:
        if session.account is None:
            self._refuse(session, command.id, 403, f"topic {command.topic} needs a private token")
            return
        (session.topics.add if command.type == "subscribe" else session.topics.discard)(command.topic)
        self._acknowledge(session, command)

    def _acknowledge(self, session: Session, command: _Command) -> None:
        if command.response:
            session.reply(msgspec.json.encode({"id": str(command.id), "type": "ack"}))

    def _refuse(self, session: Session, request_id: str | int | None, code: int, message: str) -> None:
        session.reply(msgspec.json.encode({"id": request_id, "type": "error", "code": code, "data": message}))

    @abstractmethod
    def renders(self) -> Mapping[str, Render]:
        """Kind of message, but for the book's -> how it is made of a publication and the venue's time (ms)."""

    @abstractmethod
    def book_data(self, publication: Publication, now_ms: int) -> dict[str, object]:
        """The data of a book message."""

    subject: ClassVar[str]
    """Of a book message."""

    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        return self._renders[kind](publication, now_ns // NS_PER_MS)

    def _book(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        if publication.flush.last_id == publication.flush.previous_id:
            return ()
        return (self.push("level2", publication.market, self.subject, self.book_data(publication, now_ms)),)

    def push(self, kind: str, market: Market, subject: str, data: object) -> bytes:
        """A message of a topic."""
        topic = f"{self.prefixes[kind]}:{market.venue_id}"
        return msgspec.json.encode({"topic": topic, "type": "message", "subject": subject, "data": data})

    def changed(
        self, kind: str, market: Market, subject: str, shown: dict[str, object], time: dict[str, object]
    ) -> Sequence[bytes]:
        """A message of what a topic shows, if that is not what it showed last."""
        if self._shown.get((kind, market.symbol)) == shown:
            return ()
        self._shown[kind, market.symbol] = shown
        return (self.push(kind, market, subject, {**shown, **time}),)
