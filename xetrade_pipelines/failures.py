"""Which runs failed and were not told of yet, from tick to tick of a sensor.

Dagster's own run-failure sensor moves on also when it raises, so that an alert which nobody took is lost. This one
reads the same events with a cursor of its own, which keeps the runs whose alert is owed. It moves on by the ids of
events, as Dagster's does, and by time where the event it stands at is gone: SQLite gives a deleted one's id again.
https://docs.dagster.io/guides/automate/sensors
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import dagster as dg
import msgspec

from xetrade_pipelines.market_data.windows import WINDOW_TAG
from xetrade_pipelines.telling import Telling

#: an event is read when it is so old: those of several processes may be stored in another order than that of their ids
SETTLED_S = 2.0
#: events that one tick reads
READ_A_TICK = 100
#: alerts that one tick tells, the oldest first, so that the end of an outage is no storm
TOLD_A_TICK = 10
#: runs whose alert is owed at most, and for how long: beyond, it is told only how many there were
MOST_OWED, OWED_S = 100, 3 * 86_400
UNTOLD = "{} runs failed that could not be told one by one in time: Dagster's list of runs has them"


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """The event that was read last, by its id, its run and its time, and what is `owed`: ids of runs, in turn.

    `given_up` counts the runs that are told of no more one by one. Dagster's cursor reads as one, by its `record_id`.
    """

    record_id: int
    run_id: str = ""
    at_s: float = 0.0
    owed: tuple[str, ...] = ()
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, with what an alert of it says."""

    run_id: str
    job: str
    window: str
    reason: str
    at_s: float

    @property
    def facts(self) -> dict[str, str]:
        """What the alert states beside its message."""
        return {"job": self.job, "run_id": self.run_id, "window": self.window}


_FAILED: Final = dg.DagsterEventType.RUN_FAILURE
_CURSOR = msgspec.json.Decoder(Cursor)


def read_cursor(text: str | None) -> Cursor | None:
    """None where there is none, or none that can be read: then the newest event is where it begins."""
    try:
        return _CURSOR.decode(text) if text else None
    except msgspec.MsgspecError:
        return None


def write_cursor(cursor: Cursor) -> str:
    """The inverse of `read_cursor`."""
    return msgspec.json.encode(cursor).decode()


def beginning(instance: dg.DagsterInstance) -> Cursor:
    """A cursor that stands at the newest failure: what is older is no news."""
    newest = instance.fetch_run_status_changes(_FAILED, limit=1).records
    return _at(newest[0], Cursor(-1)) if newest else Cursor(-1)


def read_on(context: dg.SensorEvaluationContext, cursor: Cursor, now_s: float) -> Cursor:
    """The cursor with the runs of this code location that failed since; the oldest are given up where too many are
    owed."""
    instance = context.instance
    found = instance.fetch_run_status_changes(_after(instance, cursor), limit=READ_A_TICK, ascending=True).records
    settled = list(takewhile(lambda one: not 0 <= now_s - one.timestamp < SETTLED_S, found))
    ids = dict.fromkeys(one.event_log_entry.run_id for one in settled)
    runs = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=list(ids)))} if ids else {}
    fresh = (run_id for run_id in ids if run_id in runs and _is_ours(context, runs[run_id]))
    owed = tuple(dict.fromkeys([*cursor.owed, *fresh]))
    moved = _at(settled[-1], cursor) if settled else cursor
    surplus = max(0, len(owed) - MOST_OWED)
    return msgspec.structs.replace(moved, owed=owed[surplus:], given_up=cursor.given_up + surplus)


def failure(instance: dg.DagsterInstance, run_id: str) -> Failure | None:
    """What is to be told of a run; None where somebody has deleted it."""
    run = instance.get_run_by_id(run_id)
    ends = instance.get_records_for_run(run_id, of_type=_FAILED).records
    if run is None or not ends:
        return None
    event = ends[-1].event_log_entry.dagster_event
    steps = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    reason = _causes([one.event_log_entry.dagster_event for one in steps]) or (event and event.message) or ""
    window = run.tags.get(WINDOW_TAG) or run.tags.get("dagster/partition", "")
    return Failure(run_id, run.job_name, window, reason, ends[-1].timestamp)


def tell_failures(instance: dg.DagsterInstance, cursor: Cursor, telling: Telling, now_s: float) -> tuple[Cursor, str]:
    """Tell of the runs that are owed, some of them; what is still owed then, and what came of it in a line.

    What the webhook refuses goes to the end: nothing else waits for it.
    """
    turn, later = cursor.owed[:TOLD_A_TICK], list(cursor.owed[TOLD_A_TICK:])
    found = [one for one in (failure(instance, run_id) for run_id in turn) if one is not None]
    fresh = [one for one in found if now_s - one.at_s <= OWED_S]
    given_up = cursor.given_up + len(found) - len(fresh)
    refused, waiting, told = list[str](), list[str](), 0
    for one in fresh:
        if telling.over:
            waiting.append(one.run_id)
        elif telling.tell("run_failed", f"{one.job} failed: {one.reason}", one.facts):
            told += 1
        else:
            refused.append(one.run_id)
    if given_up and telling.tell("run_failures_untold", UNTOLD.format(given_up), {"count": given_up}):
        given_up = 0
    left = msgspec.structs.replace(cursor, owed=(*waiting, *later, *refused), given_up=given_up)
    said = f"told of {told}" if fresh else "no run has failed since"
    owed = f"; {len(left.owed)} are told at the next ticks: the webhook did not take them yet" if left.owed else ""
    return left, said + owed


def _causes(failures: list[dg.DagsterEvent | None]) -> str:
    """What went wrong, for a person: the innermost errors of the steps."""
    errors = [event.step_failure_data.error for event in failures if event is not None]
    return "; ".join((error.cause or error).message.strip() for error in errors if error is not None)


def _after(instance: dg.DagsterInstance, cursor: Cursor) -> dg.RunStatusChangeRecordsFilter:
    """What is newer than the event that was read last."""
    if cursor.run_id:
        here = dg.RunStatusChangeRecordsFilter(_FAILED, storage_ids=[cursor.record_id])
        same = instance.fetch_run_status_changes(here, limit=1).records
        if not same or same[0].event_log_entry.run_id != cursor.run_id:
            return dg.RunStatusChangeRecordsFilter(_FAILED, after_timestamp=cursor.at_s)
    return dg.RunStatusChangeRecordsFilter(_FAILED, after_storage_id=cursor.record_id)


def _at(record: dg.EventLogRecord, cursor: Cursor) -> Cursor:
    return msgspec.structs.replace(
        cursor, record_id=record.storage_id, run_id=record.event_log_entry.run_id, at_s=record.timestamp
    )


def _is_ours(context: dg.SensorEvaluationContext, run: dg.DagsterRun) -> bool:
    """Whether the run is of the sensor's code location, as Dagster's own sensor has it; both are unnamed in tests."""
    here = context.code_location_origin
    of = run.remote_job_origin.repository_origin if run.remote_job_origin else None
    place = (of.code_location_origin.location_name, of.repository_name) if of else (None, None)
    return place == (here.location_name if here else None, context.repository_name)
