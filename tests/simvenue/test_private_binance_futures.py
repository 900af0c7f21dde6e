"""The private side of Binance's futures against the unmodified ccxt classes: orders, positions, streams, refusals."""

from __future__ import annotations

import asyncio
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

SYMBOLS = {"binanceusdm": "BTC/USDT:USDT", "binancecoinm": "BTC/USD:BTC"}
SETTLED_IN = {"binanceusdm": "USDT", "binancecoinm": "BTC"}
AMOUNT = {"binanceusdm": 0.02, "binancecoinm": 20}
PREFIX = {"binanceusdm": "fapiprivate", "binancecoinm": "dapiprivate"}
KEY, SECRET = "sim-main-key", "sim-main-secret"
SCENARIO = "seed = 1\n" + "".join(
    f"""
[venues.{venue}]
symbols = ["{symbol}"]
[venues.{venue}.accounts.main]
[venues.{venue}.accounts.viewer]
keys = [{{key = "viewer-key", secret = "viewer-secret", trade = false}}]
[venues.{venue}.accounts.both_ways]
hedged = true
balances = {{USDT = "20000", BTC = "1"}}
"""
    for venue, symbol in SYMBOLS.items()
)


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


class Client:
    """ccxt's class for one of the markets, with what the tests ask of either."""

    def __init__(self, sim: Sim, venue: str, account: str = "main", secret: str | None = None) -> None:
        import ccxt

        self.sim, self.venue, self.symbol = sim, venue, SYMBOLS[venue]
        key = "viewer-key" if account == "viewer" else f"sim-{account}-key"
        known = "viewer-secret" if account == "viewer" else f"sim-{account}-secret"
        config = {**ccxt_config(venue, sim), "apiKey": key, "secret": secret or known, "enableRateLimit": False}
        self.ccxt = getattr(ccxt, venue)(config)
        self.amount = AMOUNT[venue]

    def low(self, share: float = 0.96) -> float:
        """A price below the market, within the venue's band."""
        return float(round(self.ccxt.fetch_order_book(self.symbol, 5)["bids"][0][0] * share))

    def buy(self, price: float | None, amount: float | None = None, **params: Any) -> Any:
        return self._order("buy", price, amount, params)

    def sell(self, price: float | None, amount: float | None = None, **params: Any) -> Any:
        return self._order("sell", price, amount, params)

    def _order(self, side: str, price: float | None, amount: float | None, params: dict[str, Any]) -> Any:
        kind = "market" if price is None else "limit"
        return self.ccxt.create_order(self.symbol, kind, side, amount or self.amount, price, params)

    def raw(self, method: str, path: str, **fields: object) -> Any:
        """A signed call of the venue's own."""
        return getattr(self.ccxt, f"{PREFIX[self.venue]}_{method}_{path}")(fields)

    def held(self) -> float:
        """The signed position in contracts."""
        rows = [row for row in self.ccxt.fetch_positions([self.symbol]) if row["contracts"]]
        return sum(row["contracts"] * (1 if row["side"] == "long" else -1) for row in rows)

    def flat(self) -> None:
        """No open order and no position."""
        self.ccxt.cancel_all_orders(self.symbol)
        held = self.held()
        if held:
            (self.sell if held > 0 else self.buy)(None, abs(held), reduceOnly=True)


