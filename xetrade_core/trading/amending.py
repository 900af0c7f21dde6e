"""Steps of an order's driver: change amount or price of a resting order, by the venue's own call or by replacing it.

A replacement cancels the order first and then places its successor for what was not filled, under an id that was fixed
when it was asked for: so it is completed exactly once, whoever goes on with it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from xetrade_core.errors import IntentConflict
from xetrade_core.model.order_events import EventKind, Source
from xetrade_core.model.orders import Intent, Order, OrderReport, OrderState, ReportStatus
from xetrade_core.trading import beginning
from xetrade_core.trading.evidence import settled, shows_amendment
from xetrade_core.trading.execution import OrderRef
from xetrade_core.trading.outcome import Classified, Outcome, classify

if TYPE_CHECKING:
    from xetrade_core.trading.driver import Driver


def amended_intent(order: Order) -> Intent:
    """The intent with the amount and price that an amendment under way asks for."""
    wanted = {"amount": order.next_amount, "price": order.next_price, "reserve_price": order.next_reserve_price}
    return msgspec.structs.replace(order.intent, **wanted)


async def amend(driver: Driver) -> None:
    """Send the amendment, which says the new total and so may be sent again, then read the order unless it is told.

    A refusal counts once the order was read, too: an amendment that was made before, by a call of which nobody heard,
    is refused when it comes again, as it changes nothing. While such a call may still be under way the order is asked
    for and no refusal counts: the venue may take it afterwards, and nobody would ask again.
    """
    policy = driver.desk.policy
    if driver.amending_ns is None:
        driver.amending_ns = driver.now_ns
        driver.amend_unheard_ns = None if driver.amendment_is_ours else driver.now_ns
    if _is_due(driver) and await _send(driver):
        return
    answer = await driver.find()
    if answer is None and driver.asked.counts(driver, driver.amending_ns, policy.grace_s):
        await driver.vanished()
        return
    if isinstance(answer, OrderReport) and await _settled_by(driver, answer):
        return
    refusal = driver.amend_refusal
    if refusal is None and driver.since_s(driver.amending_ns) >= policy.abandoned_s:
        refusal = Classified(Outcome.REFUSED, reason="the venue did not change it")
    none_can_land = driver.since_s(driver.amend_unheard_ns) >= policy.abandoned_s
    if isinstance(answer, OrderReport) and refusal is not None and none_can_land:
        await settle(driver, EventKind.AMEND_REFUSED, refusal)
        return
    await driver.asked.pause(driver)


def _is_due(driver: Driver) -> bool:
    """Whether to send it (again): not once it was refused, and not for ever where nobody hears what comes of it."""
    policy = driver.desk.policy
    if driver.amend_refusal is not None or driver.since_s(driver.amended_ns) < policy.cancel_again_s:
        return False
    return driver.amend_unheard_ns is None or driver.since_s(driver.amending_ns) < policy.abandoned_s


async def _send(driver: Driver) -> bool:
    """Send it; whether the reply settles it."""
    order, account = driver.order, driver.desk.account_of(driver.order)
    driver.amended_ns = sent_ns = driver.now_ns
    reply = await driver.desk.call(account.execution.amend(OrderRef.of(order), amended_intent(order)))
    found = classify(account.venue, reply)
    if found.outcome is Outcome.REFUSED:
        driver.amend_refusal = found
    elif found.outcome is not Outcome.UNSENT:
        driver.amend_unheard_ns = sent_ns
    return found.outcome is Outcome.TAKEN and found.report is not None and await _settled_by(driver, found.report)


async def stay(driver: Driver) -> None:
    """The venue refused to cancel an order that was to be replaced: it stays as it is."""
    order = driver.order
    await settle(driver, EventKind.AMEND_REFUSED, Classified(Outcome.REFUSED, code=order.code, reason=order.reason))


async def replace(driver: Driver) -> None:
    """The order has ended with a change asked for: its successor takes its place, if anything is left to place."""
    order = driver.order
    left = (order.next_amount or order.amount) - order.filled
    if order.successor is None or order.state is not OrderState.CANCELED or left <= 0:
        in_place = order.successor is None  # then it may be what the change itself has led to
        told = f"it is {order.state.value} now" if in_place else f"it was {order.state.value} first"
        ended = Classified(Outcome.REFUSED, reason=told)
        await settle(driver, EventKind.AMEND_REFUSED, ended)
        return
    changes = {"client_id": order.successor, "created_ns": driver.now_ns, "replaces": order.client_id, "amount": left}
    intent = msgspec.structs.replace(amended_intent(order), **changes)
    with contextlib.suppress(IntentConflict):  # it was begun by a process that died, for what was left then
        begun = await beginning.begin(driver.desk, intent)
        driver.desk.launch(begun.order, begun.to_send)
    await settle(driver, EventKind.AMENDED)


async def settle(driver: Driver, kind: EventKind, found: Classified | None = None) -> None:
    """Commit the end of an amendment: done by a successor, or refused."""
    _forget(driver)
    if found is None:
        await driver.append(settled(driver.order, kind, driver.now_ns, Source.SERVICE))
    else:
        end = settled(driver.order, kind, driver.now_ns, Source.REPLY, found.code, found.reason)
        await driver.append(end)


async def _settled_by(driver: Driver, report: OrderReport) -> bool:
    """Record the venue's statement; whether it settles the amendment."""
    if report.status is ReportStatus.OPEN and not shows_amendment(driver.order, report):
        return False
    _forget(driver)
    await driver.record(report)
    return True


def _forget(driver: Driver) -> None:
    """What this process has tried is over."""
    driver.amended_ns = driver.amending_ns = driver.amend_refusal = driver.amend_unheard_ns = None
    driver.amendment_is_ours = False
