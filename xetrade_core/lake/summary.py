"""One venue's hour in a few numbers: the completeness records of all its symbols taken together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from xetrade_core.lake.quality import QualityRecord


@dataclass(frozen=True, slots=True)
class HourSummary:
    """Counts are sums over the symbols, in symbol-samples; latencies are the worst symbol's, in milliseconds.

    `synced_share` is synced / expected, 1 where nothing was expected. `skew_ms` is the symbol median that is farthest
    from 0.
    """

    symbols: int
    expected: int
    captured: int
    synced: int
    unexplained: int
    missing: int
    stale: int
    crossed: int
    gaps: int
    resyncs: int
    refused: int
    updates: int
    synced_share: float
    latency_ms_p50: float | None
    latency_ms_p99: float | None
    skew_ms: float | None
    causes: dict[str, float]


def summarize(records: Sequence[QualityRecord]) -> HourSummary:
    """The records of one venue and hour as one."""
    expected, synced = sum(one.expected for one in records), sum(one.synced for one in records)
    causes: Counter[str] = Counter()
    for one in records:
        causes.update(one.causes)
    return HourSummary(
        symbols=len(records),
        expected=expected,
        captured=sum(one.captured for one in records),
        synced=synced,
        unexplained=sum(one.unexplained for one in records),
        missing=sum(one.missing for one in records),
        stale=sum(one.stale for one in records),
        crossed=sum(one.crossed for one in records),
        gaps=sum(one.gaps for one in records),
        resyncs=sum(one.resyncs for one in records),
        refused=sum(one.refused for one in records),
        updates=sum(one.updates for one in records),
        synced_share=synced / expected if expected else 1.0,
        latency_ms_p50=_worst([one.latency_ms_p50 for one in records]),
        latency_ms_p99=_worst([one.latency_ms_p99 for one in records]),
        skew_ms=max((one.skew_ms_p50 for one in records if one.skew_ms_p50 is not None), key=abs, default=None),
        causes=dict(causes),
    )


def _worst(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
