"""What is MAX's own: how its rows are read, its clock and nonces, replies that only take note, and what it has not."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from tests.execution.conftest import MAIN, Open, key_of
from tests.execution.test_cards import Card, Subject
from tests.support.recordings import recording
from tests.support.sim import Sim
from xetrade_core.clock import SystemClock
from xetrade_core.execution.clients import AccountClient, open_execution
from xetrade_core.execution.max_rows import balance, fills, long_trade, report
from xetrade_core.model.orders import Fill, Intent, Liquidity, OrderReport, OrderType, ReportStatus, Side, TimeInForce
from xetrade_core.trading.execution import ErrorReply, NoReply, NotSent, OrderRef
from xetrade_core.trading.outcome import Outcome, classify
from xetrade_core.venues.clients import ClientOptions
from xetrade_core.venues.registry import venue as known_venue

D = Decimal
CARD = Card("max", "BTC/TWD", D("0.01234"), "BTC", "/wallet/spot/order", D(1))
ORDER = {
    "id": 87, "market": "btctwd", "client_oid": "one", "side": "buy", "state": "wait", "ord_type": "limit",
    "price": "30000.0", "volume": "0.01", "remaining_volume": "0.01", "executed_volume": "0.0",
    "created_at": 1728011555080, "updated_at": 1728011555081,
}  # fmt: skip
INTENT = Intent(
    client_id="one",
    venue="max",
    account="main",
    symbol="BTC/TWD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    amount=D("0.01"),
    created_ns=1,
    reserve_price=D(30_000),
    price=D(30_000),
)
REF = OrderRef("BTC/TWD", "one", "87")
ASKS = {"get": "find", "delete": "cancel"}


def _read(rows: list[Any]) -> list[Fill]:
    return [one for row in rows for one in fills(row, "BTC/TWD", "max", "main", 1)]


@pytest.mark.parametrize(
    ("state", "executed", "kind", "status"),
    [
        ("wait", "0.0", "limit", ReportStatus.OPEN),
        ("wait", "0.004", "limit", ReportStatus.OPEN),
        ("convert", "0.0", "stop_limit", ReportStatus.OPEN),
        ("done", "0.01", "limit", ReportStatus.FILLED),
        ("finalizing", "0.01", "limit", ReportStatus.FILLED),
        ("finalizing", "0.004", "limit", ReportStatus.OPEN),
        ("done", "0.0", "limit", ReportStatus.CANCELED),
        ("done", "0.004", "market", ReportStatus.EXPIRED),
        ("cancel", "0.004", "limit", ReportStatus.CANCELED),
        ("cancel", "0.0", "ioc_limit", ReportStatus.EXPIRED),
        ("failed", "0.0", "limit", ReportStatus.REJECTED),
    ],
)
def test_a_state_means_what_it_says_together_with_what_has_traded(
    state: str, executed: str, kind: str, status: ReportStatus
) -> None:
    left = str(D("0.01") - D(executed))
    row = {**ORDER, "state": state, "executed_volume": executed, "remaining_volume": left, "ord_type": kind}
    found = report(row, "BTC/TWD")
    assert (found.status, found.filled, found.amount) == (status, D(executed), D("0.01"))


@pytest.mark.parametrize("row", [{**ORDER, "state": "limbo"}, {**ORDER, "state": None}, {**ORDER, "volume": "much"}])
def test_an_order_that_cannot_be_read_is_not_guessed(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"limbo|no state|much"):
        report(row, "BTC/TWD")


@pytest.mark.recordings
def test_the_recorded_trades_are_two_fills_each_as_the_account_traded_with_itself() -> None:
    rows = json.loads(recording("max/spotTrades.json").read_bytes())
    found = _read(rows)
    assert len({one.identity for one in found}) == 2 * len(rows)
    ask, bid = found[:2]
    assert (ask.trade_id, ask.side, ask.liquidity, ask.fee, ask.venue_order_id) == (
        "12345621-ask",
        Side.SELL,
        Liquidity.MAKER,
        D("0.04098786"),
        "123456789",
    )
    assert (bid.trade_id, bid.side, bid.liquidity, bid.fee, bid.venue_order_id, bid.fee_currency) == (
        "12345621-bid",
        Side.BUY,
        Liquidity.TAKER,
        D("0.13690886"),
        "2326112321",
        "MAX",
    )


@pytest.mark.recordings
def test_recorded_orders_and_balances_are_read() -> None:
    orders = [report(row, "BTC/TWD") for row in json.loads(recording("max/ordersClosed.json").read_bytes())]
    assert all((one.filled == one.amount) is (one.status is ReportStatus.FILLED) for one in orders)
    assert {one.status for one in orders} == {ReportStatus.CANCELED, ReportStatus.FILLED}
    rows = [balance(row, "max", "main", 1) for row in json.loads(recording("max/spotAccounts.json").read_bytes())]
    ether = next(one for one in rows if one.currency == "ETH")
    assert (ether.free, ether.total) == (D("7114.84243169"), D("7114.84243169") + D("0.4023") + D("110.05"))


def test_a_fee_that_is_not_reckoned_yet_is_unknown_and_a_trade_is_the_same_on_both_ways() -> None:
    rest = {"id": 1, "order_id": 87, "side": "bid", "price": "3.0", "volume": "2.0", "liquidity": "maker"}
    rest |= {"fee": None, "fee_currency": None, "created_at": 5}
    pushed = {"i": 1, "oi": 87, "sd": "bid", "p": "3.0", "v": "2.0", "m": True, "T": 5}
    assert _read([rest]) == _read([long_trade(pushed)])
    assert (_read([rest])[0].fee, _read([rest])[0].fee_currency) == (None, None)
    with pytest.raises(ValueError, match="names one of them"):
        long_trade({**pushed, "sd": "self-trade"})


def test_a_nonce_that_was_used_leaves_an_order_unknown_as_the_first_to_use_it_may_have_been_this_order() -> None:
    venue = known_venue("max")
    assert classify(venue, ErrorReply("2006", "used", 401)).outcome is Outcome.AMBIGUOUS
    assert classify(venue, ErrorReply("2007", "too old", 401)).outcome is Outcome.UNSENT
    assert classify(venue, ErrorReply("2036", "duplicated", 400)).outcome is Outcome.AMBIGUOUS


# -- against the simulated venue ---------------------------------------------------------------------------------------


async def test_a_wrong_clock_is_measured_and_a_clock_that_jumps_is_measured_again(opened: Open, sim: Sim) -> None:
    sim.begin(venue="max", kind="clock", offset_s=90)
    subject = Subject(CARD, opened, sim)
    subject.client = opened("max", "earlier", key_of("max", "sim-earlier-key", "sim-earlier-secret"))
    assert await subject.client.balances()
    sim.clear()
    sim.begin(venue="max", kind="clock", offset_s=-45)
    wanted = subject.intent()
    with pytest.raises(ErrorReply) as caught:
        await subject.client.place(wanted)
    assert classify(known_venue("max"), caught.value).outcome is Outcome.UNSENT
    assert (await subject.client.place(wanted)).status is ReportStatus.OPEN
    await subject.client.cancel(subject.ref(wanted))


async def test_a_limit_turns_an_order_away_until_the_moment_that_the_venue_names(opened: Open, sim: Sim) -> None:
    subject = Subject(CARD, opened, sim)
    await subject.client.balances()
    wanted = subject.intent()
    sim.begin(kind="rate_limit", venue="max", path="/order", status=429, retry_after_s=30)
    with pytest.raises(NotSent) as caught:
        await subject.client.place(wanted)
    assert caught.value.retry_after_s == pytest.approx(30, abs=2)
    assert subject.at_venue(wanted) == []
    with pytest.raises(NotSent, match="no call for"):  # nor is anything else sent meanwhile
        await subject.client.balances()


async def test_calls_at_once_never_share_a_nonce(opened: Open) -> None:
    client = opened("max")
    await client.balances()
    assert len(await asyncio.gather(*(client.balances() for _ in range(50)))) == 50


async def test_an_accounts_orders_of_all_markets_are_listed_and_canceled(opened: Open, sim: Sim) -> None:
    ether = Subject(Card("max", "ETH/USDT", D("0.5"), "ETH", "", D(1)), opened, sim)
    placed = [await subject.client.place(subject.intent()) for subject in (Subject(CARD, opened, sim), ether)]
    names = {one.venue_order_id: one.symbol for one in placed}
    listed = await ether.client.open_orders(None)
    assert {one.venue_order_id: one.symbol for one in listed} == names
    assert [one.symbol for one in await ether.client.open_orders("ETH/USDT")] == ["ETH/USDT"]
    await ether.client.cancel_all("ETH/USDT")
    assert [one.symbol for one in await ether.client.open_orders(None)] == ["BTC/TWD"]
    await ether.client.cancel_all(None)
    assert await ether.client.open_orders(None) == ()


async def test_open_orders_come_page_by_page(opened: Open, sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(CARD, opened, sim)
    for _ in range(5):
        await subject.client.place(subject.intent())
        await asyncio.sleep(0.02)  # the simulation moves on, and with it the moments that orders were made at
    monkeypatch.setattr("xetrade_core.execution.max.PAGE", 3)
    assert len(await subject.client.open_orders("BTC/TWD")) == 5
    monkeypatch.setattr("xetrade_core.execution.max.PAGE", 1)
    with pytest.raises(NoReply, match="of one moment"):
        await subject.client.open_orders("BTC/TWD")
    await subject.client.cancel_all(None)


# -- against a venue that answers as none simulated does ---------------------------------------------------------------

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(**answers: Answer) -> AsyncIterator[tuple[AccountClient, list[str]]]:
    """A client of a server that answers `post`, `get` and `delete` of an order so; and what it was asked for."""
    asked: list[str] = []
    markets = [{"id": "btctwd", "status": "active", "base_unit": "btc", "base_unit_precision": 8, "quote_unit": "twd"}]

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("timestamp"):
            return web.json_response({"timestamp": SystemClock().wall_ns() // 10**9})
        if request.path.endswith("markets"):
            return web.json_response([{**one, "quote_unit_precision": 1} for one in markets])
        asked.append(f"{request.method} {request.path}")
        return await answers[request.method.lower()](request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    server = TestServer(app)
    await server.start_server()
    options = ClientOptions(rest_url=str(server.make_url("")).rstrip("/"))
    client = open_execution("max", "main", MAIN, options, SystemClock(), random.Random(1))
    try:
        yield client, asked
    finally:
        await client.close()
        await server.close()


def always(body: object, status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer


async def test_open_orders_of_all_markets_are_asked_for_at_once_where_the_venue_lists_them_so() -> None:
    async with answering(get=always([{**ORDER, "state": "wait"}])) as (client, asked):
        assert [one.symbol for one in await client.open_orders(None)] == ["BTC/TWD"]
    assert asked == ["GET /api/v3/wallet/spot/orders/open"]


async def test_a_market_whose_money_no_order_locks_is_not_asked_for() -> None:
    accounts = [{"currency": "btc", "balance": "1.0", "locked": "0.0", "staked": None}]

    async def answer(request: web.Request) -> web.StreamResponse:
        refused = {"success": False, "error": {"code": 1001, "message": "market is missing"}}
        if request.path.endswith("accounts"):
            return web.json_response(accounts)
        return web.json_response([ORDER] if "market" in request.query else refused, status=200)

    async with answering(get=answer) as (client, asked):
        assert await client.open_orders(None) == ()
        accounts[0]["locked"] = "0.01"
        assert [one.symbol for one in await client.open_orders(None)] == ["BTC/TWD"]
    names = [one.rsplit("/", 1)[1] for one in asked]
    assert names == ["open", "accounts", "accounts", "open"], "what it does not list at once is not asked for again"


async def test_an_order_that_matches_after_it_was_answered_is_asked_for_until_it_has() -> None:
    done = {**ORDER, "state": "done", "remaining_volume": "0.0", "executed_volume": "0.01", "ord_type": "market"}
    states = itertools.chain([ORDER, ORDER], itertools.repeat(done))

    async def find(request: web.Request) -> web.StreamResponse:
        return web.json_response(next(states))

    async with answering(post=always(ORDER, 201), get=find) as (client, asked):
        found = await client.place(replace(INTENT, type=OrderType.MARKET, price=None))
    assert (found.status, found.filled) == (ReportStatus.FILLED, D("0.01"))
    assert asked == ["POST /api/v3/wallet/spot/order", *["GET /api/v3/order"] * 3]


async def test_a_trade_whose_fee_the_venue_still_reckons_is_not_told_yet() -> None:
    now_ms = SystemClock().wall_ns() // 10**6
    trade = {"order_id": 87, "side": "bid", "price": "3.0", "volume": "2.0", "liquidity": "maker", "fee": None}
    rows = [
        {**trade, "id": 1, "created_at": now_ms - 120_000},
        {**trade, "id": 2, "created_at": now_ms - 1_000},
        {**trade, "id": 3, "created_at": now_ms, "fee": "0.01", "fee_currency": "btc"},
    ]
    async with answering(get=always(rows)) as (client, _):
        found = await client.fills_since("BTC/TWD", 0)
    assert [(one.trade_id, one.fee) for one in found] == [("1-bid", None), ("3-bid", D("0.01"))]


@pytest.mark.parametrize("reply", [{"success": True}, ORDER], ids=["note", "order"])
async def test_a_cancel_is_only_noted_whichever_way_the_venue_says_so(reply: dict[str, Any]) -> None:
    async with answering(delete=always(reply)) as (client, _):
        noted = await client.cancel(REF)
    assert isinstance(noted, OrderReport)
    assert (noted.status, noted.client_id, noted.venue_order_id) == (ReportStatus.OPEN, "one", "87")


@pytest.mark.parametrize("reply", [{"success": False}, {}, [], 7], ids=str)
async def test_a_reply_that_says_neither_is_not_known(reply: object) -> None:
    async with answering(delete=always(reply), post=always(reply), get=always(reply)) as (client, _):
        for call in (client.cancel(REF), client.place(INTENT), client.find(REF)):
            with pytest.raises(NoReply):
                await call
        if reply != []:
            with pytest.raises(NoReply, match="no list"):
                await client.open_orders("BTC/TWD")


async def test_an_order_is_never_sent_on_to_a_second_place() -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/api/v3/wallet/spot/order/again"})

    async with answering(post=elsewhere) as (client, asked):
        with pytest.raises(NoReply):
            await client.place(INTENT)
    assert asked == ["POST /api/v3/wallet/spot/order"]


@pytest.mark.parametrize("method", ["get", "delete", "post"])
async def test_a_call_is_sent_once_when_the_connection_that_was_kept_is_lost(method: str) -> None:
    """A second one would have the nonce of the first, which the venue may have acted upon."""

    async def lose(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(**{method: lose}) as (client, asked):
        with pytest.raises(NoReply):
            await (client.place(INTENT) if method == "post" else getattr(client, ASKS[method])(REF))
    assert len(asked) == 1


async def test_what_the_venue_has_not_is_said_before_anything_is_sent() -> None:
    async with answering() as (client, asked):
        with pytest.raises(NotSent, match="max has no fok"):
            await client.place(replace(INTENT, time_in_force=TimeInForce.FOK))
        with pytest.raises(NotSent, match="changes no order in place"):
            await client.amend(REF, INTENT)
        with pytest.raises(NotSent, match="unknown symbol 'BTC/TWX'"):
            await client.place(replace(INTENT, symbol="BTC/TWX"))
    assert asked == []


async def test_an_id_that_is_no_number_is_no_order_of_the_venues() -> None:
    ref = OrderRef("BTC/TWD", None, "abc")
    async with answering() as (client, asked):
        assert await client.find(ref) is None
        with pytest.raises(ErrorReply, match="max has no order 'abc'") as caught:
            await client.cancel(ref)
        assert client.is_unknown_order(caught.value)
    assert asked == []


async def test_a_refusal_keeps_the_venues_code_and_words() -> None:
    refusal = {"success": False, "error": {"code": 2018, "message": "not enough"}}
    for status in (400, 200):
        async with answering(post=always(refusal, status)) as (client, _):
            with pytest.raises(ErrorReply, match="not enough") as caught:
                await client.place(INTENT)
        assert caught.value.code == "2018"
