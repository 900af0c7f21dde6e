"""What the command line makes of recordings and of the lake: replay, compact, quality, l2, lake."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.capture.market import Market
from tests.cli.conftest import Ran
from tests.lake.test_compaction import put_rows
from tests.support.recordings import recording
from tests.support.snapshots import HOUR, snapshot_rows
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.pending import pending_hours
from xetrade_core.lake.store import open_store

Run = Callable[..., Ran]
BEGIN_NS = 1_700_000_000 * NS_PER_S  # 2023-11-14 22:13:20 UTC
REPLAY = ("replay", "frames", "--venue", "binance")
UNREACHABLE = {
    "XETRADE_LAKE": "s3://bucket/lake",
    "XETRADE_S3__ENDPOINT_URL": "http://127.0.0.1:1",
    "XETRADE_S3__ACCESS_KEY_ID": "no-such-key",
    "XETRADE_S3__SECRET_ACCESS_KEY": "no-such-secret",
}


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Ten seconds of BTC/USDT on binance: a snapshot, then ten messages a second; in the directory of `xetrade`."""
    market = Market("BTC/USDT", random.Random(4))
    lines = [b"%d %b" % (BEGIN_NS, market.snapshot())]
    lines += [b"%d %b" % (BEGIN_NS + n * NS_PER_S // 10, market.update(BEGIN_NS)) for n in range(1, 100)]
    file = tmp_path / "frames"
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


@pytest.mark.parametrize("pair", ["BTC-USDT", "BTC/USDT", "BTCUSDT", "btcusdt"])
def test_replayed_frames_are_rows_however_the_pair_is_written(answer: Run, frames: Path, pair: str) -> None:
    report = answer(*REPLAY, "--symbol", pair, "--json").json
    [row] = report["symbols"]
    assert (row["symbol"], row["captured"], row["synced"], row["updates"]) == ("BTC/USDT", 10, 9, 89)
    assert report["complete"] is True


@pytest.mark.parametrize("command", [("recover",), ("compact",), ("quality",), ("lake", "ls")], ids=" ".join)
@pytest.mark.parametrize("root", ["frames", "frames/lake"])
def test_a_file_is_no_lake_and_not_an_empty_one(answer: Run, frames: Path, command: tuple[str, ...], root: str) -> None:
    ran = answer(*command, "--lake", root)
    assert (ran.code, ran.out) == (2, "")
    said = f"{frames.parent / root} is no lake, as {frames} is a file: give a directory or s3://bucket/prefix"
    assert ran.error == f"error: {said}"


@pytest.mark.slow
def test_the_lake_is_shown_for_people(xetrade: Run, frames: Path) -> None:
    shown = xetrade(*REPLAY, "--symbol", "BTC-USDT").out
    assert "99 messages applied" in shown
    assert "startup" in shown
    assert "1 of 1 hours complete" in shown
    quality = xetrade("quality", "--hour", "2023-11-14T22", "--check")
    assert quality.code == 0
    assert "2023-11-14T22" in quality.out
    assert "crossed" not in quality.out, "columns of zeros are left out"
    assert "l2_snapshots" in xetrade("lake", "ls").out
    ladder = xetrade("l2", "--venue", "binance", "--pair", "BTCUSDT", "--at", "2023-11-14T22:13:25", "--depth", 2).out
    assert "BTC/USDT on binance" in ladder
    assert "at 2023-11-14 22:13:25.000000 UTC" in ladder


def test_rows_too_wide_for_the_screen_are_shown_one_below_the_other(answer: Run, frames: Path) -> None:
    answer(*REPLAY, "--symbol", "BTC-USDT", "--depth", 5)
    narrow = answer("lake", "query", "SELECT symbol, synced, sequence FROM l2_snapshots WHERE synced LIMIT 2").out
    assert narrow.count("BTC/USDT   True") == 2, narrow
    wide = answer("lake", "query", "SELECT * FROM l2_snapshots WHERE synced LIMIT 2").out.splitlines()
    assert [line for line in wide if line.startswith("row ")] == ["row 1", "row 2"]
    [levels, _] = [line.split(maxsplit=1)[1] for line in wide if line.split()[0] == "bid_price"]
    assert levels.endswith(", ...] (5)")


def test_money_is_written_with_the_digits_that_count(answer: Run) -> None:
    """Columns of decimals have 18 places, and nothing of a column of zeros is `0E-18`."""
    sql = "SELECT 0::DECIMAL(38, 18) AS fees, 0.04995::DECIMAL(38, 18) AS quantity"
    assert "0      0.04995" in answer("lake", "query", sql).out
    assert answer("lake", "query", sql, "--json").json == [{"fees": "0", "quantity": "0.04995"}]
    assert answer("lake", "query", sql, "--csv").out == "fees,quantity\n0,0.04995\n"


def test_an_empty_lake_says_what_to_do(answer: Run) -> None:
    assert "record with `xetrade capture start`" in answer("lake", "ls").out
    assert answer("lake", "ls", "--json").json["holdings"] == []
    assert "0 hours compacted" in answer("compact").out
    assert answer("quality", "--check").code == 1
    assert answer("recover", "--json").json["recovered"] == []


def test_an_hour_that_cannot_be_compacted_stops_no_other(answer: Run, tmp_path: Path) -> None:
    store = open_store(tmp_path / "lake")
    put_rows(store, snapshot_rows(range(5)), interval_ns="1000000000")
    put_rows(store, snapshot_rows(range(10, 15)), "w2", interval_ns="500000000")  # and nobody has said which counts
    put_rows(store, snapshot_rows(range(3600, 3605)), interval_ns="1000000000")
    ran = answer("compact", "--lake", str(tmp_path / "lake"), "--json")
    assert ran.code == 2
    [problem] = ran.json["problems"]
    assert "was recorded every 0.5 s and 1 s: give the interval" in problem
    assert [hour["segments_merged"] for hour in ran.json["hours"]] == [1]
    assert ran.json["complete"] is False
    assert [hour_ns - HOUR for _, hour_ns in pending_hours(store)] == [0]
    assert problem in answer("compact", "--lake", str(tmp_path / "lake")).error


def test_the_book_of_a_minute_ago_is_found_before_its_hour_is_compacted(answer: Run, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    put_rows(open_store(lake), snapshot_rows(range(5)))
    asked = ("--venue", "binance", "--pair", "BTCUSDT", "--at", "2024-08-09T00:00:02")
    shown = answer("l2", *asked, "--lake", lake, "--json")
    assert (shown.json["symbol"], shown.json["timestamp_ns"]) == ("BTC/USDT", HOUR + 2 * NS_PER_S)


def test_a_foreign_file_is_passed_over(answer: Run, tmp_path: Path) -> None:
    store = open_store(tmp_path / "lake")
    put_rows(store, snapshot_rows(range(5)))
    lake = ("--lake", str(tmp_path / "lake"))
    assert answer("compact", *lake).code == 0
    [held] = store.list("l2_quality/")
    for name in ("l2_quality/mine/notes.parquet", "l2_snapshots/mine.parquet", "l2_gaps/mine/hour=1/gaps.parquet"):
        store.create(name, store.read(held.key))
    assert len(answer("quality", *lake, "--json").json["records"]) == 1
    assert answer("lake", "query", "SELECT count(*) n FROM l2_snapshots", *lake, "--json").json == [{"n": 5}]
    assert answer("lake", "query", "SELECT count(*) n FROM l2_gaps", *lake, "--json").json == [{"n": 0}]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((*REPLAY,), "--symbol is missing"),
        ((*REPLAY, "--symbol", "ETH-USDT"), "no frame of ETHUSDT among the first 100 lines"),
        (("replay", "frames", "--venue", "okx", "--symbol", "BTC-USDT"), "no frame of BTC-USDT"),
        (("replay", "frames", "--venue", "nasdaq", "--symbol", "BTC-USDT"), "unknown venue 'nasdaq'"),
        ((*REPLAY, "--symbol", "BTC-USDT", "--depth", "deep"), "--depth = 'deep'"),
        ((*REPLAY, "--symbol", "BTC-USDT", "--depth", "5001"), "1 to 5000"),
        ((*REPLAY, "--symbol", "BTC-USDT", "--interval", "1ms"), "0.05 to 3600 seconds"),
        ((*REPLAY, "--symbol", "BTC-USDT", "--lake", "frames/lake"), "frames/lake"),
        (("compact", "--venue", "nasdaq"), "unknown venue 'nasdaq'"),
        (("quality", "--venue", "nasdaq"), "unknown venue 'nasdaq'"),
        (("quality", "--hour", "yesterday"), "--hour = 'yesterday'"),
        (("quality", "--from", "0001-01-01T00:00+14:00"), "--from = '0001-01-01T00:00+14:00'"),
        (("l2", "--venue", "okx", "--pair", "BTC-USDT", "--at", "0001-01-01"), "from 1970 to 2261"),
        (("quality", "--from", "2023-11-15", "--to", "2023-11-14"), "must be after --from"),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    answer: Run, frames: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    ran = answer(*arguments)
    assert ran.code == 2
    assert says in ran.error
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_an_unknown_key_of_the_settings_file_names_the_nearest(answer: Run, tmp_path: Path) -> None:
    (tmp_path / "xetrade.toml").write_text("[capture]\ndepht = 20\n")
    ran = answer("lake", "ls")
    assert ran.code == 2
    assert "did you mean capture.depth?" in ran.error


@pytest.mark.parametrize("arguments", [("lake", "ls"), ("compact",), (*REPLAY, "--symbol", "BTC-USDT")], ids=" ".join)
def test_an_unreachable_s3_is_one_line_without_the_keys(xetrade: Run, frames: Path, arguments: tuple[str, ...]) -> None:
    ran = xetrade(*arguments, **UNREACHABLE)
    assert ran.code == 2
    assert "is http://127.0.0.1:1 up and reachable?" in ran.error
    assert "no-such-secret" not in ran.err + ran.out


@pytest.mark.recordings
def test_a_slice_of_real_traffic_is_replayed(xetrade: Run, tmp_path: Path) -> None:
    """Ten seconds of the recorded USD-M stream at 100 ms, with everything else that was on that connection."""
    with gzip.open(recording("binance-usdm/btcusdt_20240808.gz")) as file:
        first = next(file)
        until_ns = int(first.split(maxsplit=1)[0]) + 10 * NS_PER_S
        lines = [first, *(line for line in (next(file) for _ in range(20_000)) if int(line.split(b" ")[0]) < until_ns)]
    (tmp_path / "slice").write_bytes(b"".join(lines))
    options = ("--venue", "binanceusdm", "--symbol", "BTCUSDT", "--interval", "100ms", "--depth", 20)
    report = xetrade("replay", "slice", *options, "--json").json
    [row] = report["symbols"]
    assert row["symbol"] == "BTC/USDT:USDT"
    assert row["captured"] in (99, 100)
    assert (row["gaps"], row["resyncs"], row["refused"]) == (0, 1, 0)
    assert row["synced"] > 90
    assert report["complete"] is True
