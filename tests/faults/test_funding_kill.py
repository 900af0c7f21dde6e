"""A backfill that is killed, twice, in the middle of reading and of storing, loses and doubles nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import clean_environment
from tests.support.sim import Sim, sim_process
from xetrade_core.lake.day_tables import days_of, read_day
from xetrade_core.lake.funding_schemas import FUNDING_RATES
from xetrade_core.lake.store import ObjectStore, open_store

SYMBOLS = ("BTC/USDT:USDT", "SOL/USDT:USDT")
START_MS, END_MS = 1_672_531_200_000, 1_735_689_600_000  # 2023 and 2024; SOL goes from 8 h to 4 h
SCENARIO = f'[venues.bybit]\nsymbols = {list(SYMBOLS)}\nmode = "levels"\ndepth = 5\n'


def backfill(sim: Sim, directory: Path) -> subprocess.Popen[bytes]:
    command = ["funding", "backfill", "--venues", "bybit", "--symbols", "BTC-USDT,SOL-USDT", "--json"]
    command += ["--since", "2023-01-01", "--until", "2025-01-01"]
    return subprocess.Popen(
        [sys.executable, "-m", "xetrade_core.cli", *command],
        cwd=directory,
        env=clean_environment(XETRADE_VENUES__BYBIT__REST_URL=sim.url("bybit").rest),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def kill_when(process: subprocess.Popen[bytes], there: str, directory: Path, at_least: int) -> None:
    """Kill it once so many bytes, or files, of what it writes are there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = list(directory.glob(there))
        if sum(path.stat().st_size for path in found) >= at_least if there.endswith("wal") else len(found) >= at_least:
            break
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.communicate()


def held(store: ObjectStore) -> list[tuple[str, int, float, float]]:
    tables = [read_day(store, FUNDING_RATES, "bybit", day_ns) for day_ns in days_of(store, FUNDING_RATES, "bybit")]
    rows = [row for table in tables if table is not None for row in table.to_pylist()]
    return sorted((row["symbol"], row["timestamp"].value // 10**6, row["rate"], row["interval_s"]) for row in rows)


@pytest.mark.slow
def test_a_killed_backfill_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with sim_process(SCENARIO) as sim:
        sim.inject(kind="rest_delay", venue="bybit", path="funding/history", delay_s=0.1, for_=300.0)
        kill_when(backfill(sim, tmp_path), "data/state/funding/bybit.sqlite-wal", tmp_path, 60_000)
        assert not (tmp_path / "data/lake/funding_rates").exists()
        kill_when(backfill(sim, tmp_path), "data/lake/funding_rates/venue=bybit/*/part.parquet", tmp_path, 20)
        third = backfill(sim, tmp_path)
        out, err = third.communicate(timeout=120)
        assert third.returncode == 0, err
        [report] = json.loads(out)
        truth = sorted(
            (symbol, row["time_ms"], row["rate"], row["interval_ms"] / 1000)
            for symbol in SYMBOLS
            for row in sim.funding("bybit", symbol, START_MS, END_MS - 1)
        )
    store = open_store(tmp_path / "data/lake")
    assert held(store) == truth
    assert report["missing"] == 0
    assert report["pages"] == 0  # all had been read when the second one was killed
    assert report["resumed"] > 0
    assert report["stored"]["new"] + report["stored"]["unchanged"] == len(truth)
    assert 20 <= report["stored"]["unchanged"] < len(truth)
