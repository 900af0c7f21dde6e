"""The wire dialect of Bybit v5: public REST and the public websocket of each category.

`orderbook.N` shows the best N levels of each side: a snapshot, then deltas whose `u` grows by one. After maintenance
the service counts anew: a snapshot with `u` 1. A recording of a channel that is gone (`orderbook.500`) is served
through those that are there, from the book that is kept beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec

from xetrade_core.clock import NS_PER_MS
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
from xetrade_core.simvenue.dialects.bybit_dead_man import DeadManSwitches
from xetrade_core.simvenue.dialects.bybit_listings import CATEGORIES, category_of, instrument_row, ticker_row
from xetrade_core.simvenue.dialects.bybit_private import BybitPrivate
from xetrade_core.simvenue.dialects.bybit_recorded import read_bybit
from xetrade_core.simvenue.dialects.bybit_replies import answered, pushed, refused
from xetrade_core.simvenue.dialects.bybit_stream import PATH, BybitStream
from xetrade_core.simvenue.dialects.call_meter import CallMeter
from xetrade_core.simvenue.dialects.views import net_changes, visible
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.funding import number
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue
from xetrade_core.simvenue.wire import BookShape

_BOOKS = {f"orderbook.{depth}": depth for depth in (1, 50, 200, 1000)}  # the levels that each channel shows
_REST_DEPTHS = {"spot": 200, "linear": 500, "inverse": 500, "option": 25}
_SPOT_TOPICS_MOST = 10
_FUNDING_PAGE = 200
_CALLS, _CALLS_MS = 600, 5_000
_CONNECTION_ID = "7188110e-6908-41e9-b863-6365127e92ad"

Pairs = list[tuple[str, str]]


class _Operation(msgspec.Struct):
    op: str
    args: list[str] = []
    req_id: str | int | None = None


class Bybit(Dialect):
    """api.bybit.com and stream.bybit.com."""

    book_kinds = frozenset(_BOOKS)
    book_shape = BookShape(ids=("u",), symbol=("data", "s"), body=("data",), bids=("b",))
    greeted_kinds = frozenset({*_BOOKS, "tickers"})
    desk_rules = DeskRules(
        unique_client_ids="always",
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.00055"),
        takes_crossing_post_only=True,
        first_order_id=1_900_000_000_000,
    )

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._by_category: dict[str, dict[str, Market]] = {category: {} for category in CATEGORIES}
        for market in venue.markets.values():
            self._by_category[category_of(market.listing)][market.venue_id] = market
        self._stream: BybitStream | None = None
        self._switches: DeadManSwitches | None = None
        self._views: dict[tuple[str, str], set[int] | None] = {}  # (channel, symbol) -> what it showed last
        self._restarts: dict[tuple[str, str], int] = {}
        self._tickers: dict[str, dict[str, object]] = {}
        self._calls = CallMeter(0 if venue.config.weight_limit == 0 else _CALLS, _CALLS_MS)

    # --- REST -------------------------------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        handlers = {
            "/v5/market/time": self._time,
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/orderbook": self._orderbook,
            "/v5/market/tickers": self._ticker_rows,
            "/v5/market/funding/history": self._funding_history,
        }
        routes = {("GET", path): handler for path, handler in handlers.items()}
        if self.desk is not None:
            self._switches = DeadManSwitches(self.desk)
            self._stream = BybitStream(self.desk, self._switches)
            routes |= BybitPrivate(self.desk, self._by_category, self._switches).routes
        return {call: self._metered(handler) for call, handler in routes.items()}

    def _metered(self, handler: Handler) -> Handler:
        def handle(request: Request) -> Reply:
            wait_s = self._calls.take(request.now_ms)
            return handler(request) if wait_s is None else self.limited(403, wait_s)

        return handle

    def not_found(self, request: Request) -> Reply:
        return Reply(404, b"404 page not found")

    def unavailable(self, status: int) -> Reply:
        return Reply(status, b'{"retCode":10016,"retMsg":"System error. Please try again later.","result":{}}')

    def limited(self, status: int, retry_after_s: int) -> Reply:
        body = b'{"retCode":10006,"retMsg":"Too many visits!","result":{}}'
        return Reply(status, body, {"Retry-After": str(retry_after_s)})

    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        market = self._by_category.get(query.get("category", ""), {}).get(query.get("symbol", ""))
        return market.symbol if market else None

    def _time(self, request: Request) -> Reply:
        nano = str(request.now_ns)
        return answered(request, {"timeSecond": nano[:-9], "timeNano": nano})

    def _chosen(self, request: Request) -> list[Market] | Reply:
        """The markets that a call is about, or what is wrong with it."""
        listed = self._by_category.get(request.query.get("category", ""))
        if listed is None:
            return refused(request, 10001, "params error: Category is invalid")
        wanted = request.query.get("symbol")
        if wanted is None:
            return list(listed.values())
        market = listed.get(wanted)
        return refused(request, 10001, "params error: Symbol Is Invalid") if market is None else [market]

    def _instruments(self, request: Request) -> Reply:
        chosen = self._chosen(request)
        if isinstance(chosen, Reply):
            return chosen
        if request.query.get("status", "Trading") != "Trading":
            chosen = []
        size = int(request.query.get("limit", "500")) if request.query.get("category") != "spot" else len(chosen)
        start = int(request.query.get("cursor") or 0)
        page = chosen[start : start + size]
        rows = [instrument_row(market, self.venue.funding.get(market.symbol), request.now_ms) for market in page]
        cursor = str(start + size) if start + size < len(chosen) else ""
        category = request.query["category"]
        result: dict[str, object] = {"category": category, "list": rows}
        return answered(request, result if category == "spot" else {**result, "nextPageCursor": cursor})

    def _orderbook(self, request: Request) -> Reply:
        chosen = self._chosen(request)
        if isinstance(chosen, Reply) or "symbol" not in request.query:
            return chosen if isinstance(chosen, Reply) else refused(request, 10001, "params error: Symbol Is Invalid")
        (market,) = chosen
        most = _REST_DEPTHS[request.query["category"]]
        asked = request.query.get("limit", "")
        depth = max(1, min(most, int(asked))) if asked.isdigit() else 25
        # Ids are of messages: between two of them the book has none, so it is answered as of the last message.
        sequence, levels = market.truth.book_at(market.published_id if request.sequence is None else request.sequence)
        price, size = market.numbers.price, market.numbers.size
        bids = [(price(ticks), size(lots)) for ticks, lots in levels.bids(depth)]
        asks = [(price(ticks), size(lots)) for ticks, lots in levels.asks(depth)]
        ids = {"ts": request.now_ms, "u": sequence, "seq": sequence, "cts": request.now_ms}
        return answered(request, {"s": market.venue_id, "b": bids, "a": asks, **ids})

    def _ticker_rows(self, request: Request) -> Reply:
        chosen = self._chosen(request)
        if isinstance(chosen, Reply):
            return chosen
        rows = [ticker_row(market, self.venue.funding.get(market.symbol), request.now_ms) for market in chosen]
        return answered(request, {"category": request.query["category"], "list": rows})

    def _funding_history(self, request: Request) -> Reply:
        chosen = self._chosen(request)
        if isinstance(chosen, Reply):
            return chosen
        query = request.query
        curve = self.venue.funding.get(chosen[0].symbol) if len(chosen) == 1 and "symbol" in query else None
        if curve is None:
            return refused(request, 10001, "params error: Symbol Is Invalid")
        if "startTime" in query and "endTime" not in query:
            return refused(request, 10001, "params error: startTime needs endTime")
        start_ms = int(query["startTime"]) if "startTime" in query else None
        end_ms = min(request.now_ms, int(query.get("endTime", request.now_ms)))
        limit = min(_FUNDING_PAGE, max(1, int(query.get("limit", _FUNDING_PAGE))))
        rows = [
            {
                "symbol": chosen[0].venue_id,
                "fundingRate": number(point.rate),
                "fundingRateTimestamp": str(point.time_ms),
            }
            for point in curve.page(start_ms, end_ms, limit, newest_first=True)
        ]
        return answered(request, {"category": query["category"], "list": rows})

    # --- websocket --------------------------------------------------------------------------------------------------

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        if _category(session) not in CATEGORIES and (session.path != PATH or self._stream is None):
            raise HandshakeRefused(404)

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        try:
            operation = msgspec.json.decode(text, type=_Operation)
        except msgspec.DecodeError:
            self._answer(session, _Operation(""), "error:invalid json")
            return
        if operation.op == "ping":
            self._answer(session, operation, "", "pong")
        elif session.path == PATH and self._stream is not None:
            self._answer(session, operation, self._private(self._stream, session, operation))
        elif operation.op in ("subscribe", "unsubscribe"):
            self._subscribe(session, operation)
        else:
            self._answer(session, operation, "error:invalid op")

    def _private(self, stream: BybitStream, session: Session, operation: _Operation) -> str:
        """What is wrong with an operation on the private path; empty if nothing is."""
        if operation.op == "auth":
            return stream.authenticate(session, operation.args)
        if operation.op in ("subscribe", "unsubscribe"):
            return stream.subscribe(session, operation.args, leave=operation.op == "unsubscribe")
        return "error:invalid op"

    def closed(self, session: Session, others: Iterable[Session]) -> None:
        if self._switches is not None:
            self._switches.went(session, others)

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self._stream is None else self._stream.render(event)

    def _subscribe(self, session: Session, operation: _Operation) -> None:
        category = _category(session)
        topics: dict[str, tuple[str, str]] = {}
        if category == "spot" and len(operation.args) > _SPOT_TOPICS_MOST:
            self._answer(session, operation, "args size >10")
            return
        for topic in operation.args:
            kind, _, name = topic.rpartition(".")
            market = self._by_category[category].get(name)
            if market is None or kind not in (*_BOOKS, "tickers", "publicTrade"):
                self._answer(session, operation, f"error:handler not found,topic:{topic}")
                return
            topics[topic] = (market.symbol, kind)
        for topic, (symbol, kind) in topics.items():
            if operation.op == "subscribe":
                session.subscribe(topic, symbol, kind)
            else:
                session.unsubscribe(topic)
        self._answer(session, operation, "")

    def _answer(self, session: Session, operation: _Operation, error: str, said: str = "") -> None:
        head = {"success": not error, "ret_msg": error or said or operation.op, "conn_id": _CONNECTION_ID}
        request_id = "" if operation.req_id is None else str(operation.req_id)
        session.reply(msgspec.json.encode({**head, "req_id": request_id, "op": operation.op}))

    def silence_limit_s(self) -> float | None:
        return 20 * self.venue.config.idle_s  # 10 minutes on the venue

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        markets = self._by_category.get(self.recorded_group)
        recorded = read_bybit(self.venue.by_id if markets is None else markets, frame)
        if recorded is not None and recorded.kind not in self.book_kinds:
            return replace(recorded, payload=None)
        return recorded

    def greeting(self, kind: str, market: Market, now_ns: int) -> bytes:
        if kind == "tickers":
            row = ticker_row(market, self.venue.funding.get(market.symbol), now_ns // NS_PER_MS)
            return pushed(f"tickers.{market.venue_id}", "snapshot", row, now_ns)
        return self._book(kind, market, "snapshot", now_ns)

    def _book(
        self, kind: str, market: Market, message: str, now_ns: int, net: list[tuple[int, int]] | None = None
    ) -> bytes:
        """The whole of what the channel shows, or `net`."""
        levels, price, size = market.levels, market.numbers.price, market.numbers.size
        self._restarts[kind, market.symbol] = market.restarts
        if net is None:
            self._views[kind, market.symbol] = visible(levels, _BOOKS[kind])
            bids = [(price(ticks), size(lots)) for ticks, lots in levels.bids(_BOOKS[kind])]
            asks = [(price(ticks), size(lots)) for ticks, lots in levels.asks(_BOOKS[kind])]
        else:
            bids = [(price(signed), size(lots)) for signed, lots in net if signed > 0]
            asks = [(price(-signed), size(lots)) for signed, lots in net if signed < 0]
        last = market.published_id
        data = {"s": market.venue_id, "b": bids, "a": asks, "u": last, "seq": last}
        return pushed(f"{kind}.{market.venue_id}", message, data, now_ns)

    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        market, flush = publication.market, publication.flush
        if kind == "publicTrade":
            return self._trades(publication, now_ns)
        if kind == "tickers":
            return self._ticker(market, now_ns)
        if flush.last_id == flush.previous_id:
            return ()
        key = kind, market.symbol
        if self._restarts.get(key, market.restarts) != market.restarts:
            return (self._book(kind, market, "snapshot", now_ns),)
        shown, view = self._views.get(key), visible(market.levels, _BOOKS[kind])
        self._views[key] = view
        net = list(flush.changes) if shown is view is None else net_changes(market.levels, flush, shown, view)
        return (self._book(kind, market, "delta", now_ns, net),)

    def _ticker(self, market: Market, now_ns: int) -> Sequence[bytes]:
        row = ticker_row(market, self.venue.funding.get(market.symbol), now_ns // NS_PER_MS)
        if self._tickers.get(market.symbol) == row:
            return ()
        self._tickers[market.symbol] = row
        return (pushed(f"tickers.{market.venue_id}", "snapshot", row, now_ns),)

    def _trades(self, publication: Publication, now_ns: int) -> Sequence[bytes]:
        market, now_ms = publication.market, now_ns // NS_PER_MS
        price, size = market.numbers.price, market.numbers.size
        rows: list[dict[str, object]] = []
        for trade in publication.trades:
            side = "Buy" if trade.taker_side is Side.BUY else "Sell"
            row: dict[str, object] = {"T": now_ms, "s": market.venue_id, "S": side, "v": size(trade.lots)}
            rows.append({**row, "p": price(trade.ticks), "i": str(trade.trade_id), "BT": False})
        return (pushed(f"publicTrade.{market.venue_id}", "snapshot", rows, now_ns),) if rows else ()


def _category(session: Session) -> str:
    """`/v5/public/spot` -> `spot`."""
    return session.path.removeprefix("/v5/public/")
