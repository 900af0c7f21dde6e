"""The wire dialect of Binance spot: api.binance.com and stream.binance.com."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import DeskEvent, DeskRules
from xetrade_core.simvenue.dialects.base import Handler, PrivateMessage, Session
from xetrade_core.simvenue.dialects.binance_base import BinanceDialect, Pairs
from xetrade_core.simvenue.dialects.binance_private import BinancePrivate
from xetrade_core.simvenue.engine import Side, Trade
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Publication

_WS_API = "/ws-api/v3"


class BinanceSpot(BinanceDialect):
    """Contiguous update ids; snapshots of up to 5,000 levels."""

    prefix = "/api/v3"
    weight_limit = 6_000
    messages_per_s = 5
    info_weight = 20
    desk_rules = DeskRules(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001"))
    _private: BinancePrivate | None = None

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        if self.desk is None:
            return super().routes
        self._private = BinancePrivate(self.desk, self.venue.by_id, self._answer_signed)
        return {**super().routes, **self._private.routes}

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        if session.path != _WS_API or self._private is None:
            super().open(session, query)

    def receive(self, session: Session, text: str, now_ns: int) -> None:
        if session.path == _WS_API and self._private is not None and self.desk is not None:
            self._private.receive(session, text, self.desk.now_ns // NS_PER_MS)
        else:
            super().receive(session, text, now_ns)

    def render_private(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        return () if self._private is None else self._private.render(event)

    def depth_cost(self, limit: str | None) -> tuple[int | None, int]:
        levels = min(5_000, max(1, int(limit))) if limit and limit.isdigit() else 100
        return levels, 5 if levels <= 100 else 25 if levels <= 500 else 50 if levels <= 1000 else 250

    def depth_body(self, market: Market, last_id: int, levels: Levels, limit: int, now_ms: int) -> dict[str, object]:
        return {"lastUpdateId": last_id, **self._sides(market, levels, limit)}

    def depth_update(self, publication: Publication, now_ms: int, bids: Pairs, asks: Pairs) -> dict[str, object]:
        flush = publication.flush
        head = {"e": "depthUpdate", "E": now_ms, "s": publication.market.venue_id}
        return {**head, "U": flush.first_id, "u": flush.last_id, "b": bids, "a": asks}

    def partial(self, publication: Publication, now_ms: int, sides: dict[str, Pairs]) -> dict[str, object]:
        return {"lastUpdateId": publication.flush.last_id, **sides}

    def trade_fields(self, market: Market, trade: Trade, now_ms: int) -> dict[str, object]:
        price, size = market.numbers.price(trade.ticks), market.numbers.size(trade.lots)
        head = {"e": "trade", "E": now_ms, "s": market.venue_id, "t": trade.trade_id, "p": price, "q": size}
        return {**head, "T": now_ms, "m": trade.taker_side is Side.SELL, "M": True}
