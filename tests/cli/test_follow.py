"""`xetrade orders follow`: a process that listens learns of orders and trades that others make."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran, clean_environment
from tests.support.desk import addresses
from tests.support.sim import Sim, sim_process

SCENARIO = """
seed = 1
[venues.binanceusdm]
symbols = ["BTC/USDT:USDT"]
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def test_what_happens_to_an_order_is_told_and_in_the_store_at_once(
    xetrade: Callable[..., Ran], sim: Sim, tmp_path: Path
) -> None:
    where = addresses(sim)
    command = [sys.executable, "-m", "xetrade_core.cli", "orders", "follow", "--json"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=clean_environment(**where, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        try:
            for line in following.stderr:
                if line.startswith("following main on binanceusdm"):
                    break
            best = sim.truth("binanceusdm", "BTC/USDT:USDT", depth=1)["bids"][0][0]
            asked = ("--venue", "binanceusdm", "--pair", "BTC/USDT:USDT", "--side", "buy", "--quantity", "0.01")
            order = xetrade("place", *asked, "--price", f"{best * 0.97:.1f}", "--json", **where).json
            told = until(following.stdout, lambda row: row["kind"] == "order")
            assert (told["status"], told["ours"], told["order_id"]) == ("open", order["client_id"], order["order_id"])
            sim.fill("binanceusdm", order["order_id"])
            fill = until(following.stdout, lambda row: row["kind"] == "fill")
            assert (fill["ours"], fill["quantity"], fill["side"]) == (order["client_id"], "0.01", "buy")
            until(following.stdout, lambda row: row.get("status") == "filled")
            stored = xetrade("orders", "show", order["client_id"], "--json", **where).json
            assert (stored["state"], stored["filled"]) == ("filled", "0.01")
        finally:
            os.kill(following.pid, signal.SIGINT)
    assert following.returncode == 0


def until(lines: Any, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next line for which that holds."""
    return next(row for row in map(json.loads, lines) if holds(row))


def test_a_stream_that_does_not_open_in_time_is_one_line(xetrade: Callable[..., Ran], sim: Sim) -> None:
    key = {"XETRADE_ACCOUNTS__MAIN__API_KEY": "nobody", "XETRADE_ACCOUNTS__MAIN__SECRET": "CANARY-5ecre7"}
    paper = {"XETRADE_TRADING__MODE": "paper", "XETRADE_ACCOUNTS__MAIN__VENUE": "binanceusdm"}
    ran = xetrade("orders", "follow", "--within", "1s", **addresses(sim), **paper, **key)
    assert ran.code != 0
    assert "the private stream of main on binanceusdm is not live after 1 s" in ran.err
    assert "CANARY" not in ran.out + ran.err
