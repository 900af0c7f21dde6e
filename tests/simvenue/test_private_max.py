"""The private side of MAX without sockets, called with the signatures of our own client: ccxt has no class for it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.simvenue.conftest import START_NS, SYMBOLS, simulate
from tests.simvenue.listener import Listener
from tests.support.recordings import recording
from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import AccountConfig, ApiKey
from xetrade_core.simvenue.dialects.base import Reply
from xetrade_core.venues.max_signing import MaxKey, Params, json_body, query, signed_headers, websocket_login

MAIN = MaxKey("sim-main-key", "sim-main-secret")
ACCOUNTS = {
    "main": AccountConfig(),
    "viewer": AccountConfig(keys=(ApiKey("sim-viewer-key", "sim-viewer-secret", trade=False),)),
}
SPOT = "/api/v3/wallet/spot"


class Client:
    """Signs and calls as an account, with the simulation's own clock; nonces are counted up."""

    def __init__(self) -> None:
        self.simulation = simulate("max", accounts=ACCOUNTS)
        self.place = self.simulation.place("max")
        self.market = self.place.venue.market(SYMBOLS["max"])
        self.nonce = self.now_ms

    @property
    def now_ms(self) -> int:
        return self.simulation.now_ns // NS_PER_MS

    def call(
        self,
        method: str,
        path: str,
        key: MaxKey = MAIN,
        nonce: int | None = None,
        sent: Params | None = None,
        **params: Any,
    ) -> Reply:
        """A signed call; `sent` are other parameters than the signed ones."""
        self.nonce += 1
        nonce = self.nonce if nonce is None else nonce
        headers = signed_headers(key, path, params, nonce)
        wire = params if sent is None else sent
        pairs = query(wire, nonce) if method == "GET" else ()
        return self.place.rest(
            method,
            path,
            dict(pairs),
            self.simulation.now_ns,
            START_NS,
            body=b"" if method == "GET" else json_body(wire, nonce),
            headers=headers,
            raw_query="&".join(f"{name}={value}" for name, value in pairs),
        ).reply

    def ask(self, method: str, path: str, **params: Any) -> Any:
        reply = self.call(method, path, **params)
        assert reply.status in (200, 201), reply.body
        return json.loads(reply.body)

    def error(self, method: str, path: str, **params: Any) -> int:
        reply = self.call(method, path, **params)
        assert reply.status >= 400, reply.body
        code: int = json.loads(reply.body)["error"]["code"]
        return code

    def order(self, name: str, share: int | None = 97, side: str = "buy", **params: Any) -> dict[str, Any]:
        """What is asked of POST order: at a share (percent) of the best bid, or at the market."""
        bid = self.market.levels.best_bid
        assert bid is not None
        wanted = {"market": "btctwd", "side": side, "volume": "0.02", "client_oid": name}
        if share is None:
            return {**wanted, "ord_type": "market", **params}
        return {**wanted, "ord_type": "limit", "price": self.market.numbers.price(bid * share // 100), **params}

    def stream(self, nonce: int | None = None, filters: tuple[str, ...] = (), key: MaxKey = MAIN) -> Listener:
        """A connection that has asked to be signed in."""
        self.nonce += 1
        listener = Listener(self.simulation, "max", "/ws")
        listener.say(json.loads(websocket_login(key, self.nonce if nonce is None else nonce, "c1", filters)))
        return listener


@pytest.fixture
def client() -> Client:
    return Client()


def test_who_calls_is_verified(client: Client) -> None:
    accounts = f"{SPOT}/accounts"
    assert client.error("GET", accounts, key=MaxKey("nobody", "sim-main-secret")) == 2008
    assert client.error("GET", accounts, key=MaxKey("sim-main-key", "wrong")) == 2005
    assert client.error("GET", accounts, sent={"currency": "btc"}) == 2014
    assert client.error("POST", f"{SPOT}/order", **client.order("a"), sent=client.order("b")) == 2014
    assert client.error("GET", accounts, nonce=client.now_ms - 30_001) == 2007
    assert client.error("GET", accounts, nonce=client.now_ms + 30_001) == 2007
    client.ask("GET", accounts, nonce=client.now_ms + 29_000)
    assert client.error("GET", accounts, nonce=client.now_ms + 29_000) == 2006
    viewer = MaxKey("sim-viewer-key", "sim-viewer-secret")
    client.ask("GET", accounts, key=viewer)
    assert client.error("POST", f"{SPOT}/order", key=viewer, **client.order("a")) == 2011
    assert client.place.rest("GET", accounts, {}, client.simulation.now_ns, START_NS).reply.status == 401


def test_an_order_is_noted_queried_by_both_ids_listed_and_canceled(client: Client) -> None:
    placed = client.ask("POST", f"{SPOT}/order", **client.order("one"))
    assert (placed["state"], placed["client_oid"], placed["volume"]) == ("wait", "one", "0.02")
    for named in ({"id": placed["id"]}, {"client_oid": "one"}):
        assert client.ask("GET", "/api/v3/order", **named) == placed
    assert client.ask("GET", f"{SPOT}/orders/open", market="btctwd") == [placed]
    assert client.error("GET", f"{SPOT}/orders/open") == 1001
    assert client.ask("DELETE", "/api/v3/order", client_oid="one") == {"success": True}
    assert client.error("DELETE", "/api/v3/order", client_oid="one") == 2003
    (ended,) = client.ask("GET", f"{SPOT}/orders/closed", market="btctwd")
    assert (ended["id"], ended["state"]) == (placed["id"], "cancel")
    assert client.ask("GET", f"{SPOT}/orders/history", market="btctwd", from_id=placed["id"]) == [ended]
    assert client.ask("GET", f"{SPOT}/orders/open", market="btctwd") == []


def test_refusals_have_the_venues_codes(client: Client) -> None:
    client.ask("POST", f"{SPOT}/order", **client.order("one"))
    wanted: list[tuple[int, dict[str, Any]]] = [
        (2036, {}),
        (1001, {"market": "nosuch"}),
        (1001, {"ord_type": "fok"}),
        (1001, {"client_oid": "x" * 37}),
        (2002, {"volume": "0.000001", "price": "300000000.0"}),
        (2002, {"price": "1900000.05"}),
        (2016, {"volume": "0.00001"}),
        (2018, {"volume": "900"}),
    ]
    for code, params in wanted:
        asked = {**client.order("two" if code != 2036 else "one"), **params}
        assert client.error("POST", f"{SPOT}/order", **asked) == code, params
    assert client.error("GET", "/api/v3/order", client_oid="two") == 2004
    assert client.error("DELETE", "/api/v3/order", id=7) == 2004
    assert client.error("GET", "/api/v3/order") == 1001
    assert client.error("GET", f"{SPOT}/trades", limit=1001) == 1001


def test_what_must_trade_at_once_is_noted_first_and_then_done_or_taken_out(client: Client) -> None:
    for kind, share, state in (
        ("ioc_limit", 97, "cancel"),
        ("ioc_limit", 103, "done"),
        ("post_only", 103, "cancel"),
        ("post_only", 97, "wait"),
    ):
        name = f"{kind.replace('_', '')}{share}"
        placed = client.ask("POST", f"{SPOT}/order", **client.order(name, share, ord_type=kind))
        assert (placed["state"], placed["executed_volume"], placed["trades_count"]) == ("wait", "0.0", 0)
        assert client.ask("GET", "/api/v3/order", client_oid=name)["state"] == state


def test_all_orders_are_canceled_of_a_market_or_a_side(client: Client) -> None:
    for name, share, side in (("a", 97, "buy"), ("b", 96, "buy"), ("c", 105, "sell")):
        client.ask("POST", f"{SPOT}/order", **client.order(name, share, side))
    gone = client.ask("DELETE", f"{SPOT}/orders", market="btctwd", side="buy")
    assert [(one["error"], one["order"]["client_oid"], one["order"]["state"]) for one in gone] == [
        (None, "a", "wait"),
        (None, "b", "wait"),
    ]
    assert [one["client_oid"] for one in client.ask("GET", f"{SPOT}/orders/open", market="btctwd")] == ["c"]
    assert len(client.ask("DELETE", f"{SPOT}/orders")) == 1
    assert client.ask("DELETE", f"{SPOT}/orders") == []


def test_trades_pay_their_fee_and_come_in_pages(client: Client) -> None:
    for name in ("a", "b", "c"):
        client.ask("POST", f"{SPOT}/order", **client.order(name, None))
    rows = client.ask("GET", f"{SPOT}/trades", market="btctwd", order="asc", timestamp=client.now_ms)
    assert len(rows) >= 3
    for row in rows:
        assert (row["side"], row["fee_currency"], row["liquidity"]) == ("bid", "btc", "taker")
        assert Decimal(row["fee"]) == pytest.approx(Decimal(row["volume"]) * Decimal("0.0016"), abs=Decimal("1e-8"))
    first, second = rows[:2]
    assert client.ask("GET", f"{SPOT}/trades", order="asc", limit=1, from_id=first["id"] + 1) == [second]
    assert client.ask("GET", f"{SPOT}/trades", limit=2) == rows[::-1][:2]
    own = client.ask("GET", "/api/v3/order/trades", client_oid="a")
    assert sum(Decimal(row["volume"]) for row in own) == Decimal("0.02")
    held = {row["currency"]: row for row in client.ask("GET", f"{SPOT}/accounts")}
    assert Decimal(held["btc"]["balance"]) == 20 + Decimal("0.06") - sum(Decimal(row["fee"]) for row in rows)


def test_a_trade_of_the_account_with_itself_is_one_row_the_asks(client: Client) -> None:
    spread = client.market.levels.best_ask
    assert spread is not None
    inside = client.market.numbers.price(spread - 1)
    bid = client.ask("POST", f"{SPOT}/order", **client.order("bid", price=inside))
    ask = client.ask("POST", f"{SPOT}/order", **client.order("ask", side="sell", price=inside))
    (row,) = client.ask("GET", f"{SPOT}/trades")
    assert (row["side"], row["order_id"], row["liquidity"]) == ("self-trade", ask["id"], "taker")
    assert (row["self_trade_bid_order_id"], row["fee_currency"], row["self_trade_bid_fee_currency"]) == (
        bid["id"],
        "twd",
        "btc",
    )
    assert client.ask("GET", "/api/v3/order/trades", order_id=bid["id"]) == [row]


def test_the_stream_tells_what_is_there_and_what_changes(client: Client) -> None:
    client.ask("POST", f"{SPOT}/order", **client.order("before"))
    listener = client.stream()
    signed, orders, trades, balances = listener.messages()
    assert (signed["e"], signed["i"]) == ("authenticated", "c1")
    assert (orders["e"], [one["ci"] for one in orders["o"]]) == ("order_snapshot", ["before"])
    assert (trades["e"], trades["t"]) == ("trade_snapshot", [])
    assert (balances["e"], {one["cu"] for one in balances["B"]} >= {"twd", "btc"}) == ("account_snapshot", True)
    client.ask("POST", f"{SPOT}/order", **client.order("now", None))
    listener.session.flush()
    told = listener.messages()
    states = [(one["S"], one["ci"]) for message in told for one in message.get("o", ())]
    assert (states[0], states[-1]) == (("wait", "now"), ("done", "now"))
    traded = [one for message in told for one in message.get("t", ())]
    assert sum(Decimal(one["v"]) for one in traded) == Decimal("0.02")
    assert {(one["sd"], one["fc"], one["m"]) for one in traded} == {("bid", "btc", False)}
    assert {one["cu"] for message in told for one in message.get("B", ())} == {"btc", "twd"}


def test_the_stream_tells_what_an_order_locks_and_gives_back(client: Client) -> None:
    listener = client.stream(filters=("account",))
    client.ask("POST", f"{SPOT}/order", **client.order("one", volume="0.01", price="1500000.0"))
    client.ask("DELETE", f"{SPOT}/orders")
    listener.session.flush()
    _, _, *told = listener.messages()
    held = [(one["av"], one["l"]) for message in told for one in message["B"] if one["cu"] == "twd"]
    assert held == [("29985000.0", "15000.0"), ("30000000.0", "0.0")]


def test_the_stream_tells_only_what_was_asked_for(client: Client) -> None:
    listener = client.stream(filters=("fast_trade_update",))
    client.ask("POST", f"{SPOT}/order", **client.order("now", None))
    listener.session.flush()
    signed, *told = listener.messages()
    assert signed["e"] == "authenticated"
    assert {message["e"] for message in told} == {"fast_trade_update"}
    assert all("f" not in one for message in told for one in message["t"])


def test_who_signs_in_is_verified(client: Client) -> None:
    for refused, error in (
        (client.stream(key=MaxKey("sim-main-key", "wrong")), "E-1007: authentication failed"),
        (client.stream(nonce=client.now_ms - 30_001), "E-1006: invalid nonce"),
        (client.stream(filters=("nosuch",)), "E-1004: invalid action"),
    ):
        (answer,) = refused.messages()
        assert (answer["e"], answer["E"], refused.session.account) == ("error", [error], None)
    client.stream(nonce=client.now_ms)
    assert client.stream(nonce=client.now_ms).messages()[0]["E"] == ["E-1012: nonce has already been used"]


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "path", "asked"),
    [
        ("ordersClosed", "orders/closed", {"market": "btctwd"}),
        ("spotAccounts", "accounts", {}),
        ("spotTrades", "trades", {}),
        ("info", "/api/v3/info", {}),
    ],
)
def test_answers_have_the_recorded_fields(client: Client, name: str, path: str, asked: dict[str, str]) -> None:
    client.ask("POST", f"{SPOT}/order", **client.order("now", None))
    theirs = json.loads(recording(f"max/{name}.json").read_bytes())
    ours = client.ask("GET", path if path.startswith("/") else f"{SPOT}/{path}", **asked)
    if isinstance(theirs, list):
        theirs, ours = theirs[0], ours[0]
    assert list(ours) == list(theirs)


@pytest.mark.recordings
def test_placing_and_canceling_everything_answer_as_recorded(client: Client) -> None:
    placed = client.ask("POST", f"{SPOT}/order", **client.order("one", volume="0.01", price="30000.0"))
    theirs = json.loads(recording("max/postSpotOrder.json").read_bytes())
    assert {**placed, "id": 0, "client_oid": None, "created_at": 0, "updated_at": 0} == {
        **theirs,
        "id": 0,
        "created_at": 0,
        "updated_at": 0,
    }
    (gone,) = client.ask("DELETE", f"{SPOT}/orders")
    assert list(gone) == list(json.loads(recording("max/deleteSpotOrders.json").read_bytes())[0])
