"""Circuit breakers: closed, open, half-open and back, by an injected clock; told to metrics, logs and others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import ConfigError, VenueUnavailable
from xetrade_core.telemetry import Metrics
from xetrade_core.venues.breaker import BreakerRules, BreakerState, Change, CircuitBreaker, CircuitOpen
from xetrade_core.venues.breaker_board import BreakerBoard, Scope, read_breakers

RULES = BreakerRules(failures=3, open_s=5.0, cap_s=15.0, probe_s=20.0)
DOWN = VenueUnavailable("no answer")
SCOPE = Scope("okx", "127.0.0.1:81")


def breaker_of() -> tuple[CircuitBreaker, ManualClock, list[Change]]:
    clock, changes = ManualClock(), []
    return CircuitBreaker("book", clock, RULES, changes.append), clock, changes


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.allow()
        breaker.failed(DOWN)


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not() -> None:
    breaker, _, _ = breaker_of()
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker)
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(CircuitOpen, match=r"book calls fail, so none is made for 5\.0 s; the last error: no answer"):
        breaker.allow()


def test_after_its_time_one_probe_passes_and_its_answer_closes_it() -> None:
    breaker, clock, changes = breaker_of()
    fail(breaker, 3)
    clock.advance(5)
    breaker.allow()
    assert breaker.state is BreakerState.HALF_OPEN
    with pytest.raises(CircuitOpen, match="while one is tried"):
        breaker.allow()
    breaker.succeeded()
    breaker.allow()
    assert [(change.before, change.state, change.for_s) for change in changes] == [
        ("closed", "open", 5.0),
        ("open", "half_open", 0.0),
        ("half_open", "closed", 0.0),
    ]


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_cap() -> None:
    breaker, clock, changes = breaker_of()
    fail(breaker, 3)
    for wait_s in (5, 10, 15, 15):
        clock.advance(wait_s)
        fail(breaker)
    assert [change.for_s for change in changes if change.state is BreakerState.OPEN] == [5, 10, 15, 15, 15]
    clock.advance(15)
    breaker.allow()
    breaker.succeeded()
    fail(breaker, 3)
    assert changes[-1].for_s == 5, "a new outage begins with the short time again"


def test_a_probe_that_was_given_up_or_never_came_back_lets_another_one_through() -> None:
    breaker, clock, _ = breaker_of()
    fail(breaker, 3)
    clock.advance(5)
    breaker.allow()
    breaker.gave_up()
    breaker.allow()
    clock.advance(RULES.probe_s)
    breaker.allow()
    assert breaker.state is BreakerState.HALF_OPEN


class AsSpecified(RuleBasedStateMachine):
    """Whatever happens: an open breaker lets nothing through before its time, and one probe at a time after it."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.clock, self.changes = breaker_of()
        self.refused: float | None = None

    @rule(seconds=st.floats(0.1, 25))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(answers=st.booleans())
    def call(self, answers: bool) -> None:
        opened_ns = self.clock.monotonic_ns()
        try:
            self.breaker.allow()
        except CircuitOpen as error:
            self.refused = error.retry_after_s
            return
        if self.breaker.state is BreakerState.HALF_OPEN:
            with pytest.raises(CircuitOpen):
                self.breaker.allow()
        if answers:
            self.breaker.succeeded()
            assert self.breaker.state is BreakerState.CLOSED
        else:
            self.breaker.failed(DOWN)
        assert self.clock.monotonic_ns() == opened_ns

    @precondition(lambda self: self.breaker.state is BreakerState.CLOSED)
    @invariant()
    def closed_means_few_failures(self) -> None:
        assert self.breaker.failures < RULES.failures

    @precondition(lambda self: self.refused is not None)
    @invariant()
    def who_is_refused_is_told_when_to_come_back(self) -> None:
        assert self.refused is not None
        assert 0 < self.refused <= max(RULES.cap_s, RULES.probe_s)

    @invariant()
    def changes_chain(self) -> None:
        for earlier, later in zip(self.changes, self.changes[1:], strict=False):
            assert earlier.state is later.before
            assert later.before is not later.state or later.state is BreakerState.OPEN


