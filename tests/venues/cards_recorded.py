"""Acceptance card 12: recorded traffic replays without a gap; a tampered copy has exactly the gaps that were made.

A venue with a recording has one line here; the others are shown by their doubles alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.feeds.harness import Remembering
from tests.support.recordings import recording
from xetrade_core.clock import ManualClock
from xetrade_core.feeds.recorded import RecordedFeed
from xetrade_core.feeds.recording import Line, Recording
from xetrade_core.model.book_events import BookEvent, GapCause

pytestmark = pytest.mark.recordings
TRIALS = 8


@dataclass(frozen=True)
class Recorded:
    """`proof`: what tells a missing message, the ids, or (OKX before 2023) the checksum. `quiet`: of some of the
    symbols there is a snapshot and no change.
    """

    files: tuple[str, ...]
    symbols: tuple[str, ...]
    proof: GapCause = GapCause.SEQUENCE
    quiet: bool = False


RECORDED = {
    "binance": Recorded(("binance-spot/btcusdt_20240808.gz",), ("BTC/USDT",)),
    "binanceusdm": Recorded(("binance-usdm/btcusdt_20240808.gz",), ("BTC/USDT:USDT",)),
    "okx": Recorded(("okx/OKX.ws.1.0.gz",), ("BTC/USDT", "UNI/USD:UNI", "BTC/USD:BTC-220527"), proof=GapCause.CHECKSUM),
    "kucoin": Recorded(
        ("kucoin/KUCOIN.ws.1.0.gz", "kucoin/KUCOIN.http.0.0.gz"),
        ("ANKR/BTC", "NRG/BTC", "BSV/USDT", "CAPP/BTC", "FET/BTC", "SNX/BTC", "DAPPT/BTC", "COV/BTC", "EQZ/BTC"),
    ),
    "bybit": Recorded(("bybit/xrpusdt-ob500.data.zip",), ("XRP/USDT:USDT",)),
    "deribit": Recorded(
        ("deribit/DERIBIT.ws.1.0.gz",),
        (
            "BTC/USD:BTC-210924-8000-P",
            "BTC/USD:BTC-210730-24000-P",
            "ETH/USD:ETH-210730-2800-C",
            "BTC/USD:BTC-211231-34000-P",
            "BTC/USD:BTC-210924-34000-P",
            "BTC/USD:BTC-220624-15000-C",
            "BTC/USD:BTC-211231-300000-C",
            "ETH/USD:ETH-210827-4000-P",
            "BTC/USD:BTC-220325-30000-C",
            "ETH/USD:ETH-210723-2300-C",
        ),
        quiet=True,
    ),
}
VENUES = tuple(RECORDED)


class Noting(Remembering):
    """Remembers which lines were applied, and to which symbol."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0
        self.applied: list[tuple[int, str]] = []

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        super().frame(received_ns, frame, source)
        self.lines += 1

    def events(self, events: tuple[BookEvent, ...]) -> None:
        super().events(events)
        self.applied += [(self.lines - 1, each.symbol) for each in events if type(each).__name__ == "Applied"]


def frames_of(venue: str) -> list[Line]:
    """Every line of the recording, control lines too."""
    files = [recording(name) for name in RECORDED[venue].files]
    return [line for batch in Recording(files, skip_other_channels=True).batches() for line in batch]


def play(venue: str, lines: Iterable[Line], folder: Path) -> tuple[Noting, RecordedFeed]:
    """Replay these lines out of a file in our own format."""
    path = folder / "copy"
    path.write_bytes(b"".join(b"%d %b\n" % line for line in lines))
    feed = RecordedFeed(venue, RECORDED[venue].symbols, [path], ManualClock())
    sink = Noting()
    feed.play(sink)
    return sink, feed


def choose(venue: str, lines: Sequence[Line], folder: Path) -> tuple[list[int], list[tuple[int, str, int]]]:
    """Positions of frames among the lines; and some (frame, symbol, next frame of the symbol) to do harm to."""
    at = [n for n, (_, frame) in enumerate(lines) if not frame.startswith(b'{"xetrade":')]
    sink, _ = play(venue, lines, folder)
    pairs = []
    for symbol in RECORDED[venue].symbols:
        applied = [n for n, name in sink.applied if name == symbol]
        pairs += [(first, symbol, following) for first, following in pairwise(applied)]
    return at, random.Random(3).sample(pairs, min(TRIALS, len(pairs)))


@pytest.mark.parametrize("venue", VENUES)
def test_a_recording_replays_without_a_gap(venue: str, tmp_path: Path) -> None:
    sink, feed = play(venue, frames_of(venue), tmp_path)
    assert (sink.gaps, sink.refusals) == ([], [])
    assert {event.symbol for event in sink.syncs} == set(RECORDED[venue].symbols)
    rows = feed.books.sequencers.values()
    assert all(row.synced for row in rows)
    assert (max if RECORDED[venue].quiet else min)(row.applied_count for row in rows) > 5


@pytest.mark.parametrize("venue", VENUES)
def test_a_lost_frame_is_one_gap_of_its_symbol(venue: str, tmp_path: Path) -> None:
    lines = frames_of(venue)
    at, chosen = choose(venue, lines, tmp_path)
    clean = play(venue, lines, tmp_path)[1].books.sequencers
    for frame, symbol, _ in chosen:
        sink, feed = play(venue, [line for n, line in enumerate(lines) if n != at[frame]], tmp_path)
        if RECORDED[venue].proof is GapCause.CHECKSUM and not sink.gaps:  # it covers the best 25 levels only
            assert feed.books.sequencers[symbol].book.top(25) == clean[symbol].book.top(25)
            continue
        assert [gap.symbol for gap in sink.gaps] == [symbol]
        assert sink.gaps[0].cause in {RECORDED[venue].proof, GapCause.CROSSED}, "crossed before it was checked, at most"


@pytest.mark.parametrize("venue", VENUES)
def test_doubled_frames_change_nothing(venue: str, tmp_path: Path) -> None:
    lines = frames_of(venue)
    clean = play(venue, lines, tmp_path)[1].books.sequencers
    at, _ = choose(venue, lines, tmp_path)
    chosen = set(at[::7])
    sink, feed = play(venue, [line for n, line in enumerate(lines) for _ in range(1 + (n in chosen))], tmp_path)
    assert sink.gaps == []
    for symbol, row in feed.books.sequencers.items():
        assert row.book.top(100) == clean[symbol].book.top(100)
        assert row.sequence == clean[symbol].sequence


@pytest.mark.parametrize("venue", [name for name in VENUES if RECORDED[name].proof is GapCause.SEQUENCE])
def test_two_frames_in_the_wrong_order_are_one_gap_of_their_symbol(venue: str, tmp_path: Path) -> None:
    lines = frames_of(venue)
    at, chosen = choose(venue, lines, tmp_path)
    for first, symbol, second in chosen:
        mixed = list(lines)
        mixed[at[first]], mixed[at[second]] = mixed[at[second]], mixed[at[first]]
        sink, _ = play(venue, mixed, tmp_path)
        assert [(gap.symbol, gap.cause) for gap in sink.gaps] == [(symbol, GapCause.SEQUENCE)]
