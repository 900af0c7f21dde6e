"""The wire dialect of Derive's API v3: JSON-RPC, over POST with a JSON body and over the websocket alike.

`orderbook.{instrument}.{group}.{depth}` sends the whole of what it shows with each message, under a `publish_id` that
goes up by one. There is no order book over REST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from xetrade_core.simvenue.dialects.derive_listings import (
    currency_row,
    funding_rows,
    instrument_row,
    kind_of,
    ticker_row,
)
from xetrade_core.simvenue.dialects.derive_private import DerivePrivate
from xetrade_core.simvenue.dialects.derive_replies import DeriveRefused, rpc
from xetrade_core.simvenue.dialects.derive_stream import DeriveStream
from xetrade_core.simvenue.engine import Trade
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue
from xetrade_core.simvenue.wire import BookShape

_GROUPS, _DEPTHS = (1, 10, 100), (1, 10, 20, 100)
_PUBLIC, _PRIVATE = "/v3/public/", "/v3/private/"
_REST_ID = "dd959aa7-d878-45b8-926d-3a247376de90"

Pairs = list[tuple[str, str]]


class _Call(msgspec.Struct):
    method: str = ""
    id: int | str | None = None
    params: dict[str, object] = {}


class Derive(Dialect):
    """api.derive.xyz."""

    book_kinds = frozenset(f"orderbook.{group}.{depth}" for group in _GROUPS for depth in _DEPTHS)
    book_shape = BookShape(ids=("publish_id",), symbol=("instrument_name",))
    greeted_kinds = frozenset({*book_kinds, "ticker_slim"})
    desk_rules = DeskRules(
        unique_client_ids="never",
        fee_in_quote=True,
        maker_fee=Decimal("0.0001"),
        taker_fee=Decimal("0.0003"),
        history_s=365 * 86_400.0,
        refuses_unfilled=True,
        first_order_id=7_000_000,
    )
    order_id_fields = frozenset({"order_id"})

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._stream: DeriveStream | None = None

    # --- REST -------------------------------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        routes = {("POST", _PUBLIC + method): self._rest(answer) for method, answer in self._methods().items()}
        currencies = ("GET", _PUBLIC + "get_all_currencies")
        if self.desk is not None:
            private = DerivePrivate(self.desk, self.venue.by_id)
            self._stream = DeriveStream(self.desk, private)
            routes |= {("POST", _PRIVATE + name): self._signed(private, name) for name in private.names}
        return {**routes, currencies: routes["POST", currencies[1]]}

    def _methods(self) -> dict[str, Callable[[Request], object]]:
        """What both REST and the websocket answer; each gives the `result` or raises DeriveRefused."""
        return {
            "get_time": lambda request: request.now_ms,
            "get_all_currencies": lambda request: self._currencies(),
            "get_all_instruments": self._instruments,
            "get_ticker": lambda request: ticker_row(self.venue, self._market(request), request.now_ms),
            "get_funding_rate_history": self._funding,
        }

    def _rest(self, answer: Callable[[Request], object]) -> Handler:
        def handle(request: Request) -> Reply:
            try:
                return Reply(200, rpc({"result": answer(request)}, _REST_ID))
            except DeriveRefused as refused:
                return Reply(400, rpc({"error": refused.error}, _REST_ID))

        return handle

    def _signed(self, private: DerivePrivate, name: str) -> Handler:
        def answer(request: Request) -> object:
            wallet, stamp, signature = (
                request.headers.get(f"X-Derive{part}", "") for part in ("Wallet", "Timestamp", "Signature")
            )
            caller = private.wallets.signed_in(wallet, stamp, signature, request.now_ms)
            try:
                params = msgspec.json.decode(request.body, type=dict[str, object])
            except msgspec.DecodeError:
                raise DeriveRefused(-32700, "Parse error") from None
            return private.call(name, caller, params)

        return self._rest(answer)

    def not_found(self, request: Request) -> Reply:
        return Reply(404, rpc({"error": {"code": -32601, "message": "Method not found"}}, _REST_ID))

    def unavailable(self, status: int) -> Reply:
        return Reply(status, rpc({"error": {"code": -32603, "message": "Internal error"}}, _REST_ID))

    def limited(self, status: int, retry_after_s: int) -> Reply:
        body = rpc({"error": {"code": -32000, "message": "Rate limit exceeded"}}, _REST_ID)
        return Reply(status, body, {"Retry-After": str(retry_after_s)})

    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        market = self.venue.by_id.get(query.get("instrument_name", ""))
        return market.symbol if market else None

    def _market(self, request: Request) -> Market:
        market = self.venue.by_id.get(request.query.get("instrument_name", ""))
        if market is None:
            raise DeriveRefused(12001, "Instrument not found")
        return market

    def _currencies(self) -> object:
        listings = [market.listing for market in self.venue.markets.values()]
        return [currency_row(code) for code in sorted({code for one in listings for code in (one.base, one.quote)})]

    def _instruments(self, request: Request) -> object:
        kind, page, size = (request.query.get(name, "") for name in ("instrument_type", "page", "page_size"))
        if kind not in ("erc20", "perp", "option"):
            raise DeriveRefused(-32602, "Invalid params", "instrument_type must be one of erc20, option, perp")
        maker, taker = f"{self.desk_rules.maker_fee:f}", f"{self.desk_rules.taker_fee:f}"
        rows = [
            instrument_row(one.listing, maker, taker)
            for one in self.venue.markets.values()
            if kind_of(one.listing) == kind
        ]
        number, most = int(page) if page.isdigit() else 1, max(1, min(1000, int(size) if size.isdigit() else 100))
        shown = rows[(number - 1) * most : number * most]
        pages = max(1, -(-len(rows) // most))
        return {"instruments": shown, "pagination": {"num_pages": pages, "count": len(rows)}}

    def _funding(self, request: Request) -> object:
        market = self._market(request)
        curve = self.venue.funding.get(market.symbol)
        if curve is None:
            raise DeriveRefused(-32602, "Invalid params", "instrument_name must be a perpetual")
        return {"instrument_name": None, "funding_rate_history": funding_rows(market.listing, curve, request)}

    # --- websocket --------------------------------------------------------------------------------------------------

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        if session.path not in ("/", "/v3/ws"):
            raise HandshakeRefused(404)
        session.combined = True  # the channel's name is part of each message

    def closed(self, session: Session, others: Iterable[Session]) -> None:
        if self._stream is not None:
            self._stream.ended(session)

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self._stream is None else self._stream.render(event)

    def envelope(self, name: str, payload: bytes) -> bytes:
        return b'{"method":"subscription","params":{"channel":"%b","data":' % name.encode() + payload + b"}}"

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        if text == "ping":
            session.reply(b"pong")
            return
        try:
            call = msgspec.json.decode(text, type=_Call)
        except msgspec.DecodeError:
            session.reply(rpc({"error": {"code": -32700, "message": "Parse error"}}, None))
            return
        try:
            session.reply(rpc({"result": self._answer(session, call, now_ns)}, call.id))
        except DeriveRefused as refused:
            session.reply(rpc({"error": refused.error}, call.id))

    def _answer(self, session: Session, call: _Call, now_ns: int) -> object:
        if call.method in ("subscribe", "unsubscribe"):
            return self._subscribe(session, call.params.get("channels"), wanted=call.method == "subscribe")
        if self._stream is not None and call.method.startswith(("private/", "public/login")):
            if call.method == "public/login":
                return self._stream.login(session, call.params)
            return self._stream.call(session, call.method.removeprefix("private/"), call.params)
        method = call.method.removeprefix("public/")
        answer = self._methods().get(method)
        if answer is None:
            raise DeriveRefused(-32601, "Method not found")
        query = {key: str(value) for key, value in call.params.items()}
        return answer(Request("POST", _PUBLIC + method, query, now_ns))

    def _subscribe(self, session: Session, channels: object, *, wanted: bool) -> object:
        if not isinstance(channels, list) or not channels:
            raise DeriveRefused(13000, "Invalid channels")
        status: dict[str, str] = {}
        for channel in map(str, channels):
            if self._stream is not None and self._stream.subscribe(session, channel, wanted=wanted):
                status[channel] = "ok"
                continue
            found = self._channel(channel)
            status[channel] = "ok" if found is not None else "{'channel': ['Invalid channel']}"
            if found is not None and wanted:
                session.subscribe(channel, *found)
            elif found is not None:
                session.unsubscribe(channel)
        taken = [*session.names, *sorted(session.topics)]
        return {"status": status, "current_subscriptions" if wanted else "remaining_subscriptions": taken}

    def _channel(self, channel: str) -> tuple[str, str] | None:
        """Symbol and kind of a channel; None if there is none of that name."""
        name, _, rest = channel.partition(".")
        instrument, _, end = rest.partition(".")
        market = self.venue.by_id.get(instrument)
        kind = f"{name}.{end}" if name == "orderbook" else name
        known = kind in self.book_kinds or kind == "trades" or (kind == "ticker_slim" and end in ("100", "1000"))
        return (market.symbol, kind) if market is not None and known else None

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        return None  # no traffic of Derive has been recorded to be served

    def greeting(self, kind: str, market: Market, now_ns: int) -> bytes:
        return self._ticker(market, now_ns) if kind == "ticker_slim" else _book(kind, market, now_ns)

    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        market, flush = publication.market, publication.flush
        if kind == "trades":
            rows = [_trade_row(market, trade, now_ns) for trade in publication.trades]
            return (msgspec.json.encode(rows),) if rows else ()
        if flush.last_id == flush.previous_id:
            return ()
        return (self.greeting(kind, market, now_ns),)

    def _ticker(self, market: Market, now_ns: int) -> bytes:
        now_ms = now_ns // NS_PER_MS
        return msgspec.json.encode({"timestamp": now_ms, "instrument_ticker": ticker_row(self.venue, market, now_ms)})


def _trade_row(market: Market, trade: Trade, now_ns: int) -> dict[str, object]:
    return {
        "trade_id": f"{market.venue_id}-{trade.trade_id}",
        "instrument_name": market.venue_id,
        "timestamp": now_ns // NS_PER_MS,
        "trade_price": market.numbers.price(trade.ticks),
        "trade_amount": market.numbers.size(trade.lots),
        "direction": trade.taker_side.value,
        "quote_id": None,
    }


def _book(kind: str, market: Market, now_ns: int) -> bytes:
    _, group, depth = kind.split(".")
    bids, asks = _grouped(market.levels, int(group), int(depth))
    price, size = market.numbers.price, market.numbers.size
    return msgspec.json.encode(
        {
            "timestamp": now_ns // NS_PER_MS,
            "instrument_name": market.venue_id,
            "publish_id": market.published_id,
            "bids": [(price(ticks), size(lots)) for ticks, lots in bids],
            "asks": [(price(ticks), size(lots)) for ticks, lots in asks],
        }
    )


def _grouped(levels: Levels, group: int, depth: int) -> tuple[Iterable[tuple[int, int]], Iterable[tuple[int, int]]]:
    """Bids and asks with `group` ticks to a level, away from the touch."""
    if group == 1:
        return levels.bids(depth), levels.asks(depth)
    sides: list[dict[int, int]] = [{}, {}]
    for side, rows in zip(sides, (levels.bids(depth * group), levels.asks(depth * group)), strict=True):
        for ticks, lots in rows:
            at = ticks // group * group if side is sides[0] else -(-ticks // group) * group
            side[at] = side.get(at, 0) + lots
    bids, asks = (list(side.items())[:depth] for side in sides)
    return bids, asks
