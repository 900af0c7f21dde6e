"""The order service on a venue that fails in every way: nothing is lost, nothing doubled, nobody is told a guess."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trading.samples import D, fill, report, request
from tests.trading.venue_double import Fault, VenueOrder
from tests.trading.virtual import InlineJournal
from tests.trading.world import World
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import (
    AmendRefused,
    CancelRefused,
    ConfigError,
    Halted,
    IntentConflict,
    InvalidOrder,
    NotArmed,
    OrderExpired,
    OrderOutcomeUnknown,
    OrderRejected,
    RiskDenied,
    StoreUnavailable,
    UnknownOrder,
)
from xetrade_core.model.order_events import ControlEvent, ControlKind, TradingState
from xetrade_core.model.orders import Intent, Order, OrderReport, OrderState, OrderType, ReportStatus, Side, TimeInForce
from xetrade_core.telemetry import add_alarm_sink
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.execution import OrderRef
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, ScopeKind
from xetrade_core.trading.overview import order_row
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.requests import Rounding
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import Work
from xetrade_core.venues.venue import Capability, Support, Uniqueness

KEY = "run-1"
ID = client_order_id(KEY)
TAKEN = [Fault.NONE, Fault.NO_REPLY, Fault.SERVER_ERROR, Fault.GARBLED, Fault.NO_ID, Fault.LATE, Fault.HANGS]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def place(service: OrderService, **changes: Any) -> Order:
    """Place, and let everything come to rest."""
    try:
        return await service.place(request(**changes), key=KEY)
    finally:
        await service.settled()


def stored(world: World, client_id: str = ID) -> Order:
    store = world.open()
    try:
        assert rebuild(store).clean
        order = store.order(client_id)
        assert order.illegal == ()
        return order
    finally:
        store.close()


@pytest.mark.parametrize("fault", TAKEN)
def test_what_the_venue_took_is_found_however_its_reply_was_lost(world: World, fault: Fault) -> None:
    world.fail("place", fault)

    async def program(service: OrderService) -> Order | None:
        try:
            return await place(service)
        except OrderOutcomeUnknown:
            return None

    order = world.run(program)
    assert order is None or order.state is OrderState.OPEN
    assert stored(world).state is OrderState.OPEN
    assert [one.venue_order_id for one in world.double.of(ID)] == [stored(world).venue_order_id]
    assert world.double.calls.count("place") == 1


def test_what_never_arrived_is_known_only_after_several_spaced_answers(world: World) -> None:
    world.fail("place", Fault.LOST)

    async def program(service: OrderService) -> None:
        with pytest.raises(OrderOutcomeUnknown, match="do not place it under another key"):
            await service.place(request(), key=KEY)
        assert (await service.status(ID)).state is OrderState.UNKNOWN
        await service.settled()
        with pytest.raises(OrderRejected, match="never arrived: the venue said 3 times"):
            await service.place(request(), key=KEY)

    world.run(program)
    assert (stored(world).state, stored(world).code) == (OrderState.REJECTED, "absent")
    assert world.double.calls == ["place"]


def test_answers_that_fail_do_not_count_as_not_found(world: World) -> None:
    """Lesson: an error while asking was taken for "there is no such order"."""
    world.fail("place", Fault.NO_REPLY)
    world.fail("find", *[Fault.LOST] * 20)

    async def program(service: OrderService) -> None:
        with pytest.raises(OrderOutcomeUnknown):
            await place(service)

    world.run(program)
    assert stored(world).state is OrderState.OPEN


def test_a_venue_that_cannot_be_asked_in_time_needs_an_operator_and_keeps_the_risk(world: World) -> None:
    world.fail("place", Fault.NO_REPLY)
    world.fail("find", *[Fault.LOST] * 1000)
    world.limits = RiskLimits({Scope(ScopeKind.PORTFOLIO, ""): Limits(max_open_orders=1)})
    alarms: list[dict[str, Any]] = []
    remove = add_alarm_sink(alarms.append)

    async def program(service: OrderService) -> None:
        with pytest.raises(OrderOutcomeUnknown):
            await place(service)
        assert (await service.status(ID)).state is OrderState.NEEDS_OPERATOR
        with pytest.raises(RiskDenied, match=r"max_open_orders of portfolio would be 2, allowed is 1"):
            await service.place(request(), key="another")
        with pytest.raises(OrderOutcomeUnknown):
            await service.place(request(), key=KEY)
        await service.dismiss(ID, by="ann", reason="not in the venue's list")
        with pytest.raises(InvalidOrder, match="only an order that needs an operator"):
            await service.dismiss(ID, by="ann", reason="again")

    world.run(program)
    remove()
    assert [one["alarm"] for one in alarms] == ["order_needs_operator"]
    assert stored(world).state is OrderState.CANCELED


@pytest.mark.parametrize("expires_s", [None, 3600])
@pytest.mark.parametrize("unique", list(Uniqueness))
def test_it_is_sent_again_only_where_the_venue_refuses_a_second_one(
    tmp_path: Path, unique: Uniqueness, expires_s: int | None
) -> None:
    world = World(tmp_path, unique)
    world.fail("place", Fault.LOST)

    async def program(service: OrderService) -> None:
        expires_ns = world.clock.wall_ns() + expires_s * NS_PER_S if expires_s is not None else None
        with pytest.raises(OrderOutcomeUnknown):
            await place(service, expires_ns=expires_ns)

    world.run(program)
    again = unique is Uniqueness.ALWAYS and expires_s is not None
    assert world.double.calls.count("place") == (2 if again else 1)
    assert stored(world).state is (OrderState.OPEN if again else OrderState.REJECTED)


def test_a_resend_that_meets_the_first_one_is_no_second_order(tmp_path: Path) -> None:
    """The first arrives after all, later than anybody would wait; the venue refuses the second as a duplicate."""
    world = World(tmp_path, Uniqueness.ALWAYS)
    world.fail("place", Fault.LATE)
    late = world.double

    async def program(service: OrderService) -> None:
        expires_ns = world.clock.wall_ns() + 3600 * NS_PER_S
        task = asyncio.ensure_future(service.place(request(expires_ns=expires_ns), key=KEY))
        await world.clock.sleep(2)
        late._late = [(at_ns + 3600 * NS_PER_S, act) for at_ns, act in late._late]  # an hour late
        with pytest.raises(OrderOutcomeUnknown):
            await task
        await service.settled()

    world.run(program)
    world.clock.continue_after_s(4000)
    assert len(world.double.of(ID)) == 1
    assert stored(world).state is OrderState.OPEN


@pytest.mark.parametrize(
    ("fault", "error", "state"),
    [
        (Fault.REFUSED, OrderRejected, OrderState.REJECTED),
        (Fault.NO_CONNECTION, OrderExpired, OrderState.EXPIRED),
        (Fault.LIMITED, OrderExpired, OrderState.EXPIRED),
    ],
)
def test_what_certainly_failed_says_why(world: World, fault: Fault, error: type[Exception], state: OrderState) -> None:
    world.fail("place", fault)

    async def program(service: OrderService) -> None:
        with pytest.raises(error):
            await place(service)

    world.run(program)
    assert stored(world).state is state
    assert world.double.of(ID) == []


def test_an_order_that_never_reached_the_venue_can_be_placed_by_the_next_try_of_the_same_run(world: World) -> None:
    world.fail("place", Fault.NO_CONNECTION)

    async def program(service: OrderService) -> Order:
        with pytest.raises(OrderExpired, match="connection refused"):
            await place(service)
        return await place(service)

    order = world.run(program)
    assert order is not None
    assert (order.state, len(world.double.of(ID))) == (OrderState.OPEN, 1)


def test_a_queued_order_waits_for_a_venue_that_is_down_until_its_own_expiry(world: World) -> None:
    world.fail("place", *[Fault.NO_CONNECTION] * 5)

    async def program(service: OrderService) -> Order:
        queued = await service.place(request(expires_ns=world.clock.wall_ns() + 600 * NS_PER_S), key=KEY)
        await service.settled()
        return queued

    queued = world.run(program)
    assert queued is not None
    assert queued.state in (OrderState.INTENT, OrderState.OPEN)
    assert (stored(world).state, world.double.calls.count("place")) == (OrderState.OPEN, 6)


def test_a_queued_order_ends_at_its_expiry_and_a_cancelled_one_at_once(world: World) -> None:
    world.fail("place", *[Fault.NO_CONNECTION] * 1000)

    async def program(service: OrderService) -> None:
        expires_ns = world.clock.wall_ns() + 60 * NS_PER_S
        assert (await service.place(request(expires_ns=expires_ns), key=KEY)).state is OrderState.INTENT
        other = await service.place(request(expires_ns=expires_ns), key="other")
        assert (await service.cancel(other.client_id)).state is OrderState.CANCELED
        await service.settled()
        assert world.clock.wall_ns() >= expires_ns

    world.run(program)
    assert stored(world).state is OrderState.EXPIRED
    assert world.double.orders == []


def test_a_halt_stops_what_is_queued(world: World) -> None:
    world.fail("place", *[Fault.NO_CONNECTION] * 1000)

    async def program(service: OrderService) -> None:
        await service.place(request(expires_ns=world.clock.wall_ns() + 600 * NS_PER_S), key=KEY)
        await service.control(control(TradingState.HALTED))
        await service.settled()
        with pytest.raises(Halted, match="halted by op: drill"):
            await service.place(request(), key="another")
        with pytest.raises(Halted):
            await service.place(request(), key=KEY)

    world.run(program)
    assert stored(world).state is OrderState.DENIED
    assert world.double.orders == []


def control(state: TradingState) -> ControlEvent:
    return ControlEvent(kind=ControlKind.TRADING_STATE, at_ns=1, by="op", reason="drill", state=state)


def test_the_same_key_is_the_same_order_and_another_order_needs_another_key(world: World) -> None:
    async def program(service: OrderService) -> None:
        first, second = await place(service), await place(service)
        assert first.client_id == second.client_id == ID
        with pytest.raises(IntentConflict, match=r"exists with amount 0.01, and 0.02 is asked: give another order"):
            await place(service, amount=D("0.02"))
        with pytest.raises(IntentConflict, match=r"exists with amount 0.01, and 0.0000001 is asked"):
            await place(service, amount=D("0.0000001"))  # which the venue would not take either
        fitted = await place(service, amount=D("0.0000001"), rounding=Rounding.FIT)
        assert fitted.client_id == ID  # nobody knows what it would have been
        both = await asyncio.gather(*(service.place(request(), key="x", index=index % 2) for index in range(6)))
        assert len({order.client_id for order in both}) == 2

    world.run(program)
    assert len(world.double.orders) == 3


def test_a_caller_who_gives_up_does_not_change_what_becomes_of_the_order(world: World) -> None:
    world.fail("place", Fault.HANGS)

    async def program(service: OrderService) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await service.place(request(), key=KEY)
        await service.settled()

    world.run(program)
    assert stored(world).state is OrderState.OPEN


def test_a_market_order_is_filled_and_its_trades_fetched(world: World) -> None:
    async def program(service: OrderService) -> Order:
        return await place(service, type=OrderType.MARKET, price=None)

    world.run(program)
    order = stored(world)
    assert (order.state, order.filled, order.fills_amount) == (OrderState.FILLED, D("0.01"), D("0.01"))


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_ioc_leaves_is_cancelled(world: World, time_in_force: TimeInForce) -> None:
    world.double.fill_at_once = D("0.004")
    world.run(lambda service: place(service, time_in_force=time_in_force))
    order = stored(world)
    assert (order.state, order.filled, order.fills_amount) == (OrderState.CANCELED, D("0.004"), D("0.004"))


# -- cancels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.REFUSED, Fault.HANGS)])
def test_a_cancel_ends_with_the_venues_word_on_the_order_whatever_its_reply_was(world: World, fault: Fault) -> None:
    world.fail("cancel", fault)

    async def program(service: OrderService) -> None:
        order = await place(service)
        await service.cancel(order.client_id)
        await service.settled()

    world.run(program)
    assert stored(world).state is OrderState.CANCELED
    assert world.double.orders[0].status is ReportStatus.CANCELED


def test_a_fill_that_is_faster_than_the_cancel_is_seen(world: World) -> None:
    world.double.before_cancel = lambda order: world.double.trade(order, order.amount)

    async def program(service: OrderService) -> Order:
        order = await place(service)
        order = await service.cancel(order.client_id)
        await service.settled()
        return order

    order = world.run(program)
    assert order is not None
    assert order.state is OrderState.FILLED
    assert stored(world).fills_amount == D("0.01")


def test_a_cancel_during_the_creation_waits_for_the_acknowledgement(world: World) -> None:
    world.fail("place", Fault.LATE)

    async def program(service: OrderService) -> Order:
        placing = asyncio.ensure_future(service.place(request(), key=KEY))
        await world.clock.sleep(0.1)
        cancelled = await service.cancel(ID)
        await asyncio.gather(placing, return_exceptions=True)
        await service.settled()
        return cancelled

    world.run(program)
    assert stored(world).state is OrderState.CANCELED
    assert world.double.calls == ["place", "cancel"]


def test_a_cancel_of_what_turns_out_not_to_have_been_sent_ends_it(world: World) -> None:
    world.fail("place", Fault.NO_CONNECTION)

    async def program(service: OrderService) -> None:
        expires_ns = world.clock.wall_ns() + 600 * NS_PER_S
        placing = asyncio.ensure_future(service.place(request(expires_ns=expires_ns), key=KEY))
        while not world.double.calls:
            await asyncio.sleep(0)
        assert (await service.cancel(ID)).state is OrderState.CANCELED
        await asyncio.gather(placing, return_exceptions=True)
        await service.settled()

    world.run(program)
    assert (stored(world).state, world.double.orders) == (OrderState.CANCELED, [])


def test_a_refused_cancel_says_so_and_the_order_rests(world: World) -> None:
    world.fail("cancel", Fault.REFUSED)

    async def program(service: OrderService) -> None:
        order = await place(service)
        with pytest.raises(
            CancelRefused, match=r"cancelling order .* was refused: .*insufficient balance \(code -2010\)"
        ):
            await service.cancel(order.client_id)

    world.run(program)
    assert stored(world).state is OrderState.OPEN


def test_an_acknowledged_order_that_vanished_needs_an_operator(world: World) -> None:
    async def program(service: OrderService) -> None:
        order = await place(service)
        world.double.orders.clear()
        await service.cancel(order.client_id)
        await service.settled()

    world.run(program)
    assert stored(world).state is OrderState.NEEDS_OPERATOR


def test_cancelling_what_has_ended_or_never_was(world: World) -> None:
    async def program(service: OrderService) -> None:
        order = await place(service, type=OrderType.MARKET, price=None)
        assert (await service.cancel(order.client_id)).state is OrderState.FILLED
        with pytest.raises(UnknownOrder):
            await service.cancel("xnothing")

    world.run(program)
    assert "cancel" not in world.double.calls


@pytest.mark.parametrize("native", [True, False])
def test_cancel_all_leaves_nothing_open_not_even_what_others_placed(tmp_path: Path, native: bool) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, *([Capability.CANCEL_ALL] if native else []))
    world.double.somebody_elses()
    world.fail("cancel", Fault.NO_REPLY)

    async def program(service: OrderService) -> None:
        for index in range(3):
            await service.place(request(), key=KEY, index=index)
        await service.control(control(TradingState.HALTED))
        [done] = await service.cancel_all()
        await service.settled()
        assert done.clean
        assert {order.state for order in done.ours} == {OrderState.CANCELED}
        assert done.others == 1
        assert await service.open_orders() == []

    world.run(program)
    assert not [order for order in world.double.orders if order.status is ReportStatus.OPEN]
    assert ("cancel_all" in world.double.calls) == native


def test_cancel_all_does_not_wait_long_to_count_what_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.CANCEL_ALL)
    world.double.somebody_elses()
    listing, slow = world.double.open_orders, [60.0]

    async def open_orders(symbol: str | None) -> tuple[OrderReport, ...]:
        await asyncio.sleep(slow.pop() if slow else 0)
        return await listing(symbol)

    monkeypatch.setattr(world.double, "open_orders", open_orders)

    async def program(service: OrderService) -> None:
        began = asyncio.get_running_loop().time()
        [done] = await service.cancel_all()
        assert asyncio.get_running_loop().time() - began < 3
        assert (done.clean, done.others) == (True, None)

    world.run(program)


@pytest.mark.parametrize("writes", [0, 1, 2], ids=["no write", "the wish alone", "one order's cancel"])
def test_cancel_all_cancels_ours_although_the_store_can_only_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """A disk that is full, or a standby: what is open is known, and no cancel can be recorded."""
    world = World(tmp_path)

    async def program(service: OrderService) -> None:
        for index in range(2):
            await service.place(request(), key=KEY, index=index)
        monkeypatch.setattr(InlineJournal, "away_after", [writes, *[0] * 1000])
        try:
            [done] = await service.cancel_all()
        finally:
            InlineJournal.away_after.clear()
        assert done.still_open == ()
        assert not done.clean  # the store does not know
        assert done.others == 0

    world.run(program)
    assert {order.status for order in world.double.orders} == {ReportStatus.CANCELED}


def commit_slowly(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """The store takes so long with the next writes."""
    waits, at_once = list(seconds), InlineJournal.write

    async def write(self: InlineJournal, work: Work[Any], *, durable: bool = True) -> Any:
        result = await at_once(self, work, durable=durable)
        await asyncio.sleep(waits.pop(0) if waits else 0)
        return result

    monkeypatch.setattr(InlineJournal, "write", write)


def test_an_order_whose_commit_took_so_long_that_others_may_have_given_it_up_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_slowly(monkeypatch, 12)

    async def program(service: OrderService) -> None:
        with pytest.raises(OrderExpired, match="its turn came 12 s after it was to be sent"):
            await place(service)

    world.run(program)
    assert (stored(world).state, stored(world).sent, world.double.calls) == (OrderState.EXPIRED, 0, [])


def test_an_order_that_may_wait_is_sent_once_after_a_commit_that_took_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_slowly(monkeypatch, 12)

    async def program(service: OrderService) -> None:
        await place(service, expires_ns=world.clock.wall_ns() + 60 * NS_PER_S)

    world.run(program)
    assert (stored(world).state, world.double.calls) == (OrderState.OPEN, ["place"])


def test_fills_are_asked_for_by_the_time_of_a_venue_whose_clock_is_minutes_behind(world: World) -> None:
    world.double.behind_ns = 300 * NS_PER_S

    async def program(service: OrderService) -> None:
        await place(service, type=OrderType.MARKET, price=None)

    world.run(program)
    order = stored(world)
    assert (order.state, order.fills_amount) == (OrderState.FILLED, order.amount)


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.NO_REPLY])
@pytest.mark.parametrize("written", range(1, 4))
def test_a_store_that_is_away_for_a_moment_leaves_no_order_that_nobody_is_at(
    world: World, monkeypatch: pytest.MonkeyPatch, written: int, fault: Fault
) -> None:
    monkeypatch.setattr(InlineJournal, "away_after", [written])
    world.fail("place", fault)

    async def program(service: OrderService) -> None:
        order = await place(service)
        with suppress(StoreUnavailable):  # the cancel itself could not be noted
            await service.cancel(order.client_id)
        await service.settled()

    world.run(program)
    [there] = world.double.orders
    asked = there.status is ReportStatus.CANCELED
    assert stored(world).state is (OrderState.CANCELED if asked else OrderState.OPEN)
    assert not stored(world).cancel_requested or asked
    assert InlineJournal.away_after == []


def test_a_store_that_stays_away_is_told_of_and_what_was_sent_is_gone_on_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    remove = add_alarm_sink(lambda body: told.append(body["alarm"]))
    monkeypatch.setattr(InlineJournal, "away_after", [1, *[0] * 1000])

    async def lose_it(service: OrderService) -> None:
        with pytest.raises(OrderOutcomeUnknown):
            await place(service)

    async def go_on(service: OrderService) -> None:
        InlineJournal.away_after.clear()
        await service.resume()
        await service.settled()

    world.run(lose_it)
    assert (told, stored(world).state) == (["order_driver_failed"], OrderState.SUBMITTING)
    world.run(go_on)
    assert (stored(world).state, len(world.double.orders)) == (OrderState.OPEN, 1)
    remove()


# -- amendments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.NO_REPLY, Fault.SERVER_ERROR, Fault.LOST, Fault.NO_ID, Fault.LATE])
def test_an_amendment_in_place_is_done_once_whatever_its_reply_was(tmp_path: Path, fault: Fault) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND)
    world.fail("amend", fault)

    async def program(service: OrderService) -> None:
        order = await place(service)
        await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))
        await service.settled()

    world.run(program)
    order, [there] = stored(world), world.double.orders
    assert (
        (order.amount, order.price, order.amending)
        == (there.amount, there.price, False)
        == (D("0.02"), D(49_000), False)
    )


def test_a_change_that_was_made_unheard_is_not_refused_because_it_changes_nothing_a_second_time(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND)
    world.fail("amend", Fault.HANGS, Fault.REFUSED)

    async def die_before_the_reply(service: OrderService) -> None:
        order = await place(service)
        assert (await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))).amending

    async def go_on(service: OrderService) -> None:
        await service.resume()
        await service.settled()

    world.run(die_before_the_reply)
    world.run(go_on)
    order, [there] = stored(world), world.double.orders
    assert world.double.calls.count("amend") == 2
    assert (there.amount, there.price) == (D("0.02"), D(49_000))
    assert (order.amount, order.price, order.amending) == (there.amount, there.price, False)


def changed_late(world: World) -> None:
    """The venue has what was asked for, and the store knows."""
    world.clock.continue_after_s(60)
    order = stored(world)
    [there] = world.double.of(order.client_id)
    assert (there.amount, there.price) == (D("0.02"), D(49_000))
    assert (order.amount, order.price, order.amending) == (there.amount, there.price, False)


@pytest.mark.parametrize("repeated", [Fault.REFUSED, Fault.LOST])
def test_a_change_that_lands_after_its_repetition_was_refused_or_lost_is_waited_for(
    tmp_path: Path, repeated: Fault
) -> None:
    """Nobody would ask again before the next reconciliation."""
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND)
    world.policy = Policy(cancel_again_s=2)
    world.fail("amend", Fault.LATE, repeated, *[Fault.LOST] * 20)

    async def program(service: OrderService) -> None:
        order = await place(service)
        await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))
        await service.settled()

    world.run(program)
    changed_late(world)


def test_a_change_of_a_process_that_died_is_waited_for_though_its_repetition_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND)
    world.policy = Policy(patience_s=2)
    world.fail("amend", Fault.LATE, Fault.REFUSED)

    async def die(service: OrderService) -> None:
        order = await place(service)
        assert (await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))).amending

    async def go_on(service: OrderService) -> None:
        await service.resume()
        await service.settled()

    world.run(die)
    world.run(go_on)
    assert world.double.calls.count("amend") == 2
    changed_late(world)


def test_a_change_of_which_nothing_is_heard_is_given_up_once_none_can_land_any_more(tmp_path: Path) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND)
    world.fail("amend", *[Fault.LOST] * 100)

    async def program(service: OrderService) -> None:
        order = await place(service)
        assert (await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))).amending
        await service.settled()

    world.run(program)
    order, [there] = stored(world), world.double.orders
    assert (order.amount, order.price, order.amending) == (there.amount, there.price, False)
    assert order.reason == "the venue did not change it"


def test_a_change_that_ends_the_order_is_told_as_what_it_came_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binance's futures cancel a post-only order that is moved to where it would take: nobody did so first."""
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND)

    async def ends_it(ref: OrderRef, amended: Intent) -> OrderReport:
        [there] = world.double.orders
        there.status = ReportStatus.CANCELED
        return there.report()

    monkeypatch.setattr(world.double, "amend", ends_it)

    async def program(service: OrderService) -> None:
        order = await place(service)
        with pytest.raises(AmendRefused, match="it is canceled now"):
            await service.amend(order.client_id, price=D(70_000))
        await service.settled()

    world.run(program)
    assert (stored(world).state, stored(world).amending) == (OrderState.CANCELED, False)


