"""OKX's instrument and ticker rows, in the venue's own shape."""

from __future__ import annotations

from decimal import Decimal

from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.market import Market

_TYPES = {MarketType.SPOT: "SPOT", MarketType.SWAP: "SWAP"}
LARGEST_AT_MARKET = {True: Decimal(1_000_000), False: Decimal(50_000)}
"""Of spot pairs, in USDT, and of swaps, in contracts."""
MOST_USD = {True: Decimal(1_000_000), False: Decimal(20_000_000)}
"""What an order with a price may be worth, of spot pairs and of swaps."""
MOST_USD_AT_MARKET = Decimal(700_000)
"""And a market order of spot pairs."""


def instrument_type(market: Market) -> str:
    """OKX's `instType` of a market."""
    return _TYPES[market.listing.instrument.market_type]


def ticker_row(market: Market, now_ms: int) -> dict[str, object]:
    """A row of `/market/ticker` and of the `tickers` channel."""
    price, size, levels = market.numbers.price, market.numbers.size, market.levels
    (bid, bid_lots), (ask, ask_lots) = (levels.bids(1) or [(0, 0)])[0], (levels.asks(1) or [(0, 0)])[0]
    row: dict[str, object] = {
        "instType": instrument_type(market),
        "instId": market.venue_id,
        "last": price(bid),
        "lastSz": size(bid_lots),
    }
    row |= {"askPx": price(ask), "askSz": size(ask_lots), "bidPx": price(bid), "bidSz": size(bid_lots)}
    start = price(market.listing.start_ticks)
    row |= {"open24h": start, "high24h": price(ask), "low24h": price(bid), "volCcy24h": "0", "vol24h": "0"}
    return {**row, "ts": str(now_ms), "sodUtc0": start, "sodUtc8": start}


def mark_row(market: Market, now_ms: int) -> dict[str, object]:
    """A row of `/public/mark-price`."""
    mark = plain(mark_price(market))
    return {"instType": instrument_type(market), "instId": market.venue_id, "markPx": mark, "ts": str(now_ms)}


def instrument_row(market: Market) -> dict[str, object]:
    """A row of `/public/instruments`."""
    listing, instrument = market.listing, market.listing.instrument
    spot = listing.settle is None
    pair = f"{listing.base}-{listing.quote}"
    linear = listing.settle == listing.quote
    return {
        "alias": "",
        "baseCcy": listing.base if spot else "",
        "category": "1",
        "ctMult": "" if spot else "1",
        "ctType": "" if spot else "linear" if linear else "inverse",
        "ctVal": "" if spot else f"{instrument.contract_size:f}",
        "ctValCcy": "" if spot else listing.base if linear else "USD",
        "expTime": "",
        "instFamily": "" if spot else pair,
        "instId": market.venue_id,
        "instType": instrument_type(market),
        "lever": "10",
        "listTime": "1611916828000",
        "lotSz": f"{instrument.lot:f}",
        "minSz": f"{instrument.min_amount or instrument.lot:f}",
        "maxLmtSz": "9999999999",
        "maxMktSz": f"{LARGEST_AT_MARKET[spot]:f}",
        "maxLmtAmt": f"{MOST_USD[spot]:f}",
        "maxMktAmt": f"{MOST_USD_AT_MARKET:f}" if spot else "",
        "optType": "",
        "quoteCcy": listing.quote if spot else "",
        "settleCcy": listing.settle or "",
        "state": "live",
        "stk": "",
        "tickSz": f"{instrument.price_tick:f}",
        "uly": "" if spot else pair,
    }
