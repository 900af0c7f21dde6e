"""Subscribing on one connection: nothing is taken for granted that the venue has not said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from xetrade_core.clock import ManualClock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.feeds.okx import OkxDialect
from xetrade_core.feeds.subscriptions import Reply, Subscriptions


class Line:
    """The other end: what was sent, and an answer to each request."""

    def __init__(self, answer: Callable[[Line, int, str, list[str]], None]) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        self.clock = ManualClock()
        self.subscriptions = Subscriptions(self.send, OkxDialect("books"), self.clock, interval_s=0.25, timeout_s=0.05)
        self._answer = answer

    def send(self, text: bytes) -> None:
        request = json.loads(text)
        ids = [each["instId"] for each in request["args"]]
        self.sent.append((request["op"], ids))
        loop = asyncio.get_running_loop()
        loop.call_soon(self._answer, self, int(request["id"]), request["op"], ids)

    def says(self, reply: Reply) -> None:
        self.subscriptions.on_reply(reply)


def confirm_all(line: Line, request_id: int, op: str, ids: list[str]) -> None:
    for each in ids:
        line.says(Reply(None, (each,), unsubscribed=op == "unsubscribe"))


async def test_many_instruments_go_in_batches_at_the_venues_pace() -> None:
    line = Line(confirm_all)
    await line.subscriptions.add(f"S{n}" for n in range(120))
    assert [len(ids) for _, ids in line.sent] == [50, 50, 20]
    assert line.clock.monotonic_ns() == 2 * 250_000_000
    assert len(line.subscriptions.confirmed) == 120


async def test_what_is_not_answered_is_asked_for_again_and_only_that() -> None:
    def forgets_one_once(line: Line, request_id: int, op: str, ids: list[str]) -> None:
        confirm_all(line, request_id, op, [each for each in ids if each != "B" or len(line.sent) > 1])

    line = Line(forgets_one_once)
    await line.subscriptions.add(["A", "B", "C"])
    assert line.sent == [("subscribe", ["A", "B", "C"]), ("subscribe", ["B"])]


async def test_silence_ends_in_an_error_that_names_what_is_missing() -> None:
    line = Line(lambda *_: None)
    with pytest.raises(VenueUnavailable, match="no answer to the subscription of A, B in 3 attempts"):
        await line.subscriptions.add(["A", "B"])


async def test_one_refused_instrument_does_not_harm_the_others() -> None:
    def refuses_b(line: Line, request_id: int, op: str, ids: list[str]) -> None:
        for each in ids:
            line.says(Reply(None, (each,), error="60018 no such" if each == "B" else None))

    line = Line(refuses_b)
    await line.subscriptions.add(["A", "B", "C"])
    assert line.subscriptions.confirmed == {"A", "C"}
    assert line.subscriptions.refused == {"B": "60018 no such"}


async def test_a_whole_request_refused_for_one_instrument_is_repeated_one_by_one() -> None:
    def refuses_whole(line: Line, request_id: int, op: str, ids: list[str]) -> None:
        if "B" in ids:
            line.says(Reply(request_id, error="2 invalid"))
        else:
            line.says(Reply(request_id))

    line = Line(refuses_whole)
    await line.subscriptions.add(["A", "B", "C"])
    assert [ids for _, ids in line.sent] == [["A", "B", "C"], ["A"], ["B"], ["C"]]
    assert line.subscriptions.confirmed == {"A", "C"}
    assert line.subscriptions.refused == {"B": "2 invalid"}


async def test_an_error_of_the_moment_refuses_nothing() -> None:
    def busy_first(line: Line, request_id: int, op: str, ids: list[str]) -> None:
        if len(line.sent) == 1:
            line.says(Reply(error="60014 too often", transient=True))
        else:
            confirm_all(line, request_id, op, ids)

    line = Line(busy_first)
    await line.subscriptions.add(["A", "B"])
    assert line.subscriptions.refused == {}
    assert line.subscriptions.confirmed == {"A", "B"}


async def test_renewing_unsubscribes_first_and_a_late_answer_to_that_confirms_nothing() -> None:
    def late_to_unsubscribe(line: Line, request_id: int, op: str, ids: list[str]) -> None:
        if op == "subscribe":
            for each in ids:
                line.says(Reply(None, (each,), unsubscribed=len(line.sent) == 2))

    line = Line(late_to_unsubscribe)
    await line.subscriptions.renew(["A"])
    assert [op for op, _ in line.sent] == ["unsubscribe", "subscribe", "subscribe"]
    assert line.subscriptions.confirmed == {"A"}


async def test_a_closed_connection_ends_the_wait_for_its_answers_at_once() -> None:
    line = Line(lambda line, *_: line.subscriptions.end())
    with pytest.raises(VenueUnavailable, match="closed before the venue answered"):
        await line.subscriptions.renew(["A"])
    with pytest.raises(VenueUnavailable, match="closed before the venue answered"):
        await line.subscriptions.add(["A"])
    assert line.sent == [("unsubscribe", ["A"])], "nothing is asked for on a closed connection"


async def test_an_answer_that_names_all_that_was_taken_refuses_the_rest() -> None:
    def leaves_out_b(line: Line, request_id: int, op: str, ids: list[str]) -> None:
        line.says(Reply(request_id, tuple(each for each in ids if each != "B"), whole=True))

    line = Line(leaves_out_b)
    await line.subscriptions.add(["A", "B", "C"])
    assert line.subscriptions.confirmed == {"A", "C"}
    assert list(line.subscriptions.refused) == ["B"]
    await line.subscriptions.renew(["A"])
    assert line.sent[1:] == [("unsubscribe", ["A"]), ("subscribe", ["A"])]
    assert line.subscriptions.confirmed == {"A", "C"}


async def test_an_answer_that_names_nothing_taken_refuses_all() -> None:
    line = Line(lambda line, request_id, op, ids: line.says(Reply(request_id, (), whole=True)))
    await line.subscriptions.add(["A", "B"])
    assert line.subscriptions.confirmed == set()
    assert set(line.subscriptions.refused) == {"A", "B"}


async def test_nothing_is_asked_before_the_venue_says_that_it_is_ready() -> None:
    line = Line(confirm_all)
    line.subscriptions = Subscriptions(
        line.send, OkxDialect("books"), line.clock, interval_s=0.25, timeout_s=0.05, welcome=True
    )
    with pytest.raises(VenueUnavailable, match=r"did not say within 0\.05 s that it is ready"):
        await line.subscriptions.add(["A"])
    assert line.sent == []
    asyncio.get_running_loop().call_soon(line.says, Reply(welcome=True))
    await line.subscriptions.add(["A"])
    assert line.sent == [("subscribe", ["A"])]
