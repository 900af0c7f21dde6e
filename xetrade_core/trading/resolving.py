"""Steps of an order's driver: ask the venue what became of it, and for the trades it made.

Silence proves nothing, and one "not found" proves nothing either: the venue may still be taking what was sent. It
counts when the venue has said so several times, spaced, all of them after the longest that a request may be under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xetrade_core.model.order_events import EventKind, Source
from xetrade_core.model.orders import Fill, Order, OrderReport, OrderState
from xetrade_core.telemetry import alarm
from xetrade_core.trading import sending
from xetrade_core.trading.transaction import Transaction
from xetrade_core.venues.venue import Uniqueness

if TYPE_CHECKING:
    from xetrade_core.trading.driver import Driver

ABSENT_CODE = "absent"


@dataclass(slots=True)
class Asked:
    """What asking has brought so far: tries, and how often "not found" counted, for which sending."""

    tries: int = 0
    absences: int = 0
    absent_ns: int | None = None
    sent: int = 0

    def counts(self, driver: Driver, from_ns: int | None, after_s: float) -> bool:
        """Count one "not found" now, if it is late and spaced enough; whether there were enough of them."""
        policy = driver.desk.policy
        if self.sent != driver.order.sent:
            self.sent, self.absences, self.absent_ns = driver.order.sent, 0, None
        if driver.since_s(from_ns) >= after_s and driver.since_s(self.absent_ns) >= policy.absence_spacing_s:
            self.absences += 1
            self.absent_ns = driver.now_ns
        return self.absences >= policy.absences

    async def pause(self, driver: Driver) -> None:
        """Before the next question: a growing wait, and never less than the spacing once "not found" counts."""
        policy = driver.desk.policy
        wait_s = policy.asking.delay_s(self.tries, driver.desk.rng)
        if self.absent_ns is not None:
            wait_s = max(wait_s, policy.absence_spacing_s - driver.since_s(self.absent_ns))
        self.tries += 1
        await driver.pause(wait_s)


async def ask(driver: Driver) -> None:
    """One question about an order that may or may not be on the venue, and what follows from the answer."""
    order, policy = driver.order, driver.desk.policy
    if order.state is OrderState.SUBMITTING and driver.since_s(order.sent_ns) >= policy.abandoned_s:
        await driver.say(EventKind.AMBIGUOUS, reason="whoever sent it did not tell", only_in=OrderState.SUBMITTING)
        return
    answer = await driver.find()
    if isinstance(answer, OrderReport):
        await driver.record(answer)
        return
    if answer is None and order.state is OrderState.UNKNOWN:
        enough = driver.asked.counts(driver, order.sent_ns, _absence_counts_after_s(driver))
        if enough and await _not_among_fills(driver):
            await conclude_absent(driver)
            return
    elif answer is not None and order.state is OrderState.UNKNOWN and driver.since_s(order.sent_ns) >= policy.give_up_s:
        await give_up(driver, answer)
        return
    await driver.asked.pause(driver)


async def conclude_absent(driver: Driver) -> None:
    """It never arrived: send it again where that cannot double it and it is still wanted, else it is rejected."""
    order, rule = driver.order, driver.desk.account_of(driver.order).venue.client_ids
    wanted = order.intent.expires_ns is not None and driver.now_ns < order.intent.expires_ns
    if wanted and rule is not None and rule.unique is Uniqueness.ALWAYS:
        driver.to_send = await sending.submit(driver, OrderState.UNKNOWN)
        if driver.to_send or driver.order.state is not OrderState.UNKNOWN:
            return
    seconds = round(driver.since_s(order.sent_ns))
    times = driver.asked.absences
    await driver.absent(f"never arrived: the venue said {times} times in {seconds} s that it has no such order")


async def give_up(driver: Driver, error: Exception) -> None:
    """The venue cannot be asked: a person must look. The order keeps its risk reserved, and evidence still counts."""
    reason = f"the venue could not be asked: {error}"
    order = await driver.say(EventKind.GIVEN_UP, reason=reason, only_in=OrderState.UNKNOWN)
    if order.state is OrderState.NEEDS_OPERATOR:
        raise_operator_alarm(order)


def raise_operator_alarm(order: Order) -> None:
    """Tell a person what to look for."""
    alarm(
        "order_needs_operator",
        f"order {order.client_id} on {order.intent.venue}: {order.reason}; look it up on the venue",
        venue=order.intent.venue,
        symbol=order.intent.symbol,
        order=order.client_id,
    )


async def collect_fills(driver: Driver) -> None:
    """The venue reports more filled than its trades tell so far: fetch them."""
    driver.fill_tries += 1
    found = await driver.desk.fills(driver.order)
    if not isinstance(found, Exception):
        await add_fills(driver, found)
    if not driver.order.fills_missing:
        return
    if driver.fill_tries >= driver.desk.policy.fill_tries:
        order = driver.order
        alarm(
            "order_fills_missing",
            f"order {order.client_id}: the venue reports {order.filled} filled, its trades tell {order.fills_amount}",
            venue=order.intent.venue,
            symbol=order.intent.symbol,
            order=order.client_id,
        )
        return
    await driver.pause(driver.desk.policy.asking.delay_s(driver.fill_tries, driver.desk.rng))


async def add_fills(driver: Driver, fills: tuple[Fill, ...]) -> Order:
    """Commit trades, of this order and of others: each is counted once, whoever brings it."""
    client_id, now_ns = driver.order.client_id, driver.now_ns

    def work(transaction: Transaction) -> Order:
        for fill in fills:
            transaction.add_fill(fill, now_ns, Source.QUERY)
        order = transaction.order(client_id)
        assert order is not None
        return order

    return await driver.write(work)


async def _not_among_fills(driver: Driver) -> bool:
    """The last place to look: whether the account's trades were told, and none is this order's."""
    found = await driver.desk.fills(driver.order)
    if isinstance(found, Exception):
        return False
    order = driver.order
    ours = [
        fill
        for fill in found
        if fill.client_id == order.client_id or (fill.venue_order_id and fill.venue_order_id == order.venue_order_id)
    ]
    if ours:
        await add_fills(driver, found)
    return not ours


def _absence_counts_after_s(driver: Driver) -> float:
    """How long after the sending "not found" begins to count: whoever sent it must have its answer by then."""
    return driver.desk.policy.grace_s if driver.answered else driver.desk.policy.abandoned_s
