"""What starts by itself: which runs are asked for, when, and that the same facts ask once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import PARTITION_NAME_TAG, RUN_KEY_TAG
from dagster._core.test_utils import create_run_for_test

from tests.pipelines.deployment import SYMBOLS
from tests.support.snapshots import snapshot_rows
from xetrade_core.capture.spool import SessionPlan, create_session
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake import parquet
from xetrade_core.lake.hour_tables import read_part
from xetrade_core.lake.layout import segment_key
from xetrade_core.lake.pending import pending_hours
from xetrade_core.lake.schemas import L2_SEGMENTS, L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.settings import load_settings
from xetrade_pipelines.definitions import build_defs, default_resources
from xetrade_pipelines.market_data.ops import forget_runs
from xetrade_pipelines.market_data.windows import WINDOW_TAG
from xetrade_pipelines.partitions import HOUR_NS, VenueHour
from xetrade_pipelines.resources import ClockResource

HOUR = VenueHour.from_key("2026-01-31T05|binance")


class FixedClock(ClockResource):
    """Stands at one moment."""

    now_ns: int

    def wall_ns(self) -> int:
        return self.now_ns


def resources(*names: str, now_ns: int = HOUR.start_ns) -> dict[str, Any]:
    everything = default_resources(load_settings()) | {"clock": FixedClock(now_ns=now_ns)}
    return {name: everything[name] for name in names}


def tick(name: str, at: datetime, late_s: int = 0) -> dg.ScheduleExecutionData | Any:
    """A schedule's tick of `at`, evaluated so much later."""
    defs = build_defs()
    with dg.build_schedule_context(
        scheduled_execution_time=at,
        resources=resources("capture", "clock", now_ns=(int(at.timestamp()) + late_s) * NS_PER_S),
        repository_def=defs.get_repository_def(),
    ) as context:
        return defs.resolve_schedule_def(name).evaluate_tick(context)


def sense(name: str, instance: dg.DagsterInstance, now_ns: int) -> Any:
    sensor = build_defs().resolve_sensor_def(name)
    names = ("capture", "clock", "lake")
    with dg.build_sensor_context(
        instance=instance, resources=resources(*names, now_ns=now_ns), definitions=build_defs()
    ) as context:
        return sensor.evaluate_tick(context)


def windows(data: Any) -> list[str]:
    return [request.tags[WINDOW_TAG] for request in data.run_requests]


def test_shortly_before_each_hour_the_next_one_is_launched_for_every_venue(machine: Path) -> None:
    data = tick("capture_l2_hourly", datetime(2026, 1, 31, 4, 59, tzinfo=UTC))
    assert windows(data) == [f"{venue}/2026-01-31T05" for venue in SYMBOLS]
    assert [request.partition_key for request in data.run_requests] == [f"2026-01-31T05|{venue}" for venue in SYMBOLS]
    assert all(request.run_config == {} for request in data.run_requests)
    assert len({request.run_key for request in data.run_requests}) == len(SYMBOLS)


def test_the_hour_after_midnight_belongs_to_the_next_day(machine: Path) -> None:
    data = tick("capture_l2_hourly", datetime(2026, 1, 31, 23, 59, tzinfo=UTC))
    assert windows(data)[0] == "binance/2026-02-01T00"


def test_ticks_that_the_daemon_missed_launch_no_hour_that_is_over(machine: Path) -> None:
    missed = datetime(2026, 1, 31, 4, 59, tzinfo=UTC)
    assert windows(tick("capture_l2_hourly", missed, late_s=3600)) == [f"{venue}/2026-01-31T05" for venue in SYMBOLS]
    over = tick("capture_l2_hourly", missed, late_s=3600 + 40)
    assert (over.run_requests, over.skip_message) == ([], "2026-01-31T05 is over, or nearly: it cannot be recorded now")


def test_after_each_hour_it_is_compacted_as_a_whole(machine: Path) -> None:
    data = tick("compact_l2_hourly", datetime(2026, 1, 31, 6, 5, tzinfo=UTC))
    assert [request.partition_key for request in data.run_requests] == [f"2026-01-31T05|{venue}" for venue in SYMBOLS]
    assert data.run_requests[0].run_config == {"ops": {"compact_l2": {"config": {"whole_hour": True}}}}


