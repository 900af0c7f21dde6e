"""The wire dialect of KuCoin spot: api.kucoin.com and the websocket that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

from xetrade_core.simvenue.desk import DeskEvent, DeskRefusal, DeskRules
from xetrade_core.simvenue.dialects.base import Handler, PrivateMessage, Recorded, Reply, Request
from xetrade_core.simvenue.dialects.kucoin_base import KucoinDialect, Render
from xetrade_core.simvenue.dialects.kucoin_listings import pair_row, spot_ticker
from xetrade_core.simvenue.dialects.kucoin_orders import words_of
from xetrade_core.simvenue.dialects.kucoin_private import KucoinPrivate
from xetrade_core.simvenue.dialects.kucoin_recorded import read_kucoin
from xetrade_core.simvenue.dialects.kucoin_replies import answer
from xetrade_core.simvenue.dialects.kucoin_signed import SignedCalls
from xetrade_core.simvenue.dialects.kucoin_stream import TOPICS, render
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.faults import GARBLINGS
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication
from xetrade_core.simvenue.wire import BookShape

_LIST = ("GET", "/api/v2/symbols")


class KucoinSpot(KucoinDialect):
    """Changes with the sequence of each; parts of the book for everyone."""

    book_shape = BookShape(
        ids=("sequenceStart", "sequenceEnd"),
        symbol=("data", "symbol"),
        body=("data",),
        bids=("changes", "bids"),
        row=lambda price, size: [price, size, "1"],
    )
    garblings = tuple(name for name in GARBLINGS if name != "zero_price")  # a change at price 0 is one without effect
    subject = "trade.l2update"
    desk_rules = DeskRules(
        fee_in_quote=True,
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
        takes_crossing_post_only=True,
        first_order_id=670_000_000_000_000,
    )
    private_topics = TOPICS
    private_weight = 4_000
    prefixes: ClassVar[Mapping[str, str]] = {
        "level2": "/market/level2",
        "depth5": "/spotMarket/level2Depth5",
        "depth50": "/spotMarket/level2Depth50",
        "level1": "/spotMarket/level1",
        "ticker": "/market/ticker",
        "snapshot": "/market/snapshot",
        "match": "/market/match",
    }

    def words(self, refusal: DeskRefusal) -> tuple[str, str]:
        return words_of(refusal)

    def private_side(self, calls: SignedCalls) -> KucoinPrivate:
        return KucoinPrivate(calls, self.venue.by_id)

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self.desk is None else render(self.desk, event)

    def reads(self) -> Mapping[tuple[str, str], tuple[int, Handler]]:
        return {
            _LIST: (4, lambda request: answer([pair_row(market) for market in self.venue.markets.values()])),
            ("GET", "/api/v1/market/orderbook/level2_20"): (2, lambda request: self._part(request, 20)),
            ("GET", "/api/v1/market/orderbook/level2_100"): (4, lambda request: self._part(request, 100)),
            ("GET", "/api/v1/market/orderbook/level1"): (2, self._touch),
            ("GET", "/api/v1/market/allTickers"): (15, self._all_tickers),
            ("GET", "/api/v1/market/stats"): (15, self._stats),
        }

    def _part(self, request: Request, depth: int) -> Reply:
        market = self.asked(request)
        if isinstance(market, Reply):
            return market
        sequence, levels = self.book_of(request, market)
        price, size = market.numbers.price, market.numbers.size
        sides = {
            "bids": [(price(ticks), size(lots)) for ticks, lots in levels.bids(depth)],
            "asks": [(price(ticks), size(lots)) for ticks, lots in levels.asks(depth)],
        }
        return answer({"time": request.now_ms, "sequence": str(sequence), **sides})

    def _touch(self, request: Request) -> Reply:
        market = self.asked(request)
        if isinstance(market, Reply):
            return market
        row = spot_ticker(market)
        touch = {"bestBid": row["buy"], "bestBidSize": row["bestBidSize"]}
        touch |= {"bestAsk": row["sell"], "bestAskSize": row["bestAskSize"]}
        head = {"time": request.now_ms, "sequence": str(market.sequence), "price": row["last"], "size": "0"}
        return answer({**head, **touch})

    def _all_tickers(self, request: Request) -> Reply:
        rows = [spot_ticker(market) for market in self.venue.markets.values()]
        return answer({"time": request.now_ms, "ticker": rows})

    def _stats(self, request: Request) -> Reply:
        market = self.asked(request)
        return market if isinstance(market, Reply) else answer({"time": request.now_ms, **spot_ticker(market)})

    def book_data(self, publication: Publication, now_ms: int) -> dict[str, object]:
        market, flush = publication.market, publication.flush
        price, size = market.numbers.price, market.numbers.size
        changes: dict[str, list[tuple[str, str, str]]] = {"asks": [], "bids": []}
        for sequence, (signed, lots) in enumerate(flush.changes, flush.first_id):
            changes["bids" if signed > 0 else "asks"].append((price(abs(signed)), size(lots), str(sequence)))
        ids = {"sequenceEnd": flush.last_id, "sequenceStart": flush.first_id}
        return {"changes": changes, **ids, "symbol": market.venue_id, "time": now_ms}

    def renders(self) -> Mapping[str, Render]:
        return {
            "depth5": lambda publication, now_ms: self._depth("depth5", publication.market, 5, now_ms),
            "depth50": lambda publication, now_ms: self._depth("depth50", publication.market, 50, now_ms),
            "level1": self._level1,
            "ticker": self._ticker,
            "snapshot": self._snapshot,
            "match": self._matches,
        }

    def _depth(self, kind: str, market: Market, depth: int, now_ms: int) -> Sequence[bytes]:
        price, size, levels = market.numbers.price, market.numbers.size, market.levels
        shown: dict[str, object] = {
            "asks": [(price(ticks), size(lots)) for ticks, lots in levels.asks(depth)],
            "bids": [(price(ticks), size(lots)) for ticks, lots in levels.bids(depth)],
        }
        return self.changed(kind, market, "level2", shown, {"timestamp": now_ms})

    def _level1(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        row = spot_ticker(publication.market)
        shown: dict[str, object] = {"asks": [row["sell"], row["bestAskSize"]], "bids": [row["buy"], row["bestBidSize"]]}
        return self.changed("level1", publication.market, "level1", shown, {"timestamp": now_ms})

    def _ticker(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        row, sequence = spot_ticker(publication.market), str(publication.flush.last_id)
        shown: dict[str, object] = {"price": row["last"], "size": "0", "bestBid": row["buy"], "bestAsk": row["sell"]}
        shown |= {"bestBidSize": row["bestBidSize"], "bestAskSize": row["bestAskSize"]}
        return self.changed("ticker", publication.market, "trade.ticker", shown, {"sequence": sequence, "time": now_ms})

    def _snapshot(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        row, sequence = spot_ticker(publication.market), str(publication.flush.last_id)
        data = {**row, "lastTradedPrice": row["last"], "datetime": now_ms}
        return (self.push("snapshot", publication.market, "trade.snapshot", {"sequence": sequence, "data": data}),)

    def _matches(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        market, sequence = publication.market, str(publication.flush.last_id)
        price, size = market.numbers.price, market.numbers.size
        messages = []
        for trade in publication.trades:
            side = "buy" if trade.taker_side is Side.BUY else "sell"
            row = {"sequence": sequence, "type": "match", "symbol": market.venue_id, "side": side}
            row |= {"price": price(trade.ticks), "size": size(trade.lots), "tradeId": str(trade.trade_id)}
            orders = {"takerOrderId": "0", "makerOrderId": "0", "time": str(now_ms * 1_000_000)}
            messages.append(self.push("match", market, "trade.l3match", {**row, **orders}))
        return messages

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        return read_kucoin(self.venue, frame, symbol)
