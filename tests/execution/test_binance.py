"""Binance spot's private side through ccxt against the simulated venue: what is certain of each call, to the digit."""

from __future__ import annotations

import asyncio
import socket
from decimal import Decimal
from typing import Any

import pytest

from tests.execution.conftest import Open
from tests.support.sim import Sim
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.permissions import WithdrawalAllowed
from xetrade_core.model.orders import Intent, Liquidity, OrderType, ReportStatus, Side, TimeInForce
from xetrade_core.trading.execution import ErrorReply, NoReply, NotSent, OrderRef
from xetrade_core.trading.outcome import Outcome, classify
from xetrade_core.venues.registry import venue as known_venue

VENUE, SYMBOL = "binance", "BTC/USDT"
NAMES = iter(range(10**6))


def intent(amount: str = "0.01234", price: str | None = "30000.12", **changes: Any) -> Intent:
    found = {
        "client_id": f"card-{next(NAMES)}",
        "venue": VENUE,
        "account": "main",
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT if price else OrderType.MARKET,
        "amount": Decimal(amount),
        "created_ns": 1,
        "reserve_price": Decimal(price or "100000"),
        "price": None if price is None else Decimal(price),
    }
    return Intent(**found | changes)


def ref(one: Intent, order_id: str | None = None) -> OrderRef:
    return OrderRef(one.symbol, one.client_id, order_id)


def at_venue(sim: Sim, client_id: str) -> list[dict[str, Any]]:
    """The orders of that name that the venue really has."""
    return [row for row in sim.account(VENUE)["orders"] if row["client_id"] == client_id]


async def test_the_venue_gets_amount_price_and_name_to_the_digit(opened: Open, sim: Sim) -> None:
    wanted = intent("0.01234", "30000.12")
    placed = await opened(VENUE).place(wanted)
    assert (placed.status, placed.client_id, placed.filled) == (ReportStatus.OPEN, wanted.client_id, Decimal(0))
    (row,) = at_venue(sim, wanted.client_id)
    assert (Decimal(row["amount"]), Decimal(row["price"])) == (wanted.amount, wanted.price)


async def test_an_order_is_found_by_its_name_listed_canceled_and_found_again(opened: Open) -> None:
    client, wanted = opened(VENUE), intent()
    placed = await client.place(wanted)
    assert await client.find(ref(wanted)) == replace_time(placed, await client.find(ref(wanted)))
    assert wanted.client_id in [one.client_id for one in await client.open_orders(None)]
    canceled = await client.cancel(ref(wanted))
    assert (canceled.status, canceled.client_id) == (ReportStatus.CANCELED, wanted.client_id)
    assert canceled.venue_order_id == placed.venue_order_id
    found = await client.find(ref(wanted))
    assert found is not None
    assert found.status is ReportStatus.CANCELED
    assert wanted.client_id not in [one.client_id for one in await client.open_orders(SYMBOL)]


