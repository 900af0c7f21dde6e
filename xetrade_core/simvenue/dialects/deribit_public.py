"""The public methods of Deribit's API v2: what REST and the websocket answer alike."""

from __future__ import annotations

from collections.abc import Callable

from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.dialects.deribit_funding import funding_history, funding_value
from xetrade_core.simvenue.dialects.deribit_listings import instrument_row, kind_of, summary_row, ticker_row
from xetrade_core.simvenue.dialects.deribit_orders import BAD_PARAMS
from xetrade_core.simvenue.dialects.json_rpc import RpcError
from xetrade_core.simvenue.funding import FundingCurve
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Venue

_DEPTH = 10_000


class DeribitPublic:
    """The markets of a venue, as its public methods tell them."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    @property
    def methods(self) -> dict[str, Callable[[Request], object]]:
        """What both REST and the websocket answer, by method; each gives the `result` or raises RpcError."""
        return {
            "get_time": lambda request: request.now_ms,
            "test": lambda request: {"version": "1.2.26"},
            "status": lambda request: {"locked": "false", "locked_indices": []},
            "get_currencies": lambda request: self._currencies(),
            "get_instruments": self._instruments,
            "get_order_book": self._order_book,
            "ticker": lambda request: ticker_row(self._venue, self._market(request), request.now_ms),
            "get_book_summary_by_currency": self._summaries,
            "get_book_summary_by_instrument": lambda request: [summary_row(self._market(request), request.now_ms)],
            "get_funding_rate_value": lambda request: funding_value(self._curve(request), request),
            "get_funding_rate_history": lambda request: funding_history(self._curve(request), request),
        }

    def _market(self, request: Request) -> Market:
        market = self._venue.by_id.get(request.query.get("instrument_name", ""))
        if market is None:
            raise RpcError(13020, "not_found")
        return market

    def _curve(self, request: Request) -> FundingCurve:
        curve = self._venue.funding.get(self._market(request).symbol)
        if curve is None:
            raise RpcError(BAD_PARAMS, "Invalid params", "instrument_name", "only for perpetuals")
        return curve

    def _currencies(self) -> object:
        listings = [market.listing for market in self._venue.markets.values()]
        codes = {code for one in listings for code in (one.base, one.settle or one.quote)}
        return [{"currency": code, "currency_long": code} for code in sorted(codes)]

    def _instruments(self, request: Request) -> object:
        currency, kind = request.query.get("currency", "any"), request.query.get("kind")
        rows = [instrument_row(market.listing) for market in self._venue.markets.values() if not market.delivered]
        return [
            row
            for row in rows
            if kind in (None, row["kind"]) and currency in ("any", row["base_currency"], row["settlement_currency"])
        ]

    def _order_book(self, request: Request) -> object:
        market = self._market(request)
        asked = request.query.get("depth", "5")
        if not asked.isdigit() or not int(asked):
            raise RpcError(BAD_PARAMS, "Invalid params", "depth", "must be a positive number")
        depth = min(int(asked), _DEPTH)
        sequence, levels = market.sequence, market.levels
        if request.sequence is not None:
            sequence, levels = market.truth.book_at(request.sequence)
        sides = {
            "bids": [[price_of(market, ticks), size_of(market, lots)] for ticks, lots in levels.bids(depth)],
            "asks": [[price_of(market, ticks), size_of(market, lots)] for ticks, lots in levels.asks(depth)],
        }
        return {**ticker_row(self._venue, market, request.now_ms), "change_id": sequence, **sides}

    def _summaries(self, request: Request) -> object:
        currency, kind = request.query.get("currency"), request.query.get("kind")
        markets = self._venue.markets.values()
        return [
            summary_row(market, request.now_ms)
            for market in markets
            if currency in (market.listing.base, market.listing.settle) and kind in (None, kind_of(market.listing))
        ]


def price_of(market: Market, ticks: int) -> float:
    return float(market.numbers.price(ticks))


def size_of(market: Market, lots: int) -> float:
    return float(market.numbers.size(lots))
