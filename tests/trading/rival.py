"""A process that places orders in a store that others write to at the same time: `python -m tests.trading.rival`.

Prints how many of its own orders risk let pass, and how many of the shared ones it was the one to send.
"""

from __future__ import annotations

import sys
import time

from tests.trading.samples import event, intent
from xetrade_core.model.order_events import EventKind
from xetrade_core.model.orders import OrderState
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, ScopeKind
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction

ALLOWED = 50
SHARED = 20


def place(transaction: Transaction, index: int) -> bool:
    one = intent(index)
    if transaction.risk.check(one, 2, venue_reduces=True) is not None:
        return False
    transaction.append(one.client_id, event(EventKind.INTENDED, intent=one))
    transaction.append(one.client_id, event(EventKind.SUBMITTED))
    return True


def claim(transaction: Transaction, index: int) -> bool:
    """Whether it falls to us to send an order that all see."""
    order = transaction.order(intent(index).client_id)
    assert order is not None
    if order.state is not OrderState.INTENT:
        return False
    transaction.append(order.client_id, event(EventKind.SUBMITTED))
    return True


def tell(text: str) -> None:
    """One line to whoever started us."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(url: str, number: int) -> None:
    limits = RiskLimits({Scope(ScopeKind.STRATEGY, "maker"): Limits(max_open_orders=ALLOWED)})
    store = OrderStore(url, limits=limits)
    tell("ready")
    sys.stdin.readline()
    placed = claimed = 0
    for step in range(60):
        time.sleep(0.003)  # SQLite does not queue its writers: without a pause the first has all of it
        if step % 3 == 0:  # batches, as the group commit makes them
            works = [lambda transaction, i=number * 1000 + step * 10 + j: place(transaction, i) for j in range(3)]
            placed += sum(store.transact(works))
        if step < SHARED:
            claimed += store.do(lambda transaction, i=step: claim(transaction, i))
    store.close()
    tell(f"{placed} {claimed}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
