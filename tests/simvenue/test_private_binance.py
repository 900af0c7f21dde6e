"""The private side of Binance spot against the unmodified ccxt classes: orders, balances, trades, streams, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.simvenue.conftest import simulate
from tests.support.sim import Sim, SimError, no_faults_left, sim_process
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue import SimConfig, VenueConfig, ccxt_config
from xetrade_core.simvenue.desk import AccountConfig, ApiKey
from xetrade_core.simvenue.dialects.max import Max

__all__ = ["no_faults_left"]

SYMBOL = "BTC/USDT"
KEY, SECRET = "sim-main-key", "sim-main-secret"
SCENARIO = """
seed = 1
[venues.binance]
symbols = ["BTC/USDT"]
[venues.binance.accounts.main]
[venues.binance.accounts.viewer]
keys = [{key = "viewer-key", secret = "viewer-secret", trade = false}]
[venues.binance.accounts.rich]
keys = [{key = "rich-key", secret = "rich-secret", withdraw = true, ip_restricted = false}]
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def client_of(sim: Sim, key: str = KEY, secret: str = SECRET, *, pro: bool = False) -> Any:
    import ccxt.pro

    module = ccxt.pro if pro else ccxt
    return module.binance({**ccxt_config("binance", sim), "apiKey": key, "secret": secret})


@pytest.fixture
def client(sim: Sim) -> Iterator[Any]:
    client = client_of(sim)
    yield client
    client.cancel_all_orders(SYMBOL) if client.fetch_open_orders(SYMBOL) else None


def low(client: Any) -> float:
    """A price far below the market."""
    return float(round(client.fetch_order_book(SYMBOL, 5)["bids"][0][0] * 0.9))


def refused(call: Callable[[], Any], error: type[Exception], said: int | str) -> None:
    """The call fails with that error of ccxt, which quotes the venue's code or, where it goes by those, its words."""
    with pytest.raises(error) as caught:
        call()
    assert (f'"code":{said},' if isinstance(said, int) else said) in str(caught.value)


def test_an_order_is_placed_queried_by_both_ids_listed_and_canceled(client: Any) -> None:
    price = low(client)
    order = client.create_order(SYMBOL, "limit", "buy", 0.01, price, {"clientOrderId": "both-ids"})
    assert (order["status"], order["price"], order["amount"]) == ("open", price, 0.01)
    assert client.fetch_order(order["id"], SYMBOL)["clientOrderId"] == "both-ids"
    assert client.fetch_order(None, SYMBOL, {"clientOrderId": "both-ids"})["id"] == order["id"]
    assert [one["id"] for one in client.fetch_open_orders(SYMBOL)] == [order["id"]]
    canceled = client.cancel_order(None, SYMBOL, {"clientOrderId": "both-ids"})
    assert (canceled["status"], canceled["id"]) == ("canceled", order["id"])
    assert client.fetch_open_orders(SYMBOL) == []
    assert client.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    assert client.fetch_orders(SYMBOL)[-1]["id"] == order["id"]


def test_a_resting_order_locks_what_it_may_spend_until_it_is_canceled(client: Any) -> None:
    before, price = client.fetch_balance()["USDT"], low(client)
    client.create_order(SYMBOL, "limit", "buy", 0.01, price)
    held = client.fetch_balance()["USDT"]
    assert held["used"] == pytest.approx(0.01 * price)
    assert held["total"] == before["total"]
    assert len(client.cancel_all_orders(SYMBOL)) == 1
    assert client.fetch_balance()["USDT"] == before


def test_a_market_order_trades_pays_its_fee_and_is_in_the_list_of_trades(client: Any) -> None:
    before = client.fetch_balance()["BTC"]["total"]
    order = client.create_order(SYMBOL, "market", "buy", 0.02)
    assert (order["status"], order["filled"]) == ("closed", 0.02)
    trades = client.fetch_my_trades(SYMBOL, params={"orderId": order["id"]})
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.02)
    assert {(trade["fee"]["currency"], trade["takerOrMaker"]) for trade in trades} == {("BTC", "taker")}
    fees = sum(trade["fee"]["cost"] for trade in trades)
    assert fees == pytest.approx(0.02 * 0.001)
    assert client.fetch_balance()["BTC"]["total"] == pytest.approx(before + 0.02 - fees, abs=1e-8)


def test_a_client_id_is_refused_among_open_orders_and_taken_again_afterwards(client: Any) -> None:
    import ccxt

    price, named = low(client), {"clientOrderId": "again"}
    first = client.create_order(SYMBOL, "limit", "buy", 0.01, price, named)
    refused(lambda: client.create_order(SYMBOL, "limit", "buy", 0.01, price, named), ccxt.ExchangeError, -2010)
    assert len(client.fetch_open_orders(SYMBOL)) == 1
    client.cancel_order(first["id"], SYMBOL)
    second = client.create_order(SYMBOL, "limit", "buy", 0.01, price, named)
    assert second["id"] != first["id"]


