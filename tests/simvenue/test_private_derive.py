"""The private side of Derive against the unmodified ccxt classes: spot and perpetuals of one subaccount."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.simvenue.refusals import refused_with
from tests.support.sim import Sim, no_faults_left, sim_process
from xetrade_core.simvenue import ccxt_config
from xetrade_core.simvenue.dialects.derive_signed import private_key_of, subaccount_of, wallet_of
from xetrade_core.simvenue.ethereum import address_of, keccak256, signer_of

__all__ = ["no_faults_left"]

SPOT, SWAP = "BTC/USDC", "BTC/USDC:USDC"
OPTION = "BTC/USDC:USDC-271224-100000-C"
SCENARIO = f"""
seed = 1
[venues.derive]
weight_limit = 0
symbols = ["{SPOT}", "{SWAP}", "{OPTION}"]
[venues.derive.accounts.main]
[venues.derive.accounts.viewer]
keys = [{{key = "sim-viewer-key", secret = "sim-viewer-secret", trade = false}}]
"""
FEE = 100  # USDC a unit, more than any


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def connect(sim: Sim, account: str = "main", *, pro: bool = False, **changes: Any) -> Any:
    import ccxt.pro

    private_key, key = private_key_of(f"sim-{account}-secret"), f"sim-{account}-key"
    config = {
        **ccxt_config("derive", sim),
        "privateKey": private_key,
        "walletAddress": address_of(int(private_key, 16)),
        "enableRateLimit": False,
        "options": {"deriveWalletAddress": wallet_of(key), "subaccount_id": subaccount_of(key)},
    }
    return (ccxt.pro if pro else ccxt).derive({**config, **changes})


class Client:
    """ccxt's class and one symbol."""

    def __init__(self, sim: Sim, symbol: str) -> None:
        self.ccxt, self.symbol = connect(sim), symbol

    def price(self, share: float = 0.96) -> float:
        return float(round(self.ccxt.fetch_ticker(self.symbol)["bid"] * share))

    def order(self, side: str, price: float, kind: str = "limit", amount: float = 0.02, **params: Any) -> Any:
        return self.ccxt.create_order(self.symbol, kind, side, amount, price, {"max_fee": FEE, **params})

    def state(self, order_id: str) -> Any:
        return self.ccxt.fetch_order(order_id, self.symbol)


@pytest.fixture(params=[SPOT, SWAP])
def client(sim: Sim, request: pytest.FixtureRequest) -> Client:
    return Client(sim, request.param)


def refused(call: Callable[[], Any], code: int) -> None:
    """The call fails, and ccxt quotes the venue's code."""
    refused_with(call, f'"code":{code},')


def test_the_hash_and_the_signer_are_those_of_the_venues_own_signing_package() -> None:
    # "limit_buy_round_mainnet" of derivexyz/v2-action-signing-python's test vectors
    private_key = 0x2AE8BE44DB8A590D20BFFBE3B6872DF9B569147D3BF6801A35A28281A4816BBD
    digest = bytes.fromhex("29423e95651c04994163185e6dddd0f360ae6be1c08db82e8e769e551121f939")
    signature = (
        "0x9f28ed4e5b014e5214143d4060ea7758e4c8f837a3287841909b046caf43a6fd"
        "18a7707f30241f6fafff7ba53f839381390e13354264d984ea648de6c20369d31c"
    )
    assert address_of(private_key) == signer_of(digest, signature) == "0x86042886b1063625d0b3ddcc9e4cbcf912b79e16"
    assert signer_of(digest[::-1], signature) != address_of(private_key)
    assert signer_of(digest, signature[:-2] + "00") is None
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_an_order_is_placed_queried_listed_replaced_and_canceled(client: Client) -> None:
    price, name = client.price(), f"both{time.time_ns()}"
    order = client.order("buy", price, clientOrderId=name)
    found = client.state(order["id"])
    assert (found["clientOrderId"], found["status"], found["price"], found["amount"]) == (name, "open", price, 0.02)
    assert order["id"] in [one["id"] for one in client.ccxt.fetch_open_orders(client.symbol)]
    changed = client.ccxt.edit_order(
        order["id"], client.symbol, "limit", "buy", 0.03, price - 100, {"max_fee": FEE, "clientOrderId": name}
    )
    assert (changed["status"], changed["amount"], changed["info"]["replaced_order_id"]) == ("open", 0.03, order["id"])
    assert client.state(order["id"])["status"] == "canceled"
    client.ccxt.cancel_order(None, client.symbol, {"clientOrderId": name})
    assert client.state(changed["id"])["status"] == "canceled"
    ended = [one["id"] for one in client.ccxt.fetch_canceled_orders(client.symbol)]
    assert {order["id"], changed["id"]} <= set(ended)
    client.order("buy", price)
    client.ccxt.cancel_all_orders(client.symbol)
    assert client.ccxt.fetch_open_orders(client.symbol) == []


