"""How long the requests of some work waited for their venues' budgets, for who wants to know: a stress test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Wait(NamedTuple):
    """A request's wait for the budget: from and until, UTC ns."""

    from_ns: int
    until_ns: int

    def within_ns(self, from_ns: int, until_ns: int) -> int:
        """How much of it was between those two."""
        return max(0, min(self.until_ns, until_ns) - max(self.from_ns, from_ns))


_waits: ContextVar[list[Wait] | None] = ContextVar("xetrade_waits", default=None)


def noted_waits() -> list[Wait] | None:
    """Where the waits of this task are noted; None where nobody wants to know."""
    return _waits.get()


@contextmanager
def noting_waits() -> Iterator[list[Wait]]:
    """`with noting_waits() as waits:` the waits of all requests inside, those of tasks that are started inside too."""
    waits: list[Wait] = []
    token = _waits.set(waits)
    try:
        yield waits
    finally:
        _waits.reset(token)
