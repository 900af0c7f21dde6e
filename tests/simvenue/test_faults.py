"""Each fault does what it says, to whom it says, as often as it says, and is on the record with the ids concerned."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import START_NS, SYMBOLS, rest, run, simulate
from tests.simvenue.listener import BINARY, Listener
from tests.simvenue.words import WORDS, links
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue import Fault, Injection, Simulation
from xetrade_core.simvenue.dialects import DIALECTS
from xetrade_core.simvenue.faults import GARBLINGS, KINDS


def start(venue: str, **settings: Any) -> tuple[Simulation, Listener]:
    """A running venue and a subscriber of its book that has seen its first messages."""
    simulation = simulate(venue, **settings)
    listener = Listener(simulation, venue)
    listener.subscribe(SYMBOLS[venue], WORDS[venue].book)
    run(simulation, 0.5)
    listener.frames.clear()
    return simulation, listener


def inject(simulation: Simulation, **fault: Any) -> int:
    return simulation.board.add(msgspec.convert(fault, Fault), simulation.now_ns)


def injected(simulation: Simulation) -> list[Injection]:
    return list(simulation.board.injections)


def ids(venue: str, messages: list[dict[str, Any]]) -> list[int]:
    """The last sequence id of each book message."""
    return [last for _, _, last in links(venue, messages)]


def chain(venue: str, messages: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """(previous id, last id) of each book message."""
    return [(previous, last) for previous, _, last in links(venue, messages)]


@pytest.mark.parametrize("venue", list(DIALECTS))
def test_lost_frames_leave_exactly_the_recorded_holes(venue: str) -> None:
    simulation, listener = start(venue)
    inject(simulation, kind="lost", venue=venue, symbol=SYMBOLS[venue], count=2, probability=0.3)
    run(simulation, 3)
    chained = chain(venue, listener.messages())
    holes = [(before[1], after[0]) for before, after in pairwise(chained) if after[0] != before[1]]
    lost = injected(simulation)
    assert [fault.kind for fault in lost] == ["lost", "lost"]
    if lost[1].previous_id == lost[0].last_id:
        assert holes == [(lost[0].previous_id, lost[1].last_id)]
    else:
        assert holes == [(fault.previous_id, fault.last_id) for fault in lost]
    assert all(fault.connections == 1 for fault in lost)


@pytest.mark.parametrize("venue", list(DIALECTS))
def test_a_doubled_frame_comes_twice(venue: str) -> None:
    simulation, listener = start(venue)
    inject(simulation, kind="doubled", venue=venue)
    run(simulation, 1)
    texts = listener.texts()
    (doubled,) = injected(simulation)
    twice = [text for text in set(texts) if texts.count(text) == 2]
    assert ids(venue, [msgspec.json.decode(text) for text in twice]) == [doubled.last_id]
    assert len(texts) == len(set(texts)) + 1


@pytest.mark.parametrize("venue", list(DIALECTS))
def test_a_reordered_frame_comes_after_its_successor(venue: str) -> None:
    simulation, listener = start(venue)
    inject(simulation, kind="reordered", venue=venue)
    run(simulation, 1)
    came = ids(venue, listener.messages())
    (moved,) = injected(simulation)
    at = came.index(moved.last_id or 0)
    assert came[at - 1] > came[at]
    assert sorted(came) != came
    assert sorted(came) == sorted([*came[: at - 1], came[at], came[at - 1], *came[at + 1 :]])


def test_a_delayed_frame_holds_back_those_behind_it_and_order_is_kept() -> None:
    simulation, listener = start("binance")
    inject(simulation, kind="delayed", venue="binance", delay_s=0.5)
    run(simulation, 0.4)
    assert listener.messages() == []
    run(simulation, 0.6)
    chained = chain("binance", listener.messages())
    assert len(chained) >= 8
    assert all(after[0] == before[1] for before, after in pairwise(chained))


@pytest.mark.parametrize(("variant", "gapless"), [("resume", True), ("drop", False)])
def test_a_stall_sends_nothing_until_it_is_over(variant: str, gapless: bool) -> None:
    simulation, listener = start("okx")
    inject(simulation, kind="stall", venue="okx", variant=variant, **{"for": 1.0})
    run(simulation, 0.1)
    listener.frames.clear()
    run(simulation, 0.8)
    assert listener.messages() == []
    listener.say("ping")
    assert listener.texts() == [b"pong"], "the connection itself lives"
    run(simulation, 1)
    chained = chain("okx", listener.messages())
    held = [fault.previous_id for fault in injected(simulation)]
    assert (chained[0][0] == held[0]) is gapless


def test_a_stall_taken_back_ends() -> None:
    simulation, listener = start("binance")
    fault_id = inject(simulation, kind="stall", venue="binance")
    run(simulation, 1)
    listener.frames.clear()
    assert simulation.remove_fault(fault_id) == 1
    run(simulation, 0.1)
    assert len(listener.messages()) >= 9


@pytest.mark.parametrize("variant", GARBLINGS)
@pytest.mark.parametrize("venue", list(DIALECTS))
def test_garbled_frames_are_what_their_variant_says(venue: str, variant: str) -> None:
    simulation, listener = start(venue)
    inject(simulation, kind="garbled", venue=venue, variant=variant)
    run(simulation, 0.3)
    (fault,) = injected(simulation)
    assert (fault.variant, fault.symbol) == (variant, SYMBOLS[venue])
    if variant == "binary":
        assert listener.count(BINARY) == 1
        return
    texts = listener.texts()
    if variant in ("truncated", "not_json"):
        assert sum(1 for text in texts if not is_json(text)) == 1
        return
    messages = [msgspec.json.decode(text) for text in texts]
    expected = {
        "wrong_types": '"not a number"',
        "zero_price": '"0","1"|"0,buy,1"',
        "negative_size": '"1","-1"|"1,buy,-1"',
        "nan": '"NaN","1"|"NaN,buy,1"',
        "crossed": '"99999999","1"|"99999999,buy,1"',
        "unknown_symbol": "SUCHSYMBOL",
    }[variant]
    spoiled = [message for message in messages if re.search(expected, msgspec.json.encode(message).decode())]
    assert len(spoiled) >= 1, messages


def is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def test_garbling_without_a_variant_draws_one_and_records_which() -> None:
    simulation, _ = start("binance")
    inject(simulation, kind="garbled", venue="binance", count=30)
    run(simulation, 4)
    drawn = {fault.variant for fault in injected(simulation)}
    assert len(drawn) > 4
    assert drawn <= set(GARBLINGS)


def test_a_fault_of_one_symbol_spares_the_others() -> None:
    simulation = simulate("binance", symbols=("BTC/USDT", "ETH/USDT"))
    listener = Listener(simulation, "binance", "/stream")
    for symbol in ("BTC/USDT", "ETH/USDT"):
        listener.subscribe(symbol, "depth")
    inject(simulation, kind="lost", venue="binance", symbol="ETH/USDT", **{"for": 10.0})
    run(simulation, 2)
    assert {message["stream"] for message in listener.messages()} == {"btcusdt@depth@100ms"}


def test_a_later_fault_waits_for_its_time_and_leaves_after_its_duration() -> None:
    simulation, listener = start("binance")
    inject(simulation, kind="lost", venue="binance", at=1.0, **{"for": 1.0})
    run(simulation, 0.9)
    assert len(listener.messages()) == 9
    run(simulation, 1.1)
    assert len(listener.messages()) <= 2
    run(simulation, 1)
    assert len(listener.messages()) >= 9
    assert list(simulation.board.describe()) == []


@pytest.mark.parametrize("variant", [None, "close", "abort"])
def test_a_disconnect_ends_the_connections_of_its_venue(variant: str | None) -> None:
    simulation, listener = start("binance")
    fault = {"kind": "disconnect", "venue": "binance"} | ({"variant": variant} if variant else {})
    inject(simulation, **fault)
    run(simulation, 0.02)
    assert listener.ended == ("abort" if variant == "abort" else "close")
    assert listener.close_code == (None if variant == "abort" else 1001)
    assert injected(simulation)[0].connections == 1
    listener.frames.clear()
    run(simulation, 0.5)
    assert listener.frames == []


def test_a_disconnect_of_a_symbol_spares_connections_without_it() -> None:
    simulation = simulate("binance", symbols=("BTC/USDT", "ETH/USDT"))
    listeners = {symbol: Listener(simulation, "binance") for symbol in ("BTC/USDT", "ETH/USDT")}
    for symbol, listener in listeners.items():
        listener.subscribe(symbol, "depth")
    inject(simulation, kind="disconnect", venue="binance", symbol="ETH/USDT")
    run(simulation, 0.1)
    assert {symbol: listener.ended for symbol, listener in listeners.items()} == {"BTC/USDT": None, "ETH/USDT": "close"}


def test_a_half_open_connection_is_silent_and_stays() -> None:
    simulation, listener = start("okx")
    inject(simulation, kind="half_open", venue="okx")
    run(simulation, 0.02)
    listener.frames.clear()
    listener.say("ping")
    run(simulation, 5)
    assert listener.frames == []
    assert listener.ended is None
    later = Listener(simulation, "okx")
    later.subscribe("BTC/USDT", "books")
    run(simulation, 0.3)
    assert later.messages(), "only connections open at that moment are concerned"


@pytest.mark.parametrize("venue", list(DIALECTS))
def test_maintenance_refuses_calls_then_renumbers(venue: str) -> None:
    simulation, listener = start(venue)
    market = simulation.place(venue).venue.market(SYMBOLS[venue])
    inject(simulation, kind="maintenance", venue=venue, **{"for": 1.0})
    run(simulation, 0.5)
    before = market.sequence
    path, method = WORDS[venue].time_path, WORDS[venue].time_method
    assert listener.ended == "close"
    assert rest(simulation, venue, path, method=method).status == 503
    run(simulation, 1)
    assert rest(simulation, venue, path, method=method).status == 200
    assert (market.sequence < before) is WORDS[venue].restarts_lower
    assert market.sequence != before
    book = market.truth.book_at(before)[1]
    assert book.sizes, "ids from before maintenance are still known"


def test_a_sequence_reset_on_okx_is_one_message_with_a_lower_id_in_an_unbroken_chain() -> None:
    simulation, listener = start("okx")
    inject(simulation, kind="sequence_reset", venue="okx")
    run(simulation, 1)
    chained = chain("okx", listener.messages())
    assert all(after[0] == before[1] for before, after in pairwise(chained))
    assert sum(1 for previous, last in chained if last < previous) == 1


@pytest.mark.parametrize("venue", ["binance", "binanceusdm", "deribit"])
def test_a_sequence_reset_that_jumps_breaks_the_chain_once(venue: str) -> None:
    simulation, listener = start(venue)
    run(simulation, 0.5)
    inject(simulation, kind="sequence_reset", venue=venue)
    run(simulation, 1)
    chained = chain(venue, listener.messages())
    assert sum(1 for before, after in pairwise(chained) if after[0] != before[1]) == 1
    assert chained[-1][1] - chained[0][0] > 900_000


def test_a_wrong_clock_shows_in_calls_and_messages_and_goes(ask: Any) -> None:
    simulation, listener = start("binance")
    inject(simulation, kind="clock", venue="binance", offset_s=-7.0, **{"for": 1.0})
    run(simulation, 0.5)
    listener.frames.clear()
    assert ask(simulation, "binance", "/api/v3/time")["serverTime"] == simulation.now_ns // 10**6 - 7000
    run(simulation, 0.1)
    assert abs(listener.messages()[0]["E"] - (simulation.now_ns // 10**6 - 7000)) <= 100
    run(simulation, 1)
    assert ask(simulation, "binance", "/api/v3/time")["serverTime"] == simulation.now_ns // 10**6


DEPTH = {"symbol": "BTCUSDT", "limit": "1000"}


@pytest.mark.parametrize(
    ("fault", "status", "headers"),
    [
        ({"kind": "rest_error"}, 500, {}),
        ({"kind": "rest_error", "status": 503}, 503, {}),
        ({"kind": "rate_limit", "retry_after_s": 7}, 429, {"Retry-After": "7"}),
        ({"kind": "rate_limit", "status": 418, "retry_after_s": 120}, 418, {"Retry-After": "120"}),
    ],
)
def test_failing_calls_answer_with_their_status_once(
    fault: dict[str, Any], status: int, headers: dict[str, str]
) -> None:
    simulation = simulate("binance")
    inject(simulation, venue="binance", path="depth", **fault)
    run(simulation, 0.02)
    assert rest(simulation, "binance", "/api/v3/time").status == 200, "other paths are spared"
    reply = rest(simulation, "binance", "/api/v3/depth", DEPTH)
    assert reply.status == status
    assert headers.items() <= reply.headers.items()
    assert rest(simulation, "binance", "/api/v3/depth", DEPTH).status == 200
    (fault_seen,) = injected(simulation)
    assert (fault_seen.kind, fault_seen.symbol, fault_seen.detail) == (fault["kind"], "BTC/USDT", "/api/v3/depth")


def test_empty_garbled_and_slow_bodies() -> None:
    simulation = simulate("binance")
    for kind in ("rest_empty", "rest_garbled"):
        inject(simulation, kind=kind, venue="binance")
        run(simulation, 0.02)
        body = rest(simulation, "binance", "/api/v3/depth", DEPTH).body
        assert not is_json(body)
        assert (body == b"") is (kind == "rest_empty") or kind == "rest_garbled"
    inject(simulation, kind="rest_delay", venue="binance", delay_s=2.5)
    run(simulation, 0.02)
    place = simulation.place("binance")
    assert [place.rest("GET", "/api/v3/depth", DEPTH, simulation.now_ns, START_NS).delay_s for _ in range(2)] == [
        2.5,
        0,
    ]


def test_a_stale_snapshot_is_the_true_book_of_some_seconds_ago(ask: Any) -> None:
    simulation, listener = start("binance")
    run(simulation, 5)
    inject(simulation, kind="rest_stale", venue="binance", age_s=2.0)
    run(simulation, 0.02)
    snapshot = ask(simulation, "binance", "/api/v3/depth", **DEPTH)
    published = ids("binance", listener.messages())
    behind = len(published) - 1 - published.index(snapshot["lastUpdateId"])
    assert 19 <= behind <= 21
    market = simulation.place("binance").venue.market("BTC/USDT")
    best_bid = market.truth.book_at(snapshot["lastUpdateId"])[1].best_bid or 0
    assert snapshot["bids"][0][0] == market.numbers.price(best_bid)


def test_injections_are_the_same_for_the_same_seed() -> None:
    def lost() -> list[int | None]:
        simulation, _ = start("okx")
        inject(simulation, kind="lost", venue="okx", probability=0.2, seed=5, **{"for": 5.0})
        run(simulation, 5)
        return [fault.last_id for fault in injected(simulation)]

    first = lost()
    assert len(first) > 2
    assert first == lost()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "gremlin"}, "fault.kind = 'gremlin' is not valid: one of lost, "),
        ({"kind": "lost", "venue": "kraken"}, "fault.venue = 'kraken' is not valid: one of the simulated binance"),
        ({"kind": "garbled", "variant": "rude"}, "fault.variant = 'rude' is not valid: one of truncated"),
        ({"kind": "lost", "variant": "close"}, "a lost fault has no variants"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_one_line(fault: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        inject(simulate("binance"), **fault)


def test_every_kind_is_documented() -> None:
    import pathlib

    page = pathlib.Path(__file__).parents[2].joinpath("docs", "simulated-venues.md").read_text()
    assert [kind for kind in (*KINDS, *GARBLINGS) if f"`{kind}`" not in page] == []
