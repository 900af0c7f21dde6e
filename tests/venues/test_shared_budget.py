"""One budget for all processes of a machine: never over the limit together, whatever happens to one of them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from xetrade_core.clock import NS_PER_S, ManualClock, SystemClock
from xetrade_core.errors import RateLimited
from xetrade_core.venues.budget import Priority, Sharing, WeightBudget, open_budget
from xetrade_core.venues.shared_spending import SharedSpending, remove_forgotten, spending_path
from xetrade_core.venues.spending_record import SIZE, SLOTS, Record, unpack
from xetrade_core.venues.venue import RateRule

SCOPE = ("binance", "api.binance.com", "default", "public")
SLOT = 60 / SLOTS


def shared(
    directory: Path, limit: int = 100, window_s: float = 60.0, headroom: float = 0.0, clock: ManualClock | None = None
) -> tuple[WeightBudget, ManualClock]:
    clock = clock or ManualClock()
    rule = RateRule(limit, window_s)
    return open_budget(rule, clock, directory=directory, scope=SCOPE, headroom=headroom), clock


def the_file(directory: Path) -> Path:
    (path,) = directory.glob("*.budget")
    return path


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(20, 100),
    calls=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 2), st.floats(0, 30)), max_size=40),
)
def test_no_window_ever_carries_more_than_the_limit_over_several_budgets_of_one_file(
    tmp_path_factory: pytest.TempPathFactory, limit: int, calls: list[tuple[int, int, float]]
) -> None:
    directory = tmp_path_factory.mktemp("budgets")
    clock = ManualClock(1)
    budgets = [shared(directory, limit, clock=clock)[0] for _ in range(3)]
    spent: list[tuple[int, int]] = []

    async def run() -> None:
        async def call(weight: int, which: int) -> None:
            await budgets[which].acquire(weight)
            spent.append((clock.monotonic_ns(), weight))

        for weight, which, pause_s in calls:
            await call(weight, which)
            clock.advance(pause_s)

    asyncio.run(run())
    assert len(spent) == len(calls)
    window_ns = 60 * NS_PER_S
    for start, _ in spent:
        assert sum(weight for at, weight in spent if start <= at < start + window_ns) <= limit


@settings(max_examples=100, deadline=None)
@given(spends=st.lists(st.tuples(st.integers(1, 9), st.floats(0, 90)), max_size=30))
def test_the_record_forgets_nothing_too_early_and_nothing_more_than_a_slot_too_late(
    spends: list[tuple[int, float]],
) -> None:
    record, now = Record(b"boot", 60 * NS_PER_S), 10**12
    exact: list[tuple[int, int]] = []
    for weight, gap_s in spends:
        now += round(gap_s * NS_PER_S)
        record.spend(weight, now)
        exact.append((now, weight))
        used = record.used(now)
        assert used >= sum(w for at, w in exact if at > now - 60 * NS_PER_S)
        assert used <= sum(w for at, w in exact if at > now - round((60 + SLOT) * NS_PER_S) - 1)
        wait_ns = record.wait_ns(1, used, now)
        assert 0 < wait_ns <= round((60 + SLOT) * NS_PER_S)
        assert record.used(now + wait_ns) < used


async def test_what_one_spends_another_cannot(tmp_path: Path) -> None:
    first, clock = shared(tmp_path)
    second, _ = shared(tmp_path, clock=clock)
    await first.acquire(60)
    assert second.used() == 60
    await second.acquire(60)
    assert 60 * NS_PER_S <= clock.monotonic_ns() <= round((60 + SLOT) * NS_PER_S)


async def test_each_venue_host_address_and_account_has_a_budget_of_its_own(tmp_path: Path) -> None:
    clock, rule = ManualClock(), RateRule(100, 60)
    home, other = Sharing(directory=tmp_path), Sharing(directory=tmp_path, address="second")
    budgets = [
        home.budget(rule, clock, ("binance", "api.binance.com")),
        home.budget(rule, clock, ("binance", "testnet.binance.vision")),
        home.budget(rule, clock, ("okx", "api.binance.com")),
        home.budget(rule, clock, ("binance", "api.binance.com"), account="5f2a"),
        other.budget(rule, clock, ("binance", "api.binance.com")),
    ]
    await budgets[0].acquire(80)
    budgets[0].pause(30)
    assert [(one.used(), one.paused_s()) for one in budgets] == [(80, 30), (0, 0), (0, 0), (0, 0), (0, 0)]
    same = home.budget(rule, clock, ("binance", "api.binance.com"))
    assert (same.used(), same.paused_s()) == (80, 30)


async def test_a_pause_binds_everyone_and_a_shorter_one_does_not_cut_it(tmp_path: Path) -> None:
    first, clock = shared(tmp_path)
    second, _ = shared(tmp_path, clock=clock)
    first.pause(120)
    second.pause(5)
    assert (first.paused_s(), second.paused_s()) == (120, 120)
    await second.acquire(1, Priority.CANCEL)
    assert clock.monotonic_ns() == 120 * NS_PER_S


async def test_the_venues_own_count_is_counted_once_however_many_hear_of_it(tmp_path: Path) -> None:
    first, clock = shared(tmp_path)
    second, _ = shared(tmp_path, clock=clock)
    await first.acquire(10)
    first.observe(70)
    second.observe(70)
    assert first.used() == second.used() == 70


@pytest.mark.parametrize("on_disk", [True, False], ids=["shared", "own"])
async def test_cancels_pass_when_all_else_has_to_wait(tmp_path: Path, on_disk: bool) -> None:
    clock = ManualClock()
    directory = tmp_path if on_disk else None
    budget = open_budget(RateRule(100, 60), clock, directory=directory, scope=SCOPE, headroom=0.2)
    await budget.acquire(80)
    await budget.acquire(10, Priority.CANCEL)
    assert clock.monotonic_ns() == 0, "ten of the venue's hundred are kept for cancels"
    await budget.acquire(1, Priority.CANCEL)
    assert clock.monotonic_ns() >= 60 * NS_PER_S, "and no more: the venue bans who goes over its limit"


@pytest.mark.parametrize("on_disk", [True, False], ids=["shared", "own"])
async def test_who_cannot_wait_is_told_when_to_come_back(tmp_path: Path, on_disk: bool) -> None:
    clock = ManualClock()
    budget = open_budget(RateRule(100, 60), clock, directory=tmp_path if on_disk else None, scope=SCOPE, headroom=0.0)
    await budget.acquire(100)
    with pytest.raises(RateLimited, match=r"allows no call for 6\d\.\d s, which is too late") as caught:
        await budget.acquire(1, within_s=10)
    assert 60 <= caught.value.retry_after_s <= 60 + SLOT
    budget.pause(3600)
    with pytest.raises(RateLimited, match=r"3600\.0 s"):
        await budget.acquire(1, within_s=10)
    assert (clock.monotonic_ns(), budget.waiting) == (0, 0)


async def test_a_stepped_wall_clock_moves_nothing(tmp_path: Path) -> None:
    first, clock = shared(tmp_path)
    await first.acquire(100)
    first.pause(30)
    for step_s in (-86_400, 10 * 86_400):
        clock.step_wall(step_s)
        again, _ = shared(tmp_path, clock=clock)
        assert (again.used(), again.paused_s()) == (100, 30)


def spending(directory: Path, clock: ManualClock, boot: bytes) -> SharedSpending:
    return SharedSpending(spending_path(directory, SCOPE, 60), 60, 100, clock, boot=boot)


def test_a_restart_of_the_machine_keeps_a_ban_and_what_was_spent_within_the_window(tmp_path: Path) -> None:
    clock = ManualClock(wall_ns=1_000_000 * NS_PER_S)
    clock.advance(500)
    before = spending(tmp_path, clock, b"first run")
    assert before.take(70, 100) == 0
    before.pause(300 * NS_PER_S)
    rebooted = ManualClock(wall_ns=clock.wall_ns() + 20 * NS_PER_S)
    after = spending(tmp_path, rebooted, b"second run")
    assert (after.used(), after.paused_ns()) == (70, 280 * NS_PER_S)
    later = ManualClock(wall_ns=clock.wall_ns() + 3600 * NS_PER_S)
    assert (spending(tmp_path, later, b"second run").used(), after.paused_ns()) == (0, 280 * NS_PER_S)


def test_a_wall_clock_that_went_back_over_a_restart_prolongs_a_ban_by_no_more_than_was_stated(tmp_path: Path) -> None:
    clock = ManualClock(wall_ns=1_000_000 * NS_PER_S)
    spending(tmp_path, clock, b"first run").pause(300 * NS_PER_S)
    rebooted = ManualClock(wall_ns=5)
    assert spending(tmp_path, rebooted, b"second run").paused_ns() == 300 * NS_PER_S


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100],
        lambda data: b"\0" * len(data),
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: b"no budget at all" * 100,
    ],
    ids=["torn", "zeros", "a flipped bit", "another file"],
)
async def test_a_damaged_file_is_taken_to_have_spent_a_window_and_is_made_anew(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    first, clock = shared(tmp_path)
    await first.acquire(10)
    path = the_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    again, _ = shared(tmp_path, clock=clock)
    with capture_logs() as logs, pytest.raises(RateLimited):
        await again.acquire(1, within_s=30)
    assert [row["event"] for row in logs] == ["budget_damaged"]
    await again.acquire(1)
    assert 60 * NS_PER_S <= clock.monotonic_ns() <= round((60 + SLOT) * NS_PER_S)
    assert unpack(path.read_bytes(), again._spending._boot, 60 * NS_PER_S, clock.monotonic_ns(), 0)  # type: ignore[attr-defined]


async def test_a_removed_file_is_made_anew_and_shared_again(tmp_path: Path) -> None:
    first, clock = shared(tmp_path)
    await first.acquire(10)
    the_file(tmp_path).unlink()
    await first.acquire(20)
    second, _ = shared(tmp_path, clock=clock)
    assert second.used() == first.used() == 20


async def test_where_nothing_can_be_written_the_process_counts_by_itself_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    budget, clock = shared(tmp_path / "file" / "budgets")
    with capture_logs() as logs:
        await budget.acquire(60)
        budget.pause(5)
        await budget.acquire(60)
    assert [row["event"] for row in logs] == ["budget_not_shared"]
    assert clock.monotonic_ns() == 60 * NS_PER_S
    assert budget.used() == 60


async def test_a_process_that_stands_still_with_the_lock_stops_nobody(tmp_path: Path) -> None:
    budget, clock = shared(tmp_path)
    await budget.acquire(60)
    with the_file(tmp_path).open("r+b") as held, capture_logs() as logs:
        fcntl.flock(held, fcntl.LOCK_EX)
        await budget.acquire(30)
        assert 1 * NS_PER_S < clock.monotonic_ns() < 5 * NS_PER_S, "it was tried for a while"
        assert await asyncio.wait_for(_refused(budget, 30), 5), "what was known to be spent still counts"
        budget.pause(7)
        assert budget.paused_s() == 7
    assert [row["event"] for row in logs] == ["budget_not_shared"]
    other, _ = shared(tmp_path, clock=clock)
    assert other.used() == 60
    clock.advance(8)
    await budget.acquire(1)
    assert other.used() == 91, "what was spent alone is told to the others"


async def _refused(budget: WeightBudget, weight: int) -> bool:
    with contextlib.suppress(RateLimited):
        await budget.acquire(weight, within_s=1)
        return False
    return True


def test_budgets_that_nobody_touches_are_removed_after_all_pauses_are_over(tmp_path: Path) -> None:
    old, young = tmp_path / "old.budget", tmp_path / "young.budget"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (0, time.time() - 9 * 86_400))
    remove_forgotten(tmp_path, time.time())
    assert list(tmp_path.iterdir()) == [young]
    remove_forgotten(tmp_path / "not there", time.time())


def test_the_file_is_named_for_what_the_venue_counts_by_and_holds_one_page() -> None:
    path = spending_path(Path("x"), ("max", "127.0.0.1:80/../..", "", "public"), 2.0)
    assert path == Path("x/max_127.0.0.1-80-..-.._-_public_2s.budget")
    assert SIZE < 4096


# --- real processes ---------------------------------------------------------------------------------------------------

SPENDER = """
import asyncio, sys
from pathlib import Path
from xetrade_core.clock import SystemClock
from xetrade_core.venues.budget import open_budget
from xetrade_core.venues.venue import RateRule

