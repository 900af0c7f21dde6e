"""Freshness: how old each dataset's newest hour may be before the UI says so. The one place where that is decided.

An hour's segments are reported when it ends and compacted five minutes later, so each limit is an hour and what the
step takes; a warning leaves the watchdog and the retry time to put it right. Alerts on failed runs are sensors.py's.
https://docs.dagster.io/guides/observe/asset-freshness-policies
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg


def _within(warn_minutes: int, fail_minutes: int) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(minutes=fail_minutes), warn_window=timedelta(minutes=warn_minutes)
    )


FRESHNESS = {
    "l2_segments": _within(70, 130),
    "l2_snapshots": _within(80, 140),
    "l2_gaps": _within(80, 140),
    "l2_quality": _within(80, 140),
    "book_metrics": _within(90, 150),
    "best_quotes": _within(100, 160),
    # asked for every hour; a venue that is away for a while is the run's failure, a day without its list is this
    "instruments": _within(130, 24 * 60),
    "symbol_map": _within(130, 24 * 60),
    "symbol_map_changes": _within(130, 24 * 60),
    # fetched every hour, a few minutes after fundings are paid; sampled every five minutes
    "funding_rates": _within(130, 9 * 60),
    "funding_quotes": _within(20, 120),
    # made every hour, looked at every five minutes, where something was traded
    "orders": _within(130, 9 * 60),
    "fills": _within(130, 9 * 60),
    "funding_payments": _within(130, 9 * 60),
    "pnl_daily": _within(130, 9 * 60),
    "positions": _within(20, 120),
    "reconciliations": _within(30, 120),
}
