"""The private side of Deribit against the unmodified ccxt classes: spot, linear and inverse contracts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.simvenue.conftest import run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.refusals import refused_with
from tests.support.sim import Sim, no_faults_left, sim_process
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.execution import deribit_log
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.fundings import fundings_since
from xetrade_core.model.orders import Intent, OrderType, ReportStatus, Side
from xetrade_core.simvenue import SimConfig, SimServer, VenueConfig, ccxt_config
from xetrade_core.simvenue.dialects import deribit_private
from xetrade_core.trading.execution import ErrorReply, NoReply, NotSent, OrderRef
from xetrade_core.venues.clients import ClientOptions

__all__ = ["no_faults_left"]

SPOT, LINEAR, INVERSE = "BTC/USDC", "BTC/USDC:USDC", "BTC/USD:BTC"
AMOUNTS = {SPOT: 0.02, LINEAR: 0.02, INVERSE: 200}
SCENARIO = f"""
seed = 1
[venues.deribit]
weight_limit = 0
symbols = ["{SPOT}", "{LINEAR}", "{INVERSE}"]
[venues.deribit.accounts.main]
[venues.deribit.accounts.viewer]
keys = [{{key = "sim-viewer-key", secret = "sim-viewer-secret", trade = false}}]
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def connect(sim: Sim, account: str = "main", *, pro: bool = False, **changes: Any) -> Any:
    import ccxt.pro

    keys = {"apiKey": f"sim-{account}-key", "secret": f"sim-{account}-secret"}
    config = {**ccxt_config("deribit", sim), **keys, "enableRateLimit": False, **changes}
    return (ccxt.pro if pro else ccxt).deribit(config)


class Client:
    """ccxt's class and one symbol."""

    def __init__(self, sim: Sim, symbol: str) -> None:
        self.ccxt, self.symbol, self.amount = connect(sim), symbol, AMOUNTS[symbol]

    def low(self, share: float = 0.96) -> float:
        return float(round(self.ccxt.fetch_order_book(self.symbol, 5)["bids"][0][0] * share))

    def order(self, side: str, price: float | None, amount: float | None = None, **params: Any) -> Any:
        kind = "market" if price is None else "limit"
        return self.ccxt.create_order(self.symbol, kind, side, amount or self.amount, price, params)

    def labelled(self, label: str) -> list[Any]:
        currency = "BTC" if self.symbol == INVERSE else "USDC"
        wanted = {"label": label, "currency": currency}
        rows: list[Any] = self.ccxt.private_get_get_order_state_by_label(wanted)["result"]
        return rows


@pytest.fixture(params=[SPOT, LINEAR, INVERSE])
def client(sim: Sim, request: pytest.FixtureRequest) -> Client:
    return Client(sim, request.param)


def refused(call: Callable[[], Any], code: str) -> None:
    """The call fails, and ccxt quotes the venue's code."""
    refused_with(call, f'"code":{code}')


def test_an_order_is_placed_found_by_id_and_label_listed_changed_and_canceled(client: Client) -> None:
    price, label = client.low(), f"both{time.time_ns()}"
    order = client.order("buy", price, label=label)
    assert [row["order_id"] for row in client.labelled(label)] == [order["id"]]
    assert client.ccxt.fetch_order(order["id"], client.symbol)["info"]["label"] == label
    assert order["id"] in [one["id"] for one in client.ccxt.fetch_open_orders(client.symbol)]
    client.ccxt.edit_order(order["id"], client.symbol, "limit", "buy", client.amount * 2, price - 100)
    changed = client.ccxt.fetch_order(order["id"], client.symbol)
    assert (changed["status"], changed["amount"], changed["price"]) == ("open", client.amount * 2, price - 100)
    client.ccxt.cancel_order(order["id"], client.symbol)
    assert client.ccxt.fetch_order(order["id"], client.symbol)["status"] == "canceled"
    wanted = {"include_unfilled": True}
    assert order["id"] in [one["id"] for one in client.ccxt.fetch_closed_orders(client.symbol, params=wanted)]
    assert order["id"] not in [one["id"] for one in client.ccxt.fetch_closed_orders(client.symbol)]
    assert client.ccxt.fetch_open_orders(client.symbol) == []


