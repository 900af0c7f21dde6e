"""Against the recordings' oracle: each snapshot's touch is the newest bookTicker whose id the book has reached."""

from __future__ import annotations

import gzip
import json
import re
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.capture.lake_rows import rows_by_symbol, segment_rows
from tests.support.recordings import recording
from xetrade_core.capture.replay import ReplayReport, replay
from xetrade_core.clock import NS_PER_S
from xetrade_core.feeds.recording import read_lines
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.book_events import GapCause

SPOT = ("binance-spot/btcusdt_20240808.gz", "binance-spot/btcusdt_20240809.gz")
USDM = ("binance-usdm/btcusdt_20240808.gz",)
TICKER = re.compile(rb'bookTicker.*"u":(\d+),"s":"BTCUSDT","b":"([\d.]+)","B":"([\d.]+)","a":"([\d.]+)","A":"([\d.]+)"')

Touch = tuple[float, ...]


@cache
def tickers(names: tuple[str, ...]) -> tuple[list[int], list[Touch]]:
    """Ids and touches (bid price and size, ask price and size) of all bookTickers, in order of id."""
    found = {}
    for name in names:
        for block in read_lines(recording(name)):
            for line in block:
                match = TICKER.search(line[:400]) if b"bookTicker" in line[:80] else None
                if match:
                    found[int(match[1])] = tuple(float(match[part]) for part in range(2, 6))
    ids = sorted(found)
    return ids, [found[number] for number in ids]


@cache
def reach(names: tuple[str, ...]) -> tuple[float, float]:
    """Lowest bid and highest ask of the recording's only REST snapshot.

    Past them a level is known only once touched.
    """
    for block in read_lines(recording(names[0])):
        for line in block:
            if line[20:].startswith(b'{"lastUpdateId":'):
                body = json.loads(line[20:])
                return float(body["bids"][-1][0]), float(body["asks"][-1][0])
    raise AssertionError("no snapshot in the recording")


def check_touches(rows: list[dict[str, Any]], names: tuple[str, ...]) -> tuple[int, int]:
    """How many rows equal the oracle, and how many differ where nobody could know; fails on any other that differs."""
    ids, touches = tickers(names)
    equal = unknowable = 0
    for row in rows:
        at = bisect_right(ids, row["sequence"]) - 1 if row["synced"] else -1
        if at < 0:
            continue
        touch = (row["bid_price"][0], row["bid_size"][0], row["ask_price"][0], row["ask_size"][0])
        if touch == touches[at]:
            equal += 1
            continue
        bid_reach, ask_reach = reach(names)
        assert touch[0] < bid_reach or touch[2] > ask_reach, f"at {row['timestamp']}: {touch}, but {touches[at]}"
        unknowable += 1
    return equal, unknowable


def run(
    tmp_path: Path, files: list[Path], venue: str, symbol: str, interval_s: float
) -> tuple[ReplayReport, ObjectStore]:
    lake = open_store(tmp_path / "lake")
    return replay(files, venue, [symbol], lake, interval_s=interval_s, compact=False), lake


@pytest.mark.recordings
def test_both_spot_files_in_one_go_at_one_second(tmp_path: Path) -> None:
    report, lake = run(tmp_path, [recording(name) for name in SPOT], "binance", "BTC/USDT", 1.0)
    rows = segment_rows(lake)
    # The price falls past the reach of the only snapshot. There, for one sample, the best bid is an order that rested
    # since before the recording: no message in it tells of that level.
    assert check_touches(rows, SPOT) == (649, 1)
    assert report.synced == 650
    assert report.rows == len(rows) == 651
    assert [gap.cause for gap in report.gaps] == [GapCause.STARTUP]
    assert all(len(row["bid_price"]) == len(row["ask_price"]) == 100 for row in rows if row["synced"])


@pytest.mark.recordings
def test_the_usdm_file_at_a_tenth_of_a_second(tmp_path: Path) -> None:
    files = [recording(name) for name in USDM]
    report, lake = run(tmp_path, files, "binanceusdm", "BTC/USDT:USDT", 0.1)
    assert check_touches(segment_rows(lake), USDM) == (3445, 0)
    assert report.synced == 3445
    assert [gap.cause for gap in report.gaps] == [GapCause.STARTUP]


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("names", "venue", "symbol"), [(SPOT[:1], "binance", "BTC/USDT"), (USDM, "binanceusdm", "BTC/USDT:USDT")]
)
def test_one_deleted_frame_is_one_gap_with_its_ids_then_unsynced_to_the_end(
    tmp_path: Path, names: tuple[str, ...], venue: str, symbol: str
) -> None:
    lines = [line for block in read_lines(recording(names[0])) for line in block]
    depth = [at for at, line in enumerate(lines) if b'"depthUpdate"' in line]
    victim = depth[len(depth) // 2]
    neighbours = [depth[len(depth) // 2 + step] for step in (-1, 1)]
    last_before = int(re.findall(rb'"u":(\d+)', lines[neighbours[0]])[0])
    first_after = int(re.findall(rb'"U":(\d+)', lines[neighbours[1]])[0])
    gap_ns = int(lines[neighbours[1]].split()[0])
    copy = tmp_path / "copy.gz"
    copy.write_bytes(gzip.compress(b"\n".join(lines[:victim] + lines[victim + 1 :]) + b"\n", 1))

    report, lake = run(tmp_path, [copy], venue, symbol, 1.0)
    (gap,) = [gap for gap in report.gaps if gap.cause is not GapCause.STARTUP]
    assert (gap.cause, gap.from_sequence, gap.to_sequence) == (GapCause.SEQUENCE, last_before, first_after)
    assert gap.from_ns == gap_ns + 1
    rows = rows_by_symbol(lake)[venue, symbol]
    assert all(synced == (tick <= gap_ns) for tick, synced in rows.items() if tick > min(rows) + NS_PER_S)
    assert check_touches(segment_rows(lake), names) == (report.synced, 0)
    assert report.synced > 100