def test_a_change_that_the_venue_refuses_leaves_the_order_as_it_was(tmp_path: Path) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND)
    world.fail("amend", Fault.REFUSED)

    async def program(service: OrderService) -> None:
        order = await place(service)
        world.fail("find", Fault.NO_REPLY)
        with pytest.raises(AmendRefused, match="insufficient balance"):
            await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))
        await service.settled()

    world.run(program)
    order, [there] = stored(world), world.double.orders
    assert (order.amount, order.price, order.amending) == (there.amount, there.price, False)
    assert world.double.calls.count("amend") == 1


def test_an_exit_on_spot_fits_what_is_held_placed_or_changed_whatever_the_venue_offers_of_contracts(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND, Capability.REDUCE_ONLY)
    exit_ = {"side": Side.SELL, "reduce_only": True, "price": D(51_000)}

    async def program(service: OrderService) -> None:
        await place(service)
        await service.observe("binance", "main", world.double.trade(world.double.orders[0], D("0.01")))
        with pytest.raises(RiskDenied, match=r"reduce_only amount of BTC/USDT would be 0\.02, .* at most 0\.01"):
            await service.place(request(**exit_, amount=D("0.02")), key="too much")
        order = await service.place(request(**exit_), key="exit")
        await service.observe("binance", "main", world.double.trade(world.double.orders[1], D("0.004")))
        with pytest.raises(RiskDenied, match=r"would be 0\.007, .* at most 0\.006"):
            await service.amend(order.client_id, amount=D("0.011"))
        dearer = await service.amend(order.client_id, price=D(52_000))
        assert (dearer.amount, dearer.price) == (D("0.01"), D(52_000))
        await service.settled()

    world.run(program)


