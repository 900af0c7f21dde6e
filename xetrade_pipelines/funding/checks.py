"""Asset checks: what must hold for a day of funding, with what was found. All are per partition.

The counts come from `xetrade_core.history.days`; here each becomes a verdict. *Blocking* is only what would put wrong
rows under those who read on. https://docs.dagster.io/guides/test/asset-checks
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from xetrade_core.clock import NS_PER_S
from xetrade_core.history.days import FundedDay
from xetrade_core.lake.funding_days import SampledFunding
from xetrade_pipelines.partitions import day_x_venue

#: examples that a check names
SHOWN = 20


def _spec(asset: str, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset, description=description, blocking=blocking, partitions_def=day_x_venue)


ROWS_VALID = _spec("funding_rates", "rows_valid", "Every row fits the schema; none had to be rejected.", blocking=True)
NONE_MISSING = _spec("funding_rates", "none_missing", "No funding is missing between two that the venue shows.")
APR_CONSISTENT = _spec("funding_rates", "apr_consistent", "Every APR is its rate x 365 x 24 h / interval.")
COVERED = _spec(
    "funding_rates", "covered", "Every perpetual that was asked for has a funding on the day, once one was due."
)
NOT_REVISED = _spec(
    "funding_rates", "not_revised", "The venue says of the day what it said before (warns only): see funding_revisions."
)
ANSWERED = _spec("funding_quotes", "answered", "The venue has told the rate of every perpetual that was asked for.")
RATES_SPECS = (ROWS_VALID, NONE_MISSING, APR_CONSISTENT, COVERED, NOT_REVISED)
QUOTES_SPECS = (ANSWERED,)


def _result(
    spec: dg.AssetCheckSpec, wrong: Sequence[str], description: str, *, warns: bool = False, rows: int = 0
) -> dg.AssetCheckResult:
    """Passed where nothing is `wrong`; the first of what is are named."""
    return dg.AssetCheckResult(
        passed=not wrong,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={"count": len(wrong), "examples": list(wrong[:SHOWN]), "rows": rows},
    )


def day_checks(made: FundedDay) -> list[dg.AssetCheckResult]:
    """The verdicts on a day."""
    stored, rows = made.report.stored, made.rows
    rejected = [f"{stored.rejected} rows"] if stored.rejected else []
    missing = [f"{symbol} {moment(at_ns)}" for symbol, at_ns in made.missing]
    revised = [f"{row['symbol']} {row['rate_before']} -> {row['rate_after']}" for row in stored.revisions]
    return [
        _result(ROWS_VALID, rejected, f"{stored.rejected} rows rejected", rows=rows),
        _result(NONE_MISSING, missing, f"{len(missing)} fundings missing of {rows + len(missing)}", rows=rows),
        _result(APR_CONSISTENT, made.inconsistent, f"{len(made.inconsistent)} of {rows} rows differ", rows=rows),
        _result(COVERED, made.without, f"{len(made.without)} perpetuals without a funding", rows=rows),
        _result(NOT_REVISED, revised, f"{len(revised)} rates changed by the venue", warns=True, rows=rows),
    ]


def sample_checks(made: SampledFunding) -> list[dg.AssetCheckResult]:
    """The verdict on a sample."""
    told = {one.symbol for one in made.quotes if one.rate is not None}
    silent = [symbol for symbol in made.asked if symbol not in told]
    return [_result(ANSWERED, silent, f"{len(told)} of {len(made.asked)} told", rows=len(made.quotes))]


def moment(ns: int) -> str:
    """A time for people, UTC."""
    return f"{datetime.fromtimestamp(ns // NS_PER_S, UTC):%Y-%m-%d %H:%M}"
