"""The private side of KuCoin against the unmodified ccxt classes: spot, by its two sets of calls, and futures."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.simvenue.refusals import refused_with
from tests.support.sim import Sim, no_faults_left, sim_process
from xetrade_core.clock import SystemClock
from xetrade_core.execution import kucoin_fundings
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.fundings import fundings_since
from xetrade_core.simvenue import ccxt_config
from xetrade_core.venues.clients import ClientOptions

__all__ = ["no_faults_left"]

PAIR, SWAP = "BTC/USDT", "BTC/USDT:USDT"
SCENARIO = f"""
seed = 1
[venues.kucoin]
weight_limit = 0
symbols = ["{PAIR}", "ETH/USDT"]
[venues.kucoin.accounts.main]
[venues.kucoin.accounts.viewer]
keys = [{{key = "sim-viewer-key", secret = "sim-viewer-secret", passphrase = "sim-viewer-pass", trade = false}}]
[venues.kucoinfutures]
weight_limit = 0
symbols = ["{SWAP}", "BTC/USD:BTC"]
[venues.kucoinfutures.accounts.main]
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def connect(
    sim: Sim, account: str = "main", *, venue: str = "kucoin", pro: bool = False, hf: bool = False, **changes: Any
) -> Any:
    import ccxt.pro

    keys = {"apiKey": f"sim-{account}-key", "secret": f"sim-{account}-secret", "password": f"sim-{account}-pass"}
    config = {**ccxt_config(venue, sim), **keys, "enableRateLimit": False, **changes}
    client = getattr(ccxt.pro if pro else ccxt, venue)(config)
    client.options["hf"] = hf
    return client


class Client:
    """ccxt's class, told which of the two sets of calls to use."""

    def __init__(self, sim: Sim, *, hf: bool) -> None:
        self.ccxt = connect(sim, hf=hf)

    def low(self, share: float = 0.96) -> float:
        return float(round(self.ccxt.fetch_order_book(PAIR, 20)["bids"][0][0] * share))

    def order(self, side: str, price: float | None, amount: float = 0.02, **params: Any) -> Any:
        return self.ccxt.create_order(PAIR, "market" if price is None else "limit", side, amount, price, params)

    def state(self, order_id: str) -> Any:
        return self.ccxt.fetch_order(order_id, PAIR)


@pytest.fixture(params=[False, True], ids=["older", "high-frequency"])
def client(sim: Sim, request: pytest.FixtureRequest) -> Client:
    return Client(sim, hf=request.param)


def refused(call: Callable[[], Any], code: str, words: str = "") -> None:
    """The call fails, and ccxt quotes the venue's code."""
    refused_with(call, f'"{code}"', words)


def test_an_order_is_placed_queried_by_both_ids_listed_and_canceled(client: Client) -> None:
    price, name = client.low(), f"both_{time.time_ns()}"
    order = client.order("buy", price, clientOrderId=name)
    assert client.state(order["id"])["clientOrderId"] == name
    assert client.ccxt.fetch_order(None, PAIR, {"clientOrderId": name})["id"] == order["id"]
    assert order["id"] in [one["id"] for one in client.ccxt.fetch_open_orders(PAIR)]
    client.ccxt.cancel_order(order["id"], PAIR)
    assert client.state(order["id"])["status"] == "canceled"
    assert order["id"] in [one["id"] for one in client.ccxt.fetch_closed_orders(PAIR)]
    second = client.order("buy", price, clientOrderId=f"{name}b")
    client.ccxt.cancel_order(None, PAIR, {"clientOrderId": f"{name}b", "type": "spot"})
    assert client.state(second["id"])["status"] == "canceled"
    client.order("buy", price)
    client.ccxt.cancel_all_orders(PAIR)
    assert client.ccxt.fetch_open_orders(PAIR) == []


def test_a_changed_order_is_another_of_the_same_name(sim: Sim) -> None:
    client = Client(sim, hf=True)
    price, name = client.low(), f"changed{time.time_ns()}"
    order = client.order("buy", price, clientOrderId=name)
    sim.fill("kucoin", order["id"], "0.005")
    changed = client.ccxt.edit_order(order["id"], PAIR, "limit", "buy", 0.03, price - 100)
    assert changed["id"] != order["id"]
    assert client.state(order["id"])["status"] == "canceled"
    now = client.state(changed["id"])
    assert (now["clientOrderId"], now["amount"], now["price"], now["status"]) == (name, 0.025, price - 100, "open")
    client.ccxt.cancel_order(changed["id"], PAIR)


