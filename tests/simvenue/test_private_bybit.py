"""The private side of Bybit against the unmodified ccxt classes: spot and contracts of one unified account."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.simvenue.refusals import refused_with
from tests.support.sim import Sim, no_faults_left, sim_process
from xetrade_core.simvenue import ccxt_config

__all__ = ["no_faults_left"]

SPOT, LINEAR = "BTC/USDT", "BTC/USDT:USDT"
SCENARIO = f"""
seed = 1
[venues.bybit]
weight_limit = 0
symbols = ["{SPOT}", "{LINEAR}", "BTC/USD:BTC"]
[venues.bybit.accounts.main]
[venues.bybit.accounts.viewer]
keys = [{{key = "sim-viewer-key", secret = "sim-viewer-secret", trade = false, withdraw = true, ip_restricted = false}}]
[venues.bybit.accounts.both_ways]
hedged = true
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def connect(sim: Sim, account: str = "main", secret: str | None = None, *, pro: bool = False) -> Any:
    import ccxt.pro

    keys = {"apiKey": f"sim-{account}-key", "secret": secret or f"sim-{account}-secret"}
    return (ccxt.pro if pro else ccxt).bybit({**ccxt_config("bybit", sim), **keys, "enableRateLimit": False})


class Client:
    """ccxt's class and one symbol."""

    def __init__(self, sim: Sim, symbol: str, account: str = "main") -> None:
        self.ccxt, self.symbol = connect(sim, account), symbol
        self.category = "spot" if symbol == SPOT else "linear"

    def low(self, share: float = 0.96) -> float:
        """A price below the market."""
        return float(round(self.ccxt.fetch_order_book(self.symbol, 5)["bids"][0][0] * share))

    def order(self, side: str, price: float | None, amount: float = 0.02, **params: Any) -> Any:
        kind = "market" if price is None else "limit"
        return self.ccxt.create_order(self.symbol, kind, side, amount, price, params)

    def state(self, order_id: str) -> Any:
        return self.ccxt.fetch_order(order_id, self.symbol, {"acknowledged": True})

    def flat(self) -> None:
        self.ccxt.cancel_all_orders(self.symbol)
        if self.category == "linear":
            for row in self.ccxt.fetch_positions([self.symbol]):
                if row["contracts"]:
                    self.order("sell" if row["side"] == "long" else "buy", None, row["contracts"], reduceOnly=True)


