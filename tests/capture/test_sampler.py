"""The grid: each grid time once, honestly or not at all, with the right cause."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.capture.sampler import NEVER_NS, GridSampler, late_bound_ns
from xetrade_core.clock import NS_PER_MS, NS_PER_S, ManualClock
from xetrade_core.model.book_events import GapCause

S = NS_PER_S
T0 = 1_700_000_000 * S


class Grid:
    """A sampler with a record of what it did."""

    def __init__(self, interval_ns: int = S, start_ns: int = T0, end_ns: int | None = None) -> None:
        self.clock = ManualClock(T0)
        self.taken: list[int] = []
        self.lateness: list[int] = []
        self.skipped: list[tuple[int, int, GapCause]] = []
        self.sampler = GridSampler(interval_ns, start_ns, end_ns, self._take, self._skip, self.clock)

    def _take(self, tick_ns: int) -> None:
        self.taken.append(tick_ns)
        self.lateness.append(self.clock.wall_ns() - tick_ns)

    def _skip(self, from_ns: int, to_ns: int, cause: GapCause) -> None:
        self.skipped.append((from_ns, to_ns, cause))

    def advance(self) -> None:
        self.sampler.advance(self.clock.wall_ns())


def test_a_frame_at_the_grid_time_itself_comes_after_the_sample() -> None:
    grid = Grid()
    grid.advance()
    assert grid.taken == [T0]
    grid.clock.advance(0.999)
    grid.advance()
    assert grid.taken == [T0]
    grid.clock.advance(0.001)
    grid.advance()
    assert grid.taken == [T0, T0 + S]


def test_grid_times_are_multiples_of_the_interval_since_the_epoch_whenever_the_session_starts() -> None:
    grid = Grid(interval_ns=100 * NS_PER_MS, start_ns=T0 + 123_456_789)
    grid.clock.advance(0.35)
    grid.advance()
    assert grid.taken == [T0 + 200 * NS_PER_MS, T0 + 300 * NS_PER_MS]


def test_a_stall_within_the_bound_costs_nothing() -> None:
    grid = Grid()
    grid.clock.advance(2.0)
    grid.advance()
    assert grid.taken == [T0, T0 + S, T0 + 2 * S]
    assert grid.skipped == []


def test_a_longer_stall_is_recorder_late_because_the_time_really_passed() -> None:
    grid = Grid()
    grid.clock.advance(10.0)
    grid.advance()
    assert grid.skipped == [(T0, T0 + 8 * S, GapCause.RECORDER_LATE)]
    assert grid.taken == [T0 + 8 * S, T0 + 9 * S, T0 + 10 * S]


def test_a_step_forward_of_the_wall_clock_is_a_clock_step() -> None:
    grid = Grid()
    grid.advance()
    grid.clock.step_wall(100)
    grid.clock.advance(0.1)
    grid.advance()
    assert grid.skipped == [(T0 + S, T0 + 99 * S, GapCause.CLOCK_STEP)]
    assert grid.taken == [T0, T0 + 99 * S, T0 + 100 * S]


def test_a_stall_with_a_step_in_it_names_first_the_one_and_then_the_other() -> None:
    grid = Grid()
    grid.advance()
    grid.clock.advance(5.0)
    grid.clock.step_wall(50)
    grid.advance()
    assert grid.skipped == [
        (T0 + S, T0 + 5 * S, GapCause.RECORDER_LATE),
        (T0 + 5 * S, T0 + 53 * S, GapCause.CLOCK_STEP),
    ]


def test_after_a_step_back_nothing_is_taken_twice_and_nothing_false_is_told() -> None:
    grid = Grid()
    for _ in range(20):
        grid.clock.advance(0.5)
        grid.advance()
    grid.clock.step_wall(-6)
    for _ in range(40):
        grid.clock.advance(0.5)
        grid.advance()
    assert grid.taken == [T0 + n * S for n in range(25)]
    assert grid.skipped == []


def test_a_step_back_and_forth_again_is_a_clock_step_not_a_stall() -> None:
    grid = Grid()
    grid.advance()
    grid.clock.step_wall(-100)
    for _ in range(80):
        grid.clock.advance(0.25)
        grid.advance()
    grid.clock.step_wall(100)
    grid.advance()
    assert grid.skipped == [(T0 + S, T0 + 18 * S, GapCause.CLOCK_STEP)]


def test_how_far_the_clock_went_back_behind_what_is_decided() -> None:
    grid = Grid()
    for _ in range(10):
        grid.clock.advance(1.0)
        grid.advance()
    assert grid.sampler.behind_ns(grid.clock.wall_ns()) == 0
    grid.clock.step_wall(-3600)
    grid.advance()
    assert grid.sampler.behind_ns(grid.clock.wall_ns()) == 3600 * S


def test_a_forward_glitch_that_is_corrected_leaves_the_clock_behind() -> None:
    grid = Grid()
    grid.advance()
    grid.clock.step_wall(3600)
    grid.advance()
    assert grid.sampler.behind_ns(grid.clock.wall_ns()) == 0
    grid.clock.step_wall(-3600)
    grid.advance()
    assert grid.sampler.behind_ns(grid.clock.wall_ns()) == 3600 * S


def test_before_the_first_grid_time_only_a_clock_that_went_back_is_behind() -> None:
    grid = Grid(start_ns=T0 + 7200 * S)
    grid.clock.advance(60.0)
    grid.advance()
    assert grid.sampler.behind_ns(grid.clock.wall_ns()) == 0
    grid.clock.step_wall(-3600)
    grid.advance()
    assert grid.sampler.behind_ns(grid.clock.wall_ns()) == 3540 * S


def test_the_window_ends_before_its_end_time() -> None:
    grid = Grid(end_ns=T0 + 2 * S)
    grid.clock.advance(1.5)
    grid.advance()
    grid.clock.advance(5)
    grid.advance()
    assert grid.taken == [T0, T0 + S]
    assert grid.sampler.next_ns == NEVER_NS
    assert grid.sampler.last_ns == T0 + S


def test_without_a_clock_nothing_is_late() -> None:
    taken: list[int] = []
    sampler = GridSampler(S, T0, None, taken.append, lambda *_: None, None)
    sampler.advance(T0 + 3600 * S)
    assert len(taken) == 3601


def test_jitter_is_how_late_samples_were() -> None:
    grid = Grid()
    grid.advance()
    for lateness_ms in (1, 2, 3):
        grid.clock.advance(1 - (grid.clock.wall_ns() % S) / S + lateness_ms / 1000)
        grid.advance()
    jitter = grid.sampler.jitter()
    assert jitter is not None
    assert (round(jitter.p50_ms, 3), round(jitter.max_ms, 3)) == (1.5, 3.0)


INTERVALS = st.sampled_from([100 * NS_PER_MS, 250 * NS_PER_MS, S, 10 * S])
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.001, 0.3)),
        st.tuples(st.just("stall"), st.floats(0.5, 60)),
        st.tuples(st.just("step"), st.floats(-40, 40)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(interval_ns=INTERVALS, moves=MOVES, window_s=st.none() | st.integers(1, 200))
def test_each_grid_time_is_taken_in_time_or_skipped_with_a_true_cause(
    interval_ns: int, moves: list[tuple[str, float]], window_s: int | None
) -> None:
    grid = Grid(interval_ns, end_ns=None if window_s is None else T0 + window_s * S)
    for kind, seconds in moves:
        if kind == "step":
            grid.clock.step_wall(seconds)
        else:
            grid.clock.advance(seconds)
        grid.advance()
    bound_ns = late_bound_ns(interval_ns)
    assert all(0 <= lateness <= bound_ns for lateness in grid.lateness)
    assert all(tick % interval_ns == 0 for tick in grid.taken)
    covered = sorted(grid.taken + [t for a, b, _ in grid.skipped for t in range(a, b, interval_ns)])
    assert covered == list(range(grid.sampler.first_ns, grid.sampler.last_ns + interval_ns, interval_ns))
    causes = {cause for *_, cause in grid.skipped}
    kinds = {kind for kind, _ in moves}
    if "step" not in kinds:
        assert causes <= {GapCause.RECORDER_LATE}
    if "stall" not in kinds:
        assert causes <= {GapCause.CLOCK_STEP}