def test_calls_that_wait_for_the_matching_engine_say_what_came_of_it(sim: Sim) -> None:
    client = Client(sim, hf=True)
    placed = client.order("buy", client.low(), sync=True)["info"]
    assert (placed["status"], placed["dealSize"], placed["remainSize"]) == ("open", "0", "0.02")
    sim.fill("kucoin", placed["orderId"], "0.005")
    canceled = client.ccxt.cancel_order(placed["orderId"], PAIR, {"sync": True})["info"]
    assert (canceled["status"], canceled["dealSize"], canceled["canceledSize"]) == ("done", "0.005", "0.015")
    traded = client.order("buy", None, sync=True)["info"]
    assert (traded["status"], traded["dealSize"], traded["canceledSize"]) == ("done", "0.02", "0")


def test_a_market_order_trades_pays_its_fee_in_quote_and_is_in_the_list_of_trades(client: Client, sim: Sim) -> None:
    order = client.order("buy", None)
    done = client.state(order["id"])
    assert (done["status"], done["filled"]) == ("closed", 0.02)
    trades = [one for one in client.ccxt.fetch_my_trades(PAIR) if one["order"] == order["id"]]
    truth = [row for row in sim.account("kucoin")["fills"] if str(row["order_id"]) == order["id"]]
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.02)
    assert sum(trade["fee"]["cost"] for trade in trades) == pytest.approx(sum(float(row["fee"]) for row in truth))
    assert {trade["fee"]["currency"] for trade in trades} == {"USDT"}


def test_balances_are_what_the_venue_holds(client: Client, sim: Sim) -> None:
    held, truth = client.ccxt.fetch_balance(), sim.account("kucoin")["balances"]
    assert held["USDT"]["total"] == pytest.approx(float(truth["USDT"]["total"]))


@pytest.mark.parametrize(
    ("params", "share", "status"),
    [({"timeInForce": "IOC"}, 0.96, "canceled"), ({"timeInForce": "FOK"}, 0.96, "canceled"),
     ({"postOnly": True}, 1.03, "canceled"), ({"postOnly": True}, 0.96, "open")],
)  # fmt: skip
def test_time_in_force_and_post_only_are_obeyed(sim: Sim, params: dict[str, Any], share: float, status: str) -> None:
    client = Client(sim, hf=True)
    order = client.order("buy", client.low(share), **params)
    assert client.state(order["id"])["status"] == status
    with contextlib.suppress(Exception):
        client.ccxt.cancel_order(order["id"], PAIR)


def test_refusals_have_the_venues_codes_and_words(client: Client) -> None:
    price, name = client.low(), f"twice{time.time_ns()}"
    order = client.order("buy", price, clientOrderId=name)
    refused(lambda: client.order("buy", price, clientOrderId=name), "102426")
    client.ccxt.cancel_order(order["id"], PAIR)
    gone = "order_not_exist_or_not_allow_to_cancel"
    refused(lambda: client.ccxt.cancel_order(order["id"], PAIR), "400100", gone)
    refused(lambda: client.ccxt.cancel_order("12345", PAIR), "400100", gone)
    refused(lambda: client.state("12345"), "400100", "order_not_exist")
    refused(lambda: client.order("buy", price, 1_000_000), "200004")


def test_who_calls_is_verified(sim: Sim) -> None:
    for changes, code in (
        ({"apiKey": "nobody"}, "400003"),
        ({"secret": "wrong"}, "400005"),
        ({"password": "wrong"}, "400004"),
    ):
        refused(connect(sim, **changes).fetch_balance, code)
    late = connect(sim)
    late.nonce = lambda: int(1000 * (time.time() - 6))
    refused(late.fetch_balance, "400002")
    viewer = connect(sim, "viewer")
    assert viewer.fetch_balance()["USDT"]["total"] > 0
    refused(lambda: viewer.create_order(PAIR, "limit", "buy", 0.01, 30_000), "400007")
    told = viewer.private_get_user_api_key()["data"]
    assert (told["permission"], told["ipWhitelist"]) == ("General", "127.0.0.1")