def test_a_market_order_trades_pays_its_fee_and_is_in_the_list_of_trades(client: Client, sim: Sim) -> None:
    order = client.order("buy", None)
    assert (order["status"], order["filled"]) == ("closed", client.amount)
    truth = [row for row in sim.account("deribit")["fills"] if str(row["order_id"]) == order["id"]]
    trades = [one for one in client.ccxt.fetch_my_trades(client.symbol, limit=100) if one["order"] == order["id"]]
    of_order = client.ccxt.fetch_order_trades(order["id"], client.symbol)
    assert {one["id"] for one in trades} == {one["id"] for one in of_order} == {one["id"] for one in order["trades"]}
    assert sum(one["amount"] for one in trades) == pytest.approx(client.amount)
    assert sum(one["fee"]["cost"] for one in trades) == pytest.approx(sum(float(row["fee"]) for row in truth))
    if client.symbol != SPOT:
        held = [one for one in client.ccxt.fetch_positions() if one["symbol"] == client.symbol]
        assert [(one["side"], one["contracts"]) for one in held] == [("long", client.amount)]
        client.order("sell", None, reduceOnly=True)
        assert [one for one in client.ccxt.fetch_positions() if one["symbol"] == client.symbol] == []


def test_balances_are_what_the_venue_holds(sim: Sim) -> None:
    held, truth = connect(sim).fetch_balance(), sim.account("deribit")["balances"]
    for currency in ("BTC", "USDC"):
        assert held[currency]["total"] == pytest.approx(float(truth[currency]["total"]), rel=1e-3)


@pytest.mark.parametrize(
    ("params", "share", "status"),
    [({"timeInForce": "IOC"}, 0.96, "canceled"), ({"timeInForce": "FOK"}, 0.96, "canceled"),
     ({"postOnly": True}, 0.96, "open")],
)  # fmt: skip
def test_time_in_force_and_post_only_are_obeyed(sim: Sim, params: dict[str, Any], share: float, status: str) -> None:
    client = Client(sim, INVERSE)
    order = client.order("buy", client.low(share), **params)
    assert client.ccxt.fetch_order(order["id"], INVERSE)["status"] == status
    assert order["filled"] == 0
    assert int(client.ccxt.cancel_all_orders(INVERSE)[0]["info"]["result"]) == (status == "open")


def test_a_post_only_order_that_would_trade_is_moved_below_the_market_where_that_is_asked_for(sim: Sim) -> None:
    client = Client(sim, INVERSE)
    asked = client.low(1.03)
    order = client.order("buy", asked, post_only=True, reject_post_only=False)
    assert (order["status"], order["filled"]) == ("open", 0)
    assert order["price"] < asked
    client.ccxt.cancel_all_orders(INVERSE)
    if client.ccxt.fetch_position(INVERSE)["contracts"]:  # the market came down to it meanwhile
        client.order("sell", None, reduceOnly=True)


def test_labels_may_repeat_and_then_no_single_order_is_meant(sim: Sim) -> None:
    client, label = Client(sim, INVERSE), f"twice{time.time_ns()}"
    ids = {client.order("buy", client.low(), label=label)["id"] for _ in range(2)}
    assert {row["order_id"] for row in client.labelled(label)} == ids
    edit = {"label": label, "instrument_name": "BTC-PERPETUAL", "amount": 100, "price": client.low()}
    refused(lambda: client.ccxt.private_get_edit_by_label(edit), "13032")
    assert int(client.ccxt.private_get_cancel_by_label({"label": label})["result"]) == 2
    refused(lambda: client.ccxt.private_get_edit_by_label(edit), "10004")


def test_refusals_have_the_venues_codes(sim: Sim) -> None:
    client = Client(sim, INVERSE)
    price = client.low()
    order = client.order("buy", price)
    client.ccxt.cancel_order(order["id"], INVERSE)
    refused(lambda: client.ccxt.cancel_order(order["id"], INVERSE), "11044")
    refused(lambda: client.ccxt.fetch_order("12345", INVERSE), "10004")
    refused(lambda: client.order("buy", price, 1_000_000_000), "10009")
    refused(lambda: client.order("buy", client.low(1.03), postOnly=True), "11054")
    refused(lambda: client.order("sell", None, reduceOnly=True), "11030")
    buy = {"instrument_name": "BTC-PERPETUAL", "amount": 20, "price": price}
    refused(lambda: client.ccxt.private_get_buy({**buy, "amount": 15}), "-32602")
    refused(lambda: client.ccxt.private_get_buy({**buy, "price": price + 0.1}), "10043")
    refused(lambda: client.ccxt.private_get_buy({**buy, "label": "x" * 65}), "-32602")
    refused(lambda: client.ccxt.private_get_buy({**buy, "instrument_name": "NO-SUCH"}), "13020")