@pytest.fixture(params=list(SYMBOLS))
def client(sim: Sim, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(sim, request.param)
    yield client
    client.flat()


def refused(call: Callable[[], Any], code: int) -> None:
    """The call fails with an error of ccxt that quotes the venue's code."""
    refused_with(call, f'"code":{code},')


def test_an_order_is_placed_queried_by_both_ids_listed_and_canceled(client: Client) -> None:
    price, exchange, symbol = client.low(), client.ccxt, client.symbol
    order = client.buy(price, clientOrderId="both-ids")
    assert (order["status"], order["price"], order["amount"]) == ("open", price, client.amount)
    assert exchange.fetch_order(order["id"], symbol)["clientOrderId"] == "both-ids"
    assert exchange.fetch_order(None, symbol, {"clientOrderId": "both-ids"})["id"] == order["id"]
    assert [one["id"] for one in exchange.fetch_open_orders(symbol)] == [order["id"]]
    canceled = exchange.cancel_order(None, symbol, {"clientOrderId": "both-ids"})
    assert (canceled["status"], canceled["id"]) == ("canceled", order["id"])
    assert exchange.fetch_open_orders(symbol) == []
    assert exchange.fetch_orders(symbol)[-1]["status"] == "canceled"


def test_a_position_is_opened_reduced_and_turned_and_its_profit_booked(sim: Sim, client: Client) -> None:
    amount, currency = client.amount, SETTLED_IN[client.venue]
    bought = client.buy(None)
    assert (bought["status"], bought["filled"]) == ("closed", amount)
    (position,) = [row for row in client.ccxt.fetch_positions([client.symbol]) if row["contracts"]]
    assert (position["side"], position["contracts"]) == ("long", amount)
    assert position["entryPrice"] == pytest.approx(bought["average"], rel=1e-6)
    client.sell(None, amount * 2)
    assert client.held() == pytest.approx(-amount)
    trades = client.ccxt.fetch_my_trades(client.symbol)
    assert {trade["fee"]["currency"] for trade in trades} == {currency}
    assert sum(float(trade["info"]["realizedPnl"]) for trade in trades) != 0
    truth = sim.account(client.venue)
    for held in truth["balances"]:
        booked = [Decimal(entry["amount"]) for entry in truth["journal"] if entry["currency"] == held]
        assert sum(booked) == Decimal(truth["balances"][held]["total"])
    assert client.ccxt.fetch_balance()[currency]["used"] > 0


def test_reduce_only_is_held_to_the_position(client: Client) -> None:
    refused(lambda: client.sell(None, reduceOnly=True), -2022)
    client.buy(None)
    closing = client.sell(client.low(1.01), reduceOnly=True)
    assert closing["reduceOnly"]
    client.ccxt.cancel_order(closing["id"], client.symbol)
    client.sell(None, reduceOnly=True)
    assert client.held() == 0


def test_styles_are_what_the_venue_calls_them(client: Client) -> None:
    price = client.low()
    refused(lambda: client.buy(client.low(1.01), postOnly=True), -5022)
    refused(lambda: client.buy(price, timeInForce="FOK"), -5021)
    gone = client.buy(price, timeInForce="IOC")
    assert (gone["status"], gone["filled"]) == ("expired", 0)
    resting = client.buy(price, postOnly=True)
    assert (resting["status"], resting["postOnly"], resting["timeInForce"]) == ("open", True, "PO")


def test_a_client_id_is_refused_among_open_orders(client: Client) -> None:
    price = client.low()
    first = client.buy(price, clientOrderId="again")
    refused(lambda: client.buy(price, clientOrderId="again"), -4116)
    client.ccxt.cancel_order(first["id"], client.symbol)
    assert client.buy(price, clientOrderId="again")["id"] != first["id"]


def test_an_order_is_amended_in_place_and_keeps_its_ids(client: Client) -> None:
    price, symbol = client.low(), client.symbol
    order = client.buy(price, clientOrderId="changed")
    edit = client.ccxt.edit_order
    changed = edit(order["id"], symbol, "limit", "buy", client.amount * 2, price - 100)
    assert (changed["id"], changed["clientOrderId"]) == (order["id"], "changed")
    assert (changed["amount"], changed["price"]) == (client.amount * 2, price - 100)
    refused(lambda: edit(order["id"], symbol, "limit", "buy", client.amount * 2, price - 100), -5027)
    client.ccxt.cancel_order(order["id"], symbol)
    refused(lambda: edit(order["id"], symbol, "limit", "buy", client.amount, price), -2013)


def test_an_amended_post_only_order_that_would_take_is_canceled(client: Client) -> None:
    order = client.buy(client.low(), postOnly=True)
    edited = client.ccxt.edit_order(order["id"], client.symbol, "limit", "buy", client.amount, client.low(1.01))
    assert edited["status"] == "canceled"


def test_what_the_venue_does_not_take_is_refused_with_its_own_code(client: Client) -> None:
    price, exchange, symbol = client.low(), client.ccxt, client.symbol
    refused(lambda: exchange.cancel_order("5", symbol), -2011)
    refused(lambda: exchange.fetch_order("5", symbol), -2013)
    refused(lambda: client.buy(client.low(1.2)), -4016)
    refused(lambda: client.sell(client.low(0.8)), -4024)
    refused(lambda: client.buy(price, positionSide="LONG"), -4061)
    raw = {"symbol": exchange.market(symbol)["id"], "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    raw |= {"quantity": client.amount, "price": price}
    for changes, code in [
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "9001"}, -4005),
        ({"price": f"{price + 0.001:.3f}"}, -4014),
        ({"symbol": "NOSUCH"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "STOP"}, -1116),
        ({"timeInForce": "DAY"}, -1115),
        ({"newClientOrderId": "no spaces"}, -4015),
        ({"recvWindow": "60001"}, -1131),
    ]:
        refused(partial(client.raw, "post", "order", **{**raw, **changes}), code)
    if client.venue == "binanceusdm":
        refused(lambda: client.raw("post", "order", **{**raw, "quantity": "0.001", "price": "4000"}), -4164)
    assert exchange.fetch_open_orders(symbol) == []


