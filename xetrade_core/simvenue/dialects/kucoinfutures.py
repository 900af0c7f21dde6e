"""The wire dialect of KuCoin futures: api-futures.kucoin.com and the websocket that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import ClassVar

from xetrade_core.simvenue.desk import DeskEvent, DeskRefusal, DeskRules
from xetrade_core.simvenue.dialects.base import Handler, PrivateMessage, Recorded, Reply, Request
from xetrade_core.simvenue.dialects.kucoin_base import KucoinDialect, Render
from xetrade_core.simvenue.dialects.kucoin_listings import contract_row, contract_touch
from xetrade_core.simvenue.dialects.kucoin_recorded import read_kucoinfutures
from xetrade_core.simvenue.dialects.kucoin_replies import answer, refused
from xetrade_core.simvenue.dialects.kucoin_signed import SignedCalls
from xetrade_core.simvenue.dialects.kucoinfutures_orders import words_of
from xetrade_core.simvenue.dialects.kucoinfutures_private import TOPICS, KucoinFuturesPrivate, render
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.funding import number
from xetrade_core.simvenue.market import Flush, Market
from xetrade_core.simvenue.venue import Publication
from xetrade_core.simvenue.wire import BookShape

_FUNDING_ROWS = 100
_NS_PER_MS = 1_000_000


class KucoinFutures(KucoinDialect):
    """One change a message; the whole book over REST."""

    book_shape = BookShape(
        ids=("sequence",),
        symbol=("topic",),
        body=("data",),
        bids=("change",),
        row=lambda price, size: f"{price},buy,{size}",
    )
    subject = "level2"
    desk_rules = DeskRules(
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0006"),
        takes_crossing_post_only=True,
        first_order_id=250_000_000_000_000,
    )
    private_topics = TOPICS
    private_weight = 2_000
    prefixes: ClassVar[Mapping[str, str]] = {
        "level2": "/contractMarket/level2",
        "depth5": "/contractMarket/level2Depth5",
        "depth50": "/contractMarket/level2Depth50",
        "ticker": "/contractMarket/ticker",
        "tickerV2": "/contractMarket/tickerV2",
        "execution": "/contractMarket/execution",
    }

    def words(self, refusal: DeskRefusal) -> tuple[str, str]:
        return words_of(refusal)

    def private_side(self, calls: SignedCalls) -> KucoinFuturesPrivate:
        return KucoinFuturesPrivate(calls, self.venue.by_id)

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self.desk is None else render(self.desk, event)

    def reads(self) -> Mapping[tuple[str, str], tuple[int, Handler]]:
        current = {
            ("GET", f"/api/v1/funding-rate/{market.venue_id}/current"): (2, self._funding_now(market))
            for market in self.venue.markets.values()
        }
        return {
            ("GET", "/api/v1/contracts/active"): (3, self._contracts),
            ("GET", "/api/v1/level2/snapshot"): (3, lambda request: self._book_reply(request, None)),
            ("GET", "/api/v1/level2/depth20"): (5, lambda request: self._book_reply(request, 20)),
            ("GET", "/api/v1/level2/depth100"): (10, lambda request: self._book_reply(request, 100)),
            ("GET", "/api/v1/ticker"): (2, self._ticker_reply),
            ("GET", "/api/v1/allTickers"): (15, self._tickers_reply),
            ("GET", "/api/v1/contract/funding-rates"): (5, self._funding_history),
            ("GET", "/api/ua/v2/market/funding-rate"): (5, self._funding_all),
            **current,
        }

    def _contracts(self, request: Request) -> Reply:
        funding = self.venue.funding
        return answer(
            [contract_row(market, funding.get(market.symbol), request.now_ms) for market in self.venue.markets.values()]
        )

    def _book_reply(self, request: Request, depth: int | None) -> Reply:
        market = self.asked(request)
        if isinstance(market, Reply):
            return market
        sequence, levels = self.book_of(request, market)
        price = market.numbers.price
        sides = {
            "bids": [(price(ticks), lots) for ticks, lots in levels.bids(depth or len(levels.sizes))],
            "asks": [(price(ticks), lots) for ticks, lots in levels.asks(depth or len(levels.sizes))],
        }
        return answer({"symbol": market.venue_id, "sequence": sequence, **sides, "ts": request.now_ns})

    def _ticker_reply(self, request: Request) -> Reply:
        market = self.asked(request)
        return market if isinstance(market, Reply) else answer(self._ticker_row(market, request.now_ns))

    def _tickers_reply(self, request: Request) -> Reply:
        return answer([self._ticker_row(market, request.now_ns) for market in self.venue.markets.values()])

    def _ticker_row(self, market: Market, now_ns: int) -> dict[str, object]:
        touch = contract_touch(market)
        head = {"sequence": market.sequence, "symbol": market.venue_id, "side": "buy", "size": 1}
        return {**head, "price": touch["bestBidPrice"], **touch, "tradeId": "0", "ts": now_ns}

    # --- funding ----------------------------------------------------------------------------------------------------

    def _funding_now(self, market: Market) -> Handler:
        def handle(request: Request) -> Reply:
            curve = self.venue.funding.get(market.symbol)
            if curve is None:
                return refused("400100", "symbol not exists")
            funding_ms = curve.next_ms(request.now_ms)
            interval_ms = curve.interval_ms(funding_ms)
            row = {"symbol": f".{market.venue_id}FPI8H", "granularity": interval_ms}
            row |= {"timePoint": funding_ms - interval_ms, "value": curve.estimate(request.now_ms)}
            row |= {"dailyInterestRate": 0.0003, "fundingRateCap": 0.0075, "fundingRateFloor": -0.0075, "period": 0}
            return answer({**row, "fundingTime": funding_ms})

        return handle

    def _funding_all(self, request: Request) -> Reply:
        rows = []
        for market in self.venue.markets.values():
            if (curve := self.venue.funding.get(market.symbol)) is None:
                continue
            funding_ms = curve.next_ms(request.now_ms)
            interval_ms = curve.interval_ms(funding_ms)
            rate = number(curve.estimate(request.now_ms))
            row: dict[str, object] = {"symbol": market.venue_id, "nextFundingRate": rate}
            row |= {"fundingTime": funding_ms, "currentGranularity": interval_ms, "newGranularity": interval_ms}
            rows.append({**row, "fundingRateCap": "0.0075", "fundingRateFloor": "-0.0075"})
        return answer(rows)

    def _funding_history(self, request: Request) -> Reply:
        market = self.asked(request)
        if isinstance(market, Reply):
            return market
        curve, query = self.venue.funding.get(market.symbol), request.query
        if curve is None or not (query.get("from", "").isdigit() and query.get("to", "").isdigit()):
            return refused("400100", "from and to are required")
        end_ms = min(int(query["to"]), request.now_ms)
        points = curve.page(int(query["from"]), end_ms, _FUNDING_ROWS, newest_first=True)
        return answer(
            [{"symbol": market.venue_id, "fundingRate": point.rate, "timepoint": point.time_ms} for point in points]
        )

    # --- websocket --------------------------------------------------------------------------------------------------

    def parts(self, kind: str, publication: Publication) -> Sequence[Publication]:
        if kind != "level2":
            return (publication,)
        flush = publication.flush
        return [
            replace(publication, flush=Flush(sequence - 1, sequence, sequence, (change,)), trades=())
            for sequence, change in enumerate(flush.changes, flush.first_id)
        ]

    def book_data(self, publication: Publication, now_ms: int) -> dict[str, object]:
        market, flush = publication.market, publication.flush
        ((signed, lots),) = flush.changes
        change = f"{market.numbers.price(abs(signed))},{'buy' if signed > 0 else 'sell'},{lots}"
        return {"sequence": flush.last_id, "change": change, "timestamp": now_ms}

    def renders(self) -> Mapping[str, Render]:
        return {
            "depth5": lambda publication, now_ms: self._depth("depth5", publication, 5, now_ms),
            "depth50": lambda publication, now_ms: self._depth("depth50", publication, 50, now_ms),
            "ticker": self._ticker,
            "tickerV2": self._ticker_v2,
            "execution": self._executions,
        }

    def _depth(self, kind: str, publication: Publication, depth: int, now_ms: int) -> Sequence[bytes]:
        market = publication.market
        price, levels = market.numbers.price, market.levels
        shown: dict[str, object] = {
            "asks": [(price(ticks), lots) for ticks, lots in levels.asks(depth)],
            "bids": [(price(ticks), lots) for ticks, lots in levels.bids(depth)],
        }
        time = {"sequence": publication.flush.last_id, "timestamp": now_ms, "ts": now_ms}
        return self.changed(kind, market, "level2", shown, dict[str, object](time))

    def _ticker(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        row = self._ticker_row(publication.market, now_ms * _NS_PER_MS)
        return (self.push("ticker", publication.market, "ticker", row),)

    def _ticker_v2(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        market = publication.market
        shown: dict[str, object] = {"symbol": market.venue_id, **contract_touch(market)}
        time: dict[str, object] = {"sequence": publication.flush.last_id, "ts": now_ms * _NS_PER_MS}
        return self.changed("tickerV2", market, "tickerV2", shown, time)

    def _executions(self, publication: Publication, now_ms: int) -> Sequence[bytes]:
        market = publication.market
        messages = []
        for trade in publication.trades:
            side = "buy" if trade.taker_side is Side.BUY else "sell"
            row = {"symbol": market.venue_id, "sequence": publication.flush.last_id, "side": side, "size": trade.lots}
            row |= {"price": market.numbers.price(trade.ticks), "tradeId": str(trade.trade_id)}
            orders = {"takerOrderId": "0", "makerOrderId": "0", "ts": now_ms * _NS_PER_MS}
            messages.append(self.push("execution", market, "match", {**row, **orders}))
        return messages

    def read_recorded(self, frame: bytes, symbol: str | None) -> Recorded | None:
        return read_kucoinfutures(self.venue, frame, symbol)
