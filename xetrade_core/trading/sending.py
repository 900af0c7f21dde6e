"""Steps of an order's driver: give it to the wire, or let it wait until it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xetrade_core.clock import NS_PER_S
from xetrade_core.model.order_events import EventKind, OrderEvent
from xetrade_core.model.orders import Order, OrderState
from xetrade_core.trading.beginning import denied_event
from xetrade_core.trading.evidence import record_placement
from xetrade_core.trading.outcome import Outcome, classify
from xetrade_core.trading.transaction import Transaction

if TYPE_CHECKING:
    from xetrade_core.trading.driver import Driver


async def send(driver: Driver) -> None:
    """Send it once; what comes of it is recorded as what it is.

    Not long after that was committed (the store was slow, the machine slept): others count from then on how long it may
    be under way, and may have found already that it never arrived.
    """
    driver.to_send = False
    late_s = driver.since_s(driver.order.sent_ns)
    if late_s >= driver.desk.policy.grace_s:
        reason = f"its turn came {late_s:.0f} s after it was to be sent"
        await driver.say(EventKind.UNSENT, reason=reason, only_in=OrderState.SUBMITTING)
        return
    account, intent = driver.desk.account_of(driver.order), driver.order.intent
    found = classify(account.venue, await driver.desk.call(account.execution.place(intent)))
    now_ns = driver.now_ns
    driver.answered = True
    driver.not_before_ns = None
    if found.outcome is Outcome.UNSENT:
        wait_s = driver.desk.policy.sending.delay_s(driver.attempts, driver.desk.rng)
        driver.not_before_ns = now_ns + round(max(wait_s, found.retry_after_s or 0.0) * NS_PER_S)
        driver.attempts += 1
    await driver.write(lambda transaction: record_placement(transaction, intent.client_id, found, now_ns))


async def wait_and_submit(driver: Driver) -> None:
    """It certainly is not on the venue: wait for the venue until the intent's own expiry, then try again or end it."""
    if driver.order.cancel_requested:  # asked for while it was being sent, and now it certainly was not taken
        await driver.say(EventKind.CANCEL_REQUESTED, only_in=OrderState.INTENT)
        return
    expires_ns = driver.order.intent.expires_ns
    if expires_ns is None or driver.now_ns >= expires_ns:
        await driver.say(EventKind.EXPIRED, reason=driver.order.reason, only_in=OrderState.INTENT)
        return
    if driver.not_before_ns is not None and driver.now_ns < driver.not_before_ns:
        await driver.pause((min(driver.not_before_ns, expires_ns) - driver.now_ns) / NS_PER_S)
        return
    driver.to_send = await submit(driver, OrderState.INTENT)


async def submit(driver: Driver, state: OrderState) -> bool:
    """Commit that it is about to be sent, if it still is in `state` and may be sent; whether we are to send it."""
    before, now_ns = driver.order, driver.now_ns

    def work(transaction: Transaction) -> tuple[Order, bool]:
        order = transaction.order(before.client_id)
        assert order is not None
        if order.state is not state or order.sent != before.sent or order.cancel_requested:
            return order, False
        denial = transaction.risk.gate(order.intent, now_ns)
        if denial is not None:
            if state is not OrderState.INTENT:
                return order, False
            return transaction.append(order.client_id, denied_event(denial, now_ns)).order, False
        submitted = OrderEvent(kind=EventKind.SUBMITTED, at_ns=now_ns)
        return transaction.append(order.client_id, submitted).order, True

    order, ours = await driver.desk.journal.write(work)
    driver.saw(order)
    driver.answered = driver.answered and not ours
    return ours