def test_who_calls_is_verified(sim: Sim) -> None:
    refused(connect(sim, apiKey="nobody").fetch_balance, "13004")
    refused(connect(sim, secret="wrong").fetch_balance, "13004")
    late = connect(sim)
    late.milliseconds = lambda: round(time.time() * 1000) - 61_000
    refused(late.fetch_balance, "13004")
    viewer = connect(sim, "viewer")
    assert viewer.fetch_balance()["BTC"]["total"] > 0
    refused(lambda: viewer.create_order(INVERSE, "limit", "buy", 100, 30_000), "13021")


def test_what_an_account_spends_too_fast_is_turned_away() -> None:
    simulation = simulate("deribit")
    listener = signed_in(simulation)
    for number in range(21):
        listener.say(rpc("private/cancel_all", number))
    answers = listener.messages()
    assert [one["result"] for one in answers[:20]] == [0] * 20
    assert answers[20]["error"]["code"] == 10028
    run(simulation, 1)
    listener.say(rpc("private/cancel_all", 21))
    assert listener.messages()[-1]["result"] == 0


def rpc(method: str, number: int = 1, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def signed_in(simulation: Any) -> Listener:
    """A connection of the account `main`."""
    listener = Listener(simulation, "deribit", "/ws/api/v2")
    stamp = simulation.now_ns // 10**6
    signature = hmac.new(b"sim-main-secret", f"{stamp}\nabc\n".encode(), hashlib.sha256).hexdigest()
    fields = {"client_id": "sim-main-key", "timestamp": stamp, "nonce": "abc", "signature": signature, "data": ""}
    listener.say(rpc("public/auth", grant_type="client_signature", **fields))
    assert "trade:read_write" in listener.messages()[0]["result"]["scope"]
    return listener


def test_each_channel_tells_what_it_is_about_to_those_who_have_signed_in() -> None:
    simulation = simulate("deribit")
    stranger = Listener(simulation, "deribit", "/ws/api/v2")
    stranger.say(rpc("private/subscribe", channels=["user.orders.any.any.raw"]))
    assert stranger.messages()[0]["error"]["code"] == 13009
    listener = signed_in(simulation)
    told = ["user.orders.BTC-PERPETUAL.raw", "user.orders.future.BTC.100ms", "user.trades.any.any.raw",
            "user.changes.future.any.raw", "user.portfolio.btc"]  # fmt: skip
    listener.say(rpc("private/subscribe", channels=[*told, "user.orders.spot.any.raw", "user.gossip.any.raw"]))
    assert listener.messages()[0]["result"] == [*told, "user.orders.spot.any.raw"]
    listener.say(rpc("private/buy", instrument_name="BTC-PERPETUAL", amount=100, type="market", label="mine"))
    said = [one["params"] for one in listener.messages() if "params" in one]
    by = {channel: [one["data"] for one in said if one["channel"] == channel] for channel in told}
    assert {one["channel"] for one in said} == set(told)
    assert [row["order_state"] for row in by[told[0]]][-1] == "filled"
    assert [row for (row,) in by[told[1]]] == by[told[0]]
    (trades,) = by[told[2]]
    assert [(row["label"], row["amount"], row["liquidity"]) for row in trades] == [("mine", 100, "T")]
    assert by[told[3]][-1]["trades"] == trades
    assert [row["size"] for row in by[told[3]][-1]["positions"]] == [100]
    assert by[told[4]][-1]["balance"] < 20


@pytest.mark.parametrize(("switch", "leaves"), [("enable", 0), ("disable", 1), ("logout", 1)])
def test_cancel_on_disconnect_ends_the_orders_of_its_connection(switch: str, leaves: int) -> None:
    simulation = simulate("deribit")
    desk = simulation.place("deribit").desk
    assert desk is not None
    order = {"instrument_name": "BTC-PERPETUAL", "amount": 100, "price": 30_000}
    listener, other = signed_in(simulation), signed_in(simulation)
    listener.say(rpc(f"private/{'disable' if switch == 'disable' else 'enable'}_cancel_on_disconnect"))
    for one in (listener, other):
        one.say(rpc("private/buy", **order))
    if switch == "logout":
        listener.say(rpc("private/logout"))
    simulation.place("deribit").hub.remove(listener.session)
    assert len(desk.open_orders(desk.accounts["main"])) == 1 + leaves


@pytest.mark.parametrize("symbol", [SPOT, INVERSE])
async def test_the_private_stream_tells_orders_trades_and_balances(sim: Sim, symbol: str) -> None:
    pro = connect(sim, pro=True)
    try:
        await pro.load_markets()
        await pro.authenticate()
        waiting = [
            asyncio.create_task(pro.watch_orders(symbol)),
            asyncio.create_task(pro.watch_my_trades(symbol)),
            asyncio.create_task(pro.watch_balance()),
        ]
        await asyncio.sleep(0.3)
        placed = await asyncio.to_thread(connect(sim).create_order, symbol, "market", "buy", AMOUNTS[symbol])
        async with asyncio.timeout(10):
            orders, trades, _ = await asyncio.gather(*waiting)
        assert placed["id"] in [one["id"] for one in orders]
        assert placed["id"] in [one["order"] for one in trades]
    finally:
        await pro.close()


def opened(sim: Sim | SimServer) -> CcxtExecution:
    """Our own client of the account `main`."""
    options = ClientOptions(rest_url=sim.url("deribit").rest)
    keys = Credentials("sim-main-key", "sim-main-secret")
    client = open_execution("deribit", "main", keys, options, SystemClock(), random.Random(1))
    assert isinstance(client, CcxtExecution)
    return client


async def test_a_clock_that_is_too_wrong_to_sign_by_is_said_and_nothing_is_sent(sim: Sim) -> None:
    client = opened(sim)
    try:
        await client.balances()
        sim.begin(venue="deribit", kind="clock", offset_s=-120)
        with pytest.raises(ErrorReply, match="13004"):
            await client.balances()
        with pytest.raises(NotSent, match="the clock of this machine is 120 s from deribit's"):
            await client.balances()
        sim.clear()
        await client.balances()
    finally:
        sim.clear()
        await client.close()


async def test_what_is_no_longer_recent_is_found_in_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deribit_private, "_RECENT_ORDERS_MS", -1)
    monkeypatch.setattr(deribit_private, "_RECENT_TRADES_MS", -1)
    monkeypatch.setattr("xetrade_core.execution.deribit.PAGE", 1)
    venue = VenueConfig(symbols=(INVERSE,), depth=20, weight_limit=0)
    async with SimServer(SimConfig(venues={"deribit": venue})) as server:
        client = opened(server)
        try:
            for number, price in enumerate((None, Decimal(30_000), Decimal(31_000))):
                placed = await client.place(wanted(f"old{number}", price))
                ref = OrderRef(INVERSE, placed.client_id, placed.venue_order_id)
                if price is not None:
                    await client.cancel(ref)
            for number, status in enumerate((ReportStatus.FILLED, ReportStatus.CANCELED, ReportStatus.CANCELED)):
                found = await client.find(OrderRef(INVERSE, f"old{number}", None))
                assert found is not None
                assert found.status is status
                assert await client.find(OrderRef(INVERSE, None, found.venue_order_id)) == found
            assert await client.find(OrderRef(INVERSE, "nobody", None)) is None
            monkeypatch.setattr("xetrade_core.execution.deribit._HISTORY_PAGES", 2)
            with pytest.raises(NoReply, match="more ended ones"):
                await client.find(OrderRef(INVERSE, "old0", None))
            day_ns = 86_400 * NS_PER_S
            assert await client.fills_since(INVERSE, time.time_ns() - day_ns // 2) == ()
            fills = await client.fills_since(INVERSE, time.time_ns() - day_ns)
            assert sum(one.amount for one in fills) == 100
        finally:
            await client.close()


def wanted(name: str, price: Decimal | None) -> Intent:
    """A buy of 100 dollars."""
    return Intent(
        client_id=name,
        venue="deribit",
        account="main",
        symbol=INVERSE,
        side=Side.BUY,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        amount=Decimal(100),
        created_ns=1,
        reserve_price=price or Decimal(100_000),
        price=price,
    )


async def test_fundings_are_read_out_of_the_log_page_by_page(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(connect(sim).create_order, INVERSE, "market", "buy", 1000)
    for rate in ("0.001", "-0.0005", "0.0001"):
        sim.pay_funding("deribit", INVERSE, rate)
    booked = [Decimal(one["amount"]) for one in sim.account("deribit")["journal"] if one["kind"] == "funding"]
    client = opened(sim)
    try:
        for page in (250, 2):
            monkeypatch.setattr(deribit_log, "PAGE", page)
            found = await fundings_since(client, INVERSE, 0)
            assert [one.amount for one in found] == booked
            assert {(one.symbol, one.currency) for one in found} == {(INVERSE, "BTC")}
    finally:
        await client.close()
