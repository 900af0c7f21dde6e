"""Processes that write to one store at once: no limit is passed together, and no order is sent by two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from tests.trading.rival import ALLOWED, SHARED
from tests.trading.samples import event, intent
from xetrade_core.model.order_events import EventKind
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.store import OrderStore

ROOT = Path(__file__).parents[2]


def run_rivals(url: str, count: int = 2) -> list[tuple[int, int]]:
    """What each of `count` processes got, all let go at the same moment."""
    rivals = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.trading.rival", url, str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(1, count + 1)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    answers = [rival.communicate(timeout=90)[0].split() for rival in rivals]
    return [(int(placed), int(claimed)) for placed, claimed in answers]


def test_two_processes_cannot_pass_a_limit_together_nor_send_one_order_twice(store: OrderStore, store_url: str) -> None:
    for index in range(SHARED):
        one = intent(index, strategy="shared")
        store.do(lambda transaction, one=one: transaction.append(one.client_id, event(EventKind.INTENDED, intent=one)))
    got = run_rivals(store_url)
    assert sum(placed for placed, _ in got) == ALLOWED
    assert sum(claimed for _, claimed in got) == SHARED
    assert all(placed for placed, _ in got), "one process did everything: nothing was shown"
    assert len(store.do(lambda transaction: transaction.working())) == ALLOWED + SHARED
    assert rebuild(store).clean
    with store.engine.connect() as connection:
        count, last = connection.execute(text("SELECT count(*), max(seq) FROM events")).one()
    assert count == last == 2 * (ALLOWED + SHARED)


def test_a_writer_sees_at_once_what_another_has_written(store: OrderStore, store_url: str) -> None:
    other = OrderStore(store_url)
    one = intent()
    assert other.do(lambda transaction: transaction.order(one.client_id)) is None
    store.do(lambda transaction: transaction.append(one.client_id, event(EventKind.INTENDED, intent=one)))
    assert (
        other.do(lambda transaction: transaction.append(one.client_id, event(EventKind.SUBMITTED))).order.version == 2
    )
    assert store.do(lambda transaction: transaction.order(one.client_id)) == other.order(one.client_id)
    other.close()


def test_what_was_said_to_be_committed_survives_kill_9(store_url: str) -> None:
    program = f"""if True:
        from tests.trading.samples import event, intent
        from xetrade_core.model.order_events import EventKind
        from xetrade_core.trading.store import OrderStore
        store = OrderStore({store_url!r})
        for index in range(10**6):
            one = intent(index)
            store.do(lambda transaction: transaction.append(one.client_id, event(EventKind.INTENDED, intent=one)))
            print(one.client_id, flush=True)
    """
    writer = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said = [writer.stdout.readline().strip() for _ in range(100)]
    writer.kill()
    said += writer.stdout.read().split()
    writer.wait()
    store = OrderStore(store_url)
    kept = {order.client_id for order in store.working()}
    assert set(said) <= kept
    assert len(kept) <= len(said) + 1
    assert rebuild(store).clean
    store.close()
