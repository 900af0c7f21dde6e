"""ccxt's exchange object and its list of markets: how it is pointed at a host, and its rows as instruments of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.venues.query_text import quick
from xetrade_core.venues.transport import Transport, current_call
from xetrade_core.venues.venue import Venue

_DECIMAL_PLACES = 2  # ccxt's precisionMode in which a precision is a number of digits and not a tick


class BudgetThrottle:
    """Takes the place of ccxt's rate limiter, which knows neither other clients of the host nor priorities.

    ccxt states a cost for each endpoint, in units of its `rateLimit` milliseconds; that share of time is the weight,
    unless the call under way states its own.
    """

    loop = None  # ccxt sets it; nothing here needs it

    def __init__(self, transport: Transport, rate_limit_ms: float) -> None:
        self._transport = transport
        budget = transport.budget
        self._unit = rate_limit_ms / 1000 * budget.rule.limit / budget.rule.window_s

    async def __call__(self, cost: float | None = None) -> None:
        call = current_call()
        weight = max(1, round((1 if cost is None else cost) * self._unit))
        await self._transport.acquire(weight if call.weight is None else call.weight)


_ASKING = frozenset({"get", "post", "put", "delete", "patch"})


class CcxtSession:
    """The session as ccxt uses it. ccxt states three times for each request, which are three timers of the event loop;
    `Transport` bounds the whole with one for all, so of them only the one for connecting is left.
    """

    def __init__(self, transport: Transport) -> None:
        self._session = transport.session
        self._connecting = transport.connecting

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._session, name)
        if name not in _ASKING:
            return found
        return lambda url, **given: found(url, **given | {"timeout": self._connecting})


def ccxt_exchange(venue: Venue, transport: Transport, rest_url: str | None, testnet: bool) -> Any:
    """The unmodified class of ccxt for a venue, on our connections and our budget, without retries of its own.

    `rest_url`, else the testnet's, replaces the host of every REST URL. Lists of currencies are not loaded: that is a
    private call on most venues, and nothing here needs them. ccxt is imported here: it costs a second and 76 MB.
    """
    import ccxt.async_support as ccxt

    config: dict[str, Any] = {
        "enableRateLimit": True,  # so that it asks the throttle
        "session": CcxtSession(transport),
        "timeout_on_exit": 0,  # it waits for connections to close, which are not its own
        "has": {"fetchCurrencies": False},
        "options": {"maxRetriesOnFailure": 0, **_market_options(venue)},
    }
    exchange = getattr(ccxt, venue.ccxt_class or venue.id)(config)
    if testnet:
        with contextlib.suppress(ccxt.NotSupported):  # OKX's is a header beside the URL; others have another URL only
            exchange.set_sandbox_mode(True)
    if testnet or rest_url is not None:
        base = venue.endpoints(testnet=testnet, rest_url=rest_url).rest
        exchange.urls["api"] = moved_urls(exchange.urls["api"], base)
    exchange.throttler = BudgetThrottle(transport, exchange.rateLimit)
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
        min_amount=_decimal((limits.get("amount") or {}).get("min")),
        max_amount=_decimal((limits.get("amount") or {}).get("max")),
        min_notional=_decimal((limits.get("cost") or {}).get("min")),
    )


def _step(precision: float | int | None, mode: int) -> Decimal:
    """The smallest step of a price or amount; 0 where ccxt does not know it."""
    if precision is None:
        return Decimal(0)
    return Decimal(1).scaleb(-int(precision)) if mode == _DECIMAL_PLACES else Decimal(str(precision))


def _decimal(value: float | int | str | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
