"""Work goes on when the order store is back; how long that is waited for, and what is not waited for at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import StoreConflict, StoreUnavailable
from xetrade_core.trading.store_absence import outlast

AWAY = StoreUnavailable("the order store does not answer")


class Work:
    """Runs for so many seconds each time, then raises the next of its errors, or is done when there is none left."""

    def __init__(self, clock: ManualClock, *runs: tuple[float, Exception]) -> None:
        self.clock, self.runs, self.begun_s = clock, list(runs), list[float]()
        self._began_ns = clock.wall_ns()

    async def __call__(self) -> str:
        self.begun_s.append((self.clock.wall_ns() - self._began_ns) / NS_PER_S)
        if not self.runs:
            return "done"
        seconds, error = self.runs.pop(0)
        self.clock.advance(seconds)
        raise error


async def outlasted(work: Work, *, passes: Callable[[Exception], bool] | None = None) -> str:
    more = {} if passes is None else {"passes": passes}
    return await outlast(
        work, work.clock, give_up_s=10, went_well_s=60, delay_s=lambda failures: 1.0 + failures, **more
    )


async def test_it_is_begun_again_after_growing_waits_until_it_is_done() -> None:
    work = Work(ManualClock(), (0, AWAY), (0, StoreConflict("another was quicker")), (0, AWAY))
    assert await outlasted(work) == "done"
    assert work.begun_s == [0, 1, 3, 6]


async def test_the_last_error_is_raised_once_the_store_has_been_away_for_too_long() -> None:
    last = StoreUnavailable("still away")
    work = Work(ManualClock(), (0, AWAY), (0, AWAY), (0, AWAY), (0, AWAY), (0, last), (0, AWAY))
    with pytest.raises(StoreUnavailable) as raised:
        await outlasted(work)
    assert raised.value is last
    assert work.begun_s == [0, 1, 3, 6, 10]


async def test_a_run_that_lasted_had_the_store_so_that_its_error_is_the_first_of_another_absence() -> None:
    work = Work(ManualClock(), *[(0, AWAY)] * 3, (61, AWAY), *[(0, AWAY)] * 3)
    assert await outlasted(work) == "done"
    assert work.begun_s == [0, 1, 3, 6, 68, 70, 73, 77]


async def test_what_does_not_pass_is_raised_at_once() -> None:
    work = Work(ManualClock(), (0, ValueError("no")), (0, AWAY))
    with pytest.raises(ValueError, match="no"):
        await outlasted(work)
    assert work.begun_s == [0]


async def test_the_caller_says_what_passes() -> None:
    work = Work(ManualClock(), (0, ValueError("no")))
    assert await outlasted(work, passes=lambda error: isinstance(error, ValueError)) == "done"