def test_what_has_traded_of_an_order_counts_once_when_it_is_changed(tmp_path: Path) -> None:
    symbol = Limits(max_position=D("0.01"), max_open_notional=D(600), max_order_amount=D("0.011"))
    limits = RiskLimits({Scope(ScopeKind.SYMBOL, "binance BTC/USDT"): symbol})
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, Capability.AMEND, limits=limits)

    async def program(service: OrderService) -> None:
        order = await place(service)
        await service.observe("binance", "main", world.double.trade(world.double.orders[0], D("0.004")))
        changed = await service.amend(order.client_id, price=D(50_001))
        assert (changed.price, changed.amount, changed.filled) == (D(50_001), D("0.01"), D("0.004"))
        with pytest.raises(RiskDenied, match=r"max_position of .* would be 0\.0101, allowed is 0\.01"):
            await service.amend(order.client_id, amount=D("0.0101"))
        with pytest.raises(RiskDenied, match=r"max_order_amount of .* would be 0\.012, allowed is 0\.011"):
            await service.amend(order.client_id, amount=D("0.012"))

    world.run(program)


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.NO_REPLY, Fault.LATE])
def test_where_the_venue_cannot_amend_the_order_is_replaced_for_what_is_left(world: World, fault: Fault) -> None:
    world.fail("cancel", fault)

    async def program(service: OrderService) -> Order:
        order = await place(service)
        await service.observe("binance", "main", world.double.trade(world.double.orders[0], D("0.004")))
        new = await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))
        await service.settled()
        return await service.status(new.client_id if new.client_id != ID else (new.successor or ""))

    new = world.run(program)
    assert new is not None
    assert (new.state, new.amount, new.price) == (OrderState.OPEN, D("0.016"), D(49_000))
    assert new.intent.replaces == ID
    old = stored(world)
    assert (old.state, old.successor, old.amending) == (OrderState.CANCELED, new.client_id, False)
    assert [one.status for one in world.double.orders] == [ReportStatus.CANCELED, ReportStatus.OPEN]


