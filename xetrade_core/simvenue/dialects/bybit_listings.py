"""Bybit's instrument and ticker rows, in the venue's own shape."""

from __future__ import annotations

from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.funding import HOUR_MS, FundingCurve, number
from xetrade_core.simvenue.listing import Listing
from xetrade_core.simvenue.market import Market

CATEGORIES = ("spot", "linear", "inverse", "option")
_LAUNCHED_MS = "1585526400000"


def category_of(listing: Listing) -> str:
    """Bybit's category of a listing."""
    if listing.instrument.market_type is MarketType.SPOT:
        return "spot"
    return "inverse" if listing.settle == listing.base else "linear"


def instrument_row(market: Market, curve: FundingCurve | None, now_ms: int) -> dict[str, object]:
    """A row of `instruments-info`."""
    listing, instrument = market.listing, market.listing.instrument
    tick, lot = f"{instrument.price_tick:f}", f"{instrument.lot:f}"
    row: dict[str, object] = {"symbol": market.venue_id, "baseCoin": listing.base, "quoteCoin": listing.quote}
    row["status"] = "Trading"
    if curve is None:
        lots = {"basePrecision": lot, "quotePrecision": "0.00000001", "minOrderQty": lot, "maxOrderQty": "9000"}
        row |= {"innovation": "0", "marginTrading": "utaOnly", "stTag": "0"}
        lots |= {"maxLimitOrderQty": "9000", "maxMarketOrderQty": "4500", "postOnlyMaxLimitOrderSize": "45000"}
        row["lotSizeFilter"] = {**lots, "minOrderAmt": "5", "maxOrderAmt": "4000000"}
        return {**row, "priceFilter": {"tickSize": tick}}
    kind = "InversePerpetual" if listing.settle == listing.base else "LinearPerpetual"
    row |= {"contractType": kind, "launchTime": _LAUNCHED_MS, "deliveryTime": "0", "deliveryFeeRate": ""}
    row |= {"priceScale": str(listing.price_decimals), "settleCoin": listing.settle, "unifiedMarginTrade": True}
    row["leverageFilter"] = {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"}
    row["priceFilter"] = {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick}
    most = {"maxOrderQty": "1190000", "maxMktOrderQty": "500000"}
    row["lotSizeFilter"] = {**most, "minOrderQty": lot, "qtyStep": lot, "minNotionalValue": "5"}
    row["fundingInterval"] = curve.interval_ms(curve.next_ms(now_ms)) // (HOUR_MS // 60)
    return {**row, "copyTrading": "both", "upperFundingRate": "0.00375", "lowerFundingRate": "-0.00375"}


def ticker_row(market: Market, curve: FundingCurve | None, now_ms: int) -> dict[str, object]:
    """A row of `tickers`, over REST and on the websocket."""
    price, size, levels = market.numbers.price, market.numbers.size, market.levels
    (bid, bid_lots), (ask, ask_lots) = (levels.bids(1) or [(0, 0)])[0], (levels.asks(1) or [(0, 0)])[0]
    start = price(market.listing.start_ticks)
    row: dict[str, object] = {"symbol": market.venue_id, "lastPrice": price(bid), "prevPrice24h": start}
    row |= {"bid1Price": price(bid), "bid1Size": size(bid_lots), "ask1Price": price(ask), "ask1Size": size(ask_lots)}
    row |= {"highPrice24h": price(ask), "lowPrice24h": price(bid), "price24hPcnt": "0"}
    row |= {"turnover24h": "0", "volume24h": "0"}
    if curve is None:
        return row
    funding_ms = curve.next_ms(now_ms)
    row |= {"markPrice": plain(mark_price(market)), "indexPrice": price(bid), "prevPrice1h": start}
    row |= {"openInterest": "0", "openInterestValue": "0", "predictedDeliveryPrice": "", "basisRate": ""}
    row |= {"fundingRate": number(curve.estimate(now_ms)), "nextFundingTime": str(funding_ms)}
    row["fundingIntervalHour"] = str(curve.interval_ms(funding_ms) // HOUR_MS)
    return {**row, "deliveryFeeRate": "", "deliveryTime": "0", "basis": ""}
