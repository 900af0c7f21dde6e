"""Binance's websocket commands, stream paths, REST limits and weights, as the venue documents them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import SYMBOLS, rest, run, simulate
from tests.simvenue.listener import PING, Listener
from tests.support.recordings import recording
from xetrade_core.simvenue.dialects.base import HandshakeRefused
from xetrade_core.simvenue.playback import read_lines

STREAM = "btcusdt@depth@100ms"


def test_a_subscription_is_acknowledged_then_streams_then_ends() -> None:
    simulation = simulate("binance")
    listener = Listener(simulation, "binance", "/ws")
    listener.say({"method": "SUBSCRIBE", "params": [STREAM], "id": 7})
    assert listener.messages() == [{"result": None, "id": 7}]
    run(simulation, 0.5)
    assert {message["e"] for message in listener.messages()} == {"depthUpdate"}
    listener.say({"method": "LIST_SUBSCRIPTIONS", "id": 8})
    assert listener.messages() == [{"result": [STREAM], "id": 8}]
    listener.say({"method": "UNSUBSCRIBE", "params": [STREAM], "id": 9})
    assert listener.messages() == [{"result": None, "id": 9}]
    run(simulation, 0.5)
    assert listener.messages() == []


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("{", {"code": 3}),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@nothing"], "id": 1}, {"code": 2}),
        ({"method": "DANCE", "id": 1}, {"code": 2}),
    ],
)
def test_a_bad_command_is_answered_with_an_error(message: object, error: dict[str, int]) -> None:
    listener = Listener(simulate("binance"), "binance")
    listener.say(message)
    (answer,) = listener.messages()
    assert error.items() <= answer["error"].items()


def test_a_symbol_that_does_not_exist_is_acknowledged_and_stays_silent() -> None:
    simulation = simulate("binance")
    listener = Listener(simulation, "binance")
    listener.say({"method": "SUBSCRIBE", "params": ["nosuchusdt@depth@100ms"], "id": 1})
    assert listener.messages() == [{"result": None, "id": 1}]
    run(simulation, 1)
    assert listener.messages() == []


@pytest.mark.parametrize(
    ("venue", "path", "query", "wrapped"),
    [
        ("binance", "/stream", {"streams": STREAM}, True),
        ("binance", f"/ws/{STREAM}", {}, False),
        ("binance", f"/stream/ws/{STREAM}", {}, False),
        ("binanceusdm", "/public/stream", {"streams": STREAM}, True),
        ("binanceusdm", f"/public/ws/{STREAM}", {}, False),
        ("binanceusdm", f"/fut/public/ws/{STREAM}", {}, False),
        ("binanceusdm", f"/ws/{STREAM}", {}, False),
    ],
)
def test_streams_named_in_the_url_flow_at_once(venue: str, path: str, query: dict[str, str], wrapped: bool) -> None:
    simulation = simulate(venue)
    listener = Listener(simulation, venue, path, query)
    run(simulation, 0.3)
    messages = listener.messages()
    assert messages
    assert all((set(message) == {"stream", "data"}) is wrapped for message in messages)
    if wrapped:
        assert messages[0]["stream"] == STREAM
        assert messages[0]["data"]["e"] == "depthUpdate"


@pytest.mark.parametrize("path", ["/stream/ws/0", "/ws", "/ws/3", "/"])
def test_the_numbers_that_ccxt_puts_into_its_paths_are_ignored(path: str) -> None:
    assert Listener(simulate("binance"), "binance", path).session.names == {}


@pytest.mark.parametrize("path", ["/nothing", "/ws-api/v3", "/market/ws/" + STREAM])
def test_other_paths_and_categories_are_refused(path: str) -> None:
    with pytest.raises(HandshakeRefused):
        Listener(simulate("binanceusdm"), "binanceusdm", path)


@pytest.mark.parametrize(("venue", "limit"), [("binance", 5), ("binanceusdm", 10)])
def test_too_many_commands_a_second_close_the_connection(venue: str, limit: int) -> None:
    simulation = simulate(venue)
    listener = Listener(simulation, venue)
    for count in range(limit):
        listener.say({"method": "LIST_SUBSCRIPTIONS", "id": count})
    assert listener.ended is None
    listener.say({"method": "LIST_SUBSCRIPTIONS", "id": 99})
    assert listener.close_code == 1008
    patient = Listener(simulation, venue)
    for count in range(2 * limit):
        patient.say({"method": "LIST_SUBSCRIPTIONS", "id": count})
        run(simulation, 0.3)
    assert patient.ended is None


def test_the_server_pings_and_closes_connections_of_age() -> None:
    simulation = simulate("binance", ping_s=2.0, connection_limit_s=9.0)
    listener = Listener(simulation, "binance")
    run(simulation, 8.5)
    assert listener.count(PING) == 4
    assert listener.ended is None
    run(simulation, 1)
    assert listener.close_code == 1001


@pytest.mark.parametrize(
    ("venue", "limit", "levels", "weight"),
    [
        ("binance", None, 100, 5),
        ("binance", "101", 101, 25),
        ("binance", "1000", 1000, 50),
        ("binance", "5000", 1200, 250),
        ("binance", "99999", 1200, 250),
        ("binanceusdm", None, 500, 10),
        ("binanceusdm", "1000", 1000, 20),
        ("binancecoinm", "50", 50, 2),
    ],
)
def test_depth_limits_truncate_and_cost_weight(venue: str, limit: str | None, levels: int, weight: int) -> None:
    simulation = simulate(venue, depth=1200, mode="levels")
    query = {"symbol": simulation.place(venue).venue.market(SYMBOLS[venue]).venue_id} | (
        {"limit": limit} if limit else {}
    )
    reply = rest(simulation, venue, f"{prefix(simulation, venue)}/depth", query)
    body = msgspec.json.decode(reply.body)
    assert (len(body["bids"]), len(body["asks"])) == (levels, levels)
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def prefix(simulation: Any, venue: str) -> str:
    path: str = simulation.place(venue).dialect.prefix
    return path


@pytest.mark.parametrize(
    ("venue", "query", "code"),
    [
        ("binance", {"symbol": "NOSUCH"}, -1121),
        ("binanceusdm", {"symbol": "NOSUCH"}, -1121),
        ("binanceusdm", {"symbol": "BTCUSDT", "limit": "400"}, -4021),
    ],
)
def test_bad_depth_calls_get_the_venues_error_codes(venue: str, query: dict[str, str], code: int) -> None:
    simulation = simulate(venue)
    reply = rest(simulation, venue, f"{prefix(simulation, venue)}/depth", query)
    assert (reply.status, msgspec.json.decode(reply.body)["code"]) == (400, code)


def test_weight_above_the_minutes_limit_is_refused_then_banned_then_forgiven() -> None:
    simulation = simulate("binance", weight_limit=500)
    query = {"symbol": "BTCUSDT", "limit": "1000"}
    statuses = [rest(simulation, "binance", "/api/v3/depth", query).status for _ in range(40)]
    assert statuses == [200] * 10 + [429] * 20 + [418] * 10
    reply = rest(simulation, "binance", "/api/v3/depth", query)
    assert 1 <= int(reply.headers["Retry-After"]) <= 60
    run(simulation, 60)
    assert rest(simulation, "binance", "/api/v3/depth", query).status == 200


def test_a_limit_of_zero_means_no_limit() -> None:
    simulation = simulate("binance", weight_limit=0)
    query = {"symbol": "BTCUSDT", "limit": "5000"}
    assert {rest(simulation, "binance", "/api/v3/depth", query).status for _ in range(50)} == {200}


def test_a_path_that_is_not_simulated_is_not_found() -> None:
    assert rest(simulate("binance"), "binance", "/api/v3/klines").status == 404


def test_orders_are_not_taken_where_nothing_is_matched() -> None:
    assert rest(simulate("binance", mode="levels"), "binance", "/api/v3/order", method="POST").status == 404


def test_prices_of_calls_agree_with_the_book(ask: Any) -> None:
    simulation = simulate("binanceusdm")
    depth = ask(simulation, "binanceusdm", "/fapi/v1/depth", symbol="BTCUSDT", limit="5")
    ticker = ask(simulation, "binanceusdm", "/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
    assert [ticker["bidPrice"], ticker["bidQty"]] == depth["bids"][0]
    assert [ticker["askPrice"], ticker["askQty"]] == depth["asks"][0]
    assert ticker["lastUpdateId"] == depth["lastUpdateId"]
    premium = ask(simulation, "binanceusdm", "/fapi/v1/premiumIndex", symbol="BTCUSDT")
    middle = (Decimal(depth["bids"][0][0]) + Decimal(depth["asks"][0][0])) / 2
    assert Decimal(premium["markPrice"]) == middle  # by which accounts are marked too


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("venue", "name"),
    [("binance", "binance-spot/btcusdt_20240808.gz"), ("binanceusdm", "binance-usdm/btcusdt_20240808.gz")],
)
def test_messages_have_the_recorded_fields_in_the_recorded_order(venue: str, name: str) -> None:
    recorded: dict[str, Any] = {}
    for _, frame in read_lines(recording(name)):
        message = msgspec.json.decode(frame)
        kind = message["stream"].split("@")[1] if "stream" in message else "snapshot"
        recorded.setdefault(kind, message.get("data", message))
        if len(recorded) == 4:
            break
    simulation = simulate(venue, events_per_s=300)
    listener = Listener(simulation, venue, "/stream")
    for kind in ("depth", "bookTicker", "trade"):
        listener.subscribe(SYMBOLS[venue], kind)
    run(simulation, 3)
    seen: dict[str, Any] = {}
    for message in listener.messages():
        seen.setdefault(message["stream"].split("@")[1], message["data"])
    path = f"{prefix(simulation, venue)}/depth"
    seen["snapshot"] = msgspec.json.decode(rest(simulation, venue, path, {"symbol": "BTCUSDT"}).body)
    for kind, message in recorded.items():
        assert list(seen[kind]) == list(message), kind
        for field, value in message.items():
            assert type(seen[kind][field]) is type(value), (kind, field)
    for row, example in zip(seen["depth"]["b"][0], recorded["depth"]["b"][0], strict=True):
        assert len(row.partition(".")[2]) == len(example.partition(".")[2]), "as many decimals as recorded"
