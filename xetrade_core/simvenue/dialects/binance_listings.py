"""Binance's `exchangeInfo` bodies, in the venue's own shape, so that any client's market loader reads them."""

from __future__ import annotations

from collections.abc import Sequence

from xetrade_core.simvenue.listing import Listing
from xetrade_core.simvenue.market import Market

_PERPETUAL_DELIVERY_MS = 4_133_404_800_000
_ONBOARDED_MS = 1_569_398_400_000
_ORDER_TYPES = {
    "binance": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
    "futures": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
}


def exchange_info(venue: str, markets: Sequence[Market], now_ms: int, weight_limit: int) -> dict[str, object]:
    """The `exchangeInfo` body of one of the Binance venues."""
    row = {"binance": _spot, "binanceusdm": _linear, "binancecoinm": _inverse}[venue]
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_limit},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    ]
    head: dict[str, object] = {"timezone": "UTC", "serverTime": now_ms, "rateLimits": limits, "exchangeFilters": []}
    if venue == "binanceusdm":
        head["assets"] = [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}]
    return {**head, "symbols": [row(market.listing) for market in markets]}


def _filters(listing: Listing) -> list[dict[str, object]]:
    tick, lot = listing.instrument.price_tick, listing.instrument.lot
    price = f"{tick:.{max(listing.price_decimals, 0)}f}"
    step = f"{lot:.{listing.size_decimals}f}"
    return [
        {"filterType": "PRICE_FILTER", "minPrice": price, "maxPrice": "1000000", "tickSize": price},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000", "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "1000", "stepSize": step},
    ]


def _spot(listing: Listing) -> dict[str, object]:
    return {
        "symbol": listing.instrument.venue_id,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": _ORDER_TYPES["binance"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": [
            *_filters(listing),
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _contract(listing: Listing, pair: str) -> dict[str, object]:
    return {
        "symbol": listing.instrument.venue_id,
        "pair": pair,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_DELIVERY_MS,
        "onboardDate": _ONBOARDED_MS,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.settle,
        "pricePrecision": listing.price_decimals,
        "quantityPrecision": listing.size_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "orderTypes": _ORDER_TYPES["futures"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _linear(listing: Listing) -> dict[str, object]:
    filters = [
        *_filters(listing),
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
    ]
    return {**_contract(listing, listing.instrument.venue_id), "status": "TRADING", "settlePlan": 0, "filters": filters}


def _inverse(listing: Listing) -> dict[str, object]:
    filters = [
        *_filters(listing),
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
    ]
    size = int(listing.instrument.contract_size)
    contract = _contract(listing, listing.instrument.venue_id.partition("_")[0])
    return {**contract, "contractStatus": "TRADING", "contractSize": size, "equalQtyPrecision": 4, "filters": filters}