def test_leverage_says_how_much_margin_an_order_binds(client: Client) -> None:
    exchange, symbol = client.ccxt, client.symbol
    exchange.set_leverage(1, symbol)
    if client.venue == "binanceusdm":
        refused(lambda: client.buy(client.low(), 8_900), -2019)
    client.buy(client.low())
    used = exchange.fetch_balance()[SETTLED_IN[client.venue]]["used"]
    exchange.set_leverage(10, symbol)
    tenth = pytest.approx(used / 10, rel=1e-6, abs=1e-8)  # the venue writes eight digits
    assert exchange.fetch_balance()[SETTLED_IN[client.venue]]["used"] == tenth
    market_id = exchange.market(symbol)["id"]
    refused(lambda: client.raw("post", "leverage", symbol=market_id, leverage=126), -4028)


def test_keys_signatures_and_permissions_are_checked(sim: Sim, client: Client) -> None:
    refused(Client(sim, client.venue, secret="wrong").ccxt.fetch_balance, -1022)
    refused(Client(sim, client.venue, "nobody").ccxt.fetch_balance, -2015)
    viewer = Client(sim, client.venue, "viewer")
    assert viewer.ccxt.fetch_balance()[SETTLED_IN[client.venue]]["total"] > 0
    refused(lambda: viewer.buy(None), -2015)
    assert viewer.ccxt.sapi_get_account_apirestrictions()["enableFutures"] is False
    fault = sim.begin(kind="clock", venue=client.venue, offset_s=-30)
    refused(client.ccxt.fetch_balance, -1021)
    sim.clear(fault)


def test_a_dead_man_switch_takes_out_what_rests_unless_it_is_armed_again(client: Client) -> None:
    order = client.buy(client.low())
    market_id = client.ccxt.market(client.symbol)["id"]
    client.raw("post", "countdowncancelall", symbol=market_id, countdownTime=60_000)
    client.raw("post", "countdowncancelall", symbol=market_id, countdownTime=300)
    deadline = time.monotonic() + 10
    while client.ccxt.fetch_open_orders(client.symbol) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.ccxt.fetch_order(order["id"], client.symbol)["status"] == "expired"
    client.raw("post", "countdowncancelall", symbol=market_id, countdownTime=0)


def test_a_funding_is_paid_and_in_the_history_of_income(sim: Sim, client: Client) -> None:
    client.buy(None)
    before = client.ccxt.fetch_balance()["info"]
    sim.pay_funding(client.venue, client.symbol, "0.001")
    (paid,) = client.ccxt.fetch_funding_history(client.symbol)[-1:]
    assert paid["code"] == SETTLED_IN[client.venue]
    wallet = {row["asset"]: Decimal(row["walletBalance"]) for row in before["assets"]}
    now = {row["asset"]: Decimal(row["walletBalance"]) for row in client.ccxt.fetch_balance()["info"]["assets"]}
    assert Decimal(paid["info"]["income"]) == now[paid["code"]] - wallet[paid["code"]] < 0