def test_the_dead_man_switch_is_set_for_all_named_pairs_at_once_and_taken_back(sim: Sim) -> None:
    client = Client(sim, hf=True)
    client.ccxt.private_post_hf_orders_dead_cancel_all({"timeout": 5, "symbols": "BTC-USDT,ETH-USDT"})
    told = client.ccxt.private_get_hf_orders_dead_cancel_all_query()["data"]
    assert (told["timeout"], told["symbols"]) == (5, "BTC-USDT,ETH-USDT")
    assert int(told["triggerTime"]) - int(told["currentTime"]) in (4, 5)
    client.ccxt.private_post_hf_orders_dead_cancel_all({"timeout": -1})
    assert client.ccxt.private_get_hf_orders_dead_cancel_all_query()["data"] is None
    refused(lambda: client.ccxt.private_post_hf_orders_dead_cancel_all({"timeout": 4}), "400100")


async def test_the_private_stream_tells_orders_trades_and_balances(sim: Sim) -> None:
    pro = connect(sim, pro=True)
    try:
        await pro.load_markets()
        waiting = [
            asyncio.create_task(pro.watch_orders(PAIR)),
            asyncio.create_task(pro.watch_my_trades(PAIR)),
            asyncio.create_task(pro.watch_balance()),
        ]
        await asyncio.sleep(0.5)
        placed = await asyncio.to_thread(connect(sim).create_order, PAIR, "market", "buy", 0.02)
        async with asyncio.timeout(10):
            orders, trades, _ = await asyncio.gather(*waiting)
        assert placed["id"] in [one["id"] for one in orders]
        assert placed["id"] in [one["order"] for one in trades]
    finally:
        await pro.close()


# --- futures ----------------------------------------------------------------------------------------------------------


class Contracts:
    """ccxt's class of futures; it says isolated margin unless told."""

    def __init__(self, sim: Sim) -> None:
        self.ccxt = connect(sim, venue="kucoinfutures")

    def low(self, share: float = 0.96) -> float:
        return float(round(self.ccxt.fetch_order_book(SWAP, 20)["bids"][0][0] * share))

    def order(self, side: str, price: float | None, amount: float = 20, **params: Any) -> Any:
        params = {"marginMode": "cross", **params}
        return self.ccxt.create_order(SWAP, "market" if price is None else "limit", side, amount, price, params)

    def state(self, order_id: str) -> Any:
        return self.ccxt.fetch_order(order_id, SWAP)


@pytest.fixture(scope="module")
def contracts(sim: Sim) -> Contracts:
    return Contracts(sim)


def test_an_order_for_contracts_is_placed_queried_by_both_ids_listed_and_canceled(contracts: Contracts) -> None:
    price, name = contracts.low(), f"both{time.time_ns()}"
    order = contracts.order("buy", price, clientOrderId=name)
    assert contracts.state(order["id"])["clientOrderId"] == name
    found = contracts.ccxt.fetch_order(None, SWAP, {"clientOrderId": name})
    assert (found["id"], found["amount"], found["price"], found["status"]) == (order["id"], 20, price, "open")
    assert [one["id"] for one in contracts.ccxt.fetch_open_orders(SWAP)] == [order["id"]]
    contracts.ccxt.cancel_order(None, SWAP, {"clientOrderId": name})
    assert contracts.state(order["id"])["status"] == "canceled"
    assert order["id"] in [one["id"] for one in contracts.ccxt.fetch_closed_orders(SWAP)]
    contracts.order("buy", price)
    contracts.ccxt.cancel_all_orders(SWAP)
    assert contracts.ccxt.fetch_open_orders(SWAP) == []


def test_contracts_that_are_traded_are_a_position_and_pay_fundings(contracts: Contracts, sim: Sim) -> None:
    order = contracts.order("buy", None)
    assert contracts.state(order["id"])["filled"] == 20
    [position] = contracts.ccxt.fetch_positions([SWAP])
    assert (position["side"], position["contracts"], position["marginMode"]) == ("long", 20, "cross")
    truth = sim.account("kucoinfutures")
    mine = [row for row in truth["fills"] if str(row["order_id"]) == order["id"]]
    trades = [one for one in contracts.ccxt.fetch_my_trades(SWAP) if one["order"] == order["id"]]
    assert sum(one["fee"]["cost"] for one in trades) == pytest.approx(sum(float(row["fee"]) for row in mine))
    assert {one["fee"]["currency"] for one in trades} == {"USDT"}
    sim.pay_funding("kucoinfutures", SWAP, "0.001")
    [paid] = contracts.ccxt.fetch_funding_history(SWAP)
    [booked] = [row for row in sim.account("kucoinfutures")["journal"] if row["kind"] == "funding"]
    assert (paid["amount"], paid["code"]) == (float(booked["amount"]), "USDT")
    assert paid["amount"] < 0
    held = contracts.ccxt.fetch_balance()["USDT"]["total"]
    assert held == pytest.approx(float(sim.account("kucoinfutures")["balances"]["USDT"]["total"]), abs=50)
    contracts.order("sell", None, reduceOnly=True)
    assert contracts.ccxt.fetch_positions([SWAP]) == []


