"""Derive's instrument, ticker, currency and funding rows, in the venue's own shape."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, time
from decimal import Decimal

from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.funding import DAY_MS, FundingCurve, number
from xetrade_core.simvenue.listing import Listing, day_of
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Venue

_KINDS = {MarketType.SPOT: "erc20", MarketType.SWAP: "perp", MarketType.OPTION: "option"}
_FOREVER = 9_223_372_036_854_775_807
_EXPIRY = time(8, tzinfo=UTC)
_DEFAULT_SPAN_MS = 30 * DAY_MS
_BAND = Decimal("0.02")  # of the mark


def kind_of(listing: Listing) -> str:
    """Derive's `instrument_type`."""
    return _KINDS[listing.instrument.market_type]


def asset_of(listing: Listing) -> tuple[str, int]:
    """The contract of what is traded, and the number of the option in it: what an order is signed for."""
    address = "0x" + hashlib.sha256(f"{listing.base} {kind_of(listing)}".encode()).hexdigest()[:40]
    if not listing.expiry:
        return address, 0
    return address, int(hashlib.sha256(listing.instrument.venue_id.encode()).hexdigest()[:24], 16)


def instrument_row(listing: Listing, maker_fee: str, taker_fee: str) -> dict[str, object]:
    """A row of `get_all_instruments`."""
    instrument, kind = listing.instrument, kind_of(listing)
    asset, sub_id = asset_of(listing)
    option = perpetual = None
    if listing.expiry:
        expiry = round(datetime.combine(day_of(listing.expiry), _EXPIRY).timestamp())
        option = {"index": f"{listing.base}-USD", "expiry": expiry, "strike": listing.strike}
        option |= {"option_type": listing.side, "settlement_price": None}
    if kind == "perp":
        perpetual = {"index": f"{listing.base}-USD", "max_rate_per_hour": "0.004", "min_rate_per_hour": "-0.004"}
        perpetual |= {"static_interest_rate": "0.0000125", "aggregate_funding": "0", "funding_rate": "0.0000125"}
    return {
        "instrument_type": kind,
        "instrument_name": instrument.venue_id,
        "scheduled_activation": 1780572941,
        "scheduled_deactivation": _FOREVER,
        "is_active": True,
        "tick_size": f"{instrument.price_tick:f}",
        "minimum_amount": f"{instrument.lot:f}",
        "maximum_amount": "100000",
        "amount_step": f"{instrument.lot:f}",
        "mark_price_fee_rate_cap": "0",
        "maker_fee_rate": maker_fee,
        "taker_fee_rate": taker_fee,
        "base_fee": "0",
        "base_currency": listing.base,
        "quote_currency": listing.quote,
        "option_details": option,
        "perp_details": perpetual,
        "erc20_details": None,
        "base_asset_address": asset,
        "base_asset_sub_id": str(sub_id),
    }


def currency_row(code: str) -> dict[str, object]:
    """A row of `get_all_currencies`."""
    return {"currency": code, "spot_price": "1", "market_type": "ALL", "instrument_types": ["erc20", "perp"]}


def price_band(market: Market) -> tuple[Decimal, Decimal]:
    """The lowest price that a sell, and the highest that a buy may have now."""
    tick, mark = market.listing.instrument.price_tick, mark_price(market)
    return -(-mark * (1 - _BAND) // tick) * tick, mark * (1 + _BAND) // tick * tick


def ticker_row(venue: Venue, market: Market, now_ms: int) -> dict[str, object]:
    """The slim ticker: bid `b` with size `B`, ask `a` with size `A`, index `I`, mark `M`, funding `f`."""
    price, size, levels = market.numbers.price, market.numbers.size, market.levels
    (bid, bid_lots), (ask, ask_lots) = (levels.bids(1) or [(0, 0)])[0], (levels.asks(1) or [(0, 0)])[0]
    mark, (least, most) = plain(mark_price(market)), price_band(market)
    curve = venue.funding.get(market.symbol)
    return {
        "t": now_ms,
        "A": size(ask_lots),
        "a": price(ask),
        "B": size(bid_lots),
        "b": price(bid),
        "f": None if curve is None else number(curve.estimate(now_ms), 9),
        "option_pricing": None,
        "I": mark,
        "M": mark,
        "stats": {"c": "0", "v": "0", "pr": "0", "n": 0, "oi": "0", "h": price(ask), "l": price(bid), "p": "0"},
        "minp": plain(least),
        "maxp": plain(most),
    }


def funding_rows(listing: Listing, curve: FundingCurve, request: Request) -> list[dict[str, object]]:
    """The rows with start_timestamp <= timestamp <= end_timestamp, oldest first; of the last 30 days if unsaid."""
    start, end = (request.query.get(name, "") for name in ("start_timestamp", "end_timestamp"))
    end_ms = min(int(end) if end.isdigit() else request.now_ms, request.now_ms)
    start_ms = int(start) if start.isdigit() else end_ms - _DEFAULT_SPAN_MS
    rows = []
    for point in curve.page(start_ms, min(end_ms, start_ms + _DEFAULT_SPAN_MS)):
        rate = number(point.rate, 9)
        row: dict[str, object] = {"timestamp": point.time_ms, "risk_universe_id": 1, "currency": listing.base}
        rows.append({**row, "open": rate, "high": rate, "low": rate, "close": rate, "funding_rate": rate})
    return rows