@pytest.fixture(params=[SPOT, LINEAR])
def client(sim: Sim, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(sim, request.param)
    yield client
    client.flat()


@pytest.fixture
def linear(sim: Sim) -> Iterator[Client]:
    client = Client(sim, LINEAR)
    yield client
    client.flat()


def refused(call: Callable[[], Any], code: int) -> None:
    """The call fails, and ccxt quotes the venue's code."""
    refused_with(call, f'"retCode":{code},')


def test_an_order_is_placed_queried_by_both_ids_listed_and_canceled(client: Client) -> None:
    price, exchange, symbol = client.low(), client.ccxt, client.symbol
    placed = client.order("buy", price, clientOrderId=f"both-{client.category}")
    assert placed["id"]
    order = client.state(placed["id"])
    assert (order["status"], order["price"], order["amount"]) == ("open", price, 0.02)
    named = {"orderLinkId": f"both-{client.category}"}
    assert exchange.fetch_open_orders(symbol, params=named)[0]["id"] == placed["id"]
    assert [one["id"] for one in exchange.fetch_open_orders(symbol)] == [placed["id"]]
    assert exchange.cancel_order(None, symbol, named)["id"] == placed["id"]
    assert exchange.fetch_open_orders(symbol) == []
    assert client.state(placed["id"])["status"] == "canceled"
    assert exchange.fetch_canceled_and_closed_orders(symbol, params=named)[0]["status"] == "canceled"


def test_a_market_order_trades_pays_its_fee_and_is_in_the_list_of_trades(client: Client) -> None:
    bought = client.order("buy", None)
    order = client.state(bought["id"])
    assert (order["status"], order["filled"]) == ("closed", 0.02)
    trades = [one for one in client.ccxt.fetch_my_trades(client.symbol) if one["order"] == bought["id"]]
    assert sum(one["amount"] for one in trades) == pytest.approx(0.02)
    assert {one["fee"]["currency"] for one in trades} == {"BTC" if client.category == "spot" else "USDT"}
    assert order["average"] == pytest.approx(trades[0]["price"], rel=1e-3)


def test_a_market_buy_of_spot_may_say_what_it_spends(sim: Sim) -> None:
    client = Client(sim, SPOT)
    order = client.state(client.ccxt.create_market_buy_order_with_cost(SPOT, 500)["id"])
    assert order["cost"] == pytest.approx(500, abs=2)


def test_a_client_id_is_never_taken_again(client: Client) -> None:
    price, code = client.low(), 170141 if client.category == "spot" else 110072
    first = client.order("buy", price, clientOrderId=f"once-{client.category}")
    again = partial(client.order, "buy", price, clientOrderId=f"once-{client.category}")
    refused(again, code)
    client.ccxt.cancel_order(first["id"], client.symbol)
    refused(again, code)


def test_an_order_is_amended_in_place(client: Client) -> None:
    price = client.low()
    placed = client.order("buy", price)
    edited = client.ccxt.edit_order(placed["id"], client.symbol, "limit", "buy", 0.03, price - 100)
    assert edited["id"] == placed["id"]
    order = client.state(placed["id"])
    assert (order["amount"], order["price"], order["status"]) == (0.03, price - 100, "open")
    same = partial(client.ccxt.edit_order, placed["id"], client.symbol, "limit", "buy", 0.03, price - 100)
    refused(same, 10001)


def test_what_must_not_rest_or_must_not_take_is_taken_and_canceled(client: Client) -> None:
    for params, price, reason in [
        ({"timeInForce": "IOC"}, client.low(), "EC_NoImmediateQtyToFill"),
        ({"timeInForce": "FOK"}, client.low(), "EC_NoImmediateQtyToFill"),
        ({"postOnly": True}, client.low(1.01), "EC_PostOnlyWillTakeLiquidity"),
    ]:
        order = client.state(client.order("buy", price, **params)["id"])
        assert (order["status"], order["filled"], order["info"]["rejectReason"]) == ("canceled", 0, reason)


def test_what_the_venue_does_not_take_is_refused_with_the_code_of_the_category(client: Client) -> None:
    spot, exchange, symbol = client.category == "spot", client.ccxt, client.symbol
    unknown = 170213 if spot else 110001
    refused(partial(exchange.cancel_order, "5", symbol), unknown)
    refused(partial(exchange.edit_order, "5", symbol, "limit", "buy", 0.03, 1000), unknown)
    refused(partial(client.order, "buy", client.low(), 900), 170131 if spot else 110007)
    raw = {"category": client.category, "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
    raw |= {"qty": "0.02", "price": str(client.low())}
    for changes, code in [
        ({"qty": "0.0000001"}, 170137 if spot else 10001),
        ({"qty": "0.00001" if spot else "0.001", "price": "4000"}, 170140 if spot else 110094),
        ({"qty": "2000000"}, 170382 if spot else 10001),
        ({"price": "40000.001"}, 170134 if spot else 10001),
        ({"symbol": "NOSUCH"}, 170121 if spot else 10001),
        ({"side": "Hold"}, 10001),
        ({"orderLinkId": "no spaces"}, 10001),
        ({"category": "stocks"}, 10001),
    ]:
        refused(partial(exchange.private_post_v5_order_create, {**raw, **changes}), code)
    assert exchange.fetch_open_orders(symbol) == []


def test_keys_signatures_and_permissions_are_checked(sim: Sim, client: Client) -> None:
    refused(connect(sim, secret="wrong").fetch_balance, 10004)
    refused(connect(sim, "nobody").fetch_balance, 10003)
    viewer = Client(sim, client.symbol, "viewer")
    refused(partial(viewer.order, "buy", None), 10005)
    about = viewer.ccxt.private_get_v5_user_query_api()["result"]
    assert (about["readOnly"], about["ips"], "Withdraw" in about["permissions"]["Wallet"]) == (1, ["*"], True)
    mine = client.ccxt.private_get_v5_user_query_api()["result"]
    assert (mine["permissions"]["Wallet"], mine["ips"]) == ([], ["127.0.0.1"])
    fault = sim.begin(kind="clock", venue="bybit", offset_s=-30)
    refused(client.ccxt.fetch_balance, 10002)
    sim.clear(fault)


def test_a_resting_spot_order_locks_what_it_may_spend(sim: Sim) -> None:
    client = Client(sim, SPOT)
    price = client.low()
    placed = client.order("buy", price)
    held = client.ccxt.fetch_balance()["USDT"]
    assert held["used"] == pytest.approx(0.02 * price)
    client.ccxt.cancel_order(placed["id"], SPOT)
    assert client.ccxt.fetch_balance()["USDT"]["used"] == 0


def test_a_position_is_opened_reduced_and_turned(sim: Sim, linear: Client) -> None:
    refused(partial(linear.order, "sell", None, reduceOnly=True), 110017)
    linear.order("buy", None)
    (position,) = linear.ccxt.fetch_positions([LINEAR])
    assert (position["side"], position["contracts"]) == ("long", 0.02)
    linear.order("sell", None, 0.05)
    (position,) = linear.ccxt.fetch_positions([LINEAR])
    assert (position["side"], position["contracts"]) == ("short", pytest.approx(0.03))
    linear.ccxt.set_leverage(5, LINEAR)
    refused(partial(linear.ccxt.set_leverage, 5, LINEAR), 110043)
    linear.ccxt.set_leverage(10, LINEAR)
    truth = sim.account("bybit")
    for currency, balance in truth["balances"].items():
        booked = [Decimal(entry["amount"]) for entry in truth["journal"] if entry["currency"] == currency]
        assert sum(booked) == Decimal(balance["total"])


def test_a_funding_is_paid_and_in_the_list_of_executions(sim: Sim, linear: Client) -> None:
    linear.order("buy", None)
    before = Decimal(sim.account("bybit")["balances"]["USDT"]["total"])
    sim.pay_funding("bybit", LINEAR, "0.001")
    paid = before - Decimal(sim.account("bybit")["balances"]["USDT"]["total"])
    assert paid > 0
    newest = max(linear.ccxt.fetch_funding_history(LINEAR), key=lambda row: row["timestamp"])
    assert Decimal(newest["info"]["execFee"]) == paid


def test_hedge_mode_keeps_both_sides_apart(sim: Sim) -> None:
    both = Client(sim, LINEAR, "both_ways")
    refused(partial(both.order, "buy", None), 10001)
    both.order("buy", None, positionIdx=1)
    both.order("sell", None, positionIdx=2)
    rows = [(row["side"], row["contracts"]) for row in both.ccxt.fetch_positions([LINEAR]) if row["contracts"]]
    assert sorted(rows) == [("long", 0.02), ("short", 0.02)]
    refused(partial(both.ccxt.set_position_mode, False, LINEAR), 110024)
    both.order("sell", None, positionIdx=1, reduceOnly=True)
    both.order("buy", None, positionIdx=2, reduceOnly=True)
    both.ccxt.set_position_mode(False, LINEAR)
    both.ccxt.set_position_mode(True, LINEAR)


@pytest.mark.parametrize("kind", ["rest_error", "rest_dropped", "rest_empty", "rest_garbled", "rest_no_id"])
def test_an_order_whose_answer_is_spoiled_has_been_taken(sim: Sim, linear: Client, kind: str) -> None:
    import ccxt

    price, name = linear.low(), f"lost-{kind}"
    linear.ccxt.is_unified_enabled()
    sim.begin(kind=kind, venue="bybit", symbol=LINEAR, path="order/create")
    with contextlib.suppress(ccxt.BaseError, AttributeError):
        assert linear.order("buy", price, clientOrderId=name).get("id") is None
    assert [one["clientOrderId"] for one in linear.ccxt.fetch_open_orders(LINEAR)] == [name]


def test_histories_come_in_pages_newest_first(linear: Client) -> None:
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        linear.ccxt.cancel_order(linear.order("buy", linear.low(), clientOrderId=name)["id"], LINEAR)
    query = {"category": "linear", "symbol": "BTCUSDT", "limit": 2}
    seen: list[str] = []
    while len(seen) < 5:
        result = linear.ccxt.private_get_v5_order_history(query)["result"]
        seen += [row["orderLinkId"] for row in result["list"]]
        query["cursor"] = result["nextPageCursor"]
    assert seen[:5] == names[::-1]
    week = {"category": "linear", "startTime": 1, "endTime": 8 * 86_400_000}
    refused(partial(linear.ccxt.private_get_v5_execution_list, week), 10001)


def test_orders_end_when_the_last_private_connection_is_gone_for_its_window(sim: Sim, linear: Client) -> None:
    exchange = linear.ccxt
    refused(partial(exchange.private_post_v5_order_disconnected_cancel_all, {"timeWindow": 2}), 10001)
    exchange.private_post_v5_order_disconnected_cancel_all({"product": "DERIVATIVES", "timeWindow": 3})
    order = linear.order("buy", linear.low())

    async def come_and_go() -> None:
        client = connect(sim, pro=True)
        await client.load_markets()
        url = client.urls["api"]["ws"]["private"]["contract"]
        await client.authenticate(url)
        await client.client(url).send({"op": "subscribe", "req_id": "1", "args": ["dcp.future"]})
        await asyncio.sleep(0.3)
        await client.close()

    asyncio.run(come_and_go())
    began = time.monotonic()
    while linear.state(order["id"])["status"] == "open" and time.monotonic() < began + 10:
        time.sleep(0.1)
    assert time.monotonic() - began > 2
    assert linear.state(order["id"])["info"]["cancelType"] == "CancelByDCP"


@pytest.mark.parametrize("symbol", [SPOT, LINEAR])
def test_orders_trades_balances_and_positions_are_watched(sim: Sim, symbol: str) -> None:
    asyncio.run(watch(sim, symbol))


async def held(client: Any) -> Any:
    """The first positions that are told; before that ccxt gives what it asked for, which is none."""
    while not (positions := await client.watch_positions([LINEAR])):
        pass
    return positions


async def watch(sim: Sim, symbol: str) -> None:
    client = connect(sim, pro=True)
    name = f"watched-{'spot' if symbol == SPOT else 'linear'}"
    try:
        price = float(round((await client.fetch_order_book(symbol, 5))["bids"][0][0] * 0.96))
        waiting = asyncio.create_task(client.watch_orders(symbol))
        await asyncio.sleep(0.5)
        placed = await client.create_order(symbol, "limit", "buy", 0.02, price, {"clientOrderId": name})
        opened = (await asyncio.wait_for(waiting, 10))[-1]
        assert (opened["id"], opened["status"], opened["clientOrderId"]) == (placed["id"], "open", name)
        waiting = asyncio.create_task(client.watch_orders(symbol))
        await client.cancel_order(placed["id"], symbol)
        assert (await asyncio.wait_for(waiting, 10))[-1]["status"] == "canceled"
        watched = [client.watch_my_trades(symbol), client.watch_balance()]
        watched += [held(client)] if symbol == LINEAR else []
        tasks = [asyncio.create_task(one) for one in watched]
        await asyncio.sleep(0.5)
        bought = await client.create_order(symbol, "market", "buy", 0.02)
        trades, balance, *positions = await asyncio.wait_for(asyncio.gather(*tasks), 10)
        assert (trades[-1]["order"], trades[-1]["side"]) == (bought["id"], "buy")
        assert balance["USDT"]["total"] > 0
        if positions:
            assert (positions[0][-1]["side"], positions[0][-1]["contracts"]) == ("long", 0.02)
            await client.create_order(symbol, "market", "sell", 0.02, None, {"reduceOnly": True})
    finally:
        await client.close()


def test_a_stream_is_not_opened_with_a_wrong_signature(sim: Sim) -> None:
    import ccxt

    async def listen_in_vain() -> None:
        client = connect(sim, secret="wrong", pro=True)
        client.options.update(enableUnifiedMargin=False, enableUnifiedAccount=True)
        try:
            with pytest.raises(ccxt.BaseError, match="Params Error"):
                await asyncio.wait_for(client.authenticate(client.urls["api"]["ws"]["private"]["contract"]), 10)
        finally:
            await client.close()

    asyncio.run(listen_in_vain())