def test_a_trade_that_is_told_after_the_successor_was_placed_leaves_no_replacement_that_never_ends(
    tmp_path: Path,
) -> None:
    async def replaced(service: OrderService) -> None:
        order = await place(service)
        await service.amend(order.client_id, price=D(49_000))
        await service.settled()

    async def go_on(service: OrderService) -> None:
        await service.observe("binance", "main", late)
        await service.resume()
        await service.settled()

    whole = World(tmp_path / "whole")
    whole.run(replaced)
    met = 0
    for step in range(whole.steps, 0, -1):  # killed between the two commits: of the successor, and of the end
        world = World(tmp_path / f"killed{step}")
        world.run(replaced, kill_at=step)
        order = stored(world)
        try:
            begun = stored(world, order.successor or "")
        except UnknownOrder:
            break
        if not order.amending:
            continue
        met += 1
        late = world.double.trade(world.double.orders[0], D("0.004"))
        world.run(go_on)
        assert (stored(world).amending, stored(world).filled) == (False, D("0.004"))
        assert len(world.double.of(begun.client_id)) <= 1
    assert met


def test_a_cancel_of_an_order_that_was_replaced_is_one_of_what_has_taken_its_place(world: World) -> None:
    """As on a venue that changes orders in place: who cancels by the first name must not leave the order there."""

    async def program(service: OrderService) -> None:
        order = await place(service)
        once = await service.amend(order.client_id, price=D(49_000))
        twice = await service.amend(once.client_id, price=D(48_000))
        gone = await service.cancel(order.client_id)
        await service.settled()
        assert (gone.client_id, gone.state) == (twice.client_id, OrderState.CANCELED)
        assert (await service.cancel(order.client_id)).state is OrderState.CANCELED

    world.run(program)
    assert [one.status for one in world.double.orders] == [ReportStatus.CANCELED] * 3


