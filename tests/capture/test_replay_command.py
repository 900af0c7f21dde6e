"""`xetrade replay` on the recorded traffic: the command's way from files to a checked lake."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.capture.lake_rows import segment_rows
from tests.capture.market import Market
from tests.capture.test_oracle import SPOT, check_touches
from tests.support.recordings import recording
from xetrade_core.cli.main import app
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.store import open_store


def command(lake: Path, *arguments: object) -> Any:
    done = CliRunner().invoke(app, ["replay", *map(str, arguments), "--lake", str(lake), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.recordings
def test_both_spot_recordings_in_one_go_are_one_book_without_a_gap(tmp_path: Path) -> None:
    """Side by side they are one stream: the second has no snapshot of its own."""
    files = [recording(name) for name in SPOT]
    options = ("--venue", "binance", "--symbol", "BTC/USDT", "--interval", "1")
    report = command(tmp_path / "lake", *files, *options)
    (row,) = report["symbols"]
    assert (row["captured"], row["synced"], row["refused"], row["resyncs"]) == (651, 650, 0, 1)
    assert [gap["cause"] for gap in report["gaps"]] == ["startup"]
    assert report["complete"]
    rows = Lake(open_store(tmp_path / "lake")).read_l2("binance", "BTC/USDT", "2024-08-08", "2024-08-10")
    assert len(rows) == 651
    assert sum(rows.column("synced").to_pylist()) == 650

    uncompacted = command(tmp_path / "segments", *files, *options, "--no-compact")
    assert uncompacted["rows"] == 651
    assert check_touches(segment_rows(open_store(tmp_path / "segments")), SPOT) == (649, 1)


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("venue", "names", "symbols", "interval", "rows"),
    [
        ("bybit", ("bybit/xrpusdt-ob500.data.zip",), {"XRP/USDT:USDT": 49}, "100ms", 48),
        (
            "kucoin",
            ("kucoin/KUCOIN.ws.1.0.gz", "kucoin/KUCOIN.http.0.0.gz"),
            {"ANKR/BTC": 243, "SNX/BTC": 600},
            "1",
            None,
        ),
    ],
    ids=["bybit", "kucoin"],
)
def test_recordings_of_other_shapes_replay_without_a_gap(
    tmp_path: Path, venue: str, names: tuple[str, ...], symbols: dict[str, int], interval: str, rows: int | None
) -> None:
    """A venue's own history in a zip; REST replies in a file beside the websocket's."""
    files = [recording(name) for name in names]
    named = [part for symbol in symbols for part in ("--symbol", symbol)]
    report = command(tmp_path / "lake", *files, "--venue", venue, *named, "--interval", interval)
    assert {row["symbol"] for row in report["symbols"]} == set(symbols)
    assert all((row["gaps"], row["refused"], row["resyncs"]) == (0, 0, 1) for row in report["symbols"])
    assert report["updates"] == sum(symbols.values())
    assert {gap["cause"] for gap in report["gaps"]} == {"startup"}
    assert rows in (None, report["rows"])
    assert report["complete"]


def test_a_recording_at_half_a_second_is_judged_at_half_a_second(tmp_path: Path) -> None:
    market = Market("BTC/USDT", random.Random(4))
    begin = 1_700_000_000 * NS_PER_S
    lines = [b"%d %b" % (begin, market.snapshot())]
    lines += [b"%d %b" % (begin + n * NS_PER_S // 10, market.update(begin)) for n in range(1, 100)]
    (tmp_path / "r").write_bytes(b"\n".join(lines) + b"\n")
    options = ("--venue", "binance", "--symbol", "BTC/USDT", "--interval", "500ms")
    command(tmp_path / "lake", tmp_path / "r", *options, "--no-compact")
    refused = CliRunner().invoke(app, ["compact", "--lake", str(tmp_path / "lake"), "--interval", "1"])
    assert refused.exit_code != 0
    assert "was recorded every 0.5 s, not every 1 s" in str(refused.exception)
    done = CliRunner().invoke(app, ["compact", "--lake", str(tmp_path / "lake"), "--json"])
    (hour,) = json.loads(done.stdout)["hours"]
    assert hour["symbols"][0]["quality"]["interval_s"] == 0.5
    assert hour["symbols"][0]["quality"]["complete"]
