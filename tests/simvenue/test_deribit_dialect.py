"""Deribit's JSON-RPC, channels and REST answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import rest, run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.test_truth import Replica, check
from tests.support.recordings import recording
from xetrade_core.simvenue.playback import read_lines

BOOK = "book.BTC-PERPETUAL.100ms"
PERPETUAL = "BTC/USD:BTC"


def call(method: str, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 7, "method": f"public/{method}", "params": params}


def test_a_subscription_is_answered_with_the_channels_taken_then_greeted_with_the_whole_book() -> None:
    simulation = simulate("deribit")
    listener = Listener(simulation, "deribit", "/ws/api/v2")
    listener.say(call("subscribe", channels=[BOOK, "book.NO-SUCH.100ms", "gossip.BTC-PERPETUAL.100ms"]))
    (answer,) = listener.messages()
    assert (answer["id"], answer["result"]) == (7, [BOOK])
    run(simulation, 0.5)
    first, *rest_of_them = listener.messages()
    assert first["params"]["channel"] == BOOK
    assert first["params"]["data"]["type"] == "snapshot"
    assert {message["params"]["data"]["type"] for message in rest_of_them} == {"change"}


def test_changes_on_top_of_the_snapshot_give_the_truth_and_each_level_its_word() -> None:
    simulation = simulate("deribit", events_per_s=300)
    market = simulation.place("deribit").venue.market(PERPETUAL)
    listener = Listener(simulation, "deribit")
    listener.subscribe(PERPETUAL, "book")
    replica, at, words = Replica(), None, set()
    for _ in range(40):
        run(simulation, 0.1)
        for message in listener.messages():
            data = message["params"]["data"]
            assert data.get("prev_change_id") == at
            for side, rows in ((replica.bids, data["bids"]), (replica.asks, data["asks"])):
                for word, price, size in rows:
                    words.add(word)
                    assert (price in side) is (word != "new")
                    assert (size == 0) is (word == "delete")
            replica.apply([row[1:] for row in data["bids"]], [row[1:] for row in data["asks"]])
            at = data["change_id"]
            check(replica, market, at, 100)
    assert words == {"new", "change", "delete"}
    assert at == market.published_id


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (call("subscribe", channels=[]), -32602),
        (call("subscribe"), -32602),
        (call("dance"), -32601),
        (call("set_heartbeat", interval=3), -32602),
        (call("ticker", instrument_name="NO-SUCH"), 13020),
        ("what?", -32700),
    ],
)
def test_bad_calls_are_answered_with_the_venues_codes(message: object, code: int) -> None:
    listener = Listener(simulate("deribit"), "deribit")
    listener.say(message)
    (answer,) = listener.messages()
    assert answer["error"]["code"] == code


def test_a_client_with_a_heartbeat_is_asked_and_cut_off_when_it_does_not_answer() -> None:
    simulation = simulate("deribit")
    silent, answering, without = (Listener(simulation, "deribit") for _ in range(3))
    for one in (silent, answering):
        one.say(call("set_heartbeat", interval=10))
        assert one.messages()[0]["result"] == "ok"
    for _ in range(25):
        run(simulation, 1)
        for message in answering.messages():
            if message.get("method") == "heartbeat":
                assert message["params"] == {"type": "test_request"}
                answering.say(call("test"))
    assert (silent.ended, answering.ended, without.ended) == ("close", None, None)


def test_rest_answers_and_refuses_as_the_venue(ask: Any) -> None:
    simulation = simulate("deribit", symbols=(PERPETUAL, "BTC/USD:BTC-261225-100000-C", "ETH/USDC"))
    run(simulation, 1)
    path = "/api/v2/public/"
    assert ask(simulation, "deribit", path + "get_time")["result"] == simulation.now_ns // 10**6
    book = ask(simulation, "deribit", path + "get_order_book", instrument_name="BTC-PERPETUAL", depth="20")["result"]
    assert (len(book["bids"]), len(book["asks"])) == (20, 20)
    names = [row["instrument_name"] for row in ask(simulation, "deribit", path + "get_instruments")["result"]]
    assert names == ["BTC-PERPETUAL", "BTC-25DEC26-100000-C", "ETH_USDC"]
    options = ask(simulation, "deribit", path + "get_instruments", currency="BTC", kind="option")["result"]
    assert [(row["strike"], row["option_type"], row["quote_currency"]) for row in options] == [
        (100000.0, "call", "BTC")
    ]
    refused = rest(simulation, "deribit", path + "get_order_book", {"instrument_name": "NO-SUCH"})
    assert (refused.status, msgspec.json.decode(refused.body)["error"]["code"]) == (400, 13020)
    nothing = rest(simulation, "deribit", path + "dance")
    assert (nothing.status, msgspec.json.decode(nothing.body)["error"]["code"]) == (400, -32601)


def test_funding_is_told_by_the_hour_and_over_eight(ask: Any) -> None:
    simulation = simulate("deribit")
    now_ms = simulation.now_ns // 10**6
    query = {"instrument_name": "BTC-PERPETUAL", "start_timestamp": str(now_ms - 50 * 3_600_000)}
    path = "/api/v2/public/get_funding_rate_"
    rows = ask(simulation, "deribit", path + "history", **query, end_timestamp=str(now_ms))["result"]
    assert len(rows) == 50
    for index in range(7, 50):
        paid = sum(row["interest_1h"] for row in rows[index - 7 : index + 1])
        assert rows[index]["interest_8h"] == pytest.approx(paid)
    value = ask(simulation, "deribit", path + "value", **query, end_timestamp=str(now_ms))["result"]
    assert value == pytest.approx(sum(row["interest_1h"] for row in rows))
    long = ask(simulation, "deribit", path + "history", **{**query, "start_timestamp": "0"})["result"]
    assert (len(long), long[-1]) == (744, rows[-1])


@pytest.mark.recordings
def test_book_messages_have_the_recorded_fields_and_number_format() -> None:
    frames = [msgspec.json.decode(frame) for _, frame in read_lines(recording("deribit/DERIBIT.ws.1.0.gz"))]
    recorded = [frame for frame in frames if frame.get("params", {}).get("channel", "").startswith("book.")]
    simulation = simulate("deribit")
    listener = Listener(simulation, "deribit")
    listener.subscribe(PERPETUAL, "book")
    run(simulation, 2)
    seen = listener.messages()
    theirs = {frame["params"]["data"]["type"]: frame for frame in recorded}
    for ours in (seen[0], seen[1]):
        like = theirs[ours["params"]["data"]["type"]]
        assert list(ours) == list(like)
        assert list(ours["params"]["data"]) == list(like["params"]["data"])
        for row in ours["params"]["data"]["bids"]:
            assert [type(value) for value in row] == [str, float, float]
