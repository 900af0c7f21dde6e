"""Dated futures that end: what the venue closed is asked of a simulated Deribit, and positions, days and risk close."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tests.support.sim import Sim, sim_process
from tests.trading.samples import event, fill, intent
from xetrade_core.accounting.days import account_day
from xetrade_core.accounting.export import export_fills
from xetrade_core.assembly.accounting import collect_fundings
from xetrade_core.assembly.reconciling import reconcile_accounts
from xetrade_core.clock import SystemClock
from xetrade_core.lake.layout import day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.order_events import EventKind, Source
from xetrade_core.model.orders import DELIVERY, Side, Terms
from xetrade_core.monitor.ledger import FillLedger
from xetrade_core.positions.book import Holder
from xetrade_core.settings import load_settings
from xetrade_core.simvenue import ccxt_config
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.reconciliation.differences import Subject
from xetrade_core.trading.reconciliation.plan import ReconcilePlan
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction

TODAY = f"{datetime.now(UTC):%y%m%d}"  # by the time of a test it may be yesterday: a delivery is looked for on both
INVERSE, LINEAR, LATER = f"BTC/USD:BTC-{TODAY}", f"BTC/USDC:USDC-{TODAY}", "BTC/USD:BTC-391230"
SCENARIO = f"""
seed = 5
[venues.deribit]
weight_limit = 0
symbols = ["BTC/USD:BTC", "{INVERSE}", "{LINEAR}", "{LATER}"]
[venues.deribit.accounts.main]
"""


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    """A venue on which `main` held three dated futures, two of which have ended."""
    with sim_process(SCENARIO) as running:
        client = client_of(running)
        for symbol, side, amount in ((INVERSE, "buy", 3000), (LINEAR, "sell", 0.03), (LATER, "buy", 50)):
            client.create_order(symbol, "market", side, amount)
        running.trades = {symbol: client.fetch_my_trades(symbol) for symbol in (INVERSE, LINEAR, LATER)}  # type: ignore[attr-defined]
        running.deliver("deribit", INVERSE, "65000", fee_rate="0.00025")
        running.deliver("deribit", LINEAR, "65000")
        yield running


def client_of(sim: Sim) -> Any:
    import ccxt

    keys = {"apiKey": "sim-main-key", "secret": "sim-main-secret", "enableRateLimit": False}
    return ccxt.deribit({**ccxt_config("deribit", sim), **keys})


@pytest.fixture
def machine(sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that reach the simulated venue and the order store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XETRADE_VENUES__DERIBIT__REST_URL", sim.url("deribit").rest)
    monkeypatch.setenv("XETRADE_TRADING__STORE", f"sqlite:///{tmp_path}/orders.db")


def trade(store: OrderStore, number: int, told: Any, strategy: str, share: str = "1") -> None:
    """An order of a strategy that has traded a share of what the venue tells of one trade."""
    symbol, amount = told["symbol"], D(str(told["info"]["amount"])) * D(share)
    terms = Terms(D(1), inverse=":BTC" in symbol)
    side = Side(told["side"])
    one = intent(number, venue="deribit", symbol=symbol, side=side, strategy=strategy, amount=amount, terms=terms)

    def work(transaction: Transaction) -> None:
        transaction.append(one.client_id, event(EventKind.INTENDED, intent=one, at_ns=1, source=Source.SERVICE))
        transaction.append(one.client_id, event(EventKind.SUBMITTED, source=Source.SERVICE))
        at_ns = told["timestamp"] * 1_000_000
        traded = fill(
            f"{told['id']}-{number}", str(amount), str(told["info"]["price"]), venue="deribit", account="main",
            symbol=symbol, side=side, received_ns=at_ns, exchange_ns=at_ns, client_id=one.client_id,
            venue_order_id=f"v{number}",
        )  # fmt: skip
        transaction.add_fill(traded, at_ns, Source.STREAM)

    store.do(work)


@pytest.fixture
def traded(sim: Sim, store: OrderStore) -> OrderStore:
    """What two strategies have made of it: the inverse contract is theirs by 3 to 2."""
    number = 0
    alone = {"maker": "1"}
    for symbol, shares in ((INVERSE, {"maker": "0.6", "hedge": "0.4"}), (LINEAR, alone), (LATER, alone)):
        for told in sim.trades[symbol]:  # type: ignore[attr-defined]
            for strategy, share in shares.items():
                number += 1
                trade(store, number, told, strategy, share)
    return store


def positions(store: OrderStore) -> dict[tuple[str, str], Any]:
    ledger = FillLedger(store)
    ledger.refresh()
    return {(holder.symbol, holder.strategy): position for holder, position in ledger.positions.items()}


def journal(sim: Sim, symbol: str) -> dict[str, Any]:
    [row] = [one for one in sim.account("deribit")["journal"] if (one["kind"], one["symbol"]) == ("delivery", symbol)]
    return row


def collect() -> Any:
    return collect_fundings(load_settings(), SystemClock())


def test_what_has_ended_is_closed_for_every_strategy_as_the_venue_closed_it(
    sim: Sim, machine: None, traded: OrderStore
) -> None:
    assert collect().problems == {}
    held = positions(traded)
    assert {key: one.quantity for key, one in held.items() if key[0] != LATER} == {
        (INVERSE, "maker"): 0, (INVERSE, "hedge"): 0, (LINEAR, "maker"): 0,
    }  # fmt: skip
    assert held[LATER, "maker"].quantity > 0, "what has not ended stays open"
    fee = D(journal(sim, INVERSE)["delivered"]["fee"])
    assert fee > 0
    assert [held[INVERSE, one].fees for one in ("maker", "hedge")] == [fee * D("0.6"), fee * D("0.4")]
    for symbol, paid in ((INVERSE, fee), (LINEAR, D(0))):
        realized = sum(one.realized for key, one in held.items() if key[0] == symbol)
        assert abs(realized - paid - D(journal(sim, symbol)["amount"])) <= D("1e-8"), "as the venue booked it"


def test_each_delivery_is_recorded_once_and_asked_about_no_more(
    machine: None, traded: OrderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect()
    kept = [one for one, _ in traded.traded() if one.trade_id.startswith(DELIVERY)]
    assert {(one.symbol, one.side, one.price) for one in kept} == {
        (INVERSE, Side.SELL, 65_000), (LINEAR, Side.BUY, 65_000),
    }  # fmt: skip

    async def nobody(*_: Any) -> Any:
        raise AssertionError("asked again")

    monkeypatch.setattr("xetrade_core.assembly.deliveries.deliveries_of", nobody)
    assert collect().problems == {}
    assert len([one for one, _ in traded.traded() if one.delivers]) == 2


def test_risk_holds_none_of_it_any_more_and_a_rebuild_says_the_same(machine: None, traded: OrderStore) -> None:
    with OrderStore(traded.engine.url.render_as_string(False)) as other:  # which has read the holdings before
        assert other.do(lambda transaction: transaction.risk.holding(("deribit", "main", INVERSE, "maker"))).amount
    collect()
    assert {symbol for _, symbol in traded.instruments_held()} == {LATER}
    assert rebuild(traded).clean


def test_the_days_of_the_lake_close_with_it_and_add_up(
    sim: Sim, machine: None, traded: OrderStore, lake: ObjectStore
) -> None:
    collect()
    day_ns = day_start(next(traded.traded(symbols=[INVERSE]))[0].exchange_ns or 0)
    last_ns = day_start(time.time_ns())
    rows, fills = [], 0
    for start_ns in sorted({day_ns, last_ns}):
        exported = export_fills(traded, lake, "deribit", start_ns)
        assert (exported.unclaimed, exported.unsized) == (0, ())
        made = account_day(lake, "deribit", start_ns)
        assert made.fills == made.fills_read, "a delivery that is shared is one"
        rows += made.rows
        fills += made.fills
    last = {row.holder: row for row in rows if row.holder.symbol == INVERSE}
    assert set(last) == {Holder("deribit", "main", INVERSE, one) for one in ("maker", "hedge")}
    assert [row.quantity for row in last.values()] == [0, 0]
    fee = D(journal(sim, INVERSE)["delivered"]["fee"])
    realized = sum(row.realized for row in rows if row.holder.symbol == INVERSE)
    assert abs(realized - fee - D(journal(sim, INVERSE)["amount"])) <= D("1e-8")
    assert fills == len(list(traded.traded()))


def test_a_reconciliation_closes_what_has_ended_before_it_compares_positions(machine: None, traded: OrderStore) -> None:
    plan = ReconcilePlan(looks=2, spacing_s=0.01)
    made = reconcile_accounts(load_settings(), SystemClock(), plan, venue="deribit", account="main")
    [report] = made.accounts
    differing = {one.symbol for one in report.differences if one.subject is Subject.POSITION}
    assert not differing & {INVERSE, LINEAR}
    assert {symbol for _, symbol in traded.instruments_held()} == {LATER}


def test_a_contract_that_has_ended_is_listed_no_more_and_takes_no_order(sim: Sim) -> None:
    import ccxt

    client = client_of(sim)
    assert set(client.load_markets()) == {"BTC/USD:BTC", LATER}
    with pytest.raises(ccxt.BaseError):
        client.private_get_buy({"instrument_name": "BTC-1JAN20", "amount": 10, "type": "market"})
    assert [one["symbol"] for one in client.fetch_positions()] == [LATER]
