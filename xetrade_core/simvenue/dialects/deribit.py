"""The wire dialect of Deribit's API v2: JSON-RPC over REST and websocket; the private half is in `deribit_private.py`.

A book channel begins with a snapshot of the whole book, then sends changes whose `prev_change_id` names the message
before; each level says whether it is `new`, a `change` or a `delete`. Prices and amounts are JSON numbers. A channel
that does not exist is left out of the answer to a subscription; a client that has set a heartbeat and does not answer
the `test_request` is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from weakref import WeakKeyDictionary

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.simvenue.desk import DeskEvent, DeskRules
from xetrade_core.simvenue.dialects.base import (
    Dialect,
    Handler,
    HandshakeRefused,
    PrivateMessage,
    Recorded,
    Reply,
    Request,
    Session,
)
from xetrade_core.simvenue.dialects.deribit_credits import Credits
from xetrade_core.simvenue.dialects.deribit_listings import ticker_row
from xetrade_core.simvenue.dialects.deribit_orders import BAD_PARAMS
from xetrade_core.simvenue.dialects.deribit_private import DeribitPrivate
from xetrade_core.simvenue.dialects.deribit_public import DeribitPublic, price_of, size_of
from xetrade_core.simvenue.dialects.deribit_recorded import read_deribit
from xetrade_core.simvenue.dialects.deribit_signed import DeribitKeys
from xetrade_core.simvenue.dialects.deribit_stream import DeribitStream
from xetrade_core.simvenue.dialects.json_rpc import RpcError, rpc_notice, rpc_result
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue
from xetrade_core.simvenue.wire import BookShape

_KINDS = ("book", "ticker", "quote", "trades")
_INTERVALS = ("100ms", "agg2", "raw")
_PUBLIC = "/api/v2/public/"

Triples = list[tuple[str, float, float]]


class _Call(msgspec.Struct):
    method: str = ""
    id: int | str | None = None
    params: dict[str, object] = {}


@dataclass(slots=True)
class _Heartbeat:
    interval_ns: int
    asked_ns: int
    unanswered: bool = False


class Deribit(Dialect):
    """www.deribit.com."""

    book_kinds = frozenset({"book"})
    book_shape = BookShape(
        ids=("change_id", "prev_change_id"), symbol=("instrument_name",), row=lambda price, size: ["new", price, size]
    )
    greeted_kinds = frozenset({"book", "ticker", "quote"})
    desk_rules = DeskRules(
        unique_client_ids="never",
        maker_fee=Decimal(0),
        taker_fee=Decimal("0.0005"),
        history_s=3650 * 86_400.0,
        first_order_id=46_000_000_000,
    )
    order_id_fields = frozenset({"order_id"})

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._shown: dict[str, set[int]] = {}  # symbol -> signed prices that the book channel has told of
        self._tops: dict[tuple[str, str], object] = {}
        self._heartbeats: WeakKeyDictionary[Session, _Heartbeat] = WeakKeyDictionary()
        self._stream: DeribitStream | None = None
        self._public = DeribitPublic(venue)

    # --- REST -------------------------------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        routes = {("GET", _PUBLIC + method): self._rest(answer) for method, answer in self._public.methods.items()}
        if self.desk is None:
            return routes
        keys, by_id = DeribitKeys(self.desk), self.venue.by_id
        private = DeribitPrivate(self.desk, keys, by_id, Credits(unlimited=self.venue.config.weight_limit == 0))
        self._stream = DeribitStream(self.desk, keys, private, by_id)
        auth = self._rest(lambda request: keys.grant(request.query, request.now_ms)[1])
        return {**routes, ("GET", _PUBLIC + "auth"): auth, **private.routes}

    def _rest(self, answer: Callable[[Request], object]) -> Handler:
        def handle(request: Request) -> Reply:
            try:
                return Reply(200, rpc_result(answer(request), request.now_ns))
            except RpcError as error:
                return Reply(error.status, error.body(request.now_ns))

        return handle

    def not_found(self, request: Request) -> Reply:
        return Reply(400, RpcError(-32601, "Method not found").body(request.now_ns))

    def unavailable(self, status: int) -> Reply:
        code, message = (11051, "system_maintenance") if status == 503 else (11094, "internal_server_error")
        return Reply(status, RpcError(code, message).body(0))

    def limited(self, status: int, retry_after_s: int) -> Reply:
        return Reply(status, RpcError(10028, "too_many_requests").body(0), {"Retry-After": str(retry_after_s)})

    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        market = self.venue.by_id.get(query.get("instrument_name", ""))
        return market.symbol if market else None

    # --- websocket --------------------------------------------------------------------------------------------------

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        if session.path not in ("/", "/ws/api/v2"):
            raise HandshakeRefused(404)
        session.combined = True  # the channel's name is part of each message

    def envelope(self, name: str, payload: bytes) -> bytes:
        return rpc_notice(name, payload)

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        try:
            call = msgspec.json.decode(text, type=_Call)
        except msgspec.DecodeError:
            session.reply(RpcError(-32700, "Parse error").body(now_ns))
            return
        try:
            session.reply(rpc_result(self._answer(session, call, now_ns), now_ns, call.id))
        except RpcError as error:
            session.reply(error.body(now_ns, call.id))

    def _answer(self, session: Session, call: _Call, now_ns: int) -> object:
        method = call.method.removeprefix("public/").removeprefix("private/")
        if method in ("subscribe", "unsubscribe"):
            return self._subscribe(session, call.params.get("channels"), wanted=method == "subscribe")
        if method == "unsubscribe_all":
            return self._subscribe(session, [*session.names, *session.topics], wanted=False) and "ok"
        query = {key: _text(value) for key, value in call.params.items()}
        if self._stream is not None and method == "auth":
            return self._stream.sign_in(session, query)
        if self._stream is not None and call.method.startswith("private/"):
            return self._stream.answer(session, method, query)
        if method == "set_heartbeat":
            interval = call.params.get("interval")
            if not isinstance(interval, int) or interval < 10:
                raise RpcError(BAD_PARAMS, "Invalid params", "interval", "must be at least 10")
            self._heartbeats[session] = _Heartbeat(interval * NS_PER_S, now_ns)
            return "ok"
        if method == "disable_heartbeat":
            self._heartbeats.pop(session, None)
            return "ok"
        if method == "test" and (beat := self._heartbeats.get(session)) is not None:
            beat.unanswered = False
        answer = self._public.methods.get(method)
        if answer is None:
            raise RpcError(-32601, "Method not found")
        return answer(Request("GET", _PUBLIC + method, query, now_ns))

    def _subscribe(self, session: Session, channels: object, *, wanted: bool) -> list[str]:
        """The channels that were taken; the others are passed over in silence, as the venue does."""
        if not isinstance(channels, list) or not channels:
            raise RpcError(BAD_PARAMS, "Invalid params", "channels", "must be a non-empty list")
        taken = []
        for channel in map(str, channels):
            kind, _, rest = channel.partition(".")
            instrument, _, interval = rest.partition(".")
            market = self.venue.by_id.get(instrument)
            if self._stream is not None and self._stream.takes(session, channel, wanted=wanted):
                taken.append(channel)
                continue
            if market is None or kind not in _KINDS or (interval not in _INTERVALS and kind != "quote"):
                continue
            taken.append(channel)
            if wanted:
                session.subscribe(channel, market.symbol, kind)
            else:
                session.unsubscribe(channel)
        return taken

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self._stream is None else self._stream.render(event)

    def closed(self, session: Session, others: Iterable[Session]) -> None:
        if self._stream is not None:
            self._stream.closed(session)

    def tend(self, session: Session, now_ns: int) -> None:
        beat = self._heartbeats.get(session)
        if beat is None or now_ns - beat.asked_ns < beat.interval_ns:
            return
        if beat.unanswered:
            session.close(1000, "heartbeat timeout")
            return
        beat.asked_ns, beat.unanswered = now_ns, True
        session.reply(b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        return read_deribit(self.venue, frame)

    def greeting(self, kind: str, market: Market, now_ns: int) -> bytes:
        if kind != "book":
            return msgspec.json.encode(self._row(kind, market, now_ns // NS_PER_MS))
        self._shown[market.symbol] = set(market.levels.sizes)
        sides = _sides(market, (("new", signed, lots) for signed, lots in sorted(market.levels.sizes.items())))
        head = {"type": "snapshot", "timestamp": now_ns // NS_PER_MS, "instrument_name": market.venue_id}
        return msgspec.json.encode({**head, "change_id": market.published_id, **sides})

    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        market, flush = publication.market, publication.flush
        now_ms = now_ns // NS_PER_MS
        if kind == "book":
            if flush.last_id == flush.previous_id:
                return ()
            head = {"type": "change", "timestamp": now_ms, "prev_change_id": flush.previous_id}
            head |= {"instrument_name": market.venue_id, "change_id": flush.last_id}
            return (msgspec.json.encode({**head, **_sides(market, self._told(market, flush.changes))}),)
        if kind == "trades":
            return self._trades(publication, now_ms)
        row = self._row(kind, market, now_ms)
        shown = {key: value for key, value in row.items() if key != "timestamp"}
        if self._tops.get((kind, market.symbol)) == shown:
            return ()
        self._tops[kind, market.symbol] = shown
        return (msgspec.json.encode(row),)

    def _told(self, market: Market, changes: Iterable[tuple[int, int]]) -> Iterable[tuple[str, int, int]]:
        """Each change with its word. A level that came and went within the interval was never told of."""
        shown = self._shown.setdefault(market.symbol, set())
        for signed, lots in changes:
            if lots:
                yield ("change" if signed in shown else "new"), signed, lots
                shown.add(signed)
            elif signed in shown:
                yield "delete", signed, 0
                shown.remove(signed)

    def _row(self, kind: str, market: Market, now_ms: int) -> dict[str, object]:
        ticker = ticker_row(self.venue, market, now_ms)
        if kind == "ticker":
            return ticker
        names = ("timestamp", "instrument_name", "best_ask_price", "best_bid_price", "best_ask_amount")
        return {name: ticker[name] for name in (*names, "best_bid_amount")}

    def _trades(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        market = publication.market
        rows = [
            {
                "trade_seq": trade.trade_id,
                "trade_id": f"{market.listing.base}-{trade.trade_id}",
                "timestamp": now_ms,
                "tick_direction": 0,
                "price": price_of(market, trade.ticks),
                "instrument_name": market.venue_id,
                "direction": trade.taker_side.value,
                "amount": size_of(market, trade.lots),
            }
            for trade in publication.trades
        ]
        return (msgspec.json.encode(rows),) if rows else ()


def _text(value: object) -> str:
    """A parameter of a websocket call as REST writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sides(market: Market, changes: Iterable[tuple[str, int, int]]) -> dict[str, Triples]:
    """Bids best first, then asks best first, from (word, signed price, lots)."""
    bids: Triples = []
    asks: Triples = []
    for word, signed, lots in sorted(changes, key=lambda change: -change[1]):
        side, ticks = (bids, signed) if signed > 0 else (asks, -signed)
        side.append((word, price_of(market, ticks), size_of(market, lots)))
    return {"bids": bids, "asks": asks}