AsSpecified.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAsSpecified = AsSpecified.TestCase


def board_of(directory: Path | None, clock: ManualClock) -> tuple[BreakerBoard, Metrics]:
    metrics = Metrics(CollectorRegistry())
    return BreakerBoard(SCOPE, clock, RULES, directory=directory, metrics=metrics), metrics


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"venue": "okx", "endpoint": "book", **labels})


def test_every_change_is_a_metric_and_a_log_line() -> None:
    clock = ManualClock()
    board, metrics = board_of(None, clock)
    with capture_logs() as logs:
        fail(board.of("book"), 3)
        assert sample(metrics, "xetrade_breaker_state", state="open") == 1
        assert sample(metrics, "xetrade_breaker_state", state="closed") == 0
        clock.advance(5)
        board.of("book").allow()
        board.of("book").succeeded()
    assert sample(metrics, "xetrade_breaker_state", state="closed") == 1
    assert sample(metrics, "xetrade_breaker_changes_total", state="open") == 1
    assert [(row["event"], row["log_level"]) for row in logs] == [
        ("breaker open", "warning"),
        ("breaker half-open", "info"),
        ("breaker closed", "info"),
    ]
    assert (logs[0]["venue"], logs[0]["endpoint"], logs[0]["error"]) == ("okx", "book", "no answer")


def test_a_new_process_begins_with_what_is_known_and_one_class_of_endpoints_does_not_close_another(
    tmp_path: Path,
) -> None:
    clock = ManualClock(wall_ns=1_000 * NS_PER_S)
    board, _ = board_of(tmp_path, clock)
    fail(board.of("book"), 3)
    board.of("quotes").succeeded()
    clock.advance(2)
    other, _ = board_of(tmp_path, clock)
    other.of("quotes").allow()
    with pytest.raises(CircuitOpen, match=r"none is made for 3\.0 s; the last error: no answer"):
        other.of("book").allow()
    clock.advance(3)
    other.of("book").allow()
    other.of("book").succeeded()
    third, _ = board_of(tmp_path, clock)
    third.of("book").allow()
    assert third.of("book").state is BreakerState.CLOSED
    record = read_breakers(SCOPE.file(tmp_path))["book"]
    assert (record.state, record.changed_ns, record.until_ns) == (BreakerState.CLOSED, 1_005 * NS_PER_S, 0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"book": {"state": "ajar"}}', b"\xff"])
def test_an_unreadable_record_is_no_record(tmp_path: Path, content: bytes) -> None:
    SCOPE.file(tmp_path).write_bytes(content)
    board, _ = board_of(tmp_path, ManualClock())
    board.of("book").allow()
    fail(board.of("book"), 3)
    assert read_breakers(SCOPE.file(tmp_path))["book"].state is BreakerState.OPEN


def test_where_nothing_can_be_written_the_breaker_works_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    board, _ = board_of(tmp_path / "file" / "breakers", ManualClock())
    with capture_logs() as logs:
        fail(board.of("book"), 3)
    assert [row["event"] for row in logs] == ["breaker open", "breaker state not written"]
    assert board.of("book").state is BreakerState.OPEN


def test_a_wall_clock_that_was_set_holds_nobody_up_for_longer_than_the_cap(tmp_path: Path) -> None:
    clock = ManualClock(wall_ns=10**18)
    fail(board_of(tmp_path, clock)[0].of("book"), 3)
    clock.step_wall(-86_400)
    board, _ = board_of(tmp_path, clock)
    with pytest.raises(CircuitOpen) as caught:
        board.of("book").allow()
    assert caught.value.retry_after_s <= RULES.cap_s


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="failures = 0 is not valid: at least 1"):
        BreakerRules(failures=0)
    with pytest.raises(ConfigError, match="open_s"):
        BreakerRules(open_s=200)
