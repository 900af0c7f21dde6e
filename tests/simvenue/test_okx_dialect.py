"""OKX's websocket operations, channels and REST answers."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import run, simulate
from tests.simvenue.listener import Listener
from tests.support.recordings import recording
from xetrade_core.simvenue.playback import read_lines

BOOKS = {"channel": "books", "instId": "BTC-USDT"}


def test_a_subscription_is_acknowledged_then_greeted_with_a_snapshot() -> None:
    simulation = simulate("okx")
    listener = Listener(simulation, "okx", "/ws/v5/public")
    listener.say({"op": "subscribe", "args": [BOOKS]})
    (acknowledged,) = listener.messages()
    assert acknowledged == {"event": "subscribe", "arg": BOOKS, "connId": acknowledged["connId"]}
    run(simulation, 0.5)
    first, *rest = listener.messages()
    assert first["action"] == "snapshot"
    assert first["data"][0]["prevSeqId"] == -1
    assert {message["action"] for message in rest} == {"update"}


def test_unsubscribing_and_subscribing_again_gives_a_new_snapshot() -> None:
    simulation = simulate("okx")
    listener = Listener(simulation, "okx")
    listener.subscribe("BTC/USDT", "books")
    run(simulation, 0.5)
    listener.messages()
    listener.say({"op": "unsubscribe", "args": [BOOKS]})
    assert listener.messages()[0]["event"] == "unsubscribe"
    run(simulation, 0.5)
    assert listener.messages() == []
    listener.subscribe("BTC/USDT", "books")
    run(simulation, 0.3)
    assert [message["action"] for message in listener.messages()] == ["snapshot", "update", "update"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"op": "subscribe", "args": [{"channel": "books", "instId": "NO-SUCH"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "gossip", "instId": "BTC-USDT"}]}, "60018"),
        ({"op": "dance"}, "60012"),
        ("what?", "60012"),
    ],
)
def test_bad_operations_are_answered_with_the_venues_codes(message: object, code: str) -> None:
    listener = Listener(simulate("okx"), "okx")
    listener.say(message)
    (answer,) = listener.messages()
    assert (answer["event"], answer["code"]) == ("error", code)


def test_a_bad_instrument_does_not_spoil_its_neighbours() -> None:
    simulation = simulate("okx")
    listener = Listener(simulation, "okx")
    listener.say({"op": "subscribe", "args": [{"channel": "books", "instId": "NO-SUCH"}, BOOKS]})
    assert [answer["event"] for answer in listener.messages()] == ["error", "subscribe"]


def test_ping_is_answered_by_pong_and_silence_ends_the_connection() -> None:
    simulation = simulate("okx", idle_s=3.0)
    silent, alive, fed = (Listener(simulation, "okx") for _ in range(3))
    fed.subscribe("BTC/USDT", "books")
    for _ in range(5):
        run(simulation, 1)
        alive.say("ping")
        alive.session.active_ns = simulation.now_ns  # what the server notes with each message it reads
        assert alive.texts() == [b"pong"]
    assert (silent.ended, silent.close_code) == ("close", 4004)
    assert alive.ended is None
    assert fed.ended is None


def test_a_quiet_book_sends_empty_updates_with_its_last_id() -> None:
    simulation = simulate("okx", events_per_s=0.0001, heartbeat_s=2.0)
    listener = Listener(simulation, "okx")
    listener.subscribe("BTC/USDT", "books")
    run(simulation, 7)
    snapshot, *beats = listener.messages()
    at = snapshot["data"][0]["seqId"]
    assert len(beats) == 3
    for beat in beats:
        data = beat["data"][0]
        assert (data["prevSeqId"], data["seqId"], data["asks"], data["bids"]) == (at, at, [], [])


@pytest.mark.parametrize(("channel", "depth"), [("books5", 5), ("bbo-tbt", 1)])
def test_the_small_channels_send_the_whole_of_what_they_show(channel: str, depth: int) -> None:
    simulation = simulate("okx")
    listener = Listener(simulation, "okx")
    listener.subscribe("BTC/USDT", channel)
    run(simulation, 2)
    messages = listener.messages()
    assert len(messages) > 3
    for message in messages:
        assert "action" not in message
        assert (len(message["data"][0]["bids"]), len(message["data"][0]["asks"])) == (depth, depth)


def test_rest_books_truncate_and_unknown_instruments_get_a_code(ask: Any) -> None:
    simulation = simulate("okx", depth=700)
    answer = ask(simulation, "okx", "/api/v5/market/books", instId="BTC-USDT", sz="1000")
    assert len(answer["data"][0]["bids"]) == 400
    assert len(ask(simulation, "okx", "/api/v5/market/books", instId="BTC-USDT")["data"][0]["bids"]) == 1
    full = ask(simulation, "okx", "/api/v5/market/books-full", instId="BTC-USDT", sz="5000")
    assert len(full["data"][0]["bids"]) >= 650
    assert ask(simulation, "okx", "/api/v5/market/books", instId="NO-SUCH")["code"] == "51001"


def test_the_system_status_tells_of_maintenance(ask: Any) -> None:
    simulation = simulate("okx")
    assert ask(simulation, "okx", "/api/v5/system/status")["data"] == []
    simulation.place("okx").venue.maintenance = True
    status = simulation.place("okx").dialect.routes["GET", "/api/v5/system/status"]
    from xetrade_core.simvenue.dialects.base import Request

    reply = status(Request("GET", "/api/v5/system/status", {}, simulation.now_ns))
    assert msgspec.json.decode(reply.body)["data"][0]["state"] == "ongoing"


@pytest.mark.recordings
def test_book_messages_have_the_recorded_fields_and_number_format() -> None:
    frames = [msgspec.json.decode(frame) for _, frame in read_lines(recording("okx/OKX.ws.1.0.gz"))]
    recorded = [frame for frame in frames if frame.get("arg") == BOOKS and "action" in frame]
    simulation = simulate("okx")
    listener = Listener(simulation, "okx")
    listener.subscribe("BTC/USDT", "books")
    run(simulation, 2)
    seen = listener.messages()
    for ours, theirs in ((seen[0], recorded[0]), (seen[1], recorded[1])):
        assert list(ours) == list(theirs)
        fields = [field for field in ours["data"][0] if field not in ("seqId", "prevSeqId")]
        assert fields == list(theirs["data"][0]), "sequence ids came after 2022"
        assert all(len(row) == 4 for row in ours["data"][0]["bids"])
    numbers = re.compile(r"^(0|[1-9]\d*)(\.\d*[1-9])?$")
    for message in [*recorded[:40], *seen]:
        for row in message["data"][0]["bids"]:
            assert numbers.match(row[0]), "no trailing zeros"
            assert numbers.match(row[1])
