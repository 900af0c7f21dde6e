"""One timer bounds all calls that are given equally long."""

from __future__ import annotations

import asyncio
import time

import pytest

from xetrade_core.time_bound import TimeBound


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_takes_too_long_ends_with_a_timeout_and_nothing_before_it() -> None:
    bound, began = TimeBound(0.05), time.monotonic()
    with pytest.raises(TimeoutError), bound():
        await for_ever()
    assert 0.045 < time.monotonic() - began < 1
    with bound():
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)  # nothing is cancelled once it is over


async def test_each_call_has_its_own_time_from_its_own_begin() -> None:
    bound = TimeBound(0.1)

    async def call(after_s: float, takes_s: float | None) -> str:
        await asyncio.sleep(after_s)
        try:
            with bound():
                await (for_ever() if takes_s is None else asyncio.sleep(takes_s))
        except TimeoutError:
            return "too long"
        return "in time"

    calls = [call(0, None), call(0, 0.01), call(0.05, 0.07), call(0.05, None), call(0.13, 0.01)]
    assert await asyncio.gather(*calls) == ["too long", "in time", "in time", "too long", "in time"]


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    bound = TimeBound(0.05)

    async def call() -> None:
        with bound():
            await for_ever()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)


async def test_one_bound_within_another_ends_the_inner_call_alone() -> None:
    outer, inner = TimeBound(5), TimeBound(0.02)
    with outer():
        with pytest.raises(TimeoutError), inner():
            await for_ever()
        await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_an_error_inside_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError), TimeBound(1)():
        raise KeyError("x")


def test_it_goes_on_in_the_next_loop() -> None:
    bound = TimeBound(0.03)

    async def call() -> None:
        with bound():
            await for_ever()

    for _ in range(2):
        with pytest.raises(TimeoutError):
            asyncio.run(call())


async def test_calls_that_are_over_are_let_go() -> None:
    bound = TimeBound(60)
    for _ in range(100):
        with bound():
            await asyncio.sleep(0)
    assert not bound._under_way
