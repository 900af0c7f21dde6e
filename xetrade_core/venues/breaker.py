"""Circuit breakers: calls to a part of a venue that keeps failing are refused here, so that it can come back.

Closed: calls pass, and failures in a row are counted. Open: calls are refused at once until a time. Half-open: one call
is let through as a probe; its success closes the circuit, its failure opens it for twice as long, up to a cap. What the
venue *answers*, a refusal too, is a success here: it is there.

A breaker is of one venue host and one class of endpoints. Every change is logged and counted; `BreakerBoard` writes it
down for the other processes of the machine, so that a new one begins with what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, RateLimited, VenueRefused, VenueUnavailable, XETradeError


class CircuitOpen(VenueUnavailable):
    """Not asked: the last calls of this kind failed. `retry_after_s` is when one will be let through."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BreakerState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Outcome(StrEnum):
    """What a call says of the venue."""

    ANSWERED = "answered"
    FAILED = "failed"
    REFUSED = "refused"  # it is there, and said no
    LIMITED = "limited"  # it, or our budget for it, allows no calls for now
    NOT_ASKED = "not_asked"  # an error of ours came first
    GIVEN_UP = "given_up"


def outcome_of(error: BaseException) -> Outcome:
    """What a call that raised says of the venue."""
    if isinstance(error, VenueRefused):
        return Outcome.REFUSED
    if isinstance(error, RateLimited):
        return Outcome.LIMITED
    if isinstance(error, VenueUnavailable):
        return Outcome.FAILED
    return Outcome.NOT_ASKED if isinstance(error, XETradeError) else Outcome.GIVEN_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """Opens after `failures` in a row, for `open_s` seconds at first and at most `cap_s`.

    A probe that has not come back after `probe_s` is taken to have failed.
    """

    failures: int = 5
    open_s: float = 5.0
    cap_s: float = 120.0
    probe_s: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ConfigError.of("failures", self.failures, "at least 1")
        if not 0 < self.open_s <= self.cap_s:
            raise ConfigError.of("open_s", self.open_s, f"seconds above 0 and at most cap_s = {self.cap_s:g}")


@dataclass(frozen=True, slots=True)
class Change:
    """A breaker has changed its state. `for_s`: how long it is open, 0 in the other states; `error`: why it opened."""

    endpoint: str
    before: BreakerState
    state: BreakerState
    for_s: float
    failures: int
    error: str


class CircuitBreaker:
    """See the module. `watch` does all that a call needs; `allow`, `succeeded` and `failed` are its parts."""

    def __init__(
        self,
        endpoint: str,
        clock: Clock,
        rules: BreakerRules,
        on_change: Callable[[Change], None],
    ) -> None:
        self.endpoint = endpoint
        self.state = BreakerState.CLOSED
        self.failures = 0
        self.error = ""
        self._clock, self._rules, self._on_change = clock, rules, on_change
        self._until_ns = 0
        self._open_s = rules.open_s

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Make a call inside: raises CircuitOpen if it may not be made, and is told how it went."""
        self.allow()
        try:
            yield
        except BaseException as error:
            outcome = outcome_of(error)
            if outcome is Outcome.FAILED:
                self.failed(error)
            elif outcome is Outcome.REFUSED:
                self.succeeded()
            else:
                self.gave_up()
            raise
        self.succeeded()

    def allow(self) -> None:
        """Return if a call may be made now; raises CircuitOpen."""
        if self.state is BreakerState.CLOSED:
            return
        left_s = (self._until_ns - self._clock.monotonic_ns()) / NS_PER_S
        if left_s > 0:  # open, or half-open with a probe under way
            probing = " while one is tried" if self.state is BreakerState.HALF_OPEN else ""
            said = f"{self.endpoint} calls fail, so none is made for {left_s:.1f} s{probing}"
            raise CircuitOpen(f"{said}; the last error: {self.error}", left_s)
        self._until_ns = self._clock.monotonic_ns() + round(self._rules.probe_s * NS_PER_S)
        self._become(BreakerState.HALF_OPEN, 0.0)

    def succeeded(self) -> None:
        """The venue answered."""
        self.failures = 0
        if self.state is not BreakerState.CLOSED:
            self._open_s = self._rules.open_s
            self._become(BreakerState.CLOSED, 0.0)

    def failed(self, error: BaseException) -> None:
        """The venue did not answer, or with a server error."""
        self.failures += 1
        self.error = f"{error}"[:200] or type(error).__name__
        if self.state is BreakerState.HALF_OPEN:
            self._open_s = min(2 * self._open_s, self._rules.cap_s)
            self.open_for(self._open_s)
        elif self.state is BreakerState.CLOSED and self.failures >= self._rules.failures:
            self.open_for(self._open_s)

    def gave_up(self) -> None:
        """The call was given up before the venue could answer: it says nothing, and a probe may be made again."""
        if self.state is BreakerState.HALF_OPEN:
            self._until_ns = self._clock.monotonic_ns()

    def open_for(self, seconds: float, error: str | None = None) -> None:
        """Refuse calls for that long, for what is known from elsewhere, say another process."""
        if error is not None:
            self.error = error
        self._until_ns = self._clock.monotonic_ns() + round(seconds * NS_PER_S)
        self._become(BreakerState.OPEN, seconds)

    def _become(self, state: BreakerState, for_s: float) -> None:
        before, self.state = self.state, state
        self._on_change(Change(self.endpoint, before, state, for_s, self.failures, self.error))
