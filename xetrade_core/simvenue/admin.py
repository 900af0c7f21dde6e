"""The admin endpoints: faults in and out, the truth, the state, and time by hand.

GET    /admin/state
GET    /admin/truth?venue=binance&symbol=BTC/USDT&sequence=50000001234&depth=100
GET    /admin/faults                 -> {"active": [...], "injected": [...]}
POST   /admin/faults   {"kind": "lost", "venue": "binance", "symbol": "BTC/USDT"}  -> {"id": 1}
DELETE /admin/faults[?id=1]          takes back one or all; the list of injections stays
GET    /admin/funding?venue=okx&symbol=BTC/USDT:USDT&start=1795000000000&end=1795100000000  -> {"rows": [...]}
POST   /admin/funding  {"venue": "okx", "symbol": "BTC/USDT:USDT", "at": "2026-11-01T08:00:00Z", "rate": 0.0005}
DELETE /admin/funding?venue=okx&symbol=BTC/USDT:USDT    the venue shows again what it paid
GET    /admin/account?venue=binance&account=main    balances, orders, fills and journal: the truth
POST   /admin/fill     {"venue": "binance", "order_id": 1000001, "amount": "0.01"}  hits a resting order
POST   /admin/funding/pay  {"venue": "binanceusdm", "symbol": "BTC/USDT:USDT"}    positions pay a funding now
POST   /admin/step     {"ticks": 10} where `auto` is false
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from xetrade_core.clock import NS_PER_MS
from xetrade_core.errors import ConfigError, XETradeError
from xetrade_core.simvenue.admin_desk import (
    Deliver,
    FillOrder,
    PayFunding,
    deliver,
    describe_account,
    fill_order,
    pay_funding,
)
from xetrade_core.simvenue.faults import Fault
from xetrade_core.simvenue.funding import FundingChange, FundingCurve
from xetrade_core.simvenue.levels import TruthForgotten
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.simulation import Place, Simulation

_DEFAULT_DEPTH = 100
_T = TypeVar("_T")


class _FundingChange(FundingChange, frozen=True, kw_only=True):
    venue: str


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    ticks: int = 1


def truth(market: Market, sequence: int | None, depth: int) -> dict[str, object]:
    """The true book: prices and sizes as floats (the nearest to what is on the wire), best first.

    `sequence` is the last id that the answer contains, at most the one asked for; `current_sequence` the newest.
    Raises TruthForgotten for ids that are too old or not reached yet.
    """
    reached, levels = (market.sequence, market.levels) if sequence is None else market.truth.book_at(sequence)
    price, size = market.numbers.price, market.numbers.size
    return {
        "sequence": reached,
        "current_sequence": market.sequence,
        "bids": [[float(price(ticks)), float(size(lots))] for ticks, lots in levels.bids(depth)],
        "asks": [[float(price(ticks)), float(size(lots))] for ticks, lots in levels.asks(depth)],
    }


def state(simulation: Simulation) -> dict[str, object]:
    """Counters of every venue and market."""
    return {
        "now_ns": simulation.now_ns,
        "ticks": simulation.ticks,
        "auto": simulation.config.auto,
        "venues": {name: _venue_state(place) for name, place in simulation.places.items()},
    }


def _venue_state(place: Place) -> dict[str, object]:
    return {
        "connections": len(place.hub.sessions),
        "subscriptions": sum(len(session.names) for session in place.hub.sessions),
        "frames": place.hub.frame_count,
        "maintenance": place.venue.maintenance,
        "symbols": {
            symbol: {
                "venue_id": market.venue_id,
                "sequence": market.sequence,
                "published_sequence": market.published_id,
                "oldest_truth": market.truth.oldest_id,
                "changes": market.change_count,
                "levels": len(market.levels.sizes),
            }
            for symbol, market in place.venue.markets.items()
        },
    }


def admin_routes(simulation: Simulation, step: Callable[[int], Awaitable[None]]) -> list[web.RouteDef]:
    """The routes of the admin application."""

    async def get_state(request: web.Request) -> web.Response:
        return _json(state(simulation))

    async def get_truth(request: web.Request) -> web.Response:
        query = request.query
        market = simulation.place(query.get("venue", "")).venue.market(query.get("symbol", ""))
        sequence = _integer(query.get("sequence"), "sequence")
        depth = _integer(query.get("depth"), "depth")
        return _json(truth(market, sequence, _DEFAULT_DEPTH if depth is None else depth))

    async def get_faults(request: web.Request) -> web.Response:
        board = simulation.board
        return _json({"active": list(board.describe()), "injected": list(board.injections)})

    async def post_faults(request: web.Request) -> web.Response:
        fault = _decode(await request.read(), Fault)
        return _json({"id": simulation.board.add(fault, simulation.now_ns)})

    async def delete_faults(request: web.Request) -> web.Response:
        fault_id = _integer(request.query.get("id"), "id")
        return _json({"removed": simulation.remove_fault(fault_id)})

    async def post_step(request: web.Request) -> web.Response:
        if simulation.config.auto:
            raise ConfigError("this simulation moves by itself: start it with auto = false to step it")
        await step(_decode(await request.read() or b"{}", _Step).ticks)
        return _json({"now_ns": simulation.now_ns, "ticks": simulation.ticks})

    async def get_funding(request: web.Request) -> web.Response:
        query = request.query
        curve = _funding(simulation, query.get("venue", ""), query.get("symbol", ""))
        start_ms, end_ms = _integer(query.get("start"), "start"), _integer(query.get("end"), "end")
        last_ms = simulation.now_ns // NS_PER_MS
        return _json({"rows": curve.page(start_ms, last_ms if end_ms is None else min(end_ms, last_ms))})

    async def post_funding(request: web.Request) -> web.Response:
        change = _decode(await request.read(), _FundingChange)
        _funding(simulation, change.venue, change.symbol).change(change)
        return _json({})

    async def delete_funding(request: web.Request) -> web.Response:
        _funding(simulation, request.query.get("venue", ""), request.query.get("symbol", "")).restore()
        return _json({})

    async def get_account(request: web.Request) -> web.Response:
        return _json(describe_account(simulation, request.query.get("venue", ""), request.query.get("account", "main")))

    async def post_fill(request: web.Request) -> web.Response:
        fill_order(simulation, _decode(await request.read(), FillOrder))
        return _json({})

    async def post_payment(request: web.Request) -> web.Response:
        pay_funding(simulation, _decode(await request.read(), PayFunding))
        return _json({})

    async def post_delivery(request: web.Request) -> web.Response:
        deliver(simulation, _decode(await request.read(), Deliver))
        return _json({})

    return [
        web.post("/admin/deliver", _guarded(post_delivery)),
        web.post("/admin/funding/pay", _guarded(post_payment)),
        web.get("/admin/account", _guarded(get_account)),
        web.post("/admin/fill", _guarded(post_fill)),
        web.get("/admin/funding", _guarded(get_funding)),
        web.post("/admin/funding", _guarded(post_funding)),
        web.delete("/admin/funding", _guarded(delete_funding)),
        web.get("/admin/state", _guarded(get_state)),
        web.get("/admin/truth", _guarded(get_truth)),
        web.get("/admin/faults", _guarded(get_faults)),
        web.post("/admin/faults", _guarded(post_faults)),
        web.delete("/admin/faults", _guarded(delete_faults)),
        web.post("/admin/step", _guarded(post_step)),
    ]


def _funding(simulation: Simulation, venue: str, symbol: str) -> FundingCurve:
    place = simulation.place(venue)
    curve = place.venue.funding.get(place.venue.market(symbol).symbol)
    if curve is None:
        raise ConfigError.of("symbol", symbol, f"a perpetual: {', '.join(place.venue.funding) or 'none is simulated'}")
    return curve


_Endpoint = Callable[[web.Request], Awaitable[web.Response]]


def _guarded(endpoint: _Endpoint) -> _Endpoint:
    """Answer our own errors as one line of JSON: 404 for ids the truth log does not hold, 400 for the rest."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await endpoint(request)
        except TruthForgotten as error:
            return _json({"error": str(error)}, 404)
        except XETradeError as error:
            return _json({"error": str(error)}, 400)

    return answer


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def _integer(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise ConfigError.of(name, text, "a whole number") from None


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the request body is not a {kind.__name__.strip('_').lower()}: {error}") from None
