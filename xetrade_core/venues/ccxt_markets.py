"""ccxt's exchange object and its list of markets: how it is pointed at a host, and its rows as instruments of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.venues.ccxt_requests import CcxtRequests
from xetrade_core.venues.most import Most
from xetrade_core.venues.query_text import quick
from xetrade_core.venues.transport import Transport
from xetrade_core.venues.venue import Venue

_DECIMAL_PLACES = 2  # ccxt's precisionMode in which a precision is a number of digits and not a tick


def ccxt_exchange(venue: Venue, transport: Transport, rest_url: str | None, testnet: bool) -> Any:
    """The unmodified class of ccxt for a venue, on our connections and our budget, without retries of its own.

    `rest_url`, else the testnet's, replaces the host of every REST URL. Lists of currencies are not loaded: that is a
    private call on most venues, and nothing here needs them. ccxt is imported here: it costs a second and 76 MB.
    """
    import ccxt.async_support as ccxt

    config: dict[str, Any] = {
        "timeout_on_exit": 0,  # it waits for connections to close, and has none
        "has": {"fetchCurrencies": False},
        "options": _market_options(venue),
    }
    exchange = getattr(ccxt, venue.ccxt_class or venue.id)(config)
    if testnet:
        with contextlib.suppress(ccxt.NotSupported):  # OKX's is a header beside the URL; others have another URL only
            exchange.set_sandbox_mode(True)
    if testnet or rest_url is not None:
        base = venue.endpoints(testnet=testnet, rest_url=rest_url).rest
        exchange.urls["api"] = moved_urls(exchange.urls["api"], base)
    exchange.fetch2 = CcxtRequests(exchange, transport).ask
    exchange.urlencode = quick(exchange.urlencode)
    return exchange


def _market_options(venue: Venue) -> dict[str, Any]:
    """A class of ccxt's may hold the futures beside the spot markets; a venue of ours is one host."""
    return {"fetchMarkets": {"types": ["spot"]}} if venue.market_types == (MarketType.SPOT,) else {}


def moved_urls(urls: Any, base: str) -> Any:
    """ccxt's table of URLs with another host, each with its own path; websockets stay."""
    if isinstance(urls, dict):
        return {key: moved_urls(inner, base) for key, inner in urls.items()}
    if isinstance(urls, str) and urls.startswith(("http://", "https://")):
        _, slash, path = urls.partition("://")[2].partition("/")
        return f"{base}{slash}{path}"
    return urls


def market_instrument(venue: Venue, market: Mapping[str, Any], precision_mode: int) -> Instrument:
    """One row of ccxt's markets. ccxt tells only whether a market is active, so what is not is `HALTED`.

    Raises KeyError, TypeError or ValueError for a row that is none.
    """
    limits, precision = market.get("limits") or {}, market["precision"]
    amounts = limits.get("amount") or {}
    most = Most(_decimal(amounts.get("max"))) if venue.most is None else venue.most(market["info"])
    contract_size = _decimal(market.get("contractSize")) if venue.counts_contracts else None
    return Instrument(
        venue=venue.id,
        symbol=market["symbol"],
        venue_id=market["id"],
        market_type=MarketType(market["type"]),
        price_tick=_step(precision.get("price"), precision_mode),
        lot=_step(precision.get("amount"), precision_mode),
        contract_size=contract_size or Decimal(1),
        status=InstrumentStatus.HALTED if market.get("active") is False else InstrumentStatus.TRADING,
        min_amount=_decimal(amounts.get("min")),
        min_notional=_decimal((limits.get("cost") or {}).get("min")),
        **most._asdict(),
    )


def _step(precision: float | int | None, mode: int) -> Decimal:
    """The smallest step of a price or amount; 0 where ccxt does not know it."""
    if precision is None:
        return Decimal(0)
    return Decimal(1).scaleb(-int(precision)) if mode == _DECIMAL_PLACES else Decimal(str(precision))


def _decimal(value: float | int | str | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
