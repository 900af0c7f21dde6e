"""The private side of OKX against the unmodified ccxt classes: spot and swaps of one account in net mode."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.simvenue.refusals import refused_with
from tests.support.sim import Sim, no_faults_left, sim_process
from xetrade_core.simvenue import ccxt_config

__all__ = ["no_faults_left"]

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
SCENARIO = f"""
seed = 1
[venues.okx]
weight_limit = 0
symbols = ["{SPOT}", "{SWAP}"]
[venues.okx.accounts.main]
[venues.okx.accounts.viewer]
keys = [{{key = "sim-viewer-key", secret = "sim-viewer-secret", passphrase = "sim-viewer-pass", trade = false}}]
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def connect(sim: Sim, account: str = "main", *, pro: bool = False, **changes: Any) -> Any:
    import ccxt.pro

    keys = {"apiKey": f"sim-{account}-key", "secret": f"sim-{account}-secret", "password": f"sim-{account}-pass"}
    config = {**ccxt_config("okx", sim), **keys, "enableRateLimit": False, **changes}
    return (ccxt.pro if pro else ccxt).okx(config)


class Client:
    """ccxt's class and one symbol."""

    def __init__(self, sim: Sim, symbol: str) -> None:
        self.ccxt, self.symbol = connect(sim), symbol

    def low(self, share: float = 0.96) -> float:
        return float(round(self.ccxt.fetch_order_book(self.symbol, 5)["bids"][0][0] * share))

    def order(self, side: str, price: float | None, amount: float = 0.02, **params: Any) -> Any:
        kind = "market" if price is None else "limit"
        if price is None and self.symbol == SPOT:
            params["tgtCcy"] = "base_ccy"
        return self.ccxt.create_order(self.symbol, kind, side, amount, price, params)

    def state(self, order_id: str) -> Any:
        return self.ccxt.fetch_order(order_id, self.symbol)


@pytest.fixture(params=[SPOT, SWAP])
def client(sim: Sim, request: pytest.FixtureRequest) -> Client:
    return Client(sim, request.param)


def refused(call: Callable[[], Any], code: str) -> None:
    """The call fails, and ccxt quotes the venue's code."""
    refused_with(call, f'"{code}"')


def test_an_order_is_placed_queried_by_both_ids_listed_changed_and_canceled(client: Client) -> None:
    price, name = client.low(), f"both{time.time_ns()}"
    order = client.order("buy", price, clOrdId=name)
    assert client.state(order["id"])["clientOrderId"] == name
    assert client.ccxt.fetch_order(None, client.symbol, {"clOrdId": name})["id"] == order["id"]
    assert order["id"] in [one["id"] for one in client.ccxt.fetch_open_orders(client.symbol)]
    client.ccxt.edit_order(order["id"], client.symbol, "limit", "buy", 0.03, price - 100)
    changed = client.state(order["id"])
    assert (changed["status"], changed["amount"], changed["price"]) == ("open", 0.03, price - 100)
    client.ccxt.cancel_order(order["id"], client.symbol)
    assert client.state(order["id"])["status"] == "canceled"
    assert order["id"] in [one["id"] for one in client.ccxt.fetch_canceled_orders(client.symbol)]
    assert client.ccxt.fetch_open_orders(client.symbol) == []


def test_a_market_order_trades_pays_its_fee_and_is_in_the_list_of_trades(client: Client, sim: Sim) -> None:
    order = client.order("buy", None)
    done = client.state(order["id"])
    assert (done["status"], done["filled"]) == ("closed", 0.02)
    trades = client.ccxt.fetch_my_trades(client.symbol, params={"ordId": order["id"]})
    truth = [row for row in sim.account("okx")["fills"] if str(row["order_id"]) == order["id"]]
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.02)
    assert sum(trade["fee"]["cost"] for trade in trades) == pytest.approx(sum(float(row["fee"]) for row in truth))
    if client.symbol == SWAP:
        (position,) = client.ccxt.fetch_positions([SWAP])
        assert (position["side"], position["contracts"]) == ("long", 0.02)
        client.order("sell", None, reduceOnly=True)
        assert [one for one in client.ccxt.fetch_positions([SWAP]) if one["contracts"]] == []


