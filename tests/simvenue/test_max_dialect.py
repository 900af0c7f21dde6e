"""MAX's actions, channels and REST answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simvenue.conftest import rest, run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.test_truth import Replica, check
from tests.support.recordings import recording

SYMBOL = "BTC/TWD"
BOOK = {"channel": "book", "market": "btctwd", "depth": 50}


def test_a_subscription_is_acknowledged_for_what_exists_then_greeted_with_a_snapshot() -> None:
    simulation = simulate("max")
    listener = Listener(simulation, "max", "/ws")
    listener.say({"action": "sub", "subscriptions": [BOOK, {"channel": "book", "market": "nosuch"}], "id": "c1"})
    (acknowledged,) = listener.messages()
    assert (acknowledged["e"], acknowledged["s"], acknowledged["i"]) == ("subscribed", [BOOK], "c1")
    run(simulation, 0.5)
    first, *updates = listener.messages()
    assert (first["e"], first["fi"], first["li"]) == ("snapshot", first["li"], first["li"])
    assert {message["e"] for message in updates} == {"update"}


@pytest.mark.parametrize("depth", [5, 50])
def test_updates_on_top_of_the_snapshot_give_the_truth_within_the_depth_asked_for(depth: int) -> None:
    simulation = simulate("max", events_per_s=300, depth=80)
    market = simulation.place("max").venue.market(SYMBOL)
    listener = Listener(simulation, "max")
    listener.say({"action": "sub", "subscriptions": [{**BOOK, "depth": depth}], "id": "c1"})
    listener.frames.clear()
    replica, at = Replica(), None
    for _ in range(40):
        run(simulation, 0.1)
        for message in listener.messages():
            assert at is None or message["fi"] == at + 1
            replica.apply(message["b"], message["a"])
            at = message["li"]
            check(replica, market, at, depth)
    assert at == market.published_id


def test_maintenance_makes_another_version(ask: Any) -> None:
    simulation = simulate("max")
    before = ask(simulation, "max", "/api/v3/depth", market="btctwd")["last_update_version"]
    simulation.place("max").venue.reset_sequences()
    assert ask(simulation, "max", "/api/v3/depth", market="btctwd")["last_update_version"] > before


@pytest.mark.parametrize(
    ("message", "error"), [("what?", "E-1005: invalid json"), ({"action": "dance"}, "E-1004: invalid action")]
)
def test_bad_actions_are_answered_with_the_venues_codes(message: object, error: str) -> None:
    listener = Listener(simulate("max"), "max")
    listener.say(message)
    (answer,) = listener.messages()
    assert (answer["e"], answer["E"]) == ("error", [error])


def test_a_client_that_never_pings_is_closed_after_130_seconds() -> None:
    simulation = simulate("max", depth=5, events_per_s=1)
    silent, pinging = Listener(simulation, "max"), Listener(simulation, "max")
    for _ in range(14):
        run(simulation, 10)
        pinging.session.heard_ns = simulation.now_ns  # what the server notes with each frame it reads
    assert (silent.ended, pinging.ended) == ("close", None)


def test_depth_lists_both_sides_by_falling_price_unless_asked_otherwise(ask: Any) -> None:
    simulation = simulate("max")
    query = {"market": "btctwd", "limit": "10"}
    book = ask(simulation, "max", "/api/v3/depth", **query)
    prices = [[float(row[0]) for row in book[side]] for side in ("asks", "bids")]
    assert all(side == sorted(side, reverse=True) for side in prices)
    best = ask(simulation, "max", "/api/v3/depth", **query, sort_by_price="true")["asks"][0]
    assert best == book["asks"][-1]
    assert rest(simulation, "max", "/api/v3/depth", {"market": "nosuch"}).status == 400


def test_a_limit_names_the_moment_of_its_end() -> None:
    simulation = simulate("max")
    dialect = simulation.place("max").dialect
    reply = dialect.limited(429, dialect.retry_after(30, simulation.now_ns))
    assert reply.headers == {"Retry-After": str(simulation.now_ns // 10**9 + 30)}


def test_a_lot_of_a_thousand_is_a_precision_of_minus_three(ask: Any) -> None:
    simulation = simulate("max", symbols=("SHIB/TWD",))
    (row,) = ask(simulation, "max", "/api/v3/markets")
    assert (row["id"], row["base_unit_precision"], row["quote_unit_precision"]) == ("shibtwd", -3, 6)
    (best,) = ask(simulation, "max", "/api/v3/depth", market="shibtwd", limit="1")["bids"]
    assert best[1].endswith("000.0")


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["markets", "depth", "ticker", "timestamp"])
def test_rest_answers_have_the_recorded_fields(ask: Any, name: str) -> None:
    theirs = json.loads(recording(f"max/{name}.json").read_bytes())
    ours = ask(simulate("max"), "max", f"/api/v3/{name}", market="btctwd")
    if name == "markets":
        theirs, ours = theirs[0], ours[0]
    assert list(ours)[: len(theirs)] == list(theirs)
    for key, value in theirs.items():
        number = (int, float)
        assert isinstance(ours[key], number if isinstance(value, number) else type(value)), key
