"""The wire dialect of OKX v5: public REST and the public websocket.

`books` shows the best 400 levels of each side: a snapshot with `prevSeqId` -1, then updates whose `prevSeqId` names
the message before. A quiet book sends an empty update with `seqId` equal to `prevSeqId` about once a minute; after
maintenance `seqId` may lie below `prevSeqId` once. `checksum` is 0 (as the venue sends since September 2026) or, by
option, the real CRC32.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

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
from xetrade_core.simvenue.dialects.call_meter import CallMeter
from xetrade_core.simvenue.dialects.okx_funding import funding_history, funding_now
from xetrade_core.simvenue.dialects.okx_listings import instrument_row, instrument_type, mark_row, ticker_row
from xetrade_core.simvenue.dialects.okx_private import OkxPrivate
from xetrade_core.simvenue.dialects.okx_recorded import read_okx
from xetrade_core.simvenue.dialects.okx_replies import data
from xetrade_core.simvenue.dialects.okx_stream import PATH, OkxStream
from xetrade_core.simvenue.dialects.views import net_changes, visible
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue
from xetrade_core.simvenue.wire import BookShape

_BOOKS_DEPTH = 400
_CHECKSUM_DEPTH = 25
_CHANNELS = ("books", "books5", "bbo-tbt", "trades", "tickers")
_CONNECTION_ID = "a4d3ae55"

Rows = list[tuple[str, str, str, str]]


class _Operation(msgspec.Struct):
    op: str
    args: list[dict[str, str]] = []
    id: str | None = None


class Okx(Dialect):
    """www.okx.com and ws.okx.com."""

    book_kinds = frozenset({"books"})
    book_shape = BookShape(
        ids=("seqId",),
        symbol=("arg", "instId"),
        body=("data", 0),
        row=lambda price, size: [price, size, "0", "1"],
    )
    greeted_kinds = frozenset({"books", "books5", "bbo-tbt", "tickers"})
    desk_rules = DeskRules(takes_crossing_post_only=True, first_order_id=2_900_000_000_000_000)
    order_id_fields = frozenset({"ordId"})

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._views: dict[str, tuple[set[int] | None, int]] = {}  # symbol -> what `books` showed last, and when (ns)
        self._recorded_ids = self._recorded_checksums = True  # whether a played recording carries them
        self._funding_calls: dict[tuple[str, str], CallMeter] = {}
        self._tops: dict[tuple[str, str], object] = {}
        self._stream: OkxStream | None = None

    # --- REST -------------------------------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        routes: dict[tuple[str, str], Handler] = {
            ("GET", "/api/v5/public/time"): lambda request: data([{"ts": str(request.now_ms)}]),
            ("GET", "/api/v5/public/instruments"): self._instruments,
            ("GET", "/api/v5/public/funding-rate"): self._funding_rate,
            ("GET", "/api/v5/public/funding-rate-history"): self._funding_history,
            ("GET", "/api/v5/public/mark-price"): self._mark_prices,
            ("GET", "/api/v5/market/books"): lambda request: self._books(request, 1, _BOOKS_DEPTH),
            ("GET", "/api/v5/market/books-full"): lambda request: self._books(request, 1, 5_000),
            ("GET", "/api/v5/market/ticker"): self._ticker,
            ("GET", "/api/v5/market/tickers"): self._tickers,
            ("GET", "/api/v5/system/status"): self._status,
        }
        if self.desk is not None:
            self._stream = OkxStream(self.desk)
            routes |= OkxPrivate(self.desk, self.venue.by_id).routes
        return routes

    def not_found(self, request: Request) -> Reply:
        return Reply(404, b'{"msg":"the simulated venue has no such endpoint","code":"404","data":[]}')

    def unavailable(self, status: int) -> Reply:
        return Reply(
            status, b'{"code":"50001","data":[],"msg":"Service temporarily unavailable. Please try again later."}'
        )

    def limited(self, status: int, retry_after_s: int) -> Reply:
        return Reply(
            status, b'{"code":"50011","data":[],"msg":"Too Many Requests"}', {"Retry-After": str(retry_after_s)}
        )

    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        market = self.venue.by_id.get(query.get("instId", ""))
        return market.symbol if market else None

    def _instruments(self, request: Request) -> Reply:
        wanted = request.query.get("instType", "")
        rows = [instrument_row(market) for market in self.venue.markets.values() if instrument_type(market) == wanted]
        return data(rows)

    def _books(self, request: Request, default: int, largest: int) -> Reply:
        market = self.venue.by_id.get(request.query.get("instId", ""))
        if market is None:
            return _missing_instrument()
        asked = request.query.get("sz", "")
        depth = min(largest, int(asked)) if asked.isdigit() else default
        sequence, levels = market.sequence, market.levels
        if request.sequence is not None:
            sequence, levels = market.truth.book_at(request.sequence)
        return data([{**_sides(market, levels, depth), "ts": str(request.now_ms), "seqId": sequence}])

    def _ticker(self, request: Request) -> Reply:
        market = self.venue.by_id.get(request.query.get("instId", ""))
        return _missing_instrument() if market is None else data([ticker_row(market, request.now_ms)])

    def _tickers(self, request: Request) -> Reply:
        wanted = request.query.get("instType", "")
        markets = [market for market in self.venue.markets.values() if instrument_type(market) == wanted]
        return data([ticker_row(market, request.now_ms) for market in markets])

    def _mark_prices(self, request: Request) -> Reply:
        kind, wanted = request.query.get("instType"), request.query.get("instId")
        markets = [
            market
            for market in self.venue.markets.values()
            if kind in (None, instrument_type(market)) and wanted in (None, market.venue_id)
        ]
        if not markets:
            return _missing_instrument()
        return data([mark_row(market, request.now_ms) for market in markets])

    def _funding_rate(self, request: Request) -> Reply:
        return self._funding_answer(request, funding_now(self.venue, request))

    def _funding_history(self, request: Request) -> Reply:
        return self._funding_answer(request, funding_history(self.venue, request))

    def _funding_answer(self, request: Request, rows: list[dict[str, object]] | None) -> Reply:
        """10 calls in 2 s for each of the two endpoints and each instrument."""
        key = request.path, request.query.get("instId", "")
        meter = self._funding_calls.setdefault(key, CallMeter(0 if self.venue.config.weight_limit == 0 else 10, 2_000))
        wait_s = meter.take(request.now_ms)
        if wait_s is not None:
            return self.limited(429, wait_s)
        return _missing_instrument() if rows is None else data(rows)

    def _status(self, request: Request) -> Reply:
        if not self.venue.maintenance:
            return data([])
        row = {
            "title": "Simulated maintenance",
            "state": "ongoing",
            "begin": str(request.now_ms),
            "end": "",
            "href": "",
        }
        return data([{**row, "serviceType": "0", "system": "unified", "maintType": "1", "env": "1"}])

    # --- websocket --------------------------------------------------------------------------------------------------

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        if session.path not in ("/", "/ws/v5/public") and (session.path != PATH or self._stream is None):
            raise HandshakeRefused(404)

    def idle_limit_s(self) -> float | None:
        return self.venue.config.idle_s

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        if text == "ping":
            session.reply(b"pong")
            return
        try:
            operation = msgspec.json.decode(text, type=_Operation)
        except msgspec.DecodeError:
            self._refuse(session, "60012", f"Invalid request: {text}")
            return
        if session.path == PATH and self._stream is not None:
            self._private(self._stream, session, operation)
            return
        if operation.op not in ("subscribe", "unsubscribe"):
            self._refuse(session, "60012", f"Invalid request: {text}")
            return
        for argument in operation.args:
            self._apply(session, operation.op, argument)

    def _private(self, stream: OkxStream, session: Session, operation: _Operation) -> None:
        done: dict[str, object]
        for argument in operation.args:
            if operation.op == "login":
                wrong, done = stream.login(session, argument), {"event": "login", "code": "0", "msg": ""}
            elif operation.op in ("subscribe", "unsubscribe"):
                wrong = stream.subscribe(session, argument, leave=operation.op == "unsubscribe")
                done = {"event": operation.op, "arg": argument}
            else:
                wrong, done = ("60012", f"Invalid request: {operation.op}"), {}
            if wrong is None:
                session.reply(msgspec.json.encode({**done, "connId": _CONNECTION_ID}))
            else:
                self._refuse(session, *wrong)

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self._stream is None else self._stream.render(event)

    def _apply(self, session: Session, op: str, argument: dict[str, str]) -> None:
        channel, instrument_id = argument.get("channel", ""), argument.get("instId", "")
        market = self.venue.by_id.get(instrument_id)
        if market is None or channel not in _CHANNELS:
            where = f"channel:{channel},instId:{instrument_id} doesn't exist"
            self._refuse(session, "60018", f"Wrong URL or {where}. Please use the correct URL, channel and parameters.")
            return
        name = f"{channel}:{instrument_id}"
        body = {"event": op, "arg": {"channel": channel, "instId": instrument_id}, "connId": _CONNECTION_ID}
        session.reply(msgspec.json.encode(body))
        if op == "subscribe":
            session.subscribe(name, market.symbol, channel)
        else:
            session.unsubscribe(name)

    def _refuse(self, session: Session, code: str, message: str) -> None:
        session.reply(msgspec.json.encode({"event": "error", "code": code, "msg": message, "connId": _CONNECTION_ID}))

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        recorded = read_okx(self.venue, frame)
        if recorded is not None and recorded.kind == "books":
            self._recorded_ids, self._recorded_checksums = b'"seqId"' in frame, b'"checksum":0' not in frame
        return recorded

    def greeting(self, kind: str, market: Market, now_ns: int) -> bytes:
        if kind != "books":
            return _push(kind, market, [self._row(kind, market, now_ns)])
        self._views[market.symbol] = (visible(market.levels, _BOOKS_DEPTH), now_ns)
        sides = _sides(market, market.levels, _BOOKS_DEPTH)
        return self._books_message(market, "snapshot", sides, now_ns, -1, market.published_id)

    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        if kind == "books":
            update = self._update(publication, now_ns)
            return () if update is None else (update,)
        if kind == "trades":
            return self._trades(publication, now_ns)
        market = publication.market
        row = self._row(kind, market, now_ns)
        shown = {key: value for key, value in row.items() if key not in ("ts", "seqId")}
        if self._tops.get((kind, market.symbol)) == shown:
            return ()
        self._tops[kind, market.symbol] = shown
        return (_push(kind, market, [row]),)

    def _row(self, kind: str, market: Market, now_ns: int) -> dict[str, object]:
        """The data of the channels that always send the whole of what they show."""
        now_ms = now_ns // NS_PER_MS
        if kind == "tickers":
            return ticker_row(market, now_ms)
        if kind == "bbo-tbt":
            return {**_sides(market, market.levels, 1), "ts": str(now_ms), "seqId": market.published_id}
        sides = _sides(market, market.levels, 5)
        return {**sides, "instId": market.venue_id, "ts": str(now_ms), "seqId": market.published_id}

    def _update(self, publication: Publication, now_ns: int) -> bytes | None:
        market, flush = publication.market, publication.flush
        shown, last_ns = self._views.get(market.symbol, (None, now_ns))
        quiet = flush.last_id == flush.previous_id
        if quiet and now_ns - last_ns < self.venue.config.heartbeat_s * NS_PER_S:
            return None
        view = visible(market.levels, _BOOKS_DEPTH)
        self._views[market.symbol] = (view, now_ns)
        sides = _rows(
            market, flush.changes if shown is view is None else net_changes(market.levels, flush, shown, view)
        )
        return self._books_message(market, "update", sides, now_ns, flush.previous_id, flush.last_id)

    def _books_message(
        self, market: Market, action: str, sides: dict[str, Rows], now_ns: int, previous_id: int, sequence: int
    ) -> bytes:
        playing = self.venue.config.recording is not None
        with_checksum = self._recorded_checksums if playing else self.venue.config.checksum
        row: dict[str, object] = {**sides, "ts": str(now_ns // NS_PER_MS)}
        row["checksum"] = _checksum(market) if with_checksum else 0
        if not playing or self._recorded_ids:
            row |= {"prevSeqId": previous_id, "seqId": sequence}
        return msgspec.json.encode(
            {"arg": {"channel": "books", "instId": market.venue_id}, "action": action, "data": [row]}
        )

    def _trades(self, publication: Publication, now_ns: int) -> Sequence[bytes]:
        market = publication.market
        price, size, now_ms = market.numbers.price, market.numbers.size, str(now_ns // NS_PER_MS)
        messages = []
        for trade in publication.trades:
            row = {"instId": market.venue_id, "tradeId": str(trade.trade_id), "px": price(trade.ticks)}
            row |= {"sz": size(trade.lots), "side": trade.taker_side.value, "ts": now_ms, "count": "1"}
            messages.append(_push("trades", market, [row]))
        return messages


def _rows(market: Market, changes: Iterable[tuple[int, int]]) -> dict[str, Rows]:
    price, size = market.numbers.price, market.numbers.size
    asks: Rows = []
    bids: Rows = []
    for signed, lots in changes:
        side, ticks = (bids, signed) if signed > 0 else (asks, -signed)
        side.append((price(ticks), size(lots), "0", "1" if lots else "0"))
    return {"asks": asks, "bids": bids}


def _sides(market: Market, levels: Levels, depth: int) -> dict[str, Rows]:
    price, size = market.numbers.price, market.numbers.size
    return {
        "asks": [(price(ticks), size(lots), "0", "1") for ticks, lots in levels.asks(depth)],
        "bids": [(price(ticks), size(lots), "0", "1") for ticks, lots in levels.bids(depth)],
    }


def _checksum(market: Market) -> int:
    """Signed CRC32 over the best 25 levels as `bid price:size:ask price:size:...`, a missing level simply left out."""
    price, size = market.numbers.price, market.numbers.size
    bids, asks = market.levels.bids(_CHECKSUM_DEPTH), market.levels.asks(_CHECKSUM_DEPTH)
    parts: list[str] = []
    for index in range(max(len(bids), len(asks))):
        for side in (bids, asks):
            if index < len(side):
                parts += (price(side[index][0]), size(side[index][1]))
    crc = zlib.crc32(":".join(parts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


def _push(channel: str, market: Market, rows: Sequence[Mapping[str, object]]) -> bytes:
    return msgspec.json.encode({"arg": {"channel": channel, "instId": market.venue_id}, "data": rows})


def _missing_instrument() -> Reply:
    return Reply(200, b'{"code":"51001","data":[],"msg":"Instrument ID doesn\'t exist."}')