def test_a_change_of_an_order_that_was_replaced_names_what_has_taken_its_place(world: World) -> None:
    """It is not passed on: a total quantity of the first counts what it had filled, one of the next does not."""

    async def program(service: OrderService) -> None:
        order = await place(service)
        new = await service.amend(order.client_id, price=D(49_000))
        with pytest.raises(AmendRefused, match=f"it was replaced by {new.client_id}"):
            await service.amend(order.client_id, price=D(48_000))
        assert order_row(await service.status(order.client_id))["replaced_by"] == new.client_id
        assert order_row(new)["replaces"] == order.client_id

    world.run(program)


def test_a_cancel_that_comes_between_the_successor_and_the_end_of_the_change_leaves_nothing_there(
    tmp_path: Path,
) -> None:
    async def replaced(service: OrderService) -> None:
        order = await place(service)
        await service.amend(order.client_id, price=D(49_000))
        await service.settled()

    async def cancelled(service: OrderService) -> None:
        await service.cancel(ID)
        await service.resume()
        await service.settled()

    whole = World(tmp_path / "whole")
    whole.run(replaced)
    met = 0
    for step in range(whole.steps, 0, -1):  # killed anywhere from the wish on
        world = World(tmp_path / f"killed{step}")
        world.run(replaced, kill_at=step)
        order = stored(world)
        if order.successor is None:
            break
        met += 1
        world.clock.continue_after_s(60)
        world.run(cancelled)
        assert not [one for one in world.double.orders if one.status is ReportStatus.OPEN], step
        assert not stored(world).amending
    assert met > 4