async def main() -> None:
    clock = SystemClock()
    budget = open_budget(RateRule(200, 1.0), clock, directory=Path(sys.argv[1]), scope=("v",), headroom=0.0)
    print("ready", flush=True)
    for _ in range(int(sys.argv[2])):
        await budget.acquire(5)
        print(clock.monotonic_ns(), flush=True)

asyncio.run(main())
"""


@contextlib.contextmanager
def spender(directory: Path, calls: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SPENDER, str(directory), str(calls)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def times_of(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(line) for line in process.stdout.read().splitlines()]


def worst_window(times: list[int], weight: int) -> int:
    """The most weight that any second carried."""
    return max(weight * sum(start <= at < start + NS_PER_S for at in times) for start in times)


def test_processes_together_stay_within_the_limit(tmp_path: Path) -> None:
    with spender(tmp_path, 60) as first, spender(tmp_path, 60) as second, spender(tmp_path, 60) as third:
        times = [times_of(process) for process in (first, second, third)]
    assert [len(rows) for rows in times] == [60, 60, 60]
    # A process prints a moment after it was granted: a few grants may be seen late, and so in a later window.
    assert worst_window(sorted(itertools.chain(*times)), 5) <= 200 + 5 * 3


def test_a_process_killed_at_any_moment_leaves_a_budget_that_others_go_on_with(tmp_path: Path) -> None:
    rng = random.Random(5)
    for _ in range(6):
        with spender(tmp_path, 10_000) as doomed:
            time.sleep(rng.uniform(0.0, 0.05))
            doomed.send_signal(signal.SIGKILL)
            doomed.wait()
    with capture_logs() as logs, spender(tmp_path, 50) as survivor:
        budget = open_budget(RateRule(200, 1.0), SystemClock(), directory=tmp_path, scope=("v",), headroom=0.0)
        assert budget.used() > 0
        assert len(times_of(survivor)) == 50
    assert logs == []