def replace_time(report: Any, other: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(report, exchange_ns=other.exchange_ns)


async def test_what_the_venue_does_not_know_is_not_found(opened: Open) -> None:
    assert await opened(VENUE).find(OrderRef(SYMBOL, "never-placed", None)) is None


async def test_a_market_order_is_filled_and_its_trades_tell_fee_and_liquidity(opened: Open, sim: Sim) -> None:
    client, wanted = opened(VENUE), intent("0.02", None)
    placed = await client.place(wanted)
    assert (placed.status, placed.filled, placed.price) == (ReportStatus.FILLED, Decimal("0.02"), None)
    fills = [one for one in await client.fills_since(SYMBOL, 0) if one.venue_order_id == placed.venue_order_id]
    truth = [row for row in sim.account(VENUE)["fills"] if str(row["order_id"]) == placed.venue_order_id]
    assert [(one.amount, one.price, one.fee) for one in fills] == [
        (Decimal(row["amount"]), Decimal(row["price"]), Decimal(row["fee"])) for row in truth
    ]
    assert {(one.side, one.fee_currency, one.liquidity) for one in fills} == {(Side.BUY, "BTC", Liquidity.TAKER)}


async def test_trades_come_page_by_page_and_none_twice(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xetrade_core.execution.binance.PAGE", 2)
    client = opened(VENUE)
    for _ in range(3):
        await client.place(intent("0.001", None))
    ids = [one.trade_id for one in await client.fills_since(SYMBOL, 0)]
    assert len(ids) == len(set(ids)) >= 3


@pytest.mark.parametrize("venue", [VENUE, "binanceusdm", "binancecoinm"])
async def test_a_page_that_does_not_say_where_to_go_on_is_a_reply_that_says_nothing(
    opened: Open, monkeypatch: pytest.MonkeyPatch, venue: str
) -> None:
    client = opened(venue)
    assert isinstance(client, CcxtExecution)
    module = "binance" if venue == VENUE else "binance_futures"
    monkeypatch.setattr(f"xetrade_core.execution.{module}.PAGE", 1)

    async def once(*_: object, **__: object) -> list[Any]:
        return [{"timestamp": 1, "info": {}}]

    monkeypatch.setattr(client, "once", once)
    with pytest.raises(NoReply, match=f"the trades that {venue} answered cannot be read"):
        await client.trades("BTC/USDT", 0)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"time_in_force": TimeInForce.IOC}, ReportStatus.EXPIRED),
        ({"time_in_force": TimeInForce.FOK}, ReportStatus.EXPIRED),
        ({"post_only": True}, ReportStatus.OPEN),
    ],
)
async def test_time_in_force_and_post_only_reach_the_venue(opened: Open, changes: Any, status: ReportStatus) -> None:
    client, wanted = opened(VENUE), intent(**changes)
    assert (await client.place(wanted)).status is status
    if status is ReportStatus.OPEN:
        await client.cancel(ref(wanted))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": Decimal("900000"), "post_only": True}, "-2010"),  # it would take
        ({"amount": Decimal("100"), "price": Decimal("50000")}, "-2010"),  # insufficient balance
        ({"amount": Decimal("0.00001"), "price": Decimal("30000")}, "-1013"),  # notional
    ],
)
async def test_a_refusal_carries_the_venues_own_code_and_words(opened: Open, changes: Any, code: str) -> None:
    with pytest.raises(ErrorReply) as caught:
        await opened(VENUE).place(intent(**changes))
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert "http" not in caught.value.said
    assert "signature" not in caught.value.said


async def test_a_second_order_of_the_same_name_is_refused_while_the_first_is_open(opened: Open, sim: Sim) -> None:
    client, wanted = opened(VENUE), intent()
    await client.place(wanted)
    with pytest.raises(ErrorReply) as caught:
        await client.place(wanted)
    assert caught.value.code == "-2010"
    assert len(at_venue(sim, wanted.client_id)) == 1


async def test_canceling_what_is_not_open_says_that_the_venue_does_not_know_it(opened: Open) -> None:
    with pytest.raises(ErrorReply) as caught:
        await opened(VENUE).cancel(OrderRef(SYMBOL, "never-placed", None))
    assert caught.value.code == "-2011"


async def test_cancel_all_leaves_nothing_open(opened: Open) -> None:
    client = opened(VENUE)
    await client.place(intent())
    await client.cancel_all(SYMBOL)
    assert await client.open_orders(SYMBOL) == ()