def test_a_replacement_that_a_fill_forestalls_is_refused(world: World) -> None:
    world.double.before_cancel = lambda order: world.double.trade(order, order.amount)

    async def program(service: OrderService) -> None:
        order = await place(service)
        with pytest.raises(AmendRefused, match="it was filled first"):
            await service.amend(order.client_id, price=D(49_000))
        await service.settled()

    world.run(program)
    assert (stored(world).state, len(world.double.orders)) == (OrderState.FILLED, 1)


def test_an_order_whose_cancel_is_refused_is_not_replaced(world: World) -> None:
    world.fail("cancel", Fault.REFUSED)

    async def program(service: OrderService) -> None:
        order = await place(service)
        with pytest.raises(AmendRefused, match="insufficient balance"):
            await service.amend(order.client_id, price=D(49_000))
        await service.settled()

    world.run(program)
    assert (stored(world).state, stored(world).price, len(world.double.orders)) == (OrderState.OPEN, D(50_000), 1)
    assert "amend" not in world.double.calls


def test_a_cancel_also_ends_a_replacement_under_way(world: World) -> None:
    world.fail("cancel", Fault.LOST)

    async def program(service: OrderService) -> None:
        order = await place(service)
        changing = asyncio.ensure_future(service.amend(order.client_id, price=D(49_000)))
        await world.clock.sleep(0.1)
        await service.cancel(order.client_id)
        with pytest.raises(AmendRefused):
            await changing
        await service.settled()

    world.run(program)
    assert (stored(world).state, len(world.double.orders)) == (OrderState.CANCELED, 1)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"price": D("49000.001")}, InvalidOrder, "price 49000.001 is not valid: a multiple of 0.01"),
        ({"price": D(50_000)}, InvalidOrder, "give another quantity or another price"),
        ({"amount": D(1)}, RiskDenied, "max_order_amount of portfolio would be 1, allowed is 0.5"),
    ],
)
def test_an_amendment_is_checked_like_an_order(
    world: World, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    world.limits = RiskLimits({Scope(ScopeKind.PORTFOLIO, ""): Limits(max_order_amount=D("0.5"))})

    async def program(service: OrderService) -> None:
        order = await place(service)
        with pytest.raises(error, match=said):
            await service.amend(order.client_id, **changes)

    world.run(program)
    assert stored(world).state is OrderState.OPEN


@pytest.mark.parametrize(
    ("lacks", "changes", "said"),
    [
        ({"times_in_force": frozenset({TimeInForce.GTC, TimeInForce.IOC})}, {"time_in_force": TimeInForce.FOK},
         "time_in_force fok is not valid: gtc, ioc on binance"),
        ({"capabilities": {Capability.PLACE: Support.NATIVE}}, {"post_only": True}, "binance has no post-only orders"),
    ],
)  # fmt: skip
def test_what_the_venue_has_no_word_for_is_refused_before_anything_is_committed(
    world: World, lacks: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    world.venue = replace(world.venue, **lacks)

    async def program(service: OrderService) -> None:
        with pytest.raises(InvalidOrder, match=said):
            await service.place(request(**changes), key=KEY)
        with pytest.raises(UnknownOrder):
            await service.status(ID)

    world.run(program)
    assert world.double.orders == []


# -- what venues say unasked -------------------------------------------------------------------------------------


def test_streamed_evidence_ends_the_waiting(world: World) -> None:
    """The stream tells that the order lives while its reply is still out: nothing is asked or sent again."""
    world.fail("place", Fault.HANGS)

    async def program(service: OrderService) -> Order:
        placing = asyncio.ensure_future(service.place(request(), key=KEY))
        await world.clock.sleep(0.1)
        await service.observe("binance", "main", world.double.orders[0].report())
        order = await placing
        assert world.clock.wall_ns() % NS_PER_S <= NS_PER_S // 5
        await service.settled()
        return order

    order = world.run(program)
    assert order is not None
    assert order.state is OrderState.OPEN
    assert world.double.calls == ["place"]


def test_a_late_fill_of_a_rejected_order_makes_the_venue_be_asked(world: World) -> None:
    world.fail("place", Fault.REFUSED)

    async def program(service: OrderService) -> None:
        with pytest.raises(OrderRejected):
            await place(service)
        there = VenueOrder("v9", ID, "BTC/USDT", request().side, D("0.01"), D(50_000))
        world.double.orders.append(there)
        trade = world.double.trade(there, D("0.004"))
        order = await service.observe(
            "binance", "main", fill(trade.trade_id, "0.004", client_id=ID, venue_order_id="v9")
        )
        assert order is not None
        assert order.state is OrderState.UNKNOWN
        await service.settled()

    world.run(program)
    order = stored(world)
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, D("0.004"))


def test_statements_about_orders_that_are_not_ours_are_told_apart(world: World) -> None:
    async def program(service: OrderService) -> None:
        assert await service.observe("binance", "main", report(client_id="somebody")) is None
        assert await service.observe("binance", "main", fill("t1", venue_order_id="v77")) is None

    world.run(program)


def test_status_can_ask_the_venue(world: World) -> None:
    async def program(service: OrderService) -> None:
        order = await place(service)
        world.double.trade(world.double.orders[0], D("0.01"))
        assert (await service.status(order.client_id)).state is OrderState.OPEN
        assert (await service.status(order.client_id, refresh=True)).state is OrderState.FILLED
        await service.settled()

    world.run(program)
    assert stored(world).fills_amount == D("0.01")


def test_terms_that_the_venue_has_and_we_did_not_know_of_are_taken_from_its_answer(world: World) -> None:
    """As after a change that was refused to one process and made for another; the risk reserved follows."""

    async def program(service: OrderService) -> None:
        order = await place(service)
        world.double.orders[0].amount, world.double.orders[0].price = D("0.02"), D(49_000)
        late = report(client_id=order.client_id, amount=D("0.05"), price=D(1))
        await service.observe("binance", "main", late)  # an event of the stream may be of before
        assert (await service.status(order.client_id)).amount == D("0.01")
        order = await service.status(order.client_id, refresh=True)
        assert (order.amount, order.price, order.reserve_price) == (D("0.02"), D(49_000), D(49_000))
        world.double.trade(world.double.orders[0], D("0.01"))
        order = await service.status(order.client_id, refresh=True)
        assert order.state is OrderState.PARTIALLY_FILLED
        await service.settled()

    world.run(program)


# -- refusals ----------------------------------------------------------------------------------------------------


def test_live_orders_need_to_be_armed(tmp_path: Path) -> None:
    world = World(tmp_path, live=True)

    async def program(service: OrderService) -> None:
        with pytest.raises(NotArmed, match=r"live orders on binance/main would be 1, allowed is none: arm it"):
            await place(service)
        arm = ControlEvent(
            kind=ControlKind.ARMED, at_ns=1, by="ann", venue="binance", account="main", notional_cap=D(600)
        )
        await service.control(arm)
        assert (await place(service)).state is OrderState.OPEN
        with pytest.raises(NotArmed, match=r"armed notional of binance/main would be 1000, allowed is 600"):
            await service.place(request(), key="second")

    world.run(program)
    assert len(world.double.orders) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"venue": "okx"}, r"account = 'okx/main' is not valid: the accounts that can be traded are binance/main"),
        ({"symbol": "DOGE/USDT"}, r"unknown symbol 'DOGE/USDT' on binance"),
        ({"price": D("1.001")}, r"price 1.001 is not valid: a multiple of 0.01"),
    ],
)
def test_what_cannot_be_sent_is_one_clear_line_and_no_order(world: World, changes: dict[str, Any], said: str) -> None:
    async def program(service: OrderService) -> None:
        with pytest.raises((ConfigError, Exception), match=said):
            await place(service, **changes)
        with pytest.raises(UnknownOrder):
            await service.status(ID)

    world.run(program)
    assert world.double.calls == []


def test_a_cancel_passes_every_limit_and_every_halt(world: World) -> None:
    world.limits = RiskLimits({Scope(ScopeKind.PORTFOLIO, ""): Limits(max_open_orders=1)})

    async def program(service: OrderService) -> None:
        order = await place(service)
        await service.control(control(TradingState.HALTED))
        assert (await service.cancel(order.client_id)).state is OrderState.CANCELED

    world.run(program)
