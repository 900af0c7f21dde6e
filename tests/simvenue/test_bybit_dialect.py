"""Bybit's words, channels and REST answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import START_NS, rest, run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.test_truth import Replica, check
from tests.support.recordings import recording
from xetrade_core.simvenue import Fault, RecordingConfig, SimConfig, Simulation, VenueConfig
from xetrade_core.simvenue.admin import truth
from xetrade_core.simvenue.dialects.base import HandshakeRefused

BOTH = ("BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC")


def listening(simulation: Simulation, category: str, *topics: str) -> Listener:
    listener = Listener(simulation, "bybit", f"/v5/public/{category}")
    listener.say({"op": "subscribe", "req_id": "9", "args": list(topics)})
    return listener


def test_a_subscription_is_answered_by_its_id_then_greeted_with_a_snapshot() -> None:
    simulation = simulate("bybit")
    listener = listening(simulation, "spot", "orderbook.50.BTCUSDT")
    (answer,) = listener.messages()
    assert (answer["success"], answer["req_id"], answer["op"]) == (True, "9", "subscribe")
    run(simulation, 0.5)
    kinds = [message["type"] for message in listener.messages()]
    assert kinds == ["snapshot", *["delta"] * (len(kinds) - 1)]
    assert len(kinds) > 2


@pytest.mark.parametrize(
    "topics", [["orderbook.50.NOSUCH"], ["orderbook.500.BTCUSDT"], ["orderbook.50.BTCUSDT", "orderbook.50.BTCUSD"]]
)
def test_a_request_with_one_topic_that_does_not_exist_there_is_refused_as_a_whole(topics: list[str]) -> None:
    simulation = simulate("bybit", symbols=BOTH)
    listener = listening(simulation, "spot", *topics)
    (answer,) = listener.messages()
    assert not answer["success"]
    assert answer["ret_msg"] == f"error:handler not found,topic:{topics[-1]}"
    assert listener.session.names == {}


def test_spot_takes_ten_topics_a_request_and_contracts_any_number() -> None:
    simulation = simulate("bybit", symbols=BOTH)
    eleven = ["tickers.BTCUSDT"] * 11
    assert [m["success"] for m in listening(simulation, "spot", *eleven).messages()] == [False]
    assert [m["success"] for m in listening(simulation, "linear", *eleven).messages()] == [True]


def test_the_path_says_which_of_two_instruments_of_the_same_id_is_meant() -> None:
    simulation = simulate("bybit", symbols=BOTH)
    spot = listening(simulation, "spot", "orderbook.1.BTCUSDT")
    linear = listening(simulation, "linear", "orderbook.1.BTCUSDT")
    assert list(spot.session.names.values()) == [("BTC/USDT", "orderbook.1")]
    assert list(linear.session.names.values()) == [("BTC/USDT:USDT", "orderbook.1")]
    with pytest.raises(HandshakeRefused):
        Listener(simulation, "bybit", "/v5/public/stocks")


def test_a_ping_is_answered_and_a_client_that_never_speaks_is_cut_off() -> None:
    simulation = simulate("bybit", idle_s=0.1)
    silent, speaking = (listening(simulation, "spot", "tickers.BTCUSDT") for _ in range(2))
    for _ in range(12):
        run(simulation, 0.2)
        speaking.say('{"op":"ping"}')
    pongs = [message for message in speaking.messages() if message.get("ret_msg") == "pong"]
    assert len(pongs) == 12
    assert (silent.ended, speaking.ended) == ("close", None)


@pytest.mark.parametrize("depth", [1, 50, 200, 1000])
def test_each_channel_shows_as_many_of_the_best_levels_as_its_name_says(depth: int) -> None:
    simulation = simulate("bybit", depth=300, events_per_s=400)
    market = simulation.place("bybit").venue.market("BTC/USDT")
    listener = listening(simulation, "spot", f"orderbook.{depth}.BTCUSDT")
    listener.frames.clear()
    replica, at = Replica(), None
    for _ in range(30):
        run(simulation, 0.1)
        for message in listener.messages():
            data = message["data"]
            assert at is None or data["u"] == at + 1
            replica.apply(data["b"], data["a"])
            at = data["u"]
            check(replica, market, at, depth)
            assert len(replica.bids) <= depth
    assert at == market.published_id


def test_after_maintenance_the_service_counts_anew_with_a_snapshot() -> None:
    simulation = simulate("bybit")
    simulation.board.add(Fault("maintenance", for_=0.5), simulation.now_ns)
    run(simulation, 1)
    listener = listening(simulation, "spot", "orderbook.50.BTCUSDT")
    simulation.board.add(Fault("sequence_reset"), simulation.now_ns)
    run(simulation, 0.5)
    first, *others = [message for message in listener.messages() if "topic" in message]
    assert (first["type"], first["data"]["u"]) == ("snapshot", 1) or others[0]["data"]["u"] == 1
    ids = [message["data"]["u"] for message in (first, *others)]
    assert ids[ids.index(1) :] == list(range(1, len(ids[ids.index(1) :]) + 1))


def test_the_book_over_rest_is_the_true_one_at_its_id(ask: Any) -> None:
    simulation = simulate("bybit", symbols=BOTH)
    run(simulation, 0.55)
    for category, symbol, venue_id in (("spot", "BTC/USDT", "BTCUSDT"), ("linear", "BTC/USDT:USDT", "BTCUSDT")):
        book = ask(simulation, "bybit", "/v5/market/orderbook", category=category, symbol=venue_id, limit="50")[
            "result"
        ]
        true = truth(simulation.place("bybit").venue.market(symbol), book["u"], 50)
        assert [[float(price), float(size)] for price, size in book["b"]] == true["bids"]
        assert [[float(price), float(size)] for price, size in book["a"]] == true["asks"]


def test_lists_come_in_pages_with_a_cursor(ask: Any) -> None:
    symbols = tuple(f"SIM{n:03d}/USDT:USDT" for n in range(5))
    simulation = simulate("bybit", symbols=symbols)
    found, cursor = [], ""
    for _ in range(3):
        query = {"category": "linear", "limit": "2", "cursor": cursor}
        result = ask(simulation, "bybit", "/v5/market/instruments-info", **query)["result"]
        found += [row["symbol"] for row in result["list"]]
        cursor = result["nextPageCursor"]
    assert found == [f"SIM{n:03d}USDT" for n in range(5)]
    assert cursor == ""


def test_funding_history_is_newest_first_and_at_most_200_rows(ask: Any) -> None:
    simulation = simulate("bybit", symbols=BOTH)
    path, hour = "/v5/market/funding/history", 3_600_000
    start, end = START_NS // 10**6 - 3000 * hour, START_NS // 10**6
    query = {"category": "linear", "symbol": "BTCUSDT"}
    rows = ask(simulation, "bybit", path, **query, startTime=str(start), endTime=str(end))["result"]["list"]
    times = [int(row["fundingRateTimestamp"]) for row in rows]
    assert len(times) == 200
    assert times == sorted(times, reverse=True)
    assert times[0] > end - 8 * hour
    assert ask(simulation, "bybit", path, **query, startTime=str(start))["retCode"] == 10001
    assert ask(simulation, "bybit", path, category="spot", symbol="BTCUSDT")["retCode"] == 10001


@pytest.mark.parametrize("query", [{"category": "stocks"}, {"category": "spot", "symbol": "NOSUCH"}, {}])
def test_bad_calls_are_answered_with_the_venues_code(query: dict[str, str]) -> None:
    reply = rest(simulate("bybit"), "bybit", "/v5/market/orderbook", query)
    assert (reply.status, msgspec.json.decode(reply.body)["retCode"]) == (200, 10001)


def test_too_many_calls_are_refused_for_a_while() -> None:
    simulation = simulate("bybit")
    statuses = [rest(simulation, "bybit", "/v5/market/time").status for _ in range(601)]
    assert statuses == [200] * 600 + [403]


@pytest.mark.recordings
@pytest.mark.parametrize("depth", [50, 200])
def test_the_recorded_history_is_served_through_the_channels_of_today(depth: int) -> None:
    source = RecordingConfig(path=str(recording("bybit/xrpusdt-ob500.data.zip")))
    config = VenueConfig(symbols=("XRP/USDT:USDT",), recording=source)
    simulation = Simulation(SimConfig(venues={"bybit": config}), 0, lambda: 0)
    market = simulation.place("bybit").venue.market("XRP/USDT:USDT")
    listener = listening(simulation, "linear", f"orderbook.{depth}.XRPUSDT")
    listener.frames.clear()
    replica, seen = Replica(), []
    for _ in range(60):
        run(simulation, 0.1)
        for message in listener.messages():
            replica.apply(message["data"]["b"], message["data"]["a"])
            seen.append(message["data"]["u"])
        if seen:
            check(replica, market, seen[-1], depth)
    assert seen[-1] == 20254918
    assert seen == list(range(seen[0], seen[-1] + 1))
