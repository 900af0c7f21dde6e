"""Funding payments: asked of a simulated venue through unmodified ccxt, kept once, in the lake, positions and days."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tests.monitor.conftest import Trade
from tests.support.sim import Sim, sim_process
from tests.trading.samples import fill
from xetrade_core.accounting.days import account_day
from xetrade_core.accounting.export import export_fills, export_payments
from xetrade_core.assembly import accounting
from xetrade_core.assembly.accounting import collect_fundings
from xetrade_core.assembly.watching import watch_positions
from xetrade_core.clock import NS_PER_MS, SystemClock
from xetrade_core.errors import LakeError
from xetrade_core.execution import fundings
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import FUNDING_PAYMENTS, PNL_DAILY
from xetrade_core.lake.trades import read_payments
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Side
from xetrade_core.monitor.ledger import FillLedger, Selection
from xetrade_core.monitor.limits import PositionLimits
from xetrade_core.monitor.pace import Pace
from xetrade_core.positions.daily import NS_PER_DAY
from xetrade_core.settings import load_settings
from xetrade_core.simvenue import ccxt_config
from xetrade_core.telemetry import add_alarm_sink
from xetrade_core.trading.fundings import add_fundings, read_fundings
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues.clients import ClientOptions

SYMBOL = "BTC/USDT:USDT"
OTHER = "ADA/USDT:USDT"
DAY0 = 20_500 * NS_PER_DAY
SCENARIO = f"""
seed = 3
[venues.binanceusdm]
symbols = ["{SYMBOL}", "{OTHER}"]
[venues.binanceusdm.accounts.main]
balances = {{USDT = "300"}}
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    """A venue on which `main` has held a position over three fundings."""
    with sim_process(SCENARIO) as running:
        client = client_of(running)
        client.create_order(SYMBOL, "market", "buy", 0.02)
        for rate in ("0.001", "-0.0005", "0.0001"):
            running.pay_funding("binanceusdm", SYMBOL, rate)
            time.sleep(0.02)  # never two in one millisecond
        yield running


def client_of(sim: Sim) -> Any:
    """ccxt with the key of `main`."""
    import ccxt

    keys = {"apiKey": "sim-main-key", "secret": "sim-main-secret", "enableRateLimit": False}
    return ccxt.binanceusdm({**ccxt_config("binanceusdm", sim), **keys})


def booked(sim: Sim) -> list[D]:
    """What the venue's own books say."""
    return [D(one["amount"]) for one in sim.account("binanceusdm")["journal"] if one["kind"] == "funding"]


