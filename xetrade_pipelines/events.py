"""Asset results as events: how an op tells Dagster what an asset function would have returned.

The jobs work over partitions that their config names, so they cannot be runs *of* a partition; they emit, for each one,
the very results the assets return, as events with the partition's key. Nothing is computed here.
https://docs.dagster.io/guides/build/assets/external-assets
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dagster as dg

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


def as_events(partition: str, results: Iterable[dg.MaterializeResult[None]]) -> Iterator[Event]:
    """Each result as a materialization of `partition` (its key), followed by its checks."""
    for result in results:
        asset_key = dg.AssetKey.from_coercible(result.asset_key or ())
        yield dg.AssetMaterialization(asset_key, metadata=result.metadata, partition=partition)
        for check in result.check_results or ():
            yield dg.AssetCheckEvaluation(
                asset_key=asset_key,
                check_name=check.check_name or "",
                passed=check.passed,
                metadata=check.metadata,
                severity=check.severity,
                description=check.description,
                partition=partition,
            )


def failed_checks(results: Iterable[dg.MaterializeResult[None]], names: Iterable[str]) -> list[str]:
    """Those of the checks `names` that failed, with what they found."""
    wanted = set(names)
    return [
        f"{check.check_name} ({check.description})"
        for result in results
        for check in result.check_results or ()
        if check.check_name in wanted and not check.passed
    ]