def test_an_amount_on_the_lot_and_below_the_minimum_is_refused_as_too_small(sim: Sim) -> None:
    spot = Client(sim, SPOT)
    spot.ccxt.load_markets()
    rules = spot.ccxt.market(SPOT)
    lot, least = rules["precision"]["amount"], rules["limits"]["amount"]["min"]
    assert (lot, least) == (1e-08, 1e-05)
    wanted = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "px": str(spot.low())}
    refused(lambda: spot.ccxt.private_post_trade_order({**wanted, "sz": "0.00000999"}), "51020")
    taken = spot.order("buy", spot.low(), amount=least)
    assert spot.state(taken["id"])["amount"] == least
    spot.ccxt.cancel_order(taken["id"], SPOT)


def test_balances_are_what_the_venue_holds(client: Client, sim: Sim) -> None:
    held, truth = client.ccxt.fetch_balance(), sim.account("okx")["balances"]
    assert held["USDT"]["total"] == pytest.approx(float(truth["USDT"]["total"]), rel=1e-3)


@pytest.mark.parametrize(
    ("params", "share", "status"),
    [({"timeInForce": "IOC"}, 0.96, "canceled"), ({"timeInForce": "FOK"}, 0.96, "canceled"),
     ({"postOnly": True}, 1.03, "canceled"), ({"postOnly": True}, 0.96, "open")],
)  # fmt: skip
def test_time_in_force_and_post_only_are_obeyed(
    client: Client, params: dict[str, Any], share: float, status: str
) -> None:
    order = client.order("buy", client.low(share), **params)
    assert client.state(order["id"])["status"] == status
    with contextlib.suppress(Exception):
        client.ccxt.cancel_order(order["id"], client.symbol)


def test_refusals_have_the_venues_codes(client: Client) -> None:
    price, name = client.low(), f"twice{time.time_ns()}"
    order = client.order("buy", price, clOrdId=name)
    refused(lambda: client.order("buy", price, clOrdId=name), "51016")
    client.ccxt.cancel_order(order["id"], client.symbol)
    refused(lambda: client.ccxt.cancel_order(order["id"], client.symbol), "51400")
    refused(lambda: client.ccxt.fetch_order("12345", client.symbol), "51603")
    dear = (client.low(0.5), 21) if client.symbol == SPOT else (price, round(19_000_000 / price / 0.01))
    refused(lambda: client.order("sell", *dear), "51008")


def test_who_calls_is_verified(sim: Sim) -> None:
    for changes, code in (
        ({"apiKey": "nobody"}, "50111"),
        ({"secret": "wrong"}, "50113"),
        ({"password": "wrong"}, "50105"),
    ):
        other = connect(sim, **changes)
        other.has["fetchCurrencies"] = False
        refused(other.fetch_balance, code)
    viewer = connect(sim, "viewer")
    assert viewer.fetch_balance()["USDT"]["total"] > 0
    refused(lambda: viewer.create_order(SPOT, "limit", "buy", 0.01, 30_000), "50120")


def test_the_dead_man_switch_cancels_unless_renewed(sim: Sim) -> None:
    client = Client(sim, SPOT)
    order = client.order("buy", client.low())
    client.ccxt.cancel_all_orders_after(10_000)
    assert client.state(order["id"])["status"] == "open"
    client.ccxt.cancel_all_orders_after(0)
    client.ccxt.cancel_order(order["id"], SPOT)
    refused(lambda: client.ccxt.cancel_all_orders_after(5_000), "51000")


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
async def test_the_private_stream_tells_orders_trades_and_balances(sim: Sim, symbol: str) -> None:
    pro = connect(sim, pro=True)
    try:
        await pro.load_markets()
        waiting = [
            asyncio.create_task(pro.watch_orders(symbol)),
            asyncio.create_task(pro.watch_my_trades(symbol)),
            asyncio.create_task(pro.watch_balance()),
        ]
        await asyncio.sleep(0.5)
        placer = connect(sim)
        params = {"tgtCcy": "base_ccy"} if symbol == SPOT else {}
        placed = await asyncio.to_thread(placer.create_order, symbol, "market", "buy", 0.02, None, params)
        async with asyncio.timeout(10):
            orders, trades, _ = await asyncio.gather(*waiting)
        assert placed["id"] in [one["id"] for one in orders]
        assert placed["id"] in [one["order"] for one in trades]
    finally:
        await pro.close()
