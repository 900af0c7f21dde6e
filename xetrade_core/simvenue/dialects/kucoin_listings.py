"""KuCoin's rows of pairs, contracts and tickers, in the venue's own shape."""

from __future__ import annotations

from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.funding import FundingCurve
from xetrade_core.simvenue.market import Market

LARGEST, LARGEST_AT_MARKET = 1_000_000, 400_000
"""Contracts of an order, and of one at market."""


def pair_row(market: Market) -> dict[str, object]:
    """A row of the list of spot pairs; the venue's own codes stand in its id."""
    instrument = market.listing.instrument
    base, _, quote = market.venue_id.partition("-")
    tick, lot = f"{instrument.price_tick:f}", f"{instrument.lot:f}"
    row: dict[str, object] = {"symbol": market.venue_id, "name": market.venue_id}
    row |= {"baseCurrency": base, "quoteCurrency": quote, "feeCurrency": quote, "market": "USDS"}
    row |= {"baseMinSize": lot, "quoteMinSize": "0.1", "baseMaxSize": "10000000000", "quoteMaxSize": "99999999"}
    row |= {"baseIncrement": lot, "quoteIncrement": "0.000001", "priceIncrement": tick, "priceLimitRate": "0.1"}
    row |= {"minFunds": "0.1", "isMarginEnabled": True, "enableTrading": True, "feeCategory": 1, "st": False}
    return {**row, "makerFeeCoefficient": "1.00", "takerFeeCoefficient": "1.00"}


def spot_ticker(market: Market) -> dict[str, str]:
    """A row of `allTickers`."""
    price, size, levels = market.numbers.price, market.numbers.size, market.levels
    (bid, bid_lots), (ask, ask_lots) = (levels.bids(1) or [(0, 0)])[0], (levels.asks(1) or [(0, 0)])[0]
    row = {"symbol": market.venue_id, "symbolName": market.venue_id, "buy": price(bid), "sell": price(ask)}
    row |= {"bestBidSize": size(bid_lots), "bestAskSize": size(ask_lots), "last": price(bid), "high": price(ask)}
    row |= {"low": price(bid), "changeRate": "0", "changePrice": "0", "vol": "0", "volValue": "0"}
    fees = {"takerFeeRate": "0.001", "makerFeeRate": "0.001", "takerCoefficient": "1", "makerCoefficient": "1"}
    return {**row, "averagePrice": price(bid), **fees}


def contract_touch(market: Market) -> dict[str, object]:
    """Best bid and ask of a contract, sizes in contracts."""
    price, levels = market.numbers.price, market.levels
    (bid, bid_lots), (ask, ask_lots) = (levels.bids(1) or [(0, 0)])[0], (levels.asks(1) or [(0, 0)])[0]
    bids = {"bestBidSize": bid_lots, "bestBidPrice": price(bid)}
    return {**bids, "bestAskSize": ask_lots, "bestAskPrice": price(ask)}


def contract_row(market: Market, curve: FundingCurve | None, now_ms: int) -> dict[str, object]:
    """A row of `contracts/active`. Numbers are JSON numbers; an inverse contract's multiplier is negative."""
    listing, instrument = market.listing, market.listing.instrument
    inverse = listing.settle == listing.base
    codes = {"BTC": "XBT"}
    base, quote, settle = (codes.get(code, code) for code in (listing.base, listing.quote, listing.settle or ""))
    tick = float(instrument.price_tick)
    bid = float(listing.instrument.price_tick * (market.levels.bids(1) or [(0, 0)])[0][0])
    row: dict[str, object] = {"symbol": market.venue_id, "rootSymbol": settle, "type": "FFWCSX"}
    row |= {"firstOpenDate": 1585555200000, "expireDate": None, "settleDate": None}
    row |= {"baseCurrency": base, "quoteCurrency": quote, "settleCurrency": settle}
    row |= {"maxOrderQty": LARGEST, "marketMaxOrderQty": LARGEST_AT_MARKET, "maxPrice": 1000000.0}
    row |= {"lotSize": 1, "tickSize": tick, "indexPriceTickSize": tick}
    row |= {"multiplier": -1.0 if inverse else float(instrument.contract_size), "initialMargin": 0.008}
    row |= {"maintainMargin": 0.004, "makerFeeRate": 0.0002, "takerFeeRate": 0.0006, "isDeleverage": True}
    row |= {"isQuanto": False, "isInverse": inverse, "markMethod": "FairPrice", "status": "Open"}
    row |= {"markPrice": float(mark_price(market)), "indexPrice": bid, "lastTradePrice": bid}
    row |= {"maxLeverage": 125, "openInterest": "0"}
    if curve is not None:
        funding_ms = curve.next_ms(now_ms)
        row |= {"fundingFeeRate": curve.estimate(now_ms), "predictedFundingFeeRate": None}
        row |= {"fundingRateGranularity": curve.interval_ms(funding_ms), "nextFundingRateTime": funding_ms - now_ms}
        row |= {"nextFundingRateDateTime": funding_ms, "fundingRateSymbol": f".{market.venue_id}FPI8H"}
    return row
