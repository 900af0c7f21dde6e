"""Cross-venue orders through Dagster: traded once however often a run is executed again, and told with their legs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.pipelines.test_trading import config, job, told
from tests.support.desk import CROSS_SCENARIO, addresses, traded
from tests.support.sim import Sim, sim_process

CROSS = {"buy": "binance", "sell": "okx", "pair": "BTC-USDT", "quantity": "0.01", "max_loss": "20"}


@pytest.fixture(scope="module")
def both_venues() -> Iterator[Sim]:
    with sim_process(CROSS_SCENARIO) as running:
        yield running


@pytest.fixture
def sim(machine: Path, both_venues: Sim, monkeypatch: pytest.MonkeyPatch) -> Sim:
    """Two simulated venues, which the machine's settings name; every order in a store of the test's own."""
    for name, value in addresses(both_venues).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XETRADE_TRADING__STORE", str(machine / "orders.db"))
    monkeypatch.chdir(machine)
    return both_venues


def test_a_run_trades_both_legs_and_executing_it_again_goes_on_with_them(
    sim: Sim, instance: dg.DagsterInstance
) -> None:
    wanted = config("cross_order", **CROSS)
    first = dg.execute_job(job("cross_order"), instance, wanted)
    shown = told(first, "cross_order")
    assert (shown["key"], shown["state"], shown["hedged"], shown["unhedged"]) == (first.run_id, "done", "0.01", "0")
    assert "| binance | main | BTC/USDT | buy | 1 | 0.01 |" in shown["legs"]
    assert "| okx | main | BTC/USDT | sell | 1 | 0.01 |" in shown["legs"]
    assert "hedge_begun" in shown["history"]
    assert first.run_id in shown["newest cross orders"]
    after = traded(sim, "binance"), traded(sim, "okx")
    options = dg.ReexecutionOptions(parent_run_id=first.run_id)
    again = dg.execute_job(job("cross_order"), instance, wanted, reexecution_options=options)
    assert told(again, "cross_order")["orders"] == shown["orders"]
    assert (traded(sim, "binance"), traded(sim, "okx")) == after


def test_a_run_that_is_refused_fails_with_one_clear_line(sim: Sim, instance: dg.DagsterInstance) -> None:
    result = dg.execute_job(job("cross_order"), instance, config("cross_order", **CROSS | {"quantity": "500"}))
    [event] = [event for event in result.all_events if event.is_step_failure]
    said = str(event.step_failure_data.error)
    assert "nothing was sent" in said
    assert "its book holds" in said
