"""KuCoin's ticket, topics, every single change, and REST answers, of spot and of futures."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import START_NS, rest, run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.test_truth import Replica, check
from tests.support.recordings import recording
from xetrade_core.simvenue import RecordingConfig, SimConfig, Simulation, VenueConfig
from xetrade_core.simvenue.dialects.base import HandshakeRefused

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
BOTH = pytest.mark.parametrize("venue", ["kucoin", "kucoinfutures"])


def command(topic: str, kind: str = "subscribe", **more: object) -> dict[str, object]:
    return {"id": "7", "type": kind, "topic": topic, "response": True, **more}


@BOTH
def test_a_handshake_without_a_token_that_was_given_is_refused(venue: str) -> None:
    simulation = simulate(venue)
    for query in ({}, {"token": "made-up"}):
        with pytest.raises(HandshakeRefused, match="401"):
            Listener(simulation, venue, query=query)
    with pytest.raises(HandshakeRefused, match="404"):
        Listener(simulation, venue, "/elsewhere")
    assert Listener(simulation, venue).ended is None


def test_the_ticket_names_the_host_that_was_called() -> None:
    simulation = simulate("kucoin")
    outcome = simulation.place("kucoin").rest(
        "POST", "/api/v1/bullet-public", {}, simulation.now_ns, START_NS, host="127.0.0.1:4711"
    )
    data = msgspec.json.decode(outcome.reply.body)["data"]
    assert data["instanceServers"][0]["endpoint"] == "ws://127.0.0.1:4711/endpoint"
    assert data["instanceServers"][0]["pingInterval"] == 18_000
    assert len(data["token"]) == 32


@BOTH
def test_a_client_that_does_not_ping_is_cut_off_whatever_it_is_sent(venue: str) -> None:
    simulation = simulate(venue, idle_s=0.5)
    silent, pinging = Listener(simulation, venue), Listener(simulation, venue)
    for listener in (silent, pinging):
        listener.subscribe(SPOT if venue == "kucoin" else SWAP, "level2")
    for _ in range(10):
        run(simulation, 0.1)
        pinging.say({"id": "3", "type": "ping"})
    assert silent.ended == "close"
    assert pinging.ended is None
    assert {"id": "3", "type": "pong"} in pinging.messages()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (command("/market/level2:NO-SUCH"), 404),
        (command("/market/level2:BTC-USDT,NO-SUCH"), 404),
        (command("/market/gossip:BTC-USDT"), 404),
        (command("/market/level2:BTC-USDT", "dance"), 406),
        (command("/market/level2:" + ",".join(["BTC-USDT"] * 101)), 509),
        ({"type": "subscribe", "topic": "/market/level2:BTC-USDT"}, 406),
        ("what?", 400),
    ],
)
def test_bad_requests_are_refused_as_a_whole_with_a_code(message: object, code: int) -> None:
    listener = Listener(simulate("kucoin"), "kucoin")
    listener.say(message)
    (answer,) = listener.messages()
    assert (answer["type"], answer["code"]) == ("error", code)
    assert listener.session.names == {}


def test_spot_sends_every_change_with_its_sequence_on_top_of_a_part_of_the_book(ask: Any) -> None:
    simulation = simulate("kucoin", events_per_s=300)
    market = simulation.place("kucoin").venue.market(SPOT)
    listener = Listener(simulation, "kucoin")
    listener.subscribe(SPOT, "level2")
    run(simulation, 0.35)
    body = ask(simulation, "kucoin", "/api/v1/market/orderbook/level2_100", symbol="BTC-USDT")["data"]
    replica, at = Replica(), int(body["sequence"])
    replica.apply(body["bids"], body["asks"])
    check(replica, market, at, 60)
    run(simulation, 2)
    applied = 0
    for message in listener.messages():
        data = message["data"]
        sides = data["changes"]
        numbered = sorted(int(row[2]) for rows in sides.values() for row in rows)
        assert numbered == list(range(data["sequenceStart"], data["sequenceEnd"] + 1))
        if data["sequenceEnd"] <= at:
            continue
        assert data["sequenceStart"] <= at + 1
        replica.apply([row[:2] for row in sides["bids"]], [row[:2] for row in sides["asks"]])
        at, applied = data["sequenceEnd"], applied + 1
        check(replica, market, at, 60)
    assert applied > 15


def test_futures_send_one_change_a_message_on_top_of_the_whole_book(ask: Any) -> None:
    simulation = simulate("kucoinfutures", events_per_s=300)
    market = simulation.place("kucoinfutures").venue.market(SWAP)
    listener = Listener(simulation, "kucoinfutures")
    listener.subscribe(SWAP, "level2")
    body = ask(simulation, "kucoinfutures", "/api/v1/level2/snapshot", symbol="XBTUSDTM")["data"]
    assert len(body["bids"]) == 60
    replica, at = Replica(), body["sequence"]
    replica.apply(body["bids"], body["asks"])
    run(simulation, 2)
    messages = listener.messages()
    assert len(messages) > 200
    for message in messages:
        data = message["data"]
        assert data["sequence"] == at + 1
        price, side, size = data["change"].split(",")
        level = [[price, size]]
        replica.apply(level if side == "buy" else [], level if side == "sell" else [])
        at = data["sequence"]
        check(replica, market, at, 60)


@BOTH
def test_other_topics_tell_the_same_touch(venue: str) -> None:
    symbol = SPOT if venue == "kucoin" else SWAP
    simulation = simulate(venue)
    market = simulation.place(venue).venue.market(symbol)
    listener = Listener(simulation, venue)
    prefixes = simulation.place(venue).dialect.prefixes  # type: ignore[attr-defined]
    for prefix in prefixes.values():
        listener.say(command(f"{prefix}:{market.venue_id}"))
    run(simulation, 3)
    messages = listener.messages()
    last = {message["topic"].partition(":")[0]: message["data"] for message in messages if message["type"] == "message"}
    assert set(last) == set(prefixes.values())
    bid = market.numbers.price(market.levels.bids(1)[0][0])
    told = {
        "kucoin": lambda: (
            last["/spotMarket/level2Depth5"]["bids"][0][0],
            last["/spotMarket/level1"]["bids"][0],
            last["/market/ticker"]["bestBid"],
            last["/market/snapshot"]["data"]["buy"],
        ),
        "kucoinfutures": lambda: (
            last["/contractMarket/level2Depth5"]["bids"][0][0],
            last["/contractMarket/tickerV2"]["bestBidPrice"],
            last["/contractMarket/ticker"]["bestBidPrice"],
        ),
    }[venue]()
    assert set(told) == {bid}


def test_funding_of_a_contract_now_and_before(ask: Any) -> None:
    simulation = simulate("kucoinfutures", symbols=(SWAP, "BTC/USD:BTC"))
    now = ask(simulation, "kucoinfutures", "/api/v1/funding-rate/XBTUSDTM/current")["data"]
    assert now["fundingTime"] - now["timePoint"] == now["granularity"] == 28_800_000
    end, hour = START_NS // 10**6, 3_600_000
    query = {"symbol": "XBTUSDTM", "from": str(end - 2000 * hour), "to": str(end)}
    rows = ask(simulation, "kucoinfutures", "/api/v1/contract/funding-rates", **query)["data"]
    times = [row["timepoint"] for row in rows]
    assert len(times) == 100
    assert all(before - after == 8 * hour for before, after in pairwise(times))
    assert ask(simulation, "kucoinfutures", "/api/v1/contract/funding-rates", symbol="XBTUSDTM")["code"] == "400100"
    assert {row["symbol"] for row in ask(simulation, "kucoinfutures", "/api/ua/v2/market/funding-rate")["data"]} == {
        "XBTUSDTM",
        "XBTUSDM",
    }


@BOTH
def test_calls_beyond_the_pool_are_refused_until_it_is_full_again(venue: str) -> None:
    simulation = simulate(venue)
    replies = [rest(simulation, venue, "/api/v1/timestamp") for _ in range(667)]
    assert [reply.status for reply in replies] == [200] * 666 + [429]
    assert msgspec.json.decode(replies[-1].body)["code"] == "429000"
    assert 0 < int(replies[-1].headers["gw-ratelimit-reset"]) <= 30_000


@pytest.mark.recordings
def test_the_recorded_pairs_are_served_with_the_snapshots_beside_them() -> None:
    symbols = ("BSV/USDT", "ANKR/BTC")
    source = RecordingConfig(path=str(recording("kucoin/KUCOIN.ws.1.0.gz")))
    simulation = Simulation(
        SimConfig(venues={"kucoin": VenueConfig(symbols=symbols, recording=source)}), START_NS, lambda: START_NS
    )
    listener = Listener(simulation, "kucoin")
    for symbol in symbols:
        listener.subscribe(symbol, "level2")
    run(simulation, 10)
    body = rest(simulation, "kucoin", "/api/v1/market/orderbook/level2_100", {"symbol": "BCHSV-USDT"}).body
    book = msgspec.json.decode(body)["data"]
    market = simulation.place("kucoin").venue.market("BSV/USDT")
    replica = Replica()
    replica.apply(book["bids"], book["asks"])
    at = int(book["sequence"])
    check(replica, market, at, 20)
    listener.frames.clear()
    run(simulation, 22)
    applied = 0
    for message in listener.messages():
        data = message["data"]
        if data["symbol"] != "BCHSV-USDT":
            continue
        assert data["sequenceStart"] == at + 1
        real = {side: [row[:2] for row in rows if row[0] != "0"] for side, rows in data["changes"].items()}
        replica.apply(real["bids"], real["asks"])
        at, applied = data["sequenceEnd"], applied + 1
    assert applied > 100
    check(replica, market, at, 20)
