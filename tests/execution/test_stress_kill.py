"""kill -9 in the middle of a stress test: the next run of it accounts for everything and places nothing twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import clean_environment
from tests.support.desk import addresses, all_ids, open_ids
from tests.support.sim import Sim, sim_process
from xetrade_core.trading.reader import OrderReader

SCENARIO = 'seed = 1\n[venues.binance]\nsymbols = ["BTC/USDT"]\n[venues.binance.accounts.main]\n'
SEEDS = range(int(os.environ.get("XETRADE_KILL_SEEDS", "10")) // 10)
COUNT, CLIENTS = 300, 40


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def stress(sim: Sim, folder: Path, key: str) -> subprocess.Popen[bytes]:
    words = f"stress --pair BTC-USDT --clients {CLIENTS} --count {COUNT} --key {key} --json".split()
    return subprocess.Popen(
        [sys.executable, "-m", "xetrade_core.cli", *words],
        cwd=folder,
        env=clean_environment(**addresses(sim)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_stress_test_is_taken_up_again(sim: Sim, tmp_path: Path, seed: int) -> None:
    rng, key = random.Random(seed), f"kill-{seed}-{time.time_ns()}"
    before = len(all_ids(sim))
    running = stress(sim, tmp_path, key)
    while len(all_ids(sim)) == before and running.poll() is None:
        time.sleep(0.05)
    time.sleep(rng.uniform(0.0, 0.6))
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    out, _ = stress(sim, tmp_path, key).communicate(timeout=120)
    report = json.loads(out)
    assert report["accounted"], report
    assert (report["total"]["orders"], report["total"]["unknown"]) == (COUNT, 0)
    made = all_ids(sim)[before:]
    assert [name for name, many in Counter(made).items() if many > 1] == [], "doubled"
    assert open_ids(sim) == []
    reader = OrderReader(tmp_path / "data/orders.db")
    known = {one.client_id for one in reader.updated(0, time.time_ns())}
    reader.close()
    assert set(made) <= known, "lost"
