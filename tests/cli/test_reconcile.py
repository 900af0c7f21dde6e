"""`xetrade reconcile` against a simulated venue, by ccxt as it is: what happened unheard is found there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import Ran
from tests.support.desk import SCENARIO, addresses
from tests.support.sim import Sim, sim_process

Run = Callable[..., Ran]
LIMIT = ("--venue", "binance", "--pair", "BTC-USDT", "--side", "buy", "--quantity", "0.001", "--price", "50000")
CONTRACTS = """
[venues.binanceusdm]
symbols = ["BTC/USDT:USDT"]
[venues.binanceusdm.accounts.main]
[venues.bybit]
symbols = ["BTC/USDT:USDT"]
[venues.bybit.accounts.main]
[venues.okx]
symbols = ["BTC/USDT:USDT"]
[venues.okx.accounts.main]
"""
SOON = ("--grace", "0.001s", "--json")


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[Sim]:
    with sim_process(SCENARIO + CONTRACTS) as running:
        yield running


@pytest.fixture
def trade(answer: Run, shared_sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in addresses(shared_sim).items():
        monkeypatch.setenv(name, value)
    return answer


def differences(ran: Ran) -> list[tuple[str, str, str]]:
    return [(row["what"], row["differs"], row["done"]) for row in ran.json["differences"]]


def test_a_fill_and_a_cancel_that_nobody_heard_of_are_recorded_and_the_next_look_is_clean(
    trade: Run, shared_sim: Sim
) -> None:
    first = trade("reconcile", "--venue", "binance", *SOON)
    assert (first.code, {done for _, _, done in differences(first)}) == (0, {"opening"})
    order = trade("place", *LIMIT, "--json").json
    shared_sim.fill("binance", int(order["order_id"]), "0.0004")
    told = trade("reconcile", "--venue", "binance", "--dry-run", *SOON)
    assert told.code == 1
    assert {done for _, _, done in differences(told)} == {"found"}
    assert trade("status", "--order-id", order["client_id"], "--json").json["filled"] == "0"
    repaired = trade("reconcile", "--venue", "binance", *SOON)
    assert repaired.code == 0, repaired.out
    assert {done for _, _, done in differences(repaired)} == {"repaired"}
    after = trade("status", "--order-id", order["client_id"], "--json").json
    assert (after["state"], after["filled"]) == ("partially_filled", "0.0004")
    assert differences(trade("reconcile", "--venue", "binance", *SOON)) == []


@pytest.mark.parametrize("venue", ["binanceusdm", "bybit", "okx"])
def test_a_position_is_what_its_trades_make(trade: Run, venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order = ("--venue", venue, "--pair", "BTC/USDT:USDT", "--order-type", "MARKET", "--quantity", "0.01")
    here = ("--venue", venue, *SOON)
    monkeypatch.setenv("XETRADE_TRADING__STORE", "orders.db")
    assert trade("place", *order, "--side", "buy", "--json").code == 0
    agreed = trade("reconcile", *here)
    assert (agreed.code, differences(agreed)) == (0, []), agreed.out
    assert agreed.json["accounts"][0]["positions"] == 1
    monkeypatch.setenv("XETRADE_TRADING__STORE", "other.db")
    assert trade("place", *order, "--side", "sell", "--json").code == 0
    monkeypatch.setenv("XETRADE_TRADING__STORE", "orders.db")
    told = trade("reconcile", *here)
    assert (told.code, set(differences(told))) == (0, {("fill", "missing here", "external")}), told.out
    assert differences(trade("reconcile", *here)) == []


def test_without_reasons_nothing_is_accepted(trade: Run) -> None:
    refused = trade("reconcile", "--accept")
    assert refused.code == 2
    assert "--reason" in refused.error


def test_an_order_that_another_store_placed_halts_and_is_left_alone(
    trade: Run, shared_sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_TRADING__STORE", "other.db")
    order = trade("place", *LIMIT, "--json").json
    monkeypatch.setenv("XETRADE_TRADING__STORE", "orders.db")
    ran = trade("reconcile", "--venue", "binance", "--pair", "BTC-USDT", *SOON)
    assert ran.code == 1
    assert [row["name"] for row in ran.json["differences"] if row["done"] == "halted"] != []
    monkeypatch.setenv("XETRADE_TRADING__STORE", "other.db")
    assert trade("status", "--order-id", order["client_id"], "--refresh", "--json").json["state"] == "open"
    monkeypatch.setenv("XETRADE_TRADING__STORE", "orders.db")
    assert "halted" in trade("place", *LIMIT).error


def test_a_venue_that_does_not_answer_is_no_difference_and_not_clean(trade: Run, shared_sim: Sim) -> None:
    shared_sim.begin(kind="rest_error", venue="binance", path="openOrders", status=500, for_=60)
    try:
        ran = trade("reconcile", "--venue", "binance", *SOON)
    finally:
        shared_sim.clear()
    assert ran.code == 1
    assert "open orders" in ran.json["accounts"][0]["problems"]
