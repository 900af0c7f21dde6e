"""Derive's JSON-RPC, channels and lists."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import START_NS, rest, run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.test_truth import Replica, check

SYMBOL = "BTC/USDC:USDC"
BOOK = "orderbook.BTC-PERP.1.100"


def call(method: str, **params: object) -> dict[str, object]:
    return {"id": 7, "method": method, "params": params}


def post(simulation: Any, method: str, **params: object) -> Any:
    body = msgspec.json.encode(params)
    place = simulation.place("derive")
    reply = place.rest("POST", f"/v3/public/{method}", {}, simulation.now_ns, START_NS, body).reply
    return msgspec.json.decode(reply.body)


def test_a_subscription_has_a_status_for_each_channel_and_begins_with_the_book() -> None:
    simulation = simulate("derive")
    listener = Listener(simulation, "derive", "/v3/ws")
    listener.say(call("subscribe", channels=[BOOK, "orderbook.NO-SUCH.1.100", "orderbook.BTC-PERP.7.100"]))
    (answer,) = listener.messages()
    status = answer["result"]["status"]
    assert [status[channel] == "ok" for channel in status] == [True, False, False]
    assert answer["result"]["current_subscriptions"] == [BOOK]
    run(simulation, 0.3)
    assert {message["params"]["channel"] for message in listener.messages()} == {BOOK}


def test_each_message_is_the_true_top_of_the_book_under_the_next_id() -> None:
    simulation = simulate("derive", depth=150, events_per_s=300)
    market = simulation.place("derive").venue.market(SYMBOL)
    listener = Listener(simulation, "derive")
    listener.subscribe(SYMBOL, "orderbook")
    last = None
    for _ in range(30):
        run(simulation, 0.1)
        for message in listener.messages():
            data = message["params"]["data"]
            assert last is None or data["publish_id"] == last + 1
            last = data["publish_id"]
            replica = Replica()
            replica.apply(data["bids"], data["asks"])
            check(replica, market, last, 100)
            assert (len(data["bids"]), len(data["asks"])) == (100, 100)


def test_a_group_puts_ten_ticks_into_a_level_away_from_the_touch() -> None:
    simulation = simulate("derive", depth=200)
    fine, coarse = Listener(simulation, "derive"), Listener(simulation, "derive")
    fine.subscribe(SYMBOL, "orderbook")
    coarse.say(call("subscribe", channels=["orderbook.BTC-PERP.10.10"]))
    coarse.frames.clear()
    run(simulation, 0.3)
    whole, grouped = fine.messages()[-1]["params"]["data"], coarse.messages()[-1]["params"]["data"]
    assert whole["publish_id"] == grouped["publish_id"]
    for side, worse in (("bids", -1), ("asks", 1)):
        edges = [float(row[0]) for row in grouped[side]]
        assert len(edges) == 10
        assert all(edge == pytest.approx(round(edge)) for edge in edges), "ten ticks of 0.1"
        near = [row for row in whole[side] if (float(row[0]) - edges[0]) * worse <= 1e-9]
        assert float(grouped[side][0][1]) == pytest.approx(sum(float(row[1]) for row in near))


def test_lists_come_in_pages_of_one_kind() -> None:
    option = "BTC/USDC:USDC-261225-100000-C"
    simulation = simulate("derive", symbols=(SYMBOL, "ETH/USDC:USDC", "SOL/USDC:USDC", "ETH/USDC", option))
    pages = [
        post(simulation, "get_all_instruments", expired=False, instrument_type="perp", page=page, page_size=2)["result"]
        for page in (1, 2, 3)
    ]
    names = [[row["instrument_name"] for row in page["instruments"]] for page in pages]
    assert names == [["BTC-PERP", "ETH-PERP"], ["SOL-PERP"], []]
    assert pages[0]["pagination"] == {"num_pages": 2, "count": 3}
    (row,) = post(simulation, "get_all_instruments", instrument_type="option")["result"]["instruments"]
    assert (row["instrument_name"], row["option_details"]["strike"]) == ("BTC-20261225-100000-C", "100000")
    assert post(simulation, "get_all_instruments", instrument_type="shares")["error"]["code"] == -32602


def test_funding_is_hourly_and_thirty_days_at_most() -> None:
    simulation = simulate("derive")
    rows = post(simulation, "get_funding_rate_history", instrument_name="BTC-PERP")["result"]["funding_rate_history"]
    assert len(rows) == 720
    times = [row["timestamp"] for row in rows]
    assert {after - before for before, after in pairwise(times)} == {3_600_000}
    few = post(
        simulation,
        "get_funding_rate_history",
        instrument_name="BTC-PERP",
        start_timestamp=rows[5]["timestamp"],
        end_timestamp=rows[7]["timestamp"],
    )
    assert few["result"]["funding_rate_history"] == rows[5:8]


@pytest.mark.parametrize(
    ("message", "code"),
    [(call("subscribe", channels=[]), 13000), (call("dance"), -32601), ("what?", -32700)],
)
def test_bad_calls_are_answered_with_the_venues_codes(message: object, code: int) -> None:
    listener = Listener(simulate("derive"), "derive")
    listener.say(message)
    (answer,) = listener.messages()
    assert answer["error"]["code"] == code


def test_there_is_no_order_book_over_rest() -> None:
    simulation = simulate("derive")
    assert post(simulation, "get_order_book", instrument_name="BTC-PERP")["error"]["code"] == -32601
    assert post(simulation, "get_ticker", instrument_name="NO-SUCH")["error"]["code"] == 12001
    assert rest(simulation, "derive", "/v3/public/get_ticker").status == 404, "calls are POST"