def test_hedge_mode_keeps_both_sides_apart(sim: Sim, client: Client) -> None:
    both = Client(sim, client.venue, "both_ways")
    refused(lambda: both.buy(None), -4061)
    refused(lambda: both.sell(None, positionSide="LONG"), -2022)
    both.buy(None, positionSide="LONG")
    both.sell(None, positionSide="SHORT")
    rows = [row for row in both.ccxt.fetch_positions([both.symbol]) if row["contracts"]]
    assert {(row["side"], row["contracts"], row["hedged"]) for row in rows} == {
        ("long", both.amount, True),
        ("short", both.amount, True),
    }
    refused(lambda: both.ccxt.set_position_mode(False), -4068)
    both.sell(None, positionSide="LONG")
    both.buy(None, positionSide="SHORT")
    both.ccxt.set_position_mode(False)
    assert both.raw("get", "positionside_dual")["dualSidePosition"] is False
    both.ccxt.set_position_mode(True)


@pytest.mark.parametrize("kind", ["rest_error", "rest_dropped", "rest_empty", "rest_garbled", "rest_no_id"])
def test_an_order_whose_answer_is_spoiled_has_been_taken(sim: Sim, kind: str) -> None:
    import ccxt

    client = Client(sim, "binanceusdm")
    price, name = client.low(), f"lost-{kind}"
    sim.begin(kind=kind, venue=client.venue, symbol=client.symbol, path="v1/order")
    try:
        answer = client.buy(price, clientOrderId=name)
        assert answer.get("id") is None
    except (ccxt.BaseError, AttributeError):
        pass
    assert [one["clientOrderId"] for one in client.ccxt.fetch_open_orders(client.symbol)] == [name]
    client.flat()


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_orders_trades_balances_and_positions_are_watched(sim: Sim, venue: str) -> None:
    asyncio.run(watch(sim, venue))


async def watch(sim: Sim, venue: str) -> None:
    import ccxt.pro

    symbol, amount = SYMBOLS[venue], AMOUNT[venue]
    client = getattr(ccxt.pro, venue)({**ccxt_config(venue, sim), "apiKey": KEY, "secret": SECRET})
    try:
        price = float(round((await client.fetch_order_book(symbol, 5))["bids"][0][0] * 0.96))
        waiting = asyncio.create_task(client.watch_orders(symbol))
        await asyncio.sleep(0.5)
        placed = await client.create_order(symbol, "limit", "buy", amount, price, {"clientOrderId": "watched"})
        opened = (await asyncio.wait_for(waiting, 10))[-1]
        assert (opened["id"], opened["status"], opened["clientOrderId"]) == (placed["id"], "open", "watched")
        waiting = asyncio.create_task(client.watch_orders(symbol))
        await client.cancel_order(placed["id"], symbol)
        ended = (await asyncio.wait_for(waiting, 10))[-1]
        assert (ended["id"], ended["status"]) == (placed["id"], "canceled")
        trades = asyncio.create_task(client.watch_my_trades(symbol))
        balance = asyncio.create_task(client.watch_balance())
        positions = asyncio.create_task(client.watch_positions([symbol]))
        await asyncio.sleep(0.5)
        bought = await client.create_order(symbol, "market", "buy", amount)
        trade = (await asyncio.wait_for(trades, 10))[-1]
        currency = SETTLED_IN[venue]
        assert (trade["order"], trade["side"], trade["fee"]["currency"]) == (bought["id"], "buy", currency)
        assert (await asyncio.wait_for(balance, 10))[currency]["total"] > 0
        held = (await asyncio.wait_for(positions, 10))[-1]
        assert (held["side"], held["contracts"]) == ("long", amount)
        await client.create_order(symbol, "market", "sell", amount, None, {"reduceOnly": True})
    finally:
        await client.close()
