"""Cross-venue orders from the command line, between a simulated Binance and a simulated OKX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.cli.conftest import Ran
from tests.support.desk import CROSS_SCENARIO, addresses, traded
from tests.support.sim import Sim, sim_process
from xetrade_core.errors import NoAnswer
from xetrade_core.trading.cross.driver import CrossDriver

Run = Callable[..., Ran]
CROSS = ("cross", "--pair", "BTC-USDT", "--buy", "binance", "--sell", "okx", "--quantity", "0.01", "--max-loss", "20")


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[Sim]:
    with sim_process(CROSS_SCENARIO) as running:
        yield running


@pytest.fixture
def sim(shared_sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sim]:
    yield shared_sim
    shared_sim.clear()


@pytest.fixture
def trade(answer: Run, sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line of a machine that knows the two simulated venues."""
    for name, value in addresses(sim).items():
        monkeypatch.setenv(name, value)
    return answer


def test_both_legs_are_planned_traded_once_and_told(trade: Run, sim: Sim) -> None:
    planned = trade(*CROSS, "--dry-run")
    assert planned.code == 0, planned.err
    assert "the less liquid leg goes first" in planned.out
    assert "nothing was sent" in planned.out
    before = traded(sim, "binance"), traded(sim, "okx")
    first: Any = trade(*CROSS, "--key", "spread-1", "--json")
    assert (first.code, first.json["state"]) == (0, "done"), first.err
    after = traded(sim, "binance"), traded(sim, "okx")
    assert [one - other for one, other in zip(after, before, strict=True)] == [Decimal("0.01"), Decimal("-0.01")]
    assert [row["filled"] for row in first.json["legs"]] == ["0.01", "0.01"]
    assert (first.json["hedged"], first.json["unhedged"], first.json["residuals"]) == ("0.01", "0", [])
    assert Decimal(first.json["result"]) == sum(
        Decimal(row["average_price"]) * Decimal("0.01") * (1 if row["side"] == "sell" else -1)
        for row in first.json["legs"]
    )
    assert {row["leg"]: row["venue"] for row in first.json["fills"]} == {
        row["leg"]: row["venue"] for row in first.json["legs"]
    }
    assert sum(Decimal(row["quantity"]) for row in first.json["fills"]) == Decimal("0.02")
    again = trade(*CROSS, "--key", "spread-1", "--json")
    assert (again.code, again.json["orders"]) == (0, first.json["orders"])
    assert (first.err, "this is the cross order of then, and no second one was begun" in again.err) == ("", True)
    assert (traded(sim, "binance"), traded(sim, "okx")) == after
    assert [row["key"] for row in trade("cross", "list", "--json").json["sagas"]] == ["spread-1"]
    shown = trade("cross", "show", "spread-1").out
    assert "result " in shown
    assert "hedge_begun" in shown
    assert "nothing is under way" in trade("cross", "resume").out


def test_cancelling_all_of_one_venue_is_not_about_what_is_open_on_another(trade: Run) -> None:
    order = ("--pair", "BTC-USDT", "--side", "buy", "--quantity", "0.001", "--price", "50000")
    assert trade("place", "--venue", "okx", *order).code == 0
    ran = trade("cancel", "--all", "--venue", "binance", "--json")
    assert (ran.code, ran.json["clean"], ran.json["problems"]) == (0, True, {})
    assert trade("halt", "--venue", "binance", "--pair", "BTC-USDT").code == 0
    assert [row["venue"] for row in trade("orders", "--json").json] == ["okx"]


def test_spot_is_hedged_by_a_swap_that_is_counted_in_contracts(trade: Run) -> None:
    ran = trade(*CROSS, "--sell-pair", "BTC-USDT:USDT", "--json")
    assert (ran.code, ran.json["state"]) == (0, "done"), ran.err
    assert {row["pair"]: row["filled"] for row in ran.json["legs"]} == {"BTC/USDT": "0.01", "BTC/USDT:USDT": "0.01"}
    assert {row["leg"]: row["quantity"] for row in ran.json["orders"]} in (
        {"first": "1", "hedge": "0.01"},  # a contract is 0.01 BTC
        {"first": "0.01", "hedge": "1"},
    )


def test_a_leg_without_an_answer_freezes_it_and_resuming_hedges_it_once(
    trade: Run, sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_TRADING__PATIENCE_S", "0.5")
    before = traded(sim, "binance"), traded(sim, "okx")
    sim.begin(kind="rest_dropped", venue="binance", path="/api/v3/order", for_=60)
    frozen = trade(*CROSS, "--within", "5m", "--key", "spread-2", "--wait", "1s", "--json")
    assert (frozen.code, frozen.json["state"]) == (3, "frozen"), frozen.err
    assert "`xetrade cross resume spread-2` goes on with it" in frozen.err
    sim.clear()
    ran = trade("cross", "resume", "spread-2", "--json")
    assert (ran.code, ran.json[0]["state"]) == (0, "done"), ran.err
    after = traded(sim, "binance"), traded(sim, "okx")
    assert [one - other for one, other in zip(after, before, strict=True)] == [Decimal("0.01"), Decimal("-0.01")]


def test_what_stops_one_of_several_is_told_beside_what_came_of_the_others(
    trade: Run, sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_TRADING__PATIENCE_S", "0.5")
    sim.begin(kind="rest_dropped", venue="binance", path="/api/v3/order", for_=60)
    for key in ("stopped", "goes-on"):
        assert trade(*CROSS, "--within", "5m", "--key", key, "--wait", "1s").code == 3
    sim.clear()
    step = CrossDriver._step

    async def stop(driver: CrossDriver) -> bool:
        if driver.saga.key == "stopped":
            raise NoAnswer("okx lists nothing")
        return await step(driver)

    with monkeypatch.context() as stopping:
        stopping.setattr(CrossDriver, "_step", stop)
        ran = trade("cross", "resume", "--json")
    assert ran.code == 3, "one is not over"
    assert {row["key"]: row["state"] for row in ran.json} == {"stopped": "frozen", "goes-on": "done"}
    said = "was stopped: okx lists nothing; `xetrade cross resume stopped` goes on with it"
    assert {row["key"]: (row["problem"] or "").endswith(said) for row in ran.json} == {
        "stopped": True,
        "goes-on": False,
    }
    assert ran.err.count(said) == 1
    assert trade("cross", "resume").code == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--quantity": "0.0100001", "--sell-pair": "BTC-USDT:USDT"}, "no multiple of 0.0001 BTC, its lot"),
        ({"--max-loss": "lots"}, "--max-loss"),
        ({"--sell": "nasdaq"}, "nasdaq"),
        ({"--buy": ""}, "--buy is missing"),
    ],
)
def test_every_refusal_is_one_clear_line_and_nothing_is_sent(
    changed: dict[str, str], said: str, trade: Run, sim: Sim
) -> None:
    before = traded(sim, "binance"), traded(sim, "okx")
    options = dict(zip(CROSS[1::2], CROSS[2::2], strict=True)) | changed
    ran = trade("cross", *[part for option in options.items() for part in option])
    assert ran.code == 2
    assert said in ran.error
    assert (traded(sim, "binance"), traded(sim, "okx")) == before