def test_without_symbols_nothing_starts_and_the_setting_is_named(
    machine: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    for venue in SYMBOLS:
        monkeypatch.delenv(f"XETRADE_VENUES__{venue.upper()}__SYMBOLS")
    data = tick("capture_l2_hourly", datetime(2026, 1, 31, 4, 59, tzinfo=UTC))
    assert (data.run_requests, "venues.<venue>.symbols" in data.skip_message) == ([], True)
    assert sense("capture_watchdog", instance, HOUR.start_ns).run_requests == []


def test_an_hour_that_nobody_records_is_launched_once(machine: Path, instance: dg.DagsterInstance) -> None:
    now_ns = HOUR.start_ns + 10 * NS_PER_S
    first, second = (sense("capture_watchdog", instance, now_ns + shift) for shift in (0, 30 * NS_PER_S))
    assert windows(first) == [f"{venue}/2026-01-31T05" for venue in SYMBOLS]
    assert [r.run_key for r in first.run_requests] == [r.run_key for r in second.run_requests]


def test_a_run_in_progress_is_enough_and_a_dead_one_is_replaced_by_a_new(
    machine: Path, instance: dg.DagsterInstance
) -> None:
    now_ns = HOUR.start_ns + 60 * NS_PER_S
    run = create_run_for_test(
        instance, job_name="capture_l2", tags={WINDOW_TAG: HOUR.window}, status=dg.DagsterRunStatus.STARTED
    )
    assert HOUR.window not in windows(sense("capture_watchdog", instance, now_ns))
    before = {r.run_key for r in sense("capture_watchdog", instance, now_ns).run_requests}
    instance.report_run_failed(run)
    again = [r for r in sense("capture_watchdog", instance, now_ns).run_requests if r.tags[WINDOW_TAG] == HOUR.window]
    assert len(again) == 1
    assert again[0].run_key not in before


@pytest.mark.parametrize(
    ("starts_in_s", "symbols", "counts"),
    [(-60, ("BTC/USDT", "ETH/USDT"), True), (30, ("BTC/USDT", "ETH/USDT"), False), (-60, ("BTC/USDT",), False)],
)
def test_a_live_session_counts_if_it_records_all_of_the_venue_now(
    machine: Path, instance: dg.DagsterInstance, starts_in_s: int, symbols: tuple[str, ...], counts: bool
) -> None:
    now_ns = HOUR.start_ns + 60 * NS_PER_S
    start_ns = now_ns + starts_in_s * NS_PER_S
    plan = SessionPlan("cli", {"binance": symbols}, NS_PER_S, 100, start_ns, None, start_ns)
    _, lock = create_session(machine / "spool", plan)
    try:
        assert (HOUR.window not in windows(sense("capture_watchdog", instance, now_ns))) is counts
    finally:
        lock.release()
    assert HOUR.window in windows(sense("capture_watchdog", instance, now_ns))


def test_the_last_seconds_of_an_hour_are_left_to_the_next_run(machine: Path, instance: dg.DagsterInstance) -> None:
    assert sense("capture_watchdog", instance, HOUR.start_ns + HOUR_NS - 20 * NS_PER_S).run_requests == []


def test_an_orphan_is_recovered_once_in_ten_minutes_and_a_live_session_never(
    machine: Path, instance: dg.DagsterInstance
) -> None:
    plan = SessionPlan("dead", {"binance": ("BTC/USDT",)}, NS_PER_S, 100, HOUR.start_ns, None, HOUR.start_ns)
    directory, lock = create_session(machine / "spool", plan)
    directory.gap_log.touch()
    assert sense("recover_orphans", instance, HOUR.start_ns).run_requests == []
    lock.release()
    keys = [
        sense("recover_orphans", instance, HOUR.start_ns + s * NS_PER_S).run_requests[0].run_key
        for s in (0, 60, 599, 601)
    ]
    assert keys[0] == keys[1] == keys[2] != keys[3]


def put_segment(store: ObjectStore, hour: VenueHour, writer: str = "w1", seconds: int = 60) -> None:
    rows = snapshot_rows(range(seconds), venue=hour.venue, hour=hour.start_ns)
    key = segment_key(L2_SEGMENTS.name, hour.venue, hour.start_ns, hour.start_ns + seconds * NS_PER_S, writer)
    store.create(key, parquet.to_bytes(rows.cast(L2_SEGMENTS.schema)))


def late(instance: dg.DagsterInstance, now_ns: int) -> dict[str, dg.RunRequest]:
    """What the sensor asks for, by partition, in its order."""
    return {str(one.partition_key): one for one in sense("compact_late_l2", instance, now_ns).run_requests}


def launch(defs: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """What the daemon does with a request."""
    return defs.get_job_def("compact_l2").execute_in_process(
        instance=instance,
        partition_key=str(request.partition_key),
        run_config=request.run_config,
        tags={RUN_KEY_TAG: str(request.run_key)},
        raise_on_error=False,
    )


def test_segments_that_come_late_are_compacted_and_later_ones_again(
    defs: dg.Definitions, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    now_ns = HOUR.end_ns + 3 * HOUR_NS
    put_segment(store, HOUR)
    first = late(instance, now_ns)
    assert list(first) == [str(HOUR.key)]
    assert late(instance, now_ns + 60 * NS_PER_S)[str(HOUR.key)].run_key == first[str(HOUR.key)].run_key
    launch(defs, instance, first[str(HOUR.key)])
    assert pending_hours(store) == []
    assert late(instance, now_ns) == {}
    put_segment(store, HOUR, "recovered", seconds=90)
    second = late(instance, now_ns)
    assert second[str(HOUR.key)].run_key != first[str(HOUR.key)].run_key
    launch(defs, instance, second[str(HOUR.key)])
    assert pending_hours(store) == []
    assert len(read_part(store, L2_SNAPSHOTS, HOUR.venue, "BTC/USDT", HOUR.start_ns)) == 90


def test_the_running_hour_and_the_one_of_the_schedule_are_left_alone(
    machine: Path, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    put_segment(store, HOUR)
    for now_ns in (HOUR.start_ns + 1800 * NS_PER_S, HOUR.end_ns - 1, HOUR.end_ns + 300 * NS_PER_S):
        assert late(instance, now_ns) == {}
    assert list(late(instance, HOUR.end_ns + 600 * NS_PER_S)) == [str(HOUR.key)]


def test_late_hours_are_asked_for_oldest_first_and_a_few_at_a_time(
    machine: Path, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    hours = [VenueHour("binance", HOUR.start_ns + i * HOUR_NS) for i in range(10)]
    for hour in reversed(hours):
        put_segment(store, hour, seconds=1)
    now_ns = HOUR.start_ns + 24 * HOUR_NS
    first = late(instance, now_ns)
    assert list(first) == [str(hour.key) for hour in hours[:8]]
    for request in first.values():  # they ran, and failed: what is in their way stops no other hour
        tags = {RUN_KEY_TAG: str(request.run_key)}
        create_run_for_test(instance, job_name="compact_l2", tags=tags, status=dg.DagsterRunStatus.FAILURE)
    assert list(late(instance, now_ns)) == [str(hour.key) for hour in hours[8:]]
    assert list(late(instance, now_ns + 6 * HOUR_NS)) == list(first)


def test_an_hour_that_a_run_is_compacting_is_not_asked_for(
    machine: Path, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    put_segment(store, HOUR)
    now_ns = HOUR.end_ns + HOUR_NS
    tags = {PARTITION_NAME_TAG: str(HOUR.key)}
    run = create_run_for_test(instance, job_name="compact_l2", tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert late(instance, now_ns) == {}
    instance.report_run_failed(run)
    assert list(late(instance, now_ns)) == [str(HOUR.key)]


def test_late_hours_are_due_as_a_whole_only_where_the_settings_record_the_venue(
    machine: Path, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    other = VenueHour("binancecoinm", HOUR.start_ns)
    for hour in (HOUR, other):
        put_segment(store, hour, seconds=1)
    asked = late(instance, HOUR.end_ns + HOUR_NS)
    assert asked[str(HOUR.key)].run_config == {"ops": {"compact_l2": {"config": {"whole_hour": True}}}}
    assert asked[str(other.key)].run_config == {}


def test_hours_that_are_no_partition_and_foreign_files_stop_no_late_hour(
    machine: Path, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    put_segment(store, HOUR)
    put_segment(store, VenueHour("atlantis", HOUR.start_ns), seconds=1)
    put_segment(store, VenueHour.containing("binance", HOUR.start_ns - 3 * 365 * 24 * HOUR_NS), seconds=1)
    store.create("l2_segments/notes.txt", b"read me")
    assert list(late(instance, HOUR.end_ns + HOUR_NS)) == [str(HOUR.key)]


def test_schedules_and_sensors_wait_to_be_turned_on_unless_a_setting_says_so(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def statuses() -> set[str]:
        repository = build_defs().get_repository_def()
        return {one.default_status.value for one in (*repository.schedule_defs, *repository.sensor_defs)}

    assert statuses() == {"STOPPED"}
    monkeypatch.setenv("XETRADE_PIPELINES__AUTOSTART", "true")
    assert statuses() == {"RUNNING"}


def test_old_runs_are_forgotten_failed_ones_later(machine: Path, instance: dg.DagsterInstance) -> None:
    kept = {
        create_run_for_test(instance, status=status).run_id
        for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE)
    }
    create_run_for_test(instance, status=dg.DagsterRunStatus.SUCCESS)
    in_forty_days = FixedClock(now_ns=int(datetime.now(UTC).timestamp() + 40 * 86_400) * NS_PER_S)

    @dg.job(resource_defs={"clock": in_forty_days})
    def prune_now() -> None:
        forget_runs()

    with dg.instance_for_test() as another:
        prune_now.execute_in_process(instance=another)  # nothing to forget is no error
    result = prune_now.execute_in_process(instance=instance)
    assert {run.run_id for run in instance.get_runs()} == kept | {result.run_id}
