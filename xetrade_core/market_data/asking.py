"""Several venues asked at once: what has come by the deadline, and why the rest has not.

A slow venue holds up no other one, and no venue holds up the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from xetrade_core.errors import NoAnswer, VenueUnavailable, XETradeError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """A venue that gave no answer, and why."""

    venue: str
    error: XETradeError

    @property
    def reason(self) -> str:
        """Why, in one line."""
        return str(self.error)

    @property
    def named(self) -> str:
        """The same, with the venue in it."""
        return self.reason if self.venue in self.reason else f"{self.venue}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What was answered and what was not, each in the order in which the venues were asked."""

    by_venue: Mapping[str, T]
    failures: tuple[Failure, ...]

    def require_any(self, what: str) -> Answers[T]:
        """Itself, if anybody has answered; else what the one venue raised, or NoAnswer naming all of them."""
        if self.by_venue or not self.failures:
            return self
        if len(self.failures) == 1:
            raise self.failures[0].error
        reasons = "; ".join(failure.named for failure in self.failures)
        raise NoAnswer(f"no venue gave {what}: {reasons}")


async def ask_all(
    questions: Mapping[str, Callable[[], Coroutine[Any, Any, T]]], what: str, deadline_s: float
) -> Answers[T]:
    """Put each venue its question, all at once, and take what has come after `deadline_s` seconds.

    Errors on purpose and lateness are failures of that venue. Anything else a question raises is a bug and raised here.
    `what` names the answer in errors: "book of BTC/USDT".
    """
    if not questions:
        return Answers({}, ())
    tasks = {venue: asyncio.ensure_future(ask()) for venue, ask in questions.items()}
    try:
        await asyncio.wait(tasks.values(), timeout=deadline_s)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    answers: dict[str, T] = {}
    failures: list[Failure] = []
    for venue, task in tasks.items():
        if task.cancelled():
            said = VenueUnavailable(f"{venue} gave no {what} within {deadline_s:g} s")
            failures.append(Failure(venue, said))
            continue
        try:
            answers[venue] = task.result()
        except XETradeError as error:
            failures.append(Failure(venue, error))
    return Answers(answers, tuple(failures))
