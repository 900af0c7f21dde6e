"""Faults alone and mixed, from random seeds, against a careful little client: what it believes in sync is the truth.

The client knows the venues' continuity rules and nothing else. If the simulation ever sent a contiguous but wrong
message, or told a truth that its frames do not lead to, this would show it.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simvenue.conftest import START_NS, SYMBOLS, run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.test_truth import Replica
from tests.simvenue.words import WORDS
from xetrade_core.simvenue import Fault, Simulation
from xetrade_core.simvenue.admin import truth

FRAME = {"kind": st.sampled_from(["lost", "doubled", "reordered", "delayed"]), "delay_s": st.sampled_from([0.05, 0.3])}
TIMED = {
    "kind": st.sampled_from(["stall", "maintenance", "clock", "rest_error", "rest_stale"]),
    "offset_s": st.just(-3.0),
}
ONCE = {"kind": st.sampled_from(["disconnect", "half_open", "sequence_reset"])}
AT = st.integers(0, 25).map(lambda tenths: tenths / 10)
FAULTS = st.one_of(
    st.fixed_dictionaries({**FRAME, "at": AT, "count": st.integers(1, 3), "probability": st.sampled_from([0.3, 1.0])}),
    st.fixed_dictionaries({**TIMED, "at": AT, "for": st.sampled_from([0.2, 0.6])}),
    st.fixed_dictionaries({**ONCE, "at": AT}),
)


Told = tuple[int, list[list[str]], list[list[str]]]


def _okx_told(message: dict[str, Any]) -> Told:
    data = message["data"][0]
    return data["seqId"], data["bids"], data["asks"]


def _deribit_told(message: dict[str, Any]) -> Told:
    data = message["params"]["data"]
    return data["change_id"], [row[1:] for row in data["bids"]], [row[1:] for row in data["asks"]]


def _max_told(message: dict[str, Any]) -> Told:
    return message["li"], message["b"], message["a"]


def _derive_told(message: dict[str, Any]) -> Told:
    data = message["params"]["data"]
    return data["publish_id"], data["bids"], data["asks"]


#: id, bids and asks of a book message, for venues whose channel begins with a snapshot
SNAPSHOT_ON_CHANNEL = {"okx": _okx_told, "deribit": _deribit_told, "max": _max_told, "derive": _derive_told}

SHOWN = {"max": 50, "derive": 100}
"""How many levels a side the book channel shows, where that is few."""


class CarefulClient:
    """Keeps a book by the rules; drops it at the first doubt and starts over."""

    def __init__(self, simulation: Simulation, venue: str) -> None:
        self.simulation, self.venue, self.symbol = simulation, venue, SYMBOLS[venue]
        self.market = simulation.place(venue).venue.market(self.symbol)
        self.depth = SHOWN.get(venue, 400)
        self.checked = self.resyncs = 0
        self.connect()

    def connect(self) -> None:
        self.silent = 0
        self.at: int | None = None
        self.applied = False  # a message on top of the snapshot
        self.book = Replica()
        self.buffer: list[dict[str, Any]] = []
        self.listener = Listener(self.simulation, self.venue)
        self.listener.subscribe(self.symbol, WORDS[self.venue].book)

    def turn(self) -> None:
        """Read what has come; reconnect if the connection ended or has been silent too long; check the book."""
        messages = self.listener.messages()
        self.silent = 0 if messages else self.silent + 1
        if self.simulation.place(self.venue).venue.maintenance:
            self.at = None
            self.buffer.clear()
            return
        if self.listener.ended or self.silent > 12:
            self.resyncs += 1
            self.listener.place.hub.remove(self.listener.session)
            self.connect()
            return
        for message in messages:
            if self.venue in SNAPSHOT_ON_CHANNEL:
                self._channel(message)
            else:
                self.buffer.append(message)
        if self.venue not in SNAPSHOT_ON_CHANNEL:
            self._binance()
        if self.at is not None:
            book = truth(self.market, self.at, self.depth)
            assert self.book.top(self.depth) == {"bids": book["bids"], "asks": book["asks"]}
            self.checked += 1

    def _channel(self, message: dict[str, Any]) -> None:
        link, (at, bids, asks) = WORDS[self.venue].link(message), SNAPSHOT_ON_CHANNEL[self.venue](message)
        if link is None or self.venue == "derive":
            self.book = Replica()  # a snapshot: each of Derive's is one
        elif self.at is None or link[0] != self.at:
            if self.at is not None and at != self.at:
                self._resubscribe()
            return
        self.book.apply(bids, asks)
        self.at = at

    def _resubscribe(self) -> None:
        self.at = None
        self.resyncs += 1
        self.listener.place.hub.remove(self.listener.session)
        self.connect()

    def _binance(self) -> None:
        if self.at is None and len(self.buffer) > 2:
            self._snapshot()
        if self.at is None:
            return
        for message in self.buffer:
            if message["u"] <= self.at:
                continue
            before = message.get("pu", message["U"] - 1)
            if before > self.at or (before != self.at and self.applied):
                self.at, self.buffer = None, []
                self.resyncs += 1
                return
            self.book.apply(message["b"], message["a"])
            self.at, self.applied = message["u"], True
        self.buffer = []

    def _snapshot(self) -> None:
        place = self.simulation.place(self.venue)
        path = f"{place.dialect.prefix}/depth"  # type: ignore[attr-defined]
        query = {"symbol": self.market.venue_id, "limit": "1000"}
        reply = place.rest("GET", path, query, self.simulation.now_ns, START_NS).reply
        if reply.status == 200:
            body = msgspec.json.decode(reply.body)
            self.book, self.applied = Replica(), False
            self.book.apply(body["bids"], body["asks"])
            self.at = body["lastUpdateId"]


def _renumbered_once(faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without a second restart of the numbering: where each begins at 1 again, an id does not say of which it is, so
    the truth cannot be asked by it.
    """
    restarts = [fault for fault in faults if fault["kind"] in ("sequence_reset", "maintenance")]
    return [fault for fault in faults if not any(fault is later for later in restarts[1:])]


@pytest.mark.parametrize("venue", ["binance", "binanceusdm", *SNAPSHOT_ON_CHANNEL])
@given(faults=st.lists(FAULTS, max_size=6), seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_careful_client_is_never_led_astray(venue: str, faults: list[dict[str, Any]], seed: int) -> None:
    if venue == "derive":
        faults = _renumbered_once(faults)
    knobs = {} if venue in SNAPSHOT_ON_CHANNEL else {"depth": 30, "weight_limit": 0}
    simulation = simulate(venue, seed=seed, **knobs)
    for fault in faults:
        simulation.board.add(msgspec.convert({"venue": venue, **fault}, Fault), simulation.now_ns)
    client = CarefulClient(simulation, venue)
    for _ in range(60):
        run(simulation, 0.1)
        client.turn()
    assert client.at is not None, "in sync again once the faults are over"
    assert client.checked > 5
    kinds = {fault["kind"] for fault in faults}
    recorded = {injection.kind for injection in simulation.board.injections}
    assert recorded <= kinds
    assert kinds & {"disconnect", "half_open", "maintenance", "sequence_reset", "clock"} <= recorded