def test_a_market_order_trades_pays_its_fee_and_is_in_the_list_of_trades(client: Client, sim: Sim) -> None:
    order = client.order("buy", client.price(1.01), "market")
    assert (order["status"], order["filled"]) == ("closed", 0.02)
    trades = client.ccxt.fetch_order_trades(order["id"], client.symbol)
    truth = [row for row in sim.account("derive")["fills"] if str(row["order_id"]) == order["id"]]
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.02)
    assert sum(trade["fee"]["cost"] for trade in trades) == pytest.approx(sum(float(row["fee"]) for row in truth))
    assert {trade["fee"]["currency"] for trade in trades} == {row["fee_currency"] for row in truth} == {"USDC"}
    if client.symbol == SWAP:
        (position,) = client.ccxt.fetch_positions([SWAP])
        assert (position["side"], position["contracts"]) == ("long", 0.02)
        client.order("sell", client.price(0.99), "market", reduceOnly=True)
        assert client.ccxt.fetch_positions([SWAP]) == []


def test_an_option_is_named_in_its_orders_signature_by_a_number_of_its_own(sim: Sim) -> None:
    client = Client(sim, OPTION)
    order = client.order("buy", client.price(), amount=0.1)
    assert (order["status"], order["symbol"]) == ("open", OPTION)
    assert int(client.ccxt.market(OPTION)["info"]["base_asset_sub_id"]) > 2**64
    client.ccxt.cancel_order(order["id"], OPTION)


def test_balances_are_what_the_venue_holds(client: Client, sim: Sim) -> None:
    held, truth = client.ccxt.fetch_balance(), sim.account("derive")["balances"]
    assert held["USDC"]["total"] == pytest.approx(float(truth["USDC"]["total"]), rel=1e-6)
    assert held["BTC"]["total"] == pytest.approx(float(truth["BTC"]["total"]), rel=1e-6)


def test_refusals_have_the_venues_codes(client: Client) -> None:
    price = client.price()
    order = client.order("buy", price)
    client.ccxt.cancel_order(order["id"], client.symbol)
    refused(lambda: client.ccxt.cancel_order(order["id"], client.symbol), 11003)
    refused(lambda: client.ccxt.fetch_order("12345", client.symbol), 11006)
    refused(lambda: client.order("buy", price, amount=1_000_000), 11000)
    refused(lambda: client.order("buy", price, max_fee=1), 11023)
    refused(lambda: client.order("buy", price, timeInForce="ioc"), 11009)
    refused(lambda: client.order("buy", price, timeInForce="fok"), 11014)
    refused(lambda: client.order("buy", client.price(1.01), postOnly=True), 11008)
    refused(lambda: client.order("buy", client.price(1.05)), 11013)
    refused(lambda: client.order("buy", price, reduceOnly=True), 11024)
    refused(lambda: client.order("sell", client.price(0.99), reduceOnly=True, timeInForce="ioc"), 11025)
    refused(lambda: client.order("buy", price, signature_expiry_sec=int(time.time()) + 60), 11011)


