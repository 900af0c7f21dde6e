"""The wire dialect of Binance USD-M futures: fapi.binance.com and fstream.binance.com."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xetrade_core.simvenue.desk import DeskEvent, DeskRules
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.dialects.base import Handler, PrivateMessage, Reply, Request, Session
from xetrade_core.simvenue.dialects.binance_base import BinanceDialect, Pairs
from xetrade_core.simvenue.dialects.binance_funding import FundingRefused, funding_history, funding_info, running
from xetrade_core.simvenue.dialects.binance_futures_orders import eight
from xetrade_core.simvenue.dialects.binance_futures_private import BinanceFuturesPrivate
from xetrade_core.simvenue.dialects.call_meter import CallMeter
from xetrade_core.simvenue.engine import Side, Trade
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication, Venue


class BinanceUsdm(BinanceDialect):
    """Update ids that skip, chained by `pu`; snapshots of fixed sizes up to 1,000 levels."""

    prefix = "/fapi/v1"
    inverse = False
    desk_rules = DeskRules(history_s=90 * 86_400.0, refuses_unfilled=True, first_order_id=8_000_000_000)
    weight_limit = 2_400
    messages_per_s = 10
    funding_calls = 500  # in 5 minutes
    _limits: ClassVar[dict[str, int]] = {"5": 2, "10": 2, "20": 2, "50": 2, "100": 5, "500": 10, "1000": 20}

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._private: BinanceFuturesPrivate | None = None
        self._funding_calls = CallMeter(0 if venue.config.weight_limit == 0 else self.funding_calls, 300_000)

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        private: Mapping[tuple[str, str], Handler] = {}
        if self.desk is not None:
            root, life_s = self.prefix.removesuffix("/v1"), self.venue.config.listen_key_s
            self._private = BinanceFuturesPrivate(self.desk, self.venue.by_id, self._answer_signed, root, self, life_s)
            private = self._private.routes
        return {
            **super().routes,
            **private,
            ("GET", f"{self.prefix}/premiumIndex"): self._premium_index,
            ("GET", f"{self.prefix}/fundingRate"): self._funding_rate,
            ("GET", f"{self.prefix}/fundingInfo"): self._funding_info,
        }

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        super().open(session, query)
        if self._private is not None:
            self._private.open(session, query)

    def tend(self, session: Session, now_ns: int) -> None:
        if self._private is not None:
            self._private.tend(session)

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self._private is None else self._private.render(event)

    def depth_cost(self, limit: str | None) -> tuple[int | None, int]:
        wanted = limit or "500"
        weight = self._limits.get(wanted)
        return (None, 1) if weight is None else (int(wanted), weight)

    def depth_body(self, market: Market, last_id: int, levels: Levels, limit: int, now_ms: int) -> dict[str, object]:
        return {"lastUpdateId": last_id, "E": now_ms, "T": now_ms, **self._sides(market, levels, limit)}

    def depth_update(self, publication: Publication, now_ms: int, bids: Pairs, asks: Pairs) -> dict[str, object]:
        flush, market = publication.flush, publication.market
        head: dict[str, object] = {
            "e": "depthUpdate",
            "E": now_ms,
            "T": now_ms,
            "s": market.venue_id,
            **self.pair(market),
        }
        return {**head, "U": flush.first_id, "u": flush.last_id, "pu": flush.previous_id, "b": bids, "a": asks}

    def partial(self, publication: Publication, now_ms: int, sides: dict[str, Pairs]) -> dict[str, object]:
        return self.depth_update(publication, now_ms, sides["bids"], sides["asks"])

    def pair(self, market: Market) -> dict[str, object]:
        return {}

    def ticker_fields(self, market: Market, now_ms: int, values: dict[str, str]) -> dict[str, object]:
        head: dict[str, object] = {"e": "bookTicker", "u": market.sequence, "s": market.venue_id, **self.pair(market)}
        return {**head, **values, "T": now_ms, "E": now_ms}

    def trade_fields(self, market: Market, trade: Trade, now_ms: int) -> dict[str, object]:
        price, size = market.numbers.price(trade.ticks), market.numbers.size(trade.lots)
        head: dict[str, object] = {"e": "trade", "E": now_ms, "T": now_ms, "s": market.venue_id, "t": trade.trade_id}
        return {**head, "p": price, "q": size, "X": "MARKET", "m": trade.taker_side is Side.SELL}

    def _book_ticker_row(self, market: Market, now_ms: int) -> dict[str, object]:
        row = super()._book_ticker_row(market, now_ms)
        return {"lastUpdateId": market.sequence, **row, "time": now_ms}

    def _premium_index(self, request: Request) -> Reply:
        chosen = self._chosen(request)
        if chosen is None:
            return self._error(-1121, "Invalid symbol.")
        rows = [self._premium_row(market, request.now_ms) for market in chosen]
        weight = 1 if "symbol" in request.query else 10
        return self._answer(request, weight, rows[0] if "symbol" in request.query and self.single_rows else rows)

    def _premium_row(self, market: Market, now_ms: int) -> dict[str, object]:
        bid = self._touch(market)[0]
        row: dict[str, object] = {"symbol": market.venue_id, **self.rest_pair(market)}
        row |= {"markPrice": eight(mark_price(market)), "indexPrice": bid, "estimatedSettlePrice": bid}
        return {**row, **running(self.venue.funding[market.symbol], now_ms), "time": now_ms}

    def _funding_rate(self, request: Request) -> Reply:
        return self._limited_answer(request, funding_history(self.venue, request, needs_symbol=self.needs_symbol))

    def _funding_info(self, request: Request) -> Reply:
        return self._limited_answer(request, funding_info(self.venue, request.now_ms))

    def _limited_answer(self, request: Request, body: list[dict[str, object]] | FundingRefused) -> Reply:
        """`fundingRate` and `fundingInfo` cost no weight; they share a limit of their own."""
        wait_s = self._funding_calls.take(request.now_ms)
        if wait_s is not None:
            return self.limited(429, wait_s)
        if isinstance(body, FundingRefused):
            return self._error(body.code, body.message)
        return self._answer(request, 0, body)

    needs_symbol: ClassVar[bool] = False

    def rest_pair(self, market: Market) -> dict[str, object]:
        return {}