def test_what_the_venue_does_not_take_is_refused_with_its_own_code(client: Any) -> None:
    import ccxt

    price = low(client)
    for error, said, call in [
        (ccxt.OrderNotFound, -2011, lambda: client.cancel_order("5", SYMBOL)),
        (ccxt.OrderNotFound, -2013, lambda: client.fetch_order("5", SYMBOL)),
        (
            ccxt.InsufficientFunds,
            "insufficient balance",
            lambda: client.create_order(SYMBOL, "limit", "buy", 100, price),
        ),
        (
            ccxt.OrderImmediatelyFillable,
            "would immediately match",
            lambda: client.create_order(SYMBOL, "limit", "buy", 0.01, price * 2, {"postOnly": True}),
        ),
    ]:
        refused(call, error, said)
    assert client.fetch_open_orders(SYMBOL) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0.000001"}, -1013),
        ({"quantity": "0.00001"}, -1013),  # less than 5 USDT
        ({"quantity": "9001"}, -1013),
        ({"quantity": "x"}, -1100),
        ({"price": "30000.001"}, -1013),
        ({"price": "1" + "0" * 30}, -1013),  # on the grid, and more than an order may be worth
        ({"price": "40000", "quantity": "200"}, -2010),  # and too dear
        ({"symbol": "NOSUCH"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "STOP"}, -1116),
        ({"timeInForce": "GTD"}, -1115),
        ({"timeInForce": ""}, -1102),
        ({"newClientOrderId": "no spaces"}, -1100),
        ({"timestamp": ""}, -1102),
        ({"recvWindow": "60001"}, -1131),
    ],
)
def test_bad_parameters_are_refused_before_anything_happens(sim: Sim, changes: dict[str, str], code: int) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    order |= {"quantity": "0.001", "price": "30000", "timestamp": str(int(time.time() * 1000)), **changes}
    status, body = signed(sim, "POST", "/api/v3/order", order)
    assert (status, body["code"]) == (400, code)
    now = {"timestamp": str(int(time.time() * 1000))}
    assert signed(sim, "GET", "/api/v3/openOrders", now) == (200, [])


def signed(sim: Sim, method: str, path: str, fields: dict[str, str]) -> tuple[int, Any]:
    """A signed call that is not ccxt's."""
    query = urllib.parse.urlencode(fields)
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    url = f"{sim.url('binance').rest}{path}?{query}&signature={signature}"
    request = urllib.request.Request(url, method=method, headers={"X-MBX-APIKEY": KEY})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_keys_signatures_and_permissions_are_checked(sim: Sim) -> None:
    import ccxt

    refused(client_of(sim, secret="wrong").fetch_balance, ccxt.AuthenticationError, -1022)
    refused(client_of(sim, key="unknown").fetch_balance, ccxt.AuthenticationError, -2015)
    viewer = client_of(sim, "viewer-key", "viewer-secret")
    assert viewer.fetch_balance()["USDT"]["total"] == 1_000_000
    # Once a key has worked, ccxt takes this code for a ban.
    refused(lambda: viewer.create_order(SYMBOL, "market", "buy", 0.01), ccxt.DDoSProtection, -2015)


def test_a_key_says_what_it_may_do(sim: Sim) -> None:
    mine = client_of(sim).sapi_get_account_apirestrictions()
    assert (mine["enableWithdrawals"], mine["ipRestrict"], mine["enableSpotAndMarginTrading"]) == (False, True, True)
    rich = client_of(sim, "rich-key", "rich-secret").sapi_get_account_apirestrictions()
    assert (rich["enableWithdrawals"], rich["ipRestrict"]) == (True, False)


@pytest.mark.parametrize("offset_s", [-30.0, 30.0])
def test_a_clock_that_is_wrong_is_refused(sim: Sim, client: Any, offset_s: float) -> None:
    import ccxt

    client.load_markets()
    fault = sim.begin(kind="clock", venue="binance", offset_s=offset_s)
    refused(client.fetch_balance, ccxt.InvalidNonce, -1021)
    sim.clear(fault)


@pytest.mark.parametrize("status", [429, 418])
def test_an_order_that_meets_a_rate_limit_is_not_taken(sim: Sim, client: Any, status: int) -> None:
    import ccxt

    price = low(client)
    sim.begin(kind="rate_limit", venue="binance", symbol=SYMBOL, path="v3/order", status=status)
    with pytest.raises(ccxt.DDoSProtection):
        client.create_order(SYMBOL, "limit", "buy", 0.01, price)
    assert client.fetch_open_orders(SYMBOL) == []


def test_an_order_that_meets_an_error_before_it_is_carried_out_is_not_taken(sim: Sim, client: Any) -> None:
    import ccxt

    price, known = low(client), len(sim.account("binance")["orders"])
    sim.begin(kind="rest_error", variant="before", venue="binance", symbol=SYMBOL, path="v3/order", status=503)
    with pytest.raises(ccxt.OperationFailed):
        client.create_order(SYMBOL, "limit", "buy", 0.01, price)
    assert len(sim.account("binance")["orders"]) == known