async def test_balances_are_what_the_venue_holds(opened: Open, sim: Sim) -> None:
    client = opened(VENUE)
    held = {one.currency: (one.total, one.free) for one in await client.balances()}
    truth = sim.account(VENUE)["balances"]
    assert {name: total for name, (total, _) in held.items() if total} == {
        name: Decimal(row["total"]) for name, row in truth.items() if Decimal(row["total"])
    }


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rest_dropped"},
        {"kind": "rest_error", "status": 500, "variant": "after"},
        {"kind": "rest_garbled"},
        {"kind": "rest_no_id"},
    ],
    ids=lambda fault: str(fault["kind"]),
)
async def test_an_order_whose_answer_is_lost_is_not_known_and_is_found(
    opened: Open, sim: Sim, fault: dict[str, Any]
) -> None:
    client, wanted = opened(VENUE, request_timeout_s=3.0), intent()
    await client.balances()  # markets and clock are known, so that the next request is the order
    sim.begin(venue=VENUE, count=1, path="/api/v3/order", **fault)
    answer = (await asyncio.gather(client.place(wanted), return_exceptions=True))[0]
    assert classify(known_venue(VENUE), answer).outcome is Outcome.AMBIGUOUS
    found = await client.find(ref(wanted))
    assert found is not None
    assert found.status is ReportStatus.OPEN
    assert len(at_venue(sim, wanted.client_id)) == 1


async def test_no_connection_is_certainly_not_sent(opened: Open, sim: Sim) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client, wanted = opened(VENUE, rest_url=f"http://127.0.0.1:{port}"), intent()
    with pytest.raises(NotSent):
        await client.place(wanted)


async def test_a_connection_that_goes_away_after_the_markets_are_known_is_certainly_not_sent(
    opened: Open, sim: Sim
) -> None:
    client, wanted = opened(VENUE), intent()
    await client.balances()
    exchange = client._client._exchange  # type: ignore[attr-defined]
    exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], "http://127.0.0.1:9/api/v3")
    with pytest.raises(NotSent, match="no connection"):
        await client.place(wanted)


async def test_a_full_budget_of_the_venue_is_certainly_not_sent_and_says_until_when(opened: Open, sim: Sim) -> None:
    client, wanted = opened(VENUE), intent()
    await client.balances()
    sim.begin(kind="rate_limit", venue=VENUE, status=429, retry_after_s=7, count=1)
    with pytest.raises(NotSent) as caught:
        await client.place(wanted)
    assert caught.value.retry_after_s == pytest.approx(7, abs=0.5)
    assert at_venue(sim, wanted.client_id) == []


async def test_a_clock_that_is_off_is_measured_not_widened(opened: Open, sim: Sim) -> None:
    sim.begin(kind="clock", venue=VENUE, offset_s=-20, for_=60)
    client, wanted = opened(VENUE), intent()
    assert (await client.place(wanted)).status is ReportStatus.OPEN
    sim.clear()
    with pytest.raises(ErrorReply) as caught:  # the measure is of before: the venue turns it away unread
        await client.place(intent())
    assert caught.value.code == "-1021"
    assert (await client.place(intent())).status is ReportStatus.OPEN  # and is measured again


async def test_a_wrong_secret_is_refused_and_appears_nowhere(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    wrong = Credentials("sim-main-key", "CANARY-secret-5ecre7")
    client = opened(VENUE, credentials=wrong)
    with pytest.raises(ErrorReply) as caught:
        await client.place(intent())
    assert caught.value.code == "-1022"
    assert "CANARY" not in repr(wrong) + str(wrong) + repr(caught.value) + str(caught.value) + caplog.text


async def test_a_key_that_can_withdraw_is_told_apart(opened: Open) -> None:
    (await opened(VENUE).permissions()).require_safe(VENUE, "main")
    rich = opened(VENUE, "rich", Credentials("rich-key", "rich-secret"))
    with pytest.raises(WithdrawalAllowed, match="account rich on binance can withdraw"):
        (await rich.permissions()).require_safe(VENUE, "rich")


async def test_two_hundred_orders_at_once_are_each_placed_once(opened: Open, sim: Sim) -> None:
    client = opened(VENUE)
    await client.balances()
    wanted = [intent("0.001", "20000") for _ in range(200)]
    placed = await asyncio.gather(*(client.place(one) for one in wanted))
    assert len({one.venue_order_id for one in placed}) == 200
    await client.cancel_all(SYMBOL)
    assert [len(at_venue(sim, one.client_id)) for one in wanted] == [1] * 200
