"""The truth endpoint's promise: at every id, the book is what the emitted frames lead to. And the sequence rules."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simvenue.conftest import SYMBOLS, run, simulate
from tests.simvenue.listener import Listener
from tests.simvenue.words import WORDS, links
from xetrade_core.simvenue import SimConfig, Simulation, VenueConfig
from xetrade_core.simvenue.admin import truth
from xetrade_core.simvenue.dialects import DIALECTS
from xetrade_core.simvenue.levels import Levels, TruthForgotten, TruthLog
from xetrade_core.simvenue.market import Market

CHANGES = st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(0, 5)), min_size=1, max_size=300)
BINANCE = ("binance", "binanceusdm", "binancecoinm")


@given(CHANGES, st.integers(16, 80))
@settings(max_examples=80, deadline=None)
def test_the_book_at_every_held_id_is_the_replay_of_all_changes_up_to_it(
    changes: list[tuple[int, int]], capacity: int
) -> None:
    levels = Levels()
    log = TruthLog(capacity, 1000, levels)
    books: dict[int, dict[int, int]] = {1000: {}}
    for change_id, (signed, size) in enumerate(changes, start=1001):
        log.append(change_id, signed, size)
        levels.set(signed, size)
        books[change_id] = dict(levels.sizes)
    newest = 1000 + len(changes)
    assert log.oldest_id <= max(1000, newest - capacity)
    for change_id in range(log.oldest_id, newest + 1):
        reached, book = log.book_at(change_id)
        assert (reached, book.sizes) == (change_id, books[change_id])
        assert book.bid_prices == sorted(price for price in books[change_id] if price > 0)


def test_ids_outside_the_log_are_refused_in_one_line() -> None:
    log = TruthLog(64, 5, Levels())
    for sequence in (4, 6):
        with pytest.raises(TruthForgotten, match=f"sequence {sequence} is not in the truth log: it holds 5..5"):
            log.book_at(sequence)


def test_after_a_restart_ids_of_both_numberings_are_known() -> None:
    levels = Levels()
    log = TruthLog(64, 100, levels)
    log.append(101, 7, 3)
    levels.set(7, 3)
    log.restart(10)
    log.append(11, 7, 0)
    levels.set(7, 0)
    assert log.book_at(101)[1].sizes == {7: 3}
    assert log.book_at(10)[1].sizes == {7: 3}
    assert log.book_at(11)[1].sizes == {}


def levels_of(rows: list[list[str]]) -> dict[float, float]:
    return {float(row[0]): float(row[1]) for row in rows}


class Replica:
    """A book kept from frames alone."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}

    def apply(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            side.update(levels_of(rows))
            for price in [price for price, size in side.items() if size == 0]:
                del side[price]

    def top(self, depth: int) -> dict[str, Any]:
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        asks = sorted(self.asks.items())[:depth]
        return {"bids": [list(level) for level in bids], "asks": [list(level) for level in asks]}


def check(replica: Replica, market: Market, sequence: int, depth: int) -> None:
    book = truth(market, sequence, depth)
    assert book["sequence"] == sequence
    assert replica.top(depth) == {"bids": book["bids"], "asks": book["asks"]}


@pytest.mark.parametrize("mode", ["orders", "levels"])
@pytest.mark.parametrize("venue", BINANCE)
def test_binance_frames_on_top_of_a_snapshot_give_the_truth_at_each_of_their_ids(
    venue: str, mode: str, ask: Any
) -> None:
    simulation = simulate(venue, mode=mode)
    market = simulation.place(venue).venue.market(SYMBOLS[venue])
    listener = Listener(simulation, venue)
    listener.subscribe(SYMBOLS[venue], "depth")
    run(simulation, 0.35)
    path = f"{simulation.place(venue).dialect.prefix}/depth"  # type: ignore[attr-defined]
    snapshot = ask(simulation, venue, path, symbol=market.venue_id, limit="1000")
    run(simulation, 5)
    messages = listener.messages()
    replica, at = Replica(), int(snapshot["lastUpdateId"])
    replica.apply(snapshot["bids"], snapshot["asks"])
    check(replica, market, at, 60)
    applied = 0
    for message in messages:
        if message["u"] <= at:
            continue
        assert message.get("pu", message["U"] - 1) <= at, "no message between the snapshot and the first one applied"
        replica.apply(message["b"], message["a"])
        at, applied = message["u"], applied + 1
        check(replica, market, at, 60)
    assert applied > 30


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("depth", [60, 500])
def test_okx_updates_on_top_of_the_first_snapshot_give_the_truth_within_400_levels(depth: int, checksum: bool) -> None:
    simulation = simulate("okx", depth=depth, events_per_s=300, checksum=checksum, truth_changes=400)
    market = simulation.place("okx").venue.market("BTC/USDT")
    listener = Listener(simulation, "okx")
    listener.subscribe("BTC/USDT", "books")
    replica, at = Replica(), -1
    for _ in range(60):
        run(simulation, 0.1)
        for message in listener.messages():
            data = message["data"][0]
            assert message["action"] == ("snapshot" if at == -1 else "update")
            assert data["prevSeqId"] == at
            assert (data["checksum"] != 0) is checksum
            replica.apply(data["bids"], data["asks"])
            at = data["seqId"]
            check(replica, market, at, 400)
            assert len(replica.bids) <= 400 >= len(replica.asks)
    assert at == market.published_id


@pytest.mark.parametrize("venue", list(DIALECTS))
def test_each_message_names_its_predecessor(venue: str) -> None:
    simulation = simulate(venue)
    listener = Listener(simulation, venue)
    listener.subscribe(SYMBOLS[venue], WORDS[venue].book)
    run(simulation, 10)
    ids = links(venue, listener.messages())
    assert len(ids) > 80
    for before, message in pairwise(ids):
        assert message[0] == before[2]
        assert message[0] < message[1] <= message[2]
    skips = sum(1 for previous, first, _ in ids if first != previous + 1)
    assert bool(skips) is WORDS[venue].skips_ids


@given(st.integers(0, 2**32), st.sampled_from(list(DIALECTS)), st.sampled_from(["orders", "levels"]))
@settings(max_examples=12, deadline=None)
def test_the_same_seed_and_steps_give_the_same_bytes(seed: int, venue: str, mode: str) -> None:
    def frames() -> list[tuple[int, bytes]]:
        simulation = simulate(venue, seed=seed, mode=mode)
        listener = Listener(simulation, venue)
        for kind in WORDS[venue].channels:
            listener.subscribe(SYMBOLS[venue], kind)
        run(simulation, 1)
        return listener.frames

    first = frames()
    assert first
    assert first == frames()


@given(st.integers(0, 2**32), st.sampled_from(["orders", "levels"]), st.sampled_from([1, 2, 30]))
@settings(max_examples=30, deadline=None)
def test_a_generated_book_is_never_crossed_and_keeps_its_depth(seed: int, mode: str, depth: int) -> None:
    simulation = simulate("binance", seed=seed, mode=mode, depth=depth, events_per_s=500.0)
    levels = simulation.place("binance").venue.market("BTC/USDT").levels
    for _ in range(20):
        run(simulation, 0.1)
        best_bid, best_ask = levels.best_bid, levels.best_ask
        assert best_bid is None or best_ask is None or 0 < best_bid < best_ask
        assert len(levels.bid_prices) <= depth * 1.1 + 4
        assert len(levels.ask_prices) <= depth * 1.1 + 4
    if depth == 30:
        assert len(levels.bid_prices) >= 10 <= len(levels.ask_prices)


def test_any_number_of_synthetic_symbols_is_listed() -> None:
    config = VenueConfig(symbols=200, mode="levels", depth=5)
    markets = Simulation(SimConfig(venues={"okx": config}), 0, lambda: 0).place("okx").venue.markets
    assert len(markets) == 200
    assert "BTC/USDT" in markets
    assert "SIM000/USDT" in markets
