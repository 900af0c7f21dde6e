"""An accelerated replay gives the bytes and the report of a plain one."""

from __future__ import annotations

import asyncio
import gzip
import random
import re
import subprocess
import sys
from dataclasses import replace as with_values
from pathlib import Path

import pytest

from tests.capture.market import Market
from tests.capture.test_replay import files_of, raw_files
from tests.capture.test_session import Rig
from tests.support.recordings import recording
from xetrade_core.capture.replay import ReplayReport, replay
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.store import open_store

pytest.importorskip("numba")
pytestmark = pytest.mark.xdist_group("compiled kernels")  # the first to use them compiles, which takes ten seconds

T0 = 1_700_000_000 * NS_PER_S + 123


def check_alike(tmp_path: Path, files: list[Path], venue: str, symbols: list[str], interval_s: float) -> ReplayReport:
    """Replay both ways; the report but for its duration."""
    lakes, reports = [], []
    for accelerate in (False, True):
        lakes.append(open_store(tmp_path / f"lake-{accelerate}"))
        report = replay(files, venue, symbols, lakes[-1], interval_s=interval_s, accelerate=accelerate)
        assert (report.accelerated > 0) == (accelerate and report.updates > 0)
        reports.append(with_values(report, seconds=0.0, accelerated=0))
    assert files_of(lakes[0], "") == files_of(lakes[1], "") != {}
    assert reports[0] == reports[1]
    return reports[1]


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("venue", "symbol", "names", "interval_s"),
    [
        ("binance", "BTC/USDT", ["binance-spot/btcusdt_20240808.gz", "binance-spot/btcusdt_20240809.gz"], 1.0),
        ("binanceusdm", "BTC/USDT:USDT", ["binance-usdm/btcusdt_20240808.gz"], 0.1),
    ],
)
def test_the_recordings(tmp_path: Path, venue: str, symbol: str, names: list[str], interval_s: float) -> None:
    report = check_alike(tmp_path, [recording(name) for name in names], venue, [symbol], interval_s)
    assert report.updates > 6000


@pytest.mark.recordings
def test_the_recordings_of_venues_that_keep_so_many_levels(tmp_path: Path) -> None:
    bybit = check_alike(
        tmp_path / "bybit", [recording("bybit/xrpusdt-ob500.data.zip")], "bybit", ["XRP/USDT:USDT"], 0.1
    )
    assert bybit.updates == 49
    with gzip.open(recording("okx/OKX.ws.1.0.gz")) as file:
        today = re.sub(rb'"checksum":-?\d+', b'"checksum":0', file.read())  # as the venue sends: nothing to verify
    (tmp_path / "okx.txt").write_bytes(today)
    symbols = ["BTC/USDT", "UNI/USD:UNI", "BTC/USD:BTC-220527"]
    assert check_alike(tmp_path / "okx", [tmp_path / "okx.txt"], "okx", symbols, 0.1).updates == 287


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("symbols", [["BTC/USDT"], ["BTC/USDT", "ETH/USDT", "XRP/USDT"]], ids=["one", "three"])
def test_a_recording_in_which_everything_goes_wrong(tmp_path: Path, symbols: list[str], seed: int) -> None:
    """Lost, doubled, late and damaged lines, other channels, other line breaks, in one file or several."""
    rng = random.Random(seed)
    markets = [Market(symbol, rng) for symbol in symbols]
    lines = [b'%d {"xetrade":"connect"}' % T0] if len(symbols) > 1 else []
    for number in range(600):
        now_ns = T0 + number * NS_PER_S // 20 + rng.randrange(1000) - (rng.random() < 0.02) * NS_PER_S
        market = rng.choice(markets)
        if number < 30 or rng.random() < 0.02:
            if len(symbols) > 1:
                symbol = symbols[markets.index(market)]
                lines.append(b'%d {"xetrade":"rest","symbol":"%b"}' % (now_ns, symbol.encode()))
            lines.append(b"%d %b" % (now_ns, market.snapshot()))
        lines += spoiled(b"%d %b" % (now_ns + 50, market.update(now_ns + 50)), rng)
        if rng.random() < 0.3:
            lines.append(b'%d {"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"}}' % (now_ns + 60))
    text = b"\n".join(lines) + rng.choice((b"", b"\n"))
    cut = text.index(b"\n", len(text) // 2) + 1
    (tmp_path / "1.gz").write_bytes(gzip.compress(text[:cut]))
    (tmp_path / "2.txt").write_bytes(text[cut:])
    check_alike(tmp_path, [tmp_path / "1.gz", tmp_path / "2.txt"], "binance", symbols, rng.choice((0.1, 1.0)))


def spoiled(line: bytes, rng: random.Random) -> list[bytes]:
    """The line, or seldom what is left of it."""
    kind = rng.choices(("whole", "lost", "doubled", "damaged", "no time", "no frame", "blank"), (94, 1, 1, 1, 1, 1, 1))
    if kind == ["damaged"]:
        at = rng.randrange(len(line))
        return [line[:at] + bytes([rng.choice(b'09"[]{},.-x@ ')]) + line[at + 1 :]]
    return {
        "whole": [line],
        "lost": [],
        "doubled": [line, line],
        "no time": [line.partition(b" ")[2]],
        "no frame": [line.partition(b" ")[0] + b" "],
        "blank": [b"", line],
    }[kind[0]]


async def test_a_raw_recording_of_our_own(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    session = rig.session(raw=True)
    running = await rig.start(session)
    await asyncio.sleep(0.5)
    rig.feeds["binance"].lose_next = 2
    await asyncio.sleep(0.4)
    rig.feeds["binance"].disconnect(session.runs[0].recorder)
    await asyncio.sleep(0.3)
    session.request_stop()
    await running
    check_alike(tmp_path, raw_files(rig, tmp_path), "binance", [], 0.1)


def test_without_numba_it_cannot_be_asked_for_and_is_not_missed(tmp_path: Path) -> None:
    """In a process in which numba cannot be imported."""
    market = Market("BTC/USDT", random.Random(1))
    (tmp_path / "r.txt").write_bytes(b"%d %b\n%d %b\n" % (T0, market.update(T0), T0 + 1, market.snapshot()))
    program = "import sys; sys.modules['numba'] = None; from xetrade_core.cli.main import run; run()"
    command = [sys.executable, "-c", program, "replay", str(tmp_path / "r.txt"), "--venue", "binance"]
    command += ["--symbol", "BTC-USDT", "--lake", str(tmp_path / "lake")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    refused = subprocess.run([*command, "--accelerate"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "compiled code cannot be used: it needs numba (pip install 'xetrade[fast]')" in refused.stderr
    assert refused.stderr.count("\n") == 1