def test_a_resting_order_is_filled_on_demand_and_the_books_add_up(sim: Sim, client: Any) -> None:
    price = low(client)
    order = client.create_order(SYMBOL, "limit", "buy", 0.02, price)
    sim.fill("binance", order["id"], "0.005")
    part = client.fetch_order(order["id"], SYMBOL)
    assert (part["status"], part["filled"], part["remaining"]) == ("open", 0.005, 0.015)
    client.cancel_order(order["id"], SYMBOL)
    with pytest.raises(SimError, match="canceled"):
        sim.fill("binance", order["id"])
    truth = sim.account("binance")
    assert [row["amount"] for row in truth["fills"] if row["order_id"] == int(order["id"])] == ["0.00500"]
    for currency, balance in truth["balances"].items():
        booked = [Decimal(entry["amount"]) for entry in truth["journal"] if entry["currency"] == currency]
        assert sum(booked) == Decimal(balance["total"])


def test_what_cannot_be_filled_is_refused(sim: Sim, client: Any) -> None:
    order = client.create_order(SYMBOL, "limit", "buy", 0.02, low(client))
    for amount in ("0", "0.03", "0.000001"):
        with pytest.raises(SimError, match="amount"):
            sim.fill("binance", order["id"], amount)
    with pytest.raises(SimError, match="order_id"):
        sim.fill("binance", 5)
    with pytest.raises(SimError, match="account"):
        sim.account("binance", "nobody")


@pytest.mark.parametrize("kind", ["rest_error", "rest_dropped", "rest_empty", "rest_garbled"])
def test_an_order_whose_answer_is_spoiled_has_been_taken(sim: Sim, client: Any, kind: str) -> None:
    import ccxt

    price, named = low(client), {"clientOrderId": f"lost-{kind}"}
    sim.begin(kind=kind, venue="binance", symbol=SYMBOL, path="v3/order")
    with contextlib.suppress(ccxt.BaseError, AttributeError):  # ccxt does not look whether the answer is an object
        client.create_order(SYMBOL, "limit", "buy", 0.01, price, named)
    found = client.fetch_order(None, SYMBOL, named)
    assert found["status"] == "open"
    assert [one["id"] for one in client.fetch_open_orders(SYMBOL)] == [found["id"]]


def test_orders_trades_and_balances_are_watched(sim: Sim) -> None:
    asyncio.run(watch(sim))


async def watch(sim: Sim) -> None:
    client = client_of(sim, pro=True)
    try:
        price = float(round((await client.fetch_order_book(SYMBOL, 5))["bids"][0][0] * 0.9))
        waiting = asyncio.create_task(client.watch_orders(SYMBOL))
        await asyncio.sleep(0.3)
        placed = await client.create_order(SYMBOL, "limit", "buy", 0.01, price, {"clientOrderId": "watched"})
        opened = (await asyncio.wait_for(waiting, 10))[-1]
        assert (opened["id"], opened["status"], opened["clientOrderId"]) == (placed["id"], "open", "watched")
        waiting = asyncio.create_task(client.watch_orders(SYMBOL))
        await client.cancel_order(placed["id"], SYMBOL)
        ended = (await asyncio.wait_for(waiting, 10))[-1]
        assert (ended["id"], ended["status"], ended["clientOrderId"]) == (placed["id"], "canceled", "watched")
        trades = asyncio.create_task(client.watch_my_trades(SYMBOL))
        balance = asyncio.create_task(client.watch_balance())
        await asyncio.sleep(0.3)
        bought = await client.create_order(SYMBOL, "market", "buy", 0.01)
        trade = (await asyncio.wait_for(trades, 10))[-1]
        assert (trade["order"], trade["side"], trade["fee"]["currency"]) == (bought["id"], "buy", "BTC")
        assert (await asyncio.wait_for(balance, 10))["BTC"]["total"] > 20
    finally:
        await client.close()


def test_a_stream_is_not_opened_with_a_wrong_signature_and_tells_nothing(sim: Sim, client: Any) -> None:
    import aiohttp

    params = {"apiKey": KEY, "timestamp": int(time.time() * 1000), "signature": "0" * 64}

    async def listen_in_vain() -> None:
        url = sim.url("binance").ws + "/ws-api/v3"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as stream:
            await stream.send_json({"id": "1", "method": "userDataStream.subscribe.signature", "params": params})
            answer = await stream.receive_json(timeout=10)
            assert (answer["id"], answer["status"], answer["error"]["code"]) == ("1", 400, -1022)
            await asyncio.to_thread(client.create_order, SYMBOL, "market", "buy", 0.01)
            with pytest.raises(TimeoutError):
                await stream.receive(timeout=0.3)

    asyncio.run(listen_in_vain())


def test_accounts_are_refused_where_no_orders_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = {"main": AccountConfig()}
    monkeypatch.setattr(Max, "desk_rules", None)
    with pytest.raises(ConfigError, match="takes no orders"):
        simulate("max", accounts=accounts)
    with pytest.raises(ConfigError, match="mode `orders`"):
        simulate("binance", mode="levels", accounts=accounts)
    same = AccountConfig(keys=(ApiKey("one", "two"),))
    with pytest.raises(ConfigError, match="issued once"):
        SimConfig(venues={"binance": VenueConfig(accounts={"a": same, "b": same})})
