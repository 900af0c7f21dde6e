"""Point an unmodified ccxt class at the simulated venues, by URL overrides alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from xetrade_core.errors import NotSupported, UnknownVenue

_BINANCE = ("binance", "binanceusdm", "binancecoinm")
_KUCOIN = ("kucoin", "kucoinfutures")
_MARKET_TYPES = {"binance": "spot", "binanceusdm": "linear", "binancecoinm": "inverse"}


class Address(Protocol):
    """Where a venue listens: `http://host:port` and `ws://host:port`."""

    @property
    def rest(self) -> str: ...

    @property
    def ws(self) -> str: ...


class Addressed(Protocol):
    """A running simulation: a `SimServer` or a client of one."""

    @property
    def venues(self) -> tuple[str, ...]: ...

    def url(self, venue: str) -> Address: ...


def ccxt_config(venue: str, sim: Addressed) -> dict[str, object]:
    """The constructor argument for `ccxt.<venue>` (also `ccxt.async_support` and `ccxt.pro`).

    Raises UnknownVenue for a venue that is not simulated, NotSupported for one that ccxt does not know. For the Binance
    classes `options.fetchMarkets.types` is limited to the simulated kinds of market; nothing of theirs keeps a
    production URL.
    """
    if venue not in sim.venues:
        raise UnknownVenue(venue, sim.venues)
    if venue == "max":
        raise NotSupported("ccxt has no class for MAX: use the project's own client")
    if venue in _KUCOIN:
        return _kucoin_config(venue, sim)
    if venue in _URLS:
        return {"urls": {"api": _URLS[venue](sim.url(venue))}}
    served: Mapping[str, Address] = {name: sim.url(name) for name in _BINANCE if name in sim.venues}
    api = _binance_urls(served, sim.url(venue))
    types = [_MARKET_TYPES[name] for name in served] if venue == "binance" else [_MARKET_TYPES[venue]]
    return {"urls": {"api": api}, "options": {"fetchMarkets": {"types": types}}}


def _kucoin_config(venue: str, sim: Addressed) -> dict[str, object]:
    """One class for both markets; the other knows contracts only. Where the websocket is, the venue tells itself."""
    spot, futures = (sim.url(name if name in sim.venues else venue) for name in _KUCOIN)
    api: dict[str, object] = dict.fromkeys(("futuresPublic", "futuresPrivate"), futures.rest)
    api |= dict.fromkeys(("public", "private", "webExchange", "broker", "earn", "uta", "utaPrivate"), spot.rest)
    api |= {"utaV2": sim.url(venue).rest}
    api |= {"ws": {"spot": spot.ws, "futures": futures.ws, "private": sim.url(venue).ws}}
    types = ["swap", "future", "contract"]
    if venue == _KUCOIN[0]:
        types = [kind for kind, name in zip(("spot", "swap"), _KUCOIN, strict=True) if name in sim.venues]
    return {"urls": {"api": api}, "options": {"fetchMarkets": {"types": types}}}


def _bybit_urls(address: Address) -> dict[str, object]:
    api: dict[str, object] = dict.fromkeys(("spot", "futures", "v2", "public", "private"), address.rest)
    public = {category: f"{address.ws}/v5/public/{category}" for category in ("spot", "linear", "inverse", "option")}
    private: dict[str, object] = dict.fromkeys(("contract", "usdc"), f"{address.ws}/v5/private")
    private |= {"spot": dict.fromkeys(("unified", "nonUnified"), f"{address.ws}/v5/private")}
    return {**api, "ws": {"public": public, "private": {**private, "trade": f"{address.ws}/v5/trade"}}}


_URLS: dict[str, Callable[[Address], dict[str, object]]] = {
    "okx": lambda address: {"rest": address.rest, "ws": f"{address.ws}/ws/v5"},
    "bybit": _bybit_urls,
    "deribit": lambda address: {"rest": address.rest, "ws": f"{address.ws}/ws/api/v2"},
    "derive": lambda address: {
        "public": f"{address.rest}/v3/public",
        "private": f"{address.rest}/v3/private",
        "ws": f"{address.ws}/v3/ws",
    },
}


def _binance_urls(served: Mapping[str, Address], fallback: Address) -> dict[str, object]:
    spot, linear, inverse = (served.get(name, fallback) for name in _BINANCE)
    api: dict[str, object] = {}
    for key, version in {"public": "v3", "private": "v3", "v1": "v1"}.items():
        api[key] = f"{spot.rest}/api/{version}"
    for key, version in {"sapi": "v1", "sapiV2": "v2", "sapiV3": "v3", "sapiV4": "v4"}.items():
        api[key] = f"{spot.rest}/sapi/{version}"
    for key, version in {"eapiPublic": "v1", "eapiPrivate": "v1"}.items():
        api[key] = f"{spot.rest}/eapi/{version}"
    for key, version in {"papi": "v1", "papiV2": "v2"}.items():
        api[key] = f"{spot.rest}/papi/{version}"
    for prefix, address in (("fapi", linear), ("dapi", inverse)):
        for kind in ("Public", "Private"):
            for suffix, version in {"": "v1", "V2": "v2", "V3": "v3"}.items():
                api[f"{prefix}{kind}{suffix}"] = f"{address.rest}/{prefix}/{version}"
        api[f"{prefix}Data"] = f"{address.rest}/futures/data"
    # ccxt takes a URL with /stream in it for a spot one, and puts the category before a trailing /ws of the linear one.
    api["ws"] = {
        "spot": f"{spot.ws}/stream/ws",
        "margin": f"{spot.ws}/stream/ws",
        "linear": f"{linear.ws}/ws",
        "inverse": f"{inverse.ws}/ws",
        "stock": f"{spot.ws}/equity/ws",
        "option": f"{spot.ws}/public/ws",
        "optionMarket": f"{spot.ws}/market/ws",
        "optionPrivate": f"{spot.ws}/private/ws",
        "papi": f"{spot.ws}/pm/ws",
        "ws-api": {
            "spot": f"{spot.ws}/ws-api/v3",
            "linear": f"{linear.ws}/ws-fapi/v1",
            "inverse": f"{inverse.ws}/ws-dapi/v1",
        },
    }
    return api
