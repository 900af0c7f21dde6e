"""Asset checks: what must hold for a day of reference data, with what was found.

The counts come from `xetrade_core.reference.audit`; here each becomes a verdict. *Blocking* are those on a list whose
rows were rejected or that was cut short: its map and its changes would be wrong without looking wrong. All are per
partition.
https://docs.dagster.io/guides/test/asset-checks
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from xetrade_core.reference.audit import LEAST_SHARE, contradicted, doubled, not_by_rule, shrunk, stepless
from xetrade_core.reference.days import StoredChanges, StoredListing, StoredMap
from xetrade_pipelines.partitions import day_x_venue, days

#: examples that a check names
SHOWN = 20


def _spec(asset: str, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    partitions = day_x_venue if asset == "instruments" else days
    return dg.AssetCheckSpec(name, asset=asset, description=description, blocking=blocking, partitions_def=partitions)


ROWS_VALID = _spec("instruments", "rows_valid", "Every row fits the schema; none had to be rejected.", blocking=True)
WHOLE = _spec(
    "instruments", "whole", f"The list has at least {LEAST_SHARE:.0%} of the day before's: it was not cut short.",
    blocking=True,
)  # fmt: skip
STEPS_POSITIVE = _spec(
    "instruments", "steps_positive", "Whatever trades has a price tick, a lot and a contract size above 0."
)
BIJECTIVE = _spec("symbol_map", "bijective", "On each venue one symbol is one trading id, and one id one symbol.")
COVERED = _spec("symbol_map", "covered", "The list of every venue of the settings is in the day's map.")
RULES_HOLD = _spec(
    "symbol_map", "rules_hold", "What venues list is named as their naming rules say (warns only): else a rule is old."
)
PRICES_AGREE = _spec(
    "symbol_map", "prices_agree", "No recorded price is far from that of the same exposure elsewhere (warns only)."
)
EXPECTED_CHANGES = _spec(
    "symbol_map_changes", "nothing_renamed", "No id and no symbol was renamed (warns only): whoever holds it must know."
)
LISTING_SPECS = (ROWS_VALID, WHOLE, STEPS_POSITIVE)
MAP_SPECS = (BIJECTIVE, COVERED, RULES_HOLD, PRICES_AGREE)
CHANGES_SPECS = (EXPECTED_CHANGES,)


def _result(
    spec: dg.AssetCheckSpec, wrong: Sequence[str], description: str, *, warns: bool = False, **numbers: Any
) -> dg.AssetCheckResult:
    """Passed where nothing is `wrong`; the first of what is are named."""
    return dg.AssetCheckResult(
        passed=not wrong,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={"count": len(wrong), "examples": list(wrong[:SHOWN]), **numbers},
    )


def listing_checks(listing: StoredListing) -> list[dg.AssetCheckResult]:
    """The verdicts on one venue's list."""
    rows, before = len(listing.instruments), listing.before
    rejected = [f"{listing.written.rejected} rows"] if listing.written.rejected else []
    cut = [f"{rows} of {before}"] if shrunk(rows, before) else []
    without = stepless(listing.instruments)
    return [
        _result(ROWS_VALID, rejected, f"{listing.written.rejected} rows rejected of {rows}", rows=rows),
        _result(
            WHOLE, cut, f"{rows} instruments, {before if before is not None else 'none'} the day before", rows=rows
        ),
        _result(STEPS_POSITIVE, without, f"{len(without)} that trade have no tick, lot or size", rows=rows),
    ]


def map_checks(made: StoredMap, venues: Sequence[str]) -> list[dg.AssetCheckResult]:
    """The verdicts on a day's map; `venues` are those that should be in it."""
    twice, odd, far = doubled(made.instruments), not_by_rule(made.symbols), contradicted(made.symbols)
    missing = [venue for venue in venues if venue not in made.venues]
    return [
        _result(BIJECTIVE, twice, f"{len(twice)} symbols have more than one trading id", rows=len(made.symbols)),
        _result(
            COVERED, missing, f"{len(made.venues)} venues mapped, {len(missing)} missing", venues=list(made.venues)
        ),
        _result(RULES_HOLD, odd, f"{len(odd)} listings differ from the naming rule", warns=True),
        _result(PRICES_AGREE, far, f"{len(far)} of {made.priced} prices are far off", warns=True, prices=made.priced),
    ]


def changes_checks(made: StoredChanges) -> list[dg.AssetCheckResult]:
    """The verdicts on a day's changes."""
    renamed = [f"{one.venue} {one.before} -> {one.after}" for one in made.changes if one.kind == "renamed"]
    return [_result(EXPECTED_CHANGES, renamed, f"{len(renamed)} renamed", warns=True)]