def test_who_calls_is_verified(sim: Sim) -> None:
    stranger = private_key_of("wrong")
    refused(connect(sim, privateKey=stranger).fetch_balance, 14014)
    refused(connect(sim, options={"deriveWalletAddress": "0x" + "1" * 40, "subaccount_id": 1}).fetch_balance, 14000)
    main = connect(sim)
    refused(lambda: main.private_post_get_open_orders({"subaccount_id": 1}), 14020)
    viewer = connect(sim, "viewer")
    assert viewer.fetch_balance()["USDC"]["total"] > 0
    refused(lambda: viewer.create_order(SWAP, "limit", "buy", 0.01, 30_000, {"max_fee": FEE}), 14031)


def test_an_order_is_only_what_was_signed(sim: Sim) -> None:
    client = Client(sim, SWAP)
    signed: list[dict[str, Any]] = []
    client.ccxt.load_markets()
    send = client.ccxt.privatePostOrder
    client.ccxt.privatePostOrder = lambda request: signed.append(request) or send(request)
    client.order("buy", client.price())
    (request,) = signed
    refused(lambda: send(request), 11017)
    for name, other in {
        "amount": "0.03",
        "limit_price": "30000",
        "max_fee": "101",
        "direction": "sell",
        "instrument_name": "BTC-USDC",
        "nonce": str(int(request["nonce"]) + 1),
        "signature_expiry_sec": request["signature_expiry_sec"] - 1,
    }.items():
        refused(lambda name=name, other=other: send({**request, name: other}), 14014)
    refused(lambda: send({**request, "signer": "0x" + "2" * 40}), 14023)
    refused(lambda: send({**request, "nonce": "1"}), 11018)
    client.ccxt.cancel_all_orders()


async def test_the_private_channels_tell_orders_trades_and_balances(sim: Sim) -> None:
    symbol = SPOT
    pro = connect(sim, pro=True)
    try:
        await pro.load_markets()
        waiting = [
            asyncio.create_task(pro.watch_orders(symbol)),
            asyncio.create_task(pro.watch_my_trades(symbol)),
            asyncio.create_task(pro.watch_balance()),
        ]
        await asyncio.sleep(0.5)
        client = Client(sim, symbol)
        placed = await asyncio.to_thread(lambda: client.order("buy", client.price(1.01), "market"))
        async with asyncio.timeout(10):
            orders, trades, balance = await asyncio.gather(*waiting)
        assert placed["id"] in [one["id"] for one in orders]
        assert placed["id"] in [one["order"] for one in trades]
        held = Decimal(str(balance["USDC"]["total"]))
        assert held == pytest.approx(Decimal(sim.account("derive")["balances"]["USDC"]["total"]))
    finally:
        await pro.close()


async def test_cancel_on_disconnect_is_a_setting_of_the_wallet(sim: Sim) -> None:
    import aiohttp

    client = Client(sim, SWAP)
    order = await asyncio.to_thread(lambda: client.order("buy", client.price()))
    now = str(client.ccxt.milliseconds())
    login = {
        "wallet": client.ccxt.options["deriveWalletAddress"],
        "timestamp": now,
        "signature": client.ccxt.sign_message(now, client.ccxt.privateKey),
    }

    async def call(connection: Any, method: str, **params: Any) -> Any:
        await connection.send_json({"id": 1, "method": method, "params": params})
        return await connection.receive_json(timeout=5)

    where = f"{sim.url('derive').ws}/v3/ws"
    for enabled, left in ((False, "open"), (True, "canceled")):
        async with aiohttp.ClientSession() as session, session.ws_connect(where) as connection:
            assert (await call(connection, "private/get_account", wallet=login["wallet"]))["error"]["code"] == 14021
            assert (await call(connection, "public/login", **login))["result"] == [client.ccxt.options["subaccount_id"]]
            assert (await call(connection, "private/set_cancel_on_disconnect", enabled=enabled))["result"] == "ok"
            account = await call(connection, "private/get_account", wallet=login["wallet"])
            assert account["result"]["cancel_on_disconnect"] is enabled
        await asyncio.sleep(0.2)
        assert (await asyncio.to_thread(client.state, order["id"]))["status"] == left
