"""Work that must not be dropped because the order store does not answer for a while: what it drives may have traded.

The store is moved, restarted or locked by another process; a leg or an order waits at its venue all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import StoreConflict, StoreUnavailable
from xetrade_core.telemetry import get_logger

T = TypeVar("T")
_log = get_logger("orders")
AWAY = (StoreUnavailable, StoreConflict)


def is_away(error: BaseException | None) -> bool:
    """Whether the store did not answer, or answered that another process was quicker: both pass."""
    return isinstance(error, AWAY)


async def outlast(
    work: Callable[[], Awaitable[T]],
    clock: Clock,
    *,
    give_up_s: float,
    went_well_s: float,
    delay_s: Callable[[int], float],
    passes: Callable[[Exception], bool] = is_away,
) -> T:
    """What `work` returns. It looks in the store where it stands, so that it can be begun again as often as need be.

    It is begun again after each error that `passes`, `delay_s` of so many failures before it later; one that ran for
    more than `went_well_s` had the store, so that its error is the first of another absence. Any other error is raised,
    and one that passes once the store has been away for `give_up_s`.
    """
    failures, since_ns = 0, 0
    while True:
        began_ns = clock.wall_ns()
        try:
            return await work()
        except Exception as error:
            if not passes(error):
                raise
            now_ns = clock.wall_ns()
            if not failures or now_ns - began_ns > went_well_s * NS_PER_S:
                failures, since_ns = 0, now_ns
                _log.warning("order_store_away", error=str(error))
            if now_ns - since_ns >= give_up_s * NS_PER_S:
                raise
        await clock.sleep(delay_s(failures))
        failures += 1