@pytest.fixture
def machine(sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Settings that reach the simulated venue and the order store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XETRADE_VENUES__BINANCEUSDM__REST_URL", sim.url("binanceusdm").rest)
    monkeypatch.setenv("XETRADE_TRADING__STORE", f"sqlite:///{tmp_path}/orders.db")
    return monkeypatch


async def test_an_accounts_payments_are_read_page_by_page(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ClientOptions(rest_url=sim.url("binanceusdm").rest)
    keys = Credentials("sim-main-key", "sim-main-secret")
    client = open_execution("binanceusdm", "main", keys, options, SystemClock(), random.Random(1))
    assert isinstance(client, CcxtExecution)
    try:
        for page in (100, 2):
            monkeypatch.setattr(fundings, "PAGE", page)
            found = await fundings.fundings_since(client, SYMBOL, 0)
            assert [one.amount for one in found] == booked(sim)
            assert {(one.venue, one.account, one.symbol, one.currency) for one in found} == {
                ("binanceusdm", "main", SYMBOL, "USDT")
            }
        later = await fundings.fundings_since(client, SYMBOL, found[-1].at_ns + NS_PER_MS)
        assert later == ()
    finally:
        await client.close()


def test_the_accounts_of_the_settings_are_asked_and_each_payment_is_kept_once(
    sim: Sim, machine: object, store: OrderStore, trade: Trade
) -> None:
    assert collect_fundings(load_settings(), SystemClock()).done == (0,)  # nothing was traded
    trade(("0.02", "60000"), venue="binanceusdm", symbol="AAA/USDT:USDT")  # listed no more, and asked for first
    trade(("0.02", "60000"), venue="binanceusdm", symbol=SYMBOL)
    for new in (len(booked(sim)), 0):
        made = collect_fundings(load_settings(), SystemClock())
        assert (made.done, made.problems) == ((new,), {})
    assert [one.amount for one in read_fundings(store)] == booked(sim)
    ledger = FillLedger(store)
    ledger.refresh()
    _, position = ledger.positions.values()
    assert position.funding == sum(booked(sim))


def test_trades_that_come_late_bring_the_payments_of_the_time_since(
    sim: Sim, machine: pytest.MonkeyPatch, store: OrderStore, trade: Trade
) -> None:
    machine.setattr(accounting, "PAYMENTS_LOOK_BACK_NS", 0)  # its hour is longer than this venue's fundings are apart
    times = [one["time_ns"] for one in sim.account("binanceusdm")["journal"] if one["kind"] == "funding"]
    swap = {"venue": "binanceusdm", "symbol": SYMBOL}
    trade(("0.02", "60000"), at_ns=times[-2] + NS_PER_MS, **swap)
    assert collect_fundings(load_settings(), SystemClock()).done == (1,)
    early = fill(
        "hand", "0.02", "60000", venue="binanceusdm", symbol=SYMBOL, exchange_ns=times[0] - NS_PER_MS,
        received_ns=times[-1] + NS_PER_MS,
    )  # fmt: skip
    store.do(lambda transaction: transaction.add_fill(early, early.received_ns, Source.RECONCILIATION))
    assert collect_fundings(load_settings(), SystemClock()).done == (len(times) - 1,)
    assert [one.amount for one in read_fundings(store)] == booked(sim)


def test_a_contract_of_which_a_venue_refuses_to_tell_costs_no_other_its_payments(
    sim: Sim, machine: object, store: OrderStore, trade: Trade
) -> None:
    for symbol in (OTHER, SYMBOL):
        trade(("0.02", "60000"), venue="binanceusdm", symbol=symbol)
    sim.begin(venue="binanceusdm", kind="rest_error", path="/fapi/v1/income", status=400, count=1)
    made = collect_fundings(load_settings(), SystemClock())
    assert made.done == (len(booked(sim)),)
    assert list(made.problems) == ["binanceusdm/main"]


def test_an_account_that_cannot_be_asked_is_a_problem_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: OrderStore, trade: Trade
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XETRADE_VENUES__BINANCEUSDM__REST_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("XETRADE_TRADING__STORE", f"sqlite:///{tmp_path}/orders.db")
    trade(("0.02", "60000"), venue="binanceusdm", symbol=SYMBOL)
    made = collect_fundings(load_settings(), SystemClock())
    assert made.done == ()
    assert list(made.problems) == ["binanceusdm/main"]


def paid(amount: str, at_ns: int, name: str) -> FundingPayment:
    return FundingPayment("binanceusdm", "main", SYMBOL, name, D(amount), "USDT", at_ns)


def test_payments_are_days_of_the_lake_and_part_of_the_days_net(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    swap = {"venue": "binanceusdm", "symbol": SYMBOL}
    trade(("3", "100"), at_ns=DAY0 + 1, strategy="a", **swap)
    trade(("1", "100"), at_ns=DAY0 + 5, strategy="b", side=Side.SELL, **swap)
    trade(("2", "100"), at_ns=DAY0 + 20, strategy="a", side=Side.SELL, **swap)
    trade(("0.5", "100"), at_ns=DAY0 + 20, strategy="b", **swap)
    payments = [paid("-2", DAY0 + 10, "f1"), paid("-1", DAY0 + 30, "f2"), paid("9", DAY0 + NS_PER_DAY, "f3")]
    add_fundings(store, payments)
    export_fills(store, lake, "binanceusdm", DAY0)
    made = export_payments(store, lake, "binanceusdm", DAY0)
    assert (made.rows, made.totals, made.foreign, made.changed) == (2, {"USDT": D(-3)}, (), True)
    assert not export_payments(store, lake, "binanceusdm", DAY0).changed
    assert read_payments(lake, "binanceusdm", DAY0) == payments[:2]
    day = account_day(lake, "binanceusdm", DAY0)
    assert {row.holder.strategy: row.funding for row in day.rows} == {"a": D("-3") - D(2), "b": D(1) + D(1)}
    assert day.funding == day.funding_read == {"USDT": D(-3)}
    assert not day.unexplained_funding("USDT")
    kept = read_day(lake, PNL_DAILY, "binanceusdm", DAY0)
    assert kept is not None
    assert sum(row["funding"] for row in kept.to_pylist()) == -3


def test_a_payment_without_a_fill_before_it_is_an_error_and_no_guess(store: OrderStore, lake: ObjectStore) -> None:
    add_fundings(store, [paid("-2", DAY0 + 10, "f1")])
    export_payments(store, lake, "binanceusdm", DAY0)
    with pytest.raises(LakeError, match="was paid funding and has no fill before"):
        account_day(lake, "binanceusdm", DAY0)


def test_a_payment_in_another_currency_is_told(store: OrderStore, lake: ObjectStore) -> None:
    odd = FundingPayment("binanceusdm", "main", SYMBOL, "x", D(1), "BNB", DAY0)
    add_fundings(store, [odd])
    assert export_payments(store, lake, "binanceusdm", DAY0).foreign == (SYMBOL,)
    assert len(read_day(lake, FUNDING_PAYMENTS, "binanceusdm", DAY0) or ()) == 1


def test_a_payment_in_another_currency_is_kept_apart_and_in_no_result(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("1", "100"), at_ns=DAY0 + 1, venue="binanceusdm", symbol=SYMBOL)
    odd = FundingPayment("binanceusdm", "main", SYMBOL, "x", D("-0.002"), "BNB", DAY0 + 5)
    add_fundings(store, [odd, paid("-2", DAY0 + 10, "f1")])
    export_fills(store, lake, "binanceusdm", DAY0)
    export_payments(store, lake, "binanceusdm", DAY0)
    day = account_day(lake, "binanceusdm", DAY0)
    [row] = day.rows
    assert (row.funding, row.unvalued) == (-2, {"BNB": D("0.002")})
    assert (day.unexplained_funding("USDT"), day.unexplained_funding("BNB")) == (False, True)
    ledger = FillLedger(store)
    ledger.refresh()
    assert [one.funding for one in ledger.positions.values()] == [-2]
    assert list(ledger.book.unvalued.values()) == [{"BNB": D("0.002")}]


def test_what_the_venue_holds_is_compared_with_what_our_fills_make(
    sim: Sim, machine: pytest.MonkeyPatch, store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    told: list[dict[str, Any]] = []
    remove = add_alarm_sink(told.append)
    trade(("0.015", "60000"), venue="binanceusdm", symbol=SYMBOL, strategy="a")
    pace = Pace(interval_s=1, max_updates=1)
    machine.setenv("XETRADE_MONITOR__MIN_LIQUIDATION_DISTANCE", "30")  # 300 USDT back 1,200: a quarter lower
    made = watch_positions(load_settings(), lake, pace, SystemClock())
    [row] = made.positions
    [said] = client_of(sim).fapiPrivateV3GetPositionRisk()
    assert row.liquidation == D(said["liquidationPrice"])
    assert row.liquidation_distance == pytest.approx(D(25), abs=5)
    assert made.compared == ("binanceusdm/main",)
    assert made.mismatches == (f"binanceusdm/main {SYMBOL}: 0.015 here, 0.02 at the venue",)
    assert [one["alarm"] for one in told] == ["position_near_liquidation", "position_mismatch"]
    trade(("0.005", "60000"), venue="binanceusdm", symbol=SYMBOL, strategy="b")
    nearer = PositionLimits.of(min_liquidation_distance=5)
    assert watch_positions(load_settings(), lake, pace, SystemClock(), limits=nearer).mismatches == ()
    assert len(told) == 2  # the run's own limit counts
    only = Selection(strategy="a")
    assert watch_positions(load_settings(), lake, pace, SystemClock(), selection=only).compared == ()
    trade(("0.02", "60000"), venue="binanceusdm", symbol=SYMBOL, strategy="a", side=Side.SELL, at_ns=9_000)
    trade(("0.005", "60000"), venue="binanceusdm", symbol=SYMBOL, strategy="a", at_ns=9_100)
    trade(("0.005", "60000"), venue="binanceusdm", symbol=SYMBOL, strategy="b", side=Side.SELL, at_ns=9_200)
    flat = watch_positions(load_settings(), lake, pace, SystemClock(), limits=nearer)
    assert (flat.positions, len(flat.mismatches)) == ((), 1)
    assert flat.venues == ("binanceusdm",)  # so that its checks say that the venue holds something
    remove()
