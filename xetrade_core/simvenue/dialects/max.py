"""The wire dialect of MAX (max.maicoin.com): REST v3 and the websocket, which is one for all channels.

The `book` channel shows up to 50 levels a side: a snapshot, then updates with the ids of their changes (`fi` to `li`)
and the version `v` of the venue's books, which is another after maintenance. Prices and volumes are strings with at
least one decimal; `depth` lists both sides by falling price. A client that sends no ping is closed after 130 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

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
from xetrade_core.simvenue.dialects.max_orders import least_quote
from xetrade_core.simvenue.dialects.max_private import MaxPrivate
from xetrade_core.simvenue.dialects.max_recorded import read_max
from xetrade_core.simvenue.dialects.max_signed import MaxKeys, MaxRefused
from xetrade_core.simvenue.dialects.max_stream import MaxStream
from xetrade_core.simvenue.dialects.views import net_changes, visible
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Flush, Market
from xetrade_core.simvenue.venue import Publication, Venue
from xetrade_core.simvenue.wire import BookShape

_DEPTHS = (1, 5, 10, 20, 50)
_MOST_DEPTH = 300
_SILENCE_S = 130.0
_FIRST_VERSION = 1_725_602_999_632  # of the venue's books; one more after each maintenance

Pairs = list[tuple[str, str]]


class _Subscription(msgspec.Struct):
    channel: str
    market: str = ""
    depth: int = 50


class _Action(msgspec.Struct):
    action: str = ""
    id: str = ""
    subscriptions: list[_Subscription] = []
    subscription: list[_Subscription] = []


class Max(Dialect):
    """max-api.maicoin.com and max-stream.maicoin.com."""

    book_kinds = frozenset(f"book{depth}" for depth in _DEPTHS)
    book_shape = BookShape(ids=("fi", "li", "v"), symbol=("M",), bids=("b",))
    greeted_kinds = frozenset({*book_kinds, "ticker"})
    desk_rules = DeskRules(
        unique_client_ids="always",  # for 24 hours, which is longer than a simulation
        maker_fee=Decimal("0.0008"),
        taker_fee=Decimal("0.0016"),
        takes_crossing_post_only=True,
        first_order_id=2_300_000_000,
    )
    order_id_fields = frozenset({"id"})

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._stream: MaxStream | None = None
        self._views: dict[tuple[str, str], set[int] | None] = {}  # (kind, symbol) -> what it showed last

    # --- REST -------------------------------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        routes: dict[tuple[str, str], Handler] = {
            ("GET", "/api/v3/timestamp"): lambda request: _ok({"timestamp": request.now_ns // NS_PER_S}),
            ("GET", "/api/v3/markets"): lambda request: _ok([_market_row(one) for one in self.venue.markets.values()]),
            ("GET", "/api/v3/depth"): self._depth,
            ("GET", "/api/v3/ticker"): self._ticker,
            ("GET", "/api/v3/tickers"): self._tickers,
        }
        if self.desk is not None:
            keys = MaxKeys(self.desk)
            self._stream = MaxStream(self.desk, keys)
            routes |= MaxPrivate(self.desk, keys, self.venue.by_id).routes
        return routes

    def not_found(self, request: Request) -> Reply:
        return Reply(404, b'{"success":false,"error":{"code":1001,"message":"no such endpoint"}}')

    def unavailable(self, status: int) -> Reply:
        return Reply(status, b"<html><body><h1>502 Bad Gateway</h1></body></html>")

    def limited(self, status: int, retry_after_s: int) -> Reply:
        body = b'{"success":false,"error":{"code":1013,"message":"too many requests"}}'
        return Reply(status, body, {"Retry-After": str(retry_after_s)})

    def retry_after(self, delay_s: int, now_ns: int) -> int:
        return now_ns // NS_PER_S + delay_s

    def request_symbol(self, query: Mapping[str, str]) -> str | None:
        market = self.venue.by_id.get(query.get("market", ""))
        return market.symbol if market else None

    def _depth(self, request: Request) -> Reply:
        market = self.venue.by_id.get(request.query.get("market", ""))
        if market is None:
            return _refused("market does not have a valid value")
        asked = request.query.get("limit", "")
        depth = min(_MOST_DEPTH, int(asked)) if asked.isdigit() else _MOST_DEPTH
        sequence, levels = market.sequence, market.levels
        if request.sequence is not None:
            sequence, levels = market.truth.book_at(request.sequence)
        asks = _pairs(market, levels.asks(depth))
        by_price = request.query.get("sort_by_price") == "true"
        body: dict[str, object] = {"timestamp": request.now_ns // NS_PER_S, "last_update_version": _version(market)}
        body |= {"last_update_id": sequence, "asks": asks if by_price else asks[::-1]}
        return _ok({**body, "bids": _pairs(market, levels.bids(depth))})

    def _ticker(self, request: Request) -> Reply:
        market = self.venue.by_id.get(request.query.get("market", ""))
        if market is None:
            return _refused("market does not have a valid value")
        return _ok(_ticker_row(market, request.now_ns))

    def _tickers(self, request: Request) -> Reply:
        """`markets[]` is required, once for each market."""
        markets = [self.venue.by_id.get(each) for each in request.every("markets[]")]
        if not markets or None in markets:
            return _refused("markets does not have a valid value")
        return _ok([_ticker_row(market, request.now_ns) for market in markets if market is not None])

    # --- websocket --------------------------------------------------------------------------------------------------

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        if session.path not in ("/", "/ws"):
            raise HandshakeRefused(404)

    def silence_limit_s(self) -> float | None:
        return _SILENCE_S

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        try:
            action = msgspec.json.decode(text, type=_Action)
        except msgspec.DecodeError:
            _reply(session, {"e": "error", "E": ["E-1005: invalid json"]}, "", now_ns)
            return
        if action.action == "auth" and self._stream is not None and self.desk is not None:
            answer, snapshots = self._stream.sign_in(session, text, self.desk.now_ns // NS_PER_MS)
            _reply(session, answer, action.id, now_ns)
            for snapshot in snapshots:
                session.reply(snapshot)
            return
        if action.action not in ("sub", "subscribe", "unsub", "unsubscribe"):
            _reply(session, {"e": "error", "E": ["E-1004: invalid action"]}, action.id, now_ns)
            return
        wanted = action.action.startswith("sub")
        taken = [each for each in action.subscriptions or action.subscription if self._take(session, each, wanted)]
        _reply(session, {"e": "subscribed" if wanted else "unsubscribed", "s": taken}, action.id, now_ns)

    def _take(self, session: Session, asked: _Subscription, wanted: bool) -> bool:
        market = self.venue.by_id.get(asked.market)
        if market is None or asked.channel not in ("book", "ticker", "trade") or asked.depth not in _DEPTHS:
            return False
        kind = f"book{asked.depth}" if asked.channel == "book" else asked.channel
        name = f"{kind}:{asked.market}"
        if wanted:
            session.subscribe(name, market.symbol, kind)
        else:
            session.unsubscribe(name)
        return True

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self._stream is None else self._stream.render(event)

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        return read_max(self.venue, frame)

    def greeting(self, kind: str, market: Market, now_ns: int) -> bytes:
        if kind == "ticker":
            return _ticker_message(market, "snapshot", now_ns)
        depth = int(kind.removeprefix("book"))
        self._views[kind, market.symbol] = visible(market.levels, depth)
        levels = market.levels
        changes = [*levels.bids(depth), *((-ticks, lots) for ticks, lots in levels.asks(depth))]
        return _book(market, "snapshot", changes, now_ns, market.published_id, market.published_id)

    def render(self, kind: str, publication: Publication, now_ns: int) -> Sequence[bytes]:
        market, flush = publication.market, publication.flush
        if kind in self.book_kinds:
            return self._update(kind, market, flush, now_ns)
        if kind == "ticker":
            return (_ticker_message(market, "update", now_ns),) if publication.trades else ()
        rows = [
            {
                "p": _text(market.numbers.price(trade.ticks)),
                "v": _text(market.numbers.size(trade.lots)),
                "T": now_ns // NS_PER_MS,
                "tr": "up" if trade.taker_side.value == "buy" else "down",
            }
            for trade in publication.trades
        ]
        return (_message("trade", "update", market, {"t": rows}, now_ns),) if rows else ()

    def _update(self, kind: str, market: Market, flush: Flush, now_ns: int) -> Sequence[bytes]:
        if flush.last_id == flush.previous_id:
            return ()
        view = visible(market.levels, int(kind.removeprefix("book")))
        shown = self._views.get((kind, market.symbol))
        self._views[kind, market.symbol] = view
        changes = flush.changes if shown is view is None else net_changes(market.levels, flush, shown, view)
        return (_book(market, "update", changes, now_ns, flush.previous_id + 1, flush.last_id),)


def _version(market: Market) -> int:
    return _FIRST_VERSION + market.restarts


def _message(channel: str, event: str, market: Market, body: Mapping[str, object], now_ns: int) -> bytes:
    return msgspec.json.encode({"c": channel, "e": event, "M": market.venue_id, **body, "T": now_ns // NS_PER_MS})


def _book(market: Market, event: str, changes: Iterable[tuple[int, int]], now_ns: int, first: int, last: int) -> bytes:
    sides: dict[int, Pairs] = {1: [], -1: []}
    for signed, lots in changes:
        sign = 1 if signed > 0 else -1
        sides[sign].append((_text(market.numbers.price(signed * sign)), _text(market.numbers.size(lots))))
    head = {"c": "book", "e": event, "M": market.venue_id, "a": sides[-1], "b": sides[1]}
    return msgspec.json.encode({**head, "T": now_ns // NS_PER_MS, "fi": first, "li": last, "v": _version(market)})


def _text(number: str) -> str:
    """A number as MAX writes it: `15` -> `15.0`."""
    return number if "." in number else f"{number}.0"


def _pairs(market: Market, levels: Iterable[tuple[int, int]]) -> Pairs:
    price, size = market.numbers.price, market.numbers.size
    return [(_text(price(ticks)), _text(size(lots))) for ticks, lots in levels]


def _best(market: Market, levels: Levels) -> tuple[tuple[str, str], tuple[str, str]]:
    none = [("0.0", "0.0")]
    return (_pairs(market, levels.bids(1)) or none)[0], (_pairs(market, levels.asks(1)) or none)[0]


def _market_row(market: Market) -> dict[str, object]:
    """A row of `markets`; a lot of 1000 is a precision of -3."""
    listing, instrument = market.listing, market.listing.instrument
    return {
        "id": market.venue_id,
        "status": "active",
        "base_unit": listing.base.lower(),
        "base_unit_precision": -instrument.lot.adjusted(),
        "min_base_amount": float(instrument.lot),
        "quote_unit": listing.quote.lower(),
        "quote_unit_precision": -instrument.price_tick.adjusted(),
        "min_quote_amount": int(least_quote(market)),
        "m_wallet_supported": False,
    }


def _ticker_row(market: Market, now_ns: int) -> dict[str, object]:
    (buy, buy_size), (sell, sell_size) = _best(market, market.levels)
    start = _text(market.numbers.price(market.listing.start_ticks))
    row = {"market": market.venue_id, "at": now_ns // NS_PER_S, "buy": buy, "buy_vol": buy_size, "sell": sell}
    row |= {"sell_vol": sell_size, "open": start, "low": buy, "high": sell, "last": buy}
    return {**row, "vol": "0.0", "vol_in_btc": "0.0", "vol_in_quote": "0.0"}


def _ticker_message(market: Market, event: str, now_ns: int) -> bytes:
    (buy, _), (sell, _) = _best(market, market.levels)
    tick = {"M": market.venue_id, "O": buy, "H": sell, "L": buy, "C": buy, "v": "0.0", "V": "0.0"}
    return _message("ticker", event, market, {"tk": tick}, now_ns)


def _reply(session: Session, body: Mapping[str, object], request_id: str, now_ns: int) -> None:
    session.reply(msgspec.json.encode({**body, "i": request_id, "T": now_ns // NS_PER_MS}))


def _ok(body: object) -> Reply:
    return Reply(200, msgspec.json.encode(body))


def _refused(message: str) -> Reply:
    return MaxRefused(1001, message).reply