def test_fees_are_those_that_are_taken(sim: Sim, contracts: Contracts) -> None:
    spot, swap = Client(sim, hf=True).ccxt.fetch_trading_fee(PAIR), contracts.ccxt.fetch_trading_fee(SWAP)
    assert (spot["maker"], spot["taker"], swap["maker"], swap["taker"]) == (0.001, 0.001, 0.0002, 0.0006)


def test_leverage_is_of_a_contract_and_modes_are_told(contracts: Contracts) -> None:
    contracts.ccxt.set_leverage(7, SWAP)
    assert contracts.ccxt.fetch_leverage(SWAP, {"marginMode": "cross"})["longLeverage"] == 7
    assert contracts.ccxt.fetch_margin_mode(SWAP)["marginMode"] == "cross"
    assert contracts.ccxt.fetch_position_mode(SWAP)["hedged"] is False


def test_refusals_of_futures_have_the_venues_codes_and_words(contracts: Contracts) -> None:
    price, name = contracts.low(), f"twice{time.time_ns()}"
    order = contracts.order("buy", price, clientOrderId=name)
    refused(lambda: contracts.order("buy", price, clientOrderId=name), "300018")
    contracts.ccxt.cancel_order(order["id"], SWAP)
    refused(lambda: contracts.ccxt.cancel_order(order["id"], SWAP), "100004")
    refused(lambda: contracts.state("12345"), "100001", "error.getOrder.orderNotExist")
    refused(lambda: contracts.order("buy", price, 1_000_000), "300003")
    refused(lambda: contracts.order("sell", None, reduceOnly=True), "300009")
    refused(lambda: contracts.order("buy", price, marginMode="isolated"), "330005")
    refused(lambda: contracts.order("buy", price, hedged=True), "330011")


async def test_the_private_stream_of_futures_tells_orders_trades_and_balances(sim: Sim) -> None:
    pro = connect(sim, venue="kucoinfutures", pro=True)
    try:
        await pro.load_markets()
        waiting = [
            asyncio.create_task(pro.watch_orders(SWAP)),
            asyncio.create_task(pro.watch_my_trades(SWAP)),
            asyncio.create_task(pro.watch_balance({"type": "swap"})),
        ]
        await asyncio.sleep(0.5)
        placed = await asyncio.to_thread(Contracts(sim).order, "buy", None)
        async with asyncio.timeout(10):
            orders, trades, _ = await asyncio.gather(*waiting)
        assert placed["id"] in [one["id"] for one in orders]
        assert placed["id"] in [one["order"] for one in trades]
        await asyncio.to_thread(Contracts(sim).order, "sell", None, reduceOnly=True)
    finally:
        await pro.close()


async def test_fundings_go_back_page_by_page(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(Contracts(sim).order, "buy", None)
    for rate in ("0.001", "-0.0005", "0.0001"):
        sim.pay_funding("kucoinfutures", SWAP, rate)
    journal = sim.account("kucoinfutures")["journal"]
    booked = [Decimal(row["amount"]) for row in journal if row["kind"] == "funding"]
    key = Credentials("sim-main-key", "sim-main-secret", "sim-main-pass")
    options = ClientOptions(rest_url=sim.url("kucoinfutures").rest)
    client: Any = open_execution("kucoinfutures", "main", key, options, SystemClock(), random.Random(1))
    try:
        for page in (100, 2):
            monkeypatch.setattr(kucoin_fundings, "PAGE", page)
            found = await fundings_since(client, SWAP, 0)
            assert [one.amount for one in found] == booked
            assert {(one.symbol, one.currency) for one in found} == {(SWAP, "USDT")}
    finally:
        await client.close()
