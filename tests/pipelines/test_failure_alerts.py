"""`alert_run_failure`: every run that fails is told until the webhook has it, whatever happens in between."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.test_utils import create_run_for_test

from tests.pipelines.test_schedules_and_sensors import HOUR, FixedClock
from xetrade_core.clock import NS_PER_S
from xetrade_core.settings import load_settings
from xetrade_pipelines import failures
from xetrade_pipelines.definitions import build_defs, default_resources
from xetrade_pipelines.market_data.windows import WINDOW_TAG

pytestmark = pytest.mark.usefixtures("machine")


class Hook:
    """A webhook on loopback: the bodies it took or refused, and the codes it will answer (else `code`)."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.code = 200

    def told(self) -> list[str]:
        """The runs of which it was told since it was last asked."""
        told = [body["facts"].get("run_id", body["alarm"]) for body in self.heard]
        self.heard.clear()
        return told


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.answers.pop(0) if hook.answers else hook.code)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("XETRADE_ALERTS__WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/services/T0KEN")
    yield hook
    server.shutdown()
    thread.join()
    server.server_close()


@cache
def the_sensor() -> dg.SensorDefinition:
    return build_defs().resolve_sensor_def("alert_run_failure")


def tick(instance: dg.DagsterInstance, cursor: str | None, *, later_s: float = 60.0) -> Any:
    """What the sensor does so long after now."""
    now_ns = time.time_ns() + round(later_s * NS_PER_S)
    resources = default_resources(load_settings()) | {"clock": FixedClock(now_ns=now_ns)}
    chosen = {name: resources[name] for name in ("alerts", "clock")}
    with dg.build_sensor_context(instance, cursor=cursor, resources=chosen) as context:
        return the_sensor()(context)


def fail(instance: dg.DagsterInstance, **run: Any) -> str:
    """A run that failed before its first step; its id."""
    made = create_run_for_test(instance, job_name="capture_l2", **run)
    instance.report_run_failed(made, "it did not start")
    return made.run_id


def broken_run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.op
    def fails() -> None:
        raise RuntimeError("the disk is full; the key is hunter22-hunter22")

    @dg.job
    def broken() -> None:
        fails()

    return broken.execute_in_process(instance=instance, raise_on_error=False, tags={WINDOW_TAG: HOUR.window})


