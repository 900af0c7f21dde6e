"""Deribit's instrument, ticker and summary rows, in the venue's own shape."""

from __future__ import annotations

from datetime import UTC, datetime, time

from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.listing import Listing, day_of
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Venue

_NEVER_MS = 32_503_708_800_000  # 3000-01-01: what Deribit writes for a perpetual
_KINDS = {MarketType.SPOT: "spot", MarketType.SWAP: "future", MarketType.FUTURE: "future", MarketType.OPTION: "option"}
_EXPIRY = time(8, tzinfo=UTC)


def kind_of(listing: Listing) -> str:
    """Deribit's `kind`."""
    return _KINDS[listing.instrument.market_type]


def instrument_row(listing: Listing) -> dict[str, object]:
    """A row of `get_instruments`."""
    instrument, inverse = listing.instrument, listing.settle == listing.base
    row: dict[str, object] = {
        "price_index": f"{listing.base}_{listing.quote}".lower(),
        "kind": kind_of(listing),
        "instrument_name": instrument.venue_id,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "instrument_type": "reversed" if inverse else "linear",
        "expiration_timestamp": _expiry_ms(listing),
        "creation_timestamp": 1534167754000,
        "is_active": True,
        "tick_size": float(instrument.price_tick),
        "contract_size": float(listing.instrument.lot),
        "instrument_id": 100_000 + sum(instrument.venue_id.encode()),
        "min_trade_amount": float(instrument.lot),
        "settlement_currency": listing.settle or listing.quote,
        "settlement_period": "perpetual" if instrument.market_type is MarketType.SWAP else "month",
        "base_currency": listing.base,
        "counter_currency": listing.quote,
        "quote_currency": listing.base if listing.side and inverse else listing.quote,
        "tick_size_steps": [],
    }
    if listing.side:
        row |= {"strike": float(listing.strike or 0), "option_type": "call" if listing.side == "C" else "put"}
    elif listing.settle:
        row["future_type"] = row["instrument_type"]
    return row


def _expiry_ms(listing: Listing) -> int:
    if listing.expiry is None:
        return _NEVER_MS
    return round(datetime.combine(day_of(listing.expiry), _EXPIRY).timestamp() * 1000)


def _top(market: Market) -> tuple[float, float, float, float]:
    """Best bid, its size, best ask, its size; 0 where a side is empty, as on the venue."""
    price, size, levels = market.numbers.price, market.numbers.size, market.levels
    (bid, bid_lots), (ask, ask_lots) = (levels.bids(1) or [(0, 0)])[0], (levels.asks(1) or [(0, 0)])[0]
    return float(price(bid)), float(size(bid_lots)), float(price(ask)), float(size(ask_lots))


def ticker_row(venue: Venue, market: Market, now_ms: int) -> dict[str, object]:
    """The result of `ticker`, and what `get_order_book` says beside the book."""
    bid, bid_size, ask, ask_size = _top(market)
    mark, start = float(mark_price(market)), float(market.numbers.price(market.listing.start_ticks))
    row: dict[str, object] = {
        "timestamp": now_ms,
        "state": "open",
        "stats": {"high": ask, "low": bid, "price_change": 0.0, "volume": 0.0, "volume_usd": 0.0},
        "index_price": start,
        "instrument_name": market.venue_id,
        "last_price": bid,
        "min_price": start / 2,
        "max_price": start * 2,
        "mark_price": mark,
        "best_ask_price": ask,
        "best_bid_price": bid,
        "estimated_delivery_price": start,
        "best_ask_amount": ask_size,
        "best_bid_amount": bid_size,
    }
    if market.listing.settle:
        row |= {"settlement_price": start, "open_interest": 0.0}
    curve = venue.funding.get(market.symbol)
    if curve is not None:
        row |= {"current_funding": curve.estimate(now_ms), "funding_8h": curve.estimate(now_ms) * 8}
    return row


def summary_row(market: Market, now_ms: int) -> dict[str, object]:
    """A row of `get_book_summary_by_currency`: no sizes, and null for an empty side."""
    bid, _, ask, _ = _top(market)
    listing = market.listing
    return {
        "volume": 0.0,
        "mark_price": float(mark_price(market)),
        "mid_price": (bid + ask) / 2 if bid and ask else None,
        "last": bid or None,
        "high": ask or None,
        "low": bid or None,
        "open_interest": 0.0,
        "instrument_name": market.venue_id,
        "creation_timestamp": now_ms,
        "bid_price": bid or None,
        "ask_price": ask or None,
        "base_currency": listing.base,
        "quote_currency": listing.quote,
    }
