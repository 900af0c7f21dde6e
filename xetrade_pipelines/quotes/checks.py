"""Asset checks of the best quotes: that no expected second is missing, and that only what is beyond doubt counts.

The numbers are read back from the files by the core (`lake.best_hours`); here each becomes a verdict, per partition, so
that one bad hour is seen as one bad hour. https://docs.dagster.io/guides/test/asset-checks
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_core.lake.best_hours import BestQuotesReport
from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_pipelines.partitions import hours


def _spec(name: str, description: str, *, blocking: bool) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name, asset=BEST_QUOTES.name, description=description, blocking=blocking, partitions_def=hours
    )


COVERED = _spec(
    "seconds_covered",
    "Every full second that any venue's completeness record expects has a row (warns only: the ledger says why).",
    blocking=False,
)
UNCROSSED = _spec(
    "never_crossed_within_a_venue", "No venue that counts has its bid at or above its own ask.", blocking=True
)
FRESH = _spec("stale_left_out", "No quote that counts is older than the staleness limit.", blocking=True)
SPECS = (COVERED, UNCROSSED, FRESH)
BLOCKING = tuple(spec.name for spec in SPECS if spec.blocking)


def verdicts(report: BestQuotesReport) -> list[dg.AssetCheckResult]:
    """The verdicts on one hour."""
    missing, expected = sum(one.missing for one in report.symbols), sum(one.expected for one in report.symbols)
    crossed, rows = sum(one.crossed_within for one in report.symbols), sum(one.rows for one in report.symbols)
    oldest_ms = max((one.oldest_ms for one in report.symbols if one.oldest_ms is not None), default=0.0)
    return [
        dg.AssetCheckResult(
            passed=missing == 0,
            asset_key=COVERED.asset_key,
            check_name=COVERED.name,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{missing} of {expected} expected seconds have no row",
            metadata={"missing": missing, "expected": expected},
        ),
        dg.AssetCheckResult(
            passed=crossed == 0,
            asset_key=UNCROSSED.asset_key,
            check_name=UNCROSSED.name,
            description=f"{crossed} of {rows} rows have a venue crossed within itself",
            metadata={"crossed_within": crossed, "rows": rows},
        ),
        dg.AssetCheckResult(
            passed=oldest_ms <= report.staleness_limit_s * 1000,
            asset_key=FRESH.asset_key,
            check_name=FRESH.name,
            description=f"the oldest quote that counts is {oldest_ms / 1000:.3f} s old",
            metadata={"oldest_ms": oldest_ms, "limit_s": report.staleness_limit_s},
        ),
    ]
