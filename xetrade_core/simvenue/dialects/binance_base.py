"""What the wire dialects of Binance spot, USD-M and COIN-M have in common.

Shapes follow recorded traffic of 2024 and the venue's documentation. A depth message nets the changes of one interval:
`U` and `u` are its first and last update ids; on spot they are contiguous (`U` = previous `u` + 1), on futures ids
skip and `pu` names the previous message's `u`. As on the real venue, subscribing to a symbol that does not exist is
acknowledged and stays silent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.simvenue.dialects.base import Dialect, Handler, HandshakeRefused, Recorded, Reply, Request, Session
from xetrade_core.simvenue.dialects.binance_listings import exchange_info
from xetrade_core.simvenue.dialects.binance_recorded import read_binance
from xetrade_core.simvenue.dialects.binance_signed import Refused
from xetrade_core.simvenue.dialects.binance_weight import MINUTE_MS, WeightMeter
from xetrade_core.simvenue.engine import Trade
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue
from xetrade_core.simvenue.wire import BookShape

_STREAM = re.compile(r"^([a-z0-9_]+)@(depth(?:5|10|20)?|bookTicker|trade)(?:@(\d+)ms)?$")
_PATH = re.compile(r"^((?:/[a-z]+)*?)/(stream/ws|stream|ws)(?:/(.*))?$")
_CATEGORIES = ("market", "private")  # USD-M host paths that do not carry book streams
_STREAM_LIMIT = 1024

Pairs = list[tuple[str, str]]


class _Command(msgspec.Struct):
    method: str
    id: int | str | None = None
    params: list[object] = []


class BinanceDialect(Dialect):
    """What the three Binance venues share; the subclasses hold what differs."""

    book_kinds = frozenset({"depth"})
    book_shape = BookShape(ids=("u", "U"), symbol=("s",), bids=("b",))
    prefix: ClassVar[str]
    weight_limit: ClassVar[int]
    messages_per_s: ClassVar[int]

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        limit = venue.config.weight_limit
        self._meter = WeightMeter(self.weight_limit if limit is None else limit)
        self._touches: dict[str, tuple[object, ...]] = {}

    # --- REST -------------------------------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        prefix = self.prefix
        return {
            ("GET", f"{prefix}/ping"): lambda request: self._answer(request, 1, {}),
            ("GET", f"{prefix}/time"): lambda request: self._answer(request, 1, {"serverTime": request.now_ms}),
            ("GET", f"{prefix}/exchangeInfo"): self._exchange_info,
            ("GET", f"{prefix}/depth"): self._depth,
            ("GET", f"{prefix}/ticker/bookTicker"): self._book_ticker,
            ("GET", f"{prefix}/ticker/24hr"): self._ticker,
        }

    def not_found(self, request: Request) -> Reply:
        return Reply(404, b'{"code":-1,"msg":"the simulated venue has no such endpoint"}')

    def unavailable(self, status: int) -> Reply:
        return Reply(status, b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}')

    def limited(self, status: int, retry_after_s: int) -> Reply:
        body = b'{"code":-1003,"msg":"Too much request weight used; please use the websocket for live updates."}'
        return Reply(status, body, {"Retry-After": str(retry_after_s), **self._headers()})

    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        market = self.venue.by_id.get(query.get("symbol", ""))
        return market.symbol if market else None

    def _headers(self) -> dict[str, str]:
        used = str(self._meter.used)
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def _answer(self, request: Request, weight: int, body: object) -> Reply:
        return self._weigh(request, weight) or Reply(200, msgspec.json.encode(body), self._headers())

    def _weigh(self, request: Request, weight: int) -> Reply | None:
        """Count a call; gives the refusal of one too many."""
        refused = self._meter.take(weight, request.now_ms)
        if refused is None:
            return None
        return self.limited(refused, max(1, (MINUTE_MS - request.now_ms % MINUTE_MS) // 1000))

    def _answer_signed(self, request: Request, weight: int, body: Callable[[], object]) -> Reply:
        limited = self._weigh(request, weight)
        if limited is not None:
            return limited
        try:
            return Reply(200, msgspec.json.encode(body()), self._headers())
        except Refused as refusal:
            encoded = msgspec.json.encode({"code": refusal.code, "msg": refusal.message})
            return Reply(refusal.status, encoded, self._headers())

    def _error(self, code: int, message: str) -> Reply:
        return Reply(400, msgspec.json.encode({"code": code, "msg": message}), self._headers())

    def _exchange_info(self, request: Request) -> Reply:
        info = exchange_info(self.venue.venue, list(self.venue.markets.values()), request.now_ms, self._meter.limit)
        return self._answer(request, self.info_weight, info)

    info_weight: ClassVar[int] = 1

    def _depth(self, request: Request) -> Reply:
        market = self.venue.by_id.get(request.query.get("symbol", ""))
        if market is None:
            return self._error(-1121, "Invalid symbol.")
        limit, weight = self.depth_cost(request.query.get("limit"))
        if limit is None:
            return self._error(-4021, f"Invalid depth limit {request.query['limit']}.")
        if request.sequence is None:
            last_id, levels = market.sequence, market.levels
        else:
            last_id, levels = market.truth.book_at(request.sequence)
        return self._answer(request, weight, self.depth_body(market, last_id, levels, limit, request.now_ms))

    def depth_cost(self, limit: str | None) -> tuple[int | None, int]:
        """The levels a `limit` gives (None if the venue refuses it) and the call's weight."""
        raise NotImplementedError

    def depth_body(self, market: Market, last_id: int, levels: Levels, limit: int, now_ms: int) -> dict[str, object]:
        """The snapshot body."""
        raise NotImplementedError

    def _sides(self, market: Market, levels: Levels, depth: int) -> dict[str, Pairs]:
        price, size = market.numbers.price, market.numbers.size
        return {
            "bids": [(price(ticks), size(lots)) for ticks, lots in levels.bids(depth)],
            "asks": [(price(ticks), size(lots)) for ticks, lots in levels.asks(depth)],
        }

    def _chosen(self, request: Request) -> list[Market] | None:
        wanted = request.query.get("symbol")
        if wanted is None:
            return list(self.venue.markets.values())
        market = self.venue.by_id.get(wanted)
        return None if market is None else [market]

    def _book_ticker(self, request: Request) -> Reply:
        chosen = self._chosen(request)
        if chosen is None:
            return self._error(-1121, "Invalid symbol.")
        rows = [self._book_ticker_row(market, request.now_ms) for market in chosen]
        return self._answer(request, 2, rows[0] if "symbol" in request.query and self.single_rows else rows)

    single_rows: ClassVar[bool] = True  # a call for one symbol answers an object, not a list

    def _book_ticker_row(self, market: Market, now_ms: int) -> dict[str, object]:
        bid, bid_size, ask, ask_size = self._touch(market)
        row: dict[str, object] = {"symbol": market.venue_id}
        row |= {"bidPrice": bid, "bidQty": bid_size, "askPrice": ask, "askQty": ask_size}
        return row

    def _ticker(self, request: Request) -> Reply:
        chosen = self._chosen(request)
        if chosen is None:
            return self._error(-1121, "Invalid symbol.")
        rows = []
        for market in chosen:
            bid, bid_size, ask, ask_size = self._touch(market)
            start = market.numbers.price(market.listing.start_ticks)
            rows.append(
                {
                    "symbol": market.venue_id,
                    "lastPrice": bid,
                    "lastQty": bid_size,
                    "bidPrice": bid,
                    "bidQty": bid_size,
                    "askPrice": ask,
                    "askQty": ask_size,
                    "openPrice": start,
                    "highPrice": ask,
                    "lowPrice": bid,
                    "volume": "0",
                    "quoteVolume": "0",
                    "openTime": request.now_ms - 86_400_000,
                    "closeTime": request.now_ms,
                    "firstId": 0,
                    "lastId": 0,
                    "count": 0,
                }
            )
        return self._answer(request, 2, rows[0] if "symbol" in request.query and self.single_rows else rows)

    def _touch(self, market: Market) -> tuple[str, str, str, str]:
        """Best bid, its size, best ask, its size, as on the wire; zeros for an empty side."""
        numbers, levels = market.numbers, market.levels
        bid, ask = levels.bids(1) or [(0, 0)], levels.asks(1) or [(0, 0)]
        return numbers.price(bid[0][0]), numbers.size(bid[0][1]), numbers.price(ask[0][0]), numbers.size(ask[0][1])

    # --- websocket --------------------------------------------------------------------------------------------------

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        match = _PATH.match(session.path) if session.path != "/" else None
        if session.path != "/" and match is None:
            raise HandshakeRefused(404)
        endpoint, rest = (match[2], match[3] or "") if match else ("ws", "")
        session.combined = endpoint == "stream"
        names = query.get("streams", "") if endpoint == "stream" else rest
        # ccxt appends a number of its own to the path (/ws/0), which the venue ignores.
        for name in (one for one in names.split("/") if "@" in one):
            if not self._subscribe(session, name):
                raise HandshakeRefused(400)

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        session.commands.append(now_ns)
        if sum(1 for at_ns in session.commands if now_ns - at_ns < NS_PER_S) > self.messages_per_s:
            session.close(1008, "Too many requests")
            return
        try:
            command = msgspec.json.decode(text, type=_Command)
        except msgspec.DecodeError as error:
            session.reply(msgspec.json.encode({"error": {"code": 3, "msg": f"Invalid JSON: {error}"}}))
            return
        names = [name for name in command.params if isinstance(name, str)]
        if command.method == "SUBSCRIBE":
            self._command_subscribe(session, command.id, names)
        elif command.method == "UNSUBSCRIBE":
            for name in names:
                session.unsubscribe(name)
            self._acknowledge(session, command.id, None)
        elif command.method == "LIST_SUBSCRIPTIONS":
            self._acknowledge(session, command.id, list(session.names))
        elif command.method == "SET_PROPERTY" and command.params[:1] == ["combined"] and len(command.params) == 2:
            session.combined = bool(command.params[1])
            self._acknowledge(session, command.id, None)
        else:
            self._refuse(session, command.id, f"Invalid request: unknown method {command.method}")

    def _command_subscribe(self, session: Session, request_id: object, names: list[str]) -> None:
        bad = [name for name in names if not self._subscribe(session, name)]
        if bad:
            self._refuse(session, request_id, f"Invalid request: unknown stream {bad[0]}")
        else:
            self._acknowledge(session, request_id, None)

    def _acknowledge(self, session: Session, request_id: object, result: object) -> None:
        session.reply(msgspec.json.encode({"result": result, "id": request_id}))

    def _refuse(self, session: Session, request_id: object, message: str) -> None:
        session.reply(msgspec.json.encode({"error": {"code": 2, "msg": message}, "id": request_id}))

    def _subscribe(self, session: Session, name: str) -> bool:
        """False for a stream that the venue cannot have on this path."""
        match = _STREAM.match(name)
        if match is None or len(session.names) >= _STREAM_LIMIT:
            return False
        if any(f"/{category}/" in session.path for category in _CATEGORIES):
            return False
        market = self.venue.by_id.get(match[1].upper())
        if market is not None:
            session.subscribe(name, market.symbol, match[2])
        return True

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        return read_binance(self.venue, frame, symbol)

    def ping_interval_s(self) -> float | None:
        return self.venue.config.ping_s

    def envelope(self, name: str, payload: bytes) -> bytes:
        return b'{"stream":"%b","data":%b}' % (name.encode(), payload)

    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        now_ms = now_ns // NS_PER_MS
        market = publication.market
        if kind == "trade":
            return [msgspec.json.encode(self.trade_fields(market, trade, now_ms)) for trade in publication.trades]
        if kind == "bookTicker":
            return self._ticker_update(market, now_ms)
        if kind == "depth":
            if publication.flush.last_id == publication.flush.previous_id:
                return ()
            bids, asks = self._changes(publication)
            return (msgspec.json.encode(self.depth_update(publication, now_ms, bids, asks)),)
        sides = self._sides(market, market.levels, int(kind.removeprefix("depth")))
        return (msgspec.json.encode(self.partial(publication, now_ms, sides)),)

    def _changes(self, publication: Publication) -> tuple[Pairs, Pairs]:
        numbers = publication.market.numbers
        price, size = numbers.price, numbers.size
        bids, asks = [], []
        for signed, lots in publication.flush.changes:
            if signed > 0:
                bids.append((price(signed), size(lots)))
            else:
                asks.append((price(-signed), size(lots)))
        return bids, asks

    def depth_update(self, publication: Publication, now_ms: int, bids: Pairs, asks: Pairs) -> dict[str, object]:
        """The data of a depth message."""
        raise NotImplementedError

    def partial(self, publication: Publication, now_ms: int, sides: dict[str, Pairs]) -> dict[str, object]:
        """The data of a partial book (`depth5`, `depth10`, `depth20`)."""
        raise NotImplementedError

    def _ticker_update(self, market: Market, now_ms: int) -> Sequence[bytes]:
        touch = self._touch(market)
        if self._touches.get(market.symbol) == touch:
            return ()
        self._touches[market.symbol] = touch
        bid, bid_size, ask, ask_size = touch
        values = {"b": bid, "B": bid_size, "a": ask, "A": ask_size}
        return (msgspec.json.encode(self.ticker_fields(market, now_ms, values)),)

    def ticker_fields(self, market: Market, now_ms: int, values: dict[str, str]) -> dict[str, object]:
        """The data of a `bookTicker` message."""
        return {"u": market.sequence, "s": market.venue_id, **values}

    def trade_fields(self, market: Market, trade: Trade, now_ms: int) -> dict[str, object]:
        """The data of a `trade` message; `m` says that the buyer was the maker."""
        raise NotImplementedError
