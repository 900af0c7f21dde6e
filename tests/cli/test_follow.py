"""`xetrade orders follow`: a process that listens learns of orders and trades that others make."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
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


@contextlib.contextmanager
def following(sim: Sim, directory: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that follows, ended by Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "xetrade_core.cli", "orders", "follow", "--json", *more],
        cwd=directory,
        env=clean_environment(**addresses(sim)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            assert any(line.startswith("following main on binanceusdm") for line in process.stderr)
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def placed(xetrade: Callable[..., Ran], sim: Sim) -> dict[str, Any]:
    """An order that rests."""
    best = sim.truth("binanceusdm", "BTC/USDT:USDT", depth=1)["bids"][0][0]
    asked = ("--venue", "binanceusdm", "--pair", "BTC/USDT:USDT", "--side", "buy", "--quantity", "0.01")
    order: dict[str, Any] = xetrade("place", *asked, "--price", f"{best * 0.97:.1f}", "--json", **addresses(sim)).json
    return order


@pytest.mark.slow
def test_what_happens_to_an_order_is_told_and_in_the_store_at_once(
    xetrade: Callable[..., Ran], sim: Sim, tmp_path: Path
) -> None:
    with following(sim, tmp_path) as process:
        order = placed(xetrade, sim)
        told = until(process.stdout, lambda row: row["kind"] == "order")
        assert (told["status"], told["ours"], told["order_id"]) == ("open", order["client_id"], order["order_id"])
        assert (told["venue"], told["account"]) == ("binanceusdm", "main")
        sim.fill("binanceusdm", order["order_id"])
        fill = until(process.stdout, lambda row: row["kind"] == "fill")
        assert (fill["ours"], fill["quantity"], fill["side"]) == (order["client_id"], "0.01", "buy")
        until(process.stdout, lambda row: row.get("status") == "filled")
        stored = xetrade("orders", "show", order["client_id"], "--json", **addresses(sim)).json
        assert (stored["state"], stored["filled"]) == ("filled", "0.01")
        assert process.stdout is not None
        process.stdout.close()
        another = placed(xetrade, sim)
        assert process.wait(10) == 0, "nobody reads any more"
    assert xetrade("cancel", "--order-id", another["client_id"], **addresses(sim)).code == 0


@pytest.mark.slow
def test_the_venue_cancels_what_a_process_leaves_that_dies_and_not_what_one_leaves_that_is_ended(
    xetrade: Callable[..., Ran], sim: Sim, tmp_path: Path
) -> None:
    order = placed(xetrade, sim)
    with following(sim, tmp_path, "--dead-man", "3s"):
        time.sleep(0.5)
    time.sleep(3.2)
    assert int(order["order_id"]) in sim.account("binanceusdm")["open_orders"]
    with following(sim, tmp_path, "--dead-man", "3s") as process:
        time.sleep(0.5)
        process.kill()
        process.wait()
    killed = time.monotonic()
    while int(order["order_id"]) in sim.account("binanceusdm")["open_orders"]:
        assert time.monotonic() < killed + 10
        time.sleep(0.1)


@pytest.mark.slow
def test_what_an_earlier_process_left_half_cancelled_is_gone_on_with_and_the_account_compared(
    xetrade: Callable[..., Ran], sim: Sim, tmp_path: Path
) -> None:
    order = placed(xetrade, sim)
    sim.begin(kind="rest_error", venue="binanceusdm", path="/fapi/v1/order", status=503, variant="before", for_=60)
    left = xetrade("cancel", "--order-id", order["client_id"], **addresses(sim), XETRADE_TRADING__PATIENCE_S="0.3")
    assert left.code == 3
    sim.clear()
    with following(sim, tmp_path) as process:
        until(process.stdout, lambda row: row.get("status") == "canceled" and row["ours"] == order["client_id"])
        assert process.stderr is not None
        assert "reconciled main on binanceusdm: everything agrees\n" in process.stderr
    assert int(order["order_id"]) not in sim.account("binanceusdm")["open_orders"]


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
