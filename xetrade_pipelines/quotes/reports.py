"""From the core's report of an hour's best quotes to an asset result: which numbers are shown, under which name.

Formatting only; what a number means is said where the core computes it (`lake.best_hours`).
"""

from __future__ import annotations

import dagster as dg

from xetrade_core.lake.best_hours import BestQuotesReport, SymbolBest
from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_pipelines.metadata import Metadata, markdown_table, picture, plotted
from xetrade_pipelines.quotes.checks import verdicts

Result = dg.MaterializeResult[None]


def best_quotes_result(report: BestQuotesReport, image: bytes | None) -> Result:
    """The result of `best_quotes` of one hour. `image` is a PNG, if anything was quoted."""
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(sum(one.rows for one in report.symbols)),
        "staleness_limit_s": dg.MetadataValue.float(report.staleness_limit_s),
        "symbols": markdown_table([_row(one) for one in report.symbols]),
        **({} if image is None else {"spread": picture("spread across venues", image)}),
    }
    for one in report.symbols:
        numbers = {"spread_bps": one.spread_bps_mean, "crossed_s": one.crossed, "quoted_s": one.quoted}
        metadata |= plotted(one.symbol, numbers)
    return Result(BEST_QUOTES.name, metadata=metadata, check_results=verdicts(report))


def _row(one: SymbolBest) -> dict[str, object]:
    return {
        "symbol": one.symbol,
        "venues": ", ".join(one.venues),
        "expected": one.expected,
        "rows": one.rows,
        "quoted": one.quoted,
        "crossed": one.crossed,
        "locked": one.locked,
        "stale left out": one.stale,
        "mean spread bps": one.spread_bps_mean,
        "best bid held": dict(one.bid_held),
        "best ask held": dict(one.ask_held),
    }
