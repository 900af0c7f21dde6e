"""From the core's reports to asset results: which numbers are shown, under which name, with which checks.

Formatting only; what a number means is said where the core computes it (`capture.status`, `lake.summary`,
`lake.audit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

import dagster as dg

from xetrade_core.capture.recovery import RecoveryReport
from xetrade_core.capture.status import CaptureReport, CaptureStatus, SymbolStatus
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.hourly import HourEvidence
from xetrade_core.lake.measure import MetricsReport
from xetrade_core.lake.summary import summarize
from xetrade_pipelines.events import Event, as_events
from xetrade_pipelines.market_data.checks import coverage_check, quality_checks, snapshot_checks
from xetrade_pipelines.metadata import Metadata, markdown_table, picture, plotted
from xetrade_pipelines.partitions import HOUR_NS, VenueHour

Result = dg.MaterializeResult[None]
HourResults = list[tuple[VenueHour, Result]]

#: two tables, since one would be cut off at the width of the UI
COMPLETENESS = ("symbol", "expected", "captured", "synced", "unexplained", "gaps", "resyncs", "stale", "causes")
DELAYS = ("symbol", "latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "latency_ms_max", "bytes_per_snapshot")
CAPTURE_COLUMNS = (
    "symbol", "expected", "captured", "synced", "stale", "gaps", "resyncs", "refused",
    "latency_p50_ms", "latency_p99_ms",
)  # fmt: skip


def progress(say: Callable[[str], None], every_s: float) -> Callable[[CaptureStatus], None]:
    """A listener that says one line about every `every_s` seconds, however often it is called."""
    next_ns = 0

    def listen(status: CaptureStatus) -> None:
        nonlocal next_ns
        if status.heartbeat_ns >= next_ns:
            next_ns = status.heartbeat_ns + round(every_s * NS_PER_S)
            say(progress_line(status))

    return listen


def progress_line(status: CaptureStatus) -> str:
    """One line on a running session."""
    in_sync = sum(one.in_sync for one in status.symbols)
    captured, expected = sum(one.captured for one in status.symbols), sum(one.expected for one in status.symbols)
    gaps = sum(one.gaps for one in status.symbols)
    waiting = f", {status.spool_files} files wait for the lake" if status.spool_files else ""
    return (
        f"{status.state}: {in_sync} of {len(status.symbols)} books in sync, {captured} of {expected} samples, "
        f"{gaps} gaps, {status.uploaded_files} files uploaded{waiting}"
    )


def capture_events(report: CaptureReport | None) -> Iterator[Event]:
    """What a session recorded, as events of `l2_segments`; none where it never began."""
    for hour, result in capture_results(report) if report is not None else ():
        yield from as_events(hour.key, [result])


def capture_results(report: CaptureReport) -> HourResults:
    """One result of `l2_segments` for each venue and hour that the session recorded."""
    status = report.status
    end_ns = min(status.heartbeat_ns, status.end_ns or status.heartbeat_ns)
    first = VenueHour.containing("", max(status.start_ns, status.started_ns)).start_ns
    starts = range(first, end_ns, HOUR_NS)
    results: HourResults = []
    for venue, group in groupby(sorted(status.symbols, key=lambda one: one.venue), key=lambda one: one.venue):
        symbols = list(group)
        metadata = _capture_metadata(venue, symbols, report, in_one_hour=len(starts) == 1)
        result = Result("l2_segments", metadata=metadata, check_results=[coverage_check(symbols, report.reason)])
        results += [(VenueHour(venue, start_ns), result) for start_ns in starts]
    return results


def _capture_metadata(
    venue: str, symbols: Sequence[SymbolStatus], report: CaptureReport, *, in_one_hour: bool
) -> Metadata:
    """Numbers of a session that crossed hours are not those of any one hour: then only its table is shown."""
    status = report.status
    expected, synced = sum(one.expected for one in symbols), sum(one.synced for one in symbols)
    numbers = {
        "expected": expected,
        "captured": sum(one.captured for one in symbols),
        "synced_share": synced / expected if expected else 1.0,
        "gaps": sum(one.gaps for one in symbols),
        "resyncs": sum(one.resyncs for one in symbols),
        "bytes_per_snapshot": status.bytes_per_snapshot,
    }
    of_the_hour: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(sum(one.captured for one in symbols)),
        **plotted(venue, numbers),
    }
    return {
        "symbols": markdown_table([{name: getattr(one, name) for name in CAPTURE_COLUMNS} for one in symbols]),
        "session": dg.MetadataValue.text(report.session_id),
        "ended": dg.MetadataValue.text(report.reason),
        "left_in_spool": dg.MetadataValue.int(report.left_in_spool),
        **(of_the_hour if in_one_hour else {}),
    }


def recovery_events(report: RecoveryReport) -> Iterator[Event]:
    """What a recovery brought into the lake, as events of `l2_segments`, one a session and hour."""
    for session in report.recovered:
        metadata: Metadata = {
            "session": dg.MetadataValue.text(session.session_id),
            "recovered_rows": dg.MetadataValue.int(session.rows),
            "torn_bytes": dg.MetadataValue.int(session.torn_bytes),
            "left_in_spool": dg.MetadataValue.int(session.left),
        }
        for venue, start_ns in session.hours:
            yield from as_events(VenueHour(venue, start_ns).key, [Result("l2_segments", metadata=metadata)])


def problems(report: RecoveryReport) -> str:
    """Why files are left, in one line."""
    return "; ".join(
        f"{one.session_id}: {one.problem or 'the lake does not answer'}" for one in report.recovered if one.left
    )


def compaction_results(hour: VenueHour, evidence: HourEvidence, image: bytes | None) -> list[Result]:
    """The results of `l2_snapshots`, `l2_gaps` and `l2_quality` of one hour. `image` is a PNG, if there is a book."""
    report, audit, records = evidence.report, evidence.audit, evidence.records
    summary = summarize(records)
    per_row = audit.bytes / audit.rows if audit.rows else None
    snapshots: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(audit.rows),
        "segments_merged": dg.MetadataValue.int(report.segments_merged),
        "duplicates_dropped": dg.MetadataValue.int(report.duplicates),
        **plotted(hour.venue, {"rows": audit.rows, "bytes_per_snapshot": per_row}),
    }
    gaps: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(evidence.gap_rows),
        "seconds_by_cause": dg.MetadataValue.json(summary.causes),
        **plotted(hour.venue, {"gaps": summary.gaps, "resyncs": summary.resyncs}),
    }
    numbers = {name: value for name, value in asdict(summary).items() if name != "causes"}
    quality: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(len(records)),
        "completeness": markdown_table([{name: getattr(one, name) for name in COMPLETENESS} for one in records]),
        "delays": markdown_table([{name: getattr(one, name) for name in DELAYS} for one in records]),
        **({} if image is None else {"book": picture("depth, mid and spread", image)}),
        **plotted(hour.venue, {**numbers, "bytes_per_snapshot": per_row}),
    }
    return [
        Result("l2_snapshots", metadata=snapshots, check_results=snapshot_checks(evidence)),
        Result("l2_gaps", metadata=gaps),
        Result("l2_quality", metadata=quality, check_results=quality_checks(summary)),
    ]


def metrics_result(hour: VenueHour, report: MetricsReport) -> Result:
    """The result of `book_metrics` of one hour."""
    rows = sum(report.minutes.values())
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(rows),
        "minutes": markdown_table([{"symbol": symbol, "minutes": count} for symbol, count in report.minutes.items()]),
        **plotted(hour.venue, {"minutes": rows}),
    }
    return Result("book_metrics", metadata=metadata)
