"""Steps of an order's driver: cancel it, and read it again: a fill may have been faster.

A cancel may be sent again: cancelling twice cancels once. It ends with the venue's word on the order, never with the
cancel's own reply, unless that states the end and what was filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import OrderReport, OrderState, ReportStatus
from xetrade_core.trading.execution import OrderRef
from xetrade_core.trading.outcome import Classified, Outcome, classify

if TYPE_CHECKING:
    from xetrade_core.trading.driver import Driver


@dataclass(slots=True)
class Sent:
    """When this process first and last sent a cancel, and a refusal if the venue has answered so."""

    first_ns: int | None = None
    at_ns: int | None = None
    refusal: Classified | None = None


async def begin(driver: Driver) -> None:
    """A cancel was asked for, and the venue has acknowledged the order: now it can be sent."""
    driver.cancelled = Sent()
    await driver.say(EventKind.CANCEL_REQUESTED)


async def cancel(driver: Driver) -> None:
    """Send the cancel unless it is under way, then read the order again."""
    state = driver.cancelled
    if driver.since_s(state.at_ns) >= driver.desk.policy.cancel_again_s:
        await _send(driver)
        if driver.order.state is not OrderState.PENDING_CANCEL and driver.order.state is not OrderState.NEEDS_OPERATOR:
            return
    answer = await driver.find()
    if isinstance(answer, OrderReport):
        if answer.status is ReportStatus.OPEN and state.refusal is not None:
            await _refused(driver, state.refusal, answer)
            return
        await driver.record(answer)
    elif answer is None and driver.order.state is OrderState.PENDING_CANCEL:  # noqa: SIM102 - counting has an effect
        if driver.asked.counts(driver, state.first_ns, driver.desk.policy.grace_s):
            await driver.vanished()
    if driver.order.state is OrderState.PENDING_CANCEL:
        await driver.asked.pause(driver)


async def _send(driver: Driver) -> None:
    order, account = driver.order, driver.desk.account_of(driver.order)
    driver.cancelled.at_ns = driver.now_ns
    driver.cancelled.first_ns = driver.cancelled.first_ns or driver.now_ns
    reply = await driver.desk.call(account.execution.cancel(OrderRef.of(order)))
    if isinstance(reply, OrderReport):
        certain = reply.status is not ReportStatus.CANCELED or reply.filled is not None
        if certain and reply.status is not ReportStatus.REJECTED:
            await driver.record(reply, Source.REPLY)
        return
    found = classify(account.venue, reply)
    driver.cancelled.refusal = found if found.outcome is Outcome.REFUSED else None


async def _refused(driver: Driver, refusal: Classified, answer: OrderReport) -> None:
    """The venue will not cancel it, and it still rests there."""
    driver.cancelled = Sent()
    event = OrderEvent(
        kind=EventKind.CANCEL_REFUSED,
        at_ns=driver.now_ns,
        source=Source.REPLY,
        filled=answer.filled,
        code=refusal.code,
        reason=refusal.reason,
    )
    await driver.append(event)