def test_a_failed_run_is_told_once_with_its_cause_and_without_secrets(
    instance: dg.DagsterInstance, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_S3__ACCESS_KEY_ID", "someone-somewhere")
    monkeypatch.setenv("XETRADE_S3__SECRET_ACCESS_KEY", "hunter22-hunter22")
    fail(instance)
    start = tick(instance, None).cursor  # what failed before the sensor was turned on is no news
    result = broken_run(instance)
    told = tick(instance, start)
    (body,) = hook.heard
    assert body["alarm"] == "run_failed"
    assert body["facts"] == {"job": "broken", "run_id": result.run_id, "window": HOUR.window}
    assert "broken failed: RuntimeError: the disk is full" in body["text"]
    for secret in ("hunter22", "T0KEN"):
        assert secret not in json.dumps(body) + told.cursor
    assert told.skip_reason.skip_message == "told of 1"
    hook.heard.clear()
    assert tick(instance, told.cursor).skip_reason.skip_message == "no run has failed since"
    assert hook.told() == []


def test_what_the_webhook_does_not_take_is_told_when_it_is_back(instance: dg.DagsterInstance, hook: Hook) -> None:
    cursor = tick(instance, None).cursor
    runs = [fail(instance)]
    hook.code = 500
    for _ in range(2):
        cursor = tick(instance, cursor).cursor
    runs.append(fail(instance))
    away = tick(instance, cursor)
    assert "2 are told at the next ticks" in away.skip_reason.skip_message
    hook.code, hook.heard[:] = 200, []
    back = tick(instance, away.cursor)
    assert sorted(hook.told()) == sorted(runs)
    tick(instance, back.cursor)
    assert hook.told() == []


def test_a_tick_that_ended_before_its_cursor_was_kept_is_told_again(instance: dg.DagsterInstance, hook: Hook) -> None:
    cursor = tick(instance, None).cursor
    run = fail(instance)
    for _ in range(2):  # the daemon is killed in the middle of the first one
        tick(instance, cursor)
        assert hook.told() == [run]


def test_one_that_is_always_refused_holds_up_no_other(instance: dg.DagsterInstance, hook: Hook) -> None:
    cursor = tick(instance, None).cursor
    runs = [fail(instance) for _ in range(5)]
    hook.answers = [400, 400, 400]
    cursor = tick(instance, cursor).cursor
    assert hook.told() == runs[:3]  # three in a row: it may be down, and has its peace
    tick(instance, cursor)
    assert hook.told() == [*runs[3:], *runs[:3]]


def test_the_end_of_an_outage_is_no_storm_and_no_run_is_told_twice(
    instance: dg.DagsterInstance, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "MOST_OWED", 5)
    monkeypatch.setattr(failures, "TOLD_A_TICK", 2)
    cursor = tick(instance, None).cursor
    hook.code = 503
    runs = [fail(instance) for _ in range(8)]
    cursor = tick(instance, cursor).cursor
    assert len(hook.told()) <= failures.TOLD_A_TICK + 1
    assert len(json.loads(cursor)["owed"]) == failures.MOST_OWED
    hook.code = 200
    told: list[str] = []
    for _ in range(4):
        cursor = tick(instance, cursor).cursor
        assert len(hook.heard) <= failures.TOLD_A_TICK + 1
        told += hook.told()
    assert sorted(told) == sorted(["run_failures_untold", *runs[3:]])


def test_old_failures_are_not_told_for_ever_but_that_there_were_some_is(
    instance: dg.DagsterInstance, hook: Hook
) -> None:
    cursor = tick(instance, None).cursor
    runs = [fail(instance), fail(instance)]
    hook.code = 500
    cursor = tick(instance, cursor).cursor
    assert sorted(hook.told()) == sorted(runs)
    cursor = tick(instance, cursor, later_s=failures.OWED_S + 60).cursor
    assert hook.told() == ["run_failures_untold"]
    hook.code = 200
    cursor = tick(instance, cursor, later_s=failures.OWED_S + 60).cursor
    assert [body["message"].partition(" ")[0] for body in hook.heard] == ["2"]
    assert json.loads(cursor).get("owed", []) == []
    hook.heard.clear()
    tick(instance, cursor, later_s=failures.OWED_S + 60)
    assert hook.told() == []


def test_a_cursor_of_dagsters_own_sensor_is_gone_on_from(instance: dg.DagsterInstance, hook: Hook) -> None:
    fail(instance)
    stood = json.loads(tick(instance, None).cursor)["record_id"]
    run = fail(instance)
    tick(instance, RunStatusSensorCursor(record_id=stood, record_timestamp="2026-01-31T05:00:00+00:00").to_json())
    assert hook.told() == [run]


@pytest.mark.parametrize("cursor", ["", "not a cursor", "[]", '{"record_id": "x"}'])
def test_a_cursor_that_cannot_be_read_begins_anew(instance: dg.DagsterInstance, hook: Hook, cursor: str) -> None:
    fail(instance)
    begun = tick(instance, cursor).cursor
    assert hook.told() == []
    run = fail(instance)
    tick(instance, begun)
    assert hook.told() == [run]


def test_a_failure_that_has_the_event_id_of_a_deleted_one_is_told(instance: dg.DagsterInstance, hook: Hook) -> None:
    """SQLite gives the ids of the newest events again, once somebody has deleted their run."""
    cursor = tick(instance, None).cursor
    deleted = fail(instance)
    cursor = tick(instance, cursor).cursor
    assert hook.told() == [deleted]
    instance.delete_run(deleted)
    tick(instance, cursor)
    run = fail(instance)
    again = tick(instance, cursor)
    assert hook.told() == [run]
    assert json.loads(again.cursor)["record_id"] == json.loads(cursor)["record_id"]


def test_a_run_that_somebody_deleted_is_owed_no_more(instance: dg.DagsterInstance, hook: Hook) -> None:
    cursor = tick(instance, None).cursor
    run = fail(instance)
    hook.code = 500
    cursor = tick(instance, cursor).cursor
    instance.delete_run(run)
    hook.heard.clear()
    assert "owed" not in json.loads(tick(instance, cursor).cursor)
    assert hook.told() == []


def test_an_event_is_read_once_those_before_it_are_stored_too(instance: dg.DagsterInstance, hook: Hook) -> None:
    """Processes that store at the same time may do so in another order than that of their ids."""
    cursor = tick(instance, None).cursor
    run = fail(instance)
    [event] = instance.get_records_for_run(run, of_type=dg.DagsterEventType.RUN_FAILURE).records
    cursor = tick(instance, cursor, later_s=event.timestamp + failures.SETTLED_S / 2 - time.time()).cursor
    assert hook.told() == []
    tick(instance, cursor)
    assert hook.told() == [run]


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/nobody", "not a url"])
def test_a_webhook_that_is_not_there_breaks_nothing(
    machine: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    if url is not None:
        monkeypatch.setenv("XETRADE_ALERTS__WEBHOOK_URL", url)
    cursor = tick(instance, None).cursor
    fail(instance)
    owed = json.loads(tick(instance, cursor).cursor).get("owed", [])
    assert len(owed) == (0 if url is None else 1)


def test_facts_are_as_free_of_secrets_as_the_message(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_S3__ACCESS_KEY_ID", "someone-somewhere")
    monkeypatch.setenv("XETRADE_S3__SECRET_ACCESS_KEY", "hunter22-hunter22")
    with dg.build_resources({"alerts": default_resources(load_settings())["alerts"]}) as resources:
        assert resources.alerts.tell("x", "by hunter22-hunter22", {"reason": "it said hunter22-hunter22"})
    assert (hook.heard[0]["message"], hook.heard[0]["facts"]) == ("by (secret)", {"reason": "it said (secret)"})
