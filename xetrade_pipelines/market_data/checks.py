"""Asset checks: what must hold for an hour of book data, with the numbers that were judged.

The numbers come from the core (`lake.audit`, `lake.quality`); here each becomes a verdict. A *blocking* check that
fails stops everything downstream of its asset: metrics of a crossed or disordered book would be wrong without looking
wrong. All are per partition, so that one bad hour is seen as one bad hour.
https://docs.dagster.io/guides/test/asset-checks
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Sequence
from typing import Any

import dagster as dg

from xetrade_core.capture.status import SymbolStatus
from xetrade_core.lake.hourly import HourEvidence
from xetrade_core.lake.summary import HourSummary, summarize
from xetrade_pipelines.partitions import VenueHour, hour_x_venue
from xetrade_pipelines.resources import LakeResource

SKEW_WARN_MS = 1000.0


def _spec(asset: str, name: str, description: str, *, blocking: bool) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset, description=description, blocking=blocking, partitions_def=hour_x_venue)


NO_CROSSED_ROW = _spec(
    "l2_snapshots", "no_crossed_row", "No row has its best bid at or above its best ask.", blocking=True
)
MONOTONE_TIME = _spec(
    "l2_snapshots",
    "monotone_time",
    "Each symbol's rows are in order of time, each time once, within the hour.",
    blocking=True,
)
SCHEMA = _spec(
    "l2_snapshots",
    "schema",
    "Every file is readable, every row fits the schema, and none had to be rejected.",
    blocking=True,
)
COMPLETE = _spec(
    "l2_quality",
    "complete",
    "Every expected grid time is synced, or explained by one gap of the ledger.",
    blocking=True,
)
CLOCK_SKEW = _spec(
    "l2_quality",
    "clock_skew",
    f"Median of receive less exchange time within {SKEW_WARN_MS:g} ms either way (warns only).",
    blocking=False,
)
SPECS = (NO_CROSSED_ROW, MONOTONE_TIME, SCHEMA, COMPLETE, CLOCK_SKEW)
BLOCKING = tuple(spec.name for spec in SPECS if spec.blocking)
WINDOW_COVERED = "window_covered"


def _result(spec: dg.AssetCheckSpec, passed: bool, description: str, **numbers: Any) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed, asset_key=spec.asset_key, check_name=spec.name, description=description, metadata=numbers
    )


def snapshot_checks(evidence: HourEvidence) -> list[dg.AssetCheckResult]:
    """The verdicts on the hour's files."""
    audit, report = evidence.audit, evidence.report
    bad_files = (*audit.unreadable, *report.unreadable)
    refused = audit.invalid + evidence.rejected
    return [
        _result(
            NO_CROSSED_ROW, audit.crossed == 0, f"{audit.crossed} of {audit.rows} rows crossed",
            crossed=audit.crossed, rows=audit.rows,
        ),
        _result(
            MONOTONE_TIME, audit.disordered == 0, f"{audit.disordered} of {audit.rows} rows out of order",
            disordered=audit.disordered, rows=audit.rows, duplicates_dropped=report.duplicates,
        ),
        _result(
            SCHEMA, not bad_files and refused == 0,
            f"{audit.invalid} invalid and {evidence.rejected} rejected rows, {len(bad_files)} unreadable files",
            invalid=audit.invalid, rejected=evidence.rejected, unreadable=list(bad_files), reasons=list(audit.reasons),
        ),
    ]  # fmt: skip


def quality_checks(summary: HourSummary) -> list[dg.AssetCheckResult]:
    """The verdicts on the hour's completeness records."""
    skew_ms = summary.skew_ms
    skew = "not known" if skew_ms is None else f"{skew_ms:+.1f} ms"
    return [
        _result(
            COMPLETE, summary.unexplained == 0,
            f"{summary.unexplained} of {summary.expected} samples are neither synced nor explained",
            unexplained=summary.unexplained, expected=summary.expected, captured=summary.captured,
            synced=summary.synced, missing=summary.missing, causes=summary.causes,
        ),
        dg.AssetCheckResult(
            passed=skew_ms is None or abs(skew_ms) <= SKEW_WARN_MS,
            asset_key=CLOCK_SKEW.asset_key,
            check_name=CLOCK_SKEW.name,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"the recorder's clock less the venue's, transport included: {skew}",
            metadata={} if skew_ms is None else {"skew_ms": skew_ms},
        ),
    ]  # fmt: skip


def coverage_check(symbols: Sequence[SymbolStatus], reason: str) -> dg.AssetCheckResult:
    """Whether a session recorded its whole window: what a late start or an early stop left out fails, unhidden."""
    expected, captured = sum(one.expected for one in symbols), sum(one.captured for one in symbols)
    return dg.AssetCheckResult(
        passed=captured == expected,
        asset_key="l2_segments",
        check_name=WINDOW_COVERED,
        description=f"{captured} of {expected} samples recorded; ended because: {reason}",
        metadata={"expected": expected, "captured": captured, "missing": expected - captured},
    )


@dg.asset_check(
    asset="l2_segments",
    name=WINDOW_COVERED,
    description="The recording covers its window: no late start, no early end. Each recording reports it; asked for by "
    "itself, it looks at the completeness records of the hour.",
    partitions_def=hour_x_venue,
)
def window_covered(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
    hour = VenueHour.from_key(context.partition_key)
    summary = summarize(lake.records(hour))
    return dg.AssetCheckResult(
        passed=summary.expected > 0 and summary.missing == 0,
        description=f"{summary.captured} of {summary.expected} samples in the lake",
        metadata={"expected": summary.expected, "captured": summary.captured, "missing": summary.missing},
    )
