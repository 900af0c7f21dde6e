"""Asset checks: what must hold for a day of the books and for positions, with what was found. All are per partition.

The counts come from `xetrade_core.accounting`; here each becomes a verdict. *Blocking* is only what would put wrong
rows under those who read on. https://docs.dagster.io/guides/test/asset-checks
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from xetrade_core.accounting.days import DayProfit
from xetrade_core.accounting.export import ExportedFills, ExportedPayments
from xetrade_core.accounting.order_export import ExportedOrders
from xetrade_core.assembly.watching import Watched
from xetrade_core.monitor.limits import BEYOND_LIMITS
from xetrade_pipelines.partitions import day_x_venue, look_x_venue

#: examples that a check names
SHOWN = 20


def _spec(asset: str, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    grid = look_x_venue if asset == "positions" else day_x_venue
    return dg.AssetCheckSpec(name, asset=asset, description=description, blocking=blocking, partitions_def=grid)


ORDERS_VALID = _spec("orders", "rows_valid", "Every order fits the schema, and none is there twice.", blocking=True)
ORDERS_WHOLE = _spec("orders", "equal_the_store", "The lake, read again, has as many orders as the store.")
ORDERS_LEGAL = _spec("orders", "legal", "Nothing was said of an order that its state forbids (warns only).")
ORDERS_FILLED = _spec("orders", "have_fills", "What is filled has its trades (warns only): a reconciliation gets them.")
FILLS_VALID = _spec("fills", "rows_valid", "Every fill fits the schema, and none is there twice.", blocking=True)
FILLS_WHOLE = _spec("fills", "none_left_out", "The contract size of every fill is known, so none is left out.")
FILLS_STORED = _spec("fills", "in_the_store", "The order store has every fill that the lake has, and its order.")
FILLS_CLAIMED = _spec("fills", "claimed", "Every fill is of an order of ours (warns only): others trade the account.")
PAYMENTS_VALID = _spec("funding_payments", "rows_valid", "Every payment fits the schema, once.", blocking=True)
PAYMENTS_STORED = _spec("funding_payments", "in_the_store", "The order store has every payment that the lake has.")
PAYMENTS_SETTLED = _spec("funding_payments", "in_settlement", "Every payment is in its contract's settlement currency.")
PNL_ADDS_UP = _spec(
    "pnl_daily", "adds_up", "Every net is realized - fees + funding + the change of unrealized.", blocking=True
)
PNL_MARKED = _spec("pnl_daily", "marked", "Every position that is open has a mark of the day (warns only).")
PNL_MARKED_AT_END = _spec(
    "pnl_daily", "marked_at_the_end", "The mark of every open position is of shortly before the day's end (warns only)."
)
PNL_COUNTED = _spec(
    "pnl_daily", "fees_counted", "Every fee is in the net: none is in a currency of no known value (warns only)."
)
PNL_FROM_FILLS = _spec("pnl_daily", "from_fills", "The rows count as many fills as the day of fills has.")
PNL_FROM_FUNDING = _spec("pnl_daily", "from_funding", "The rows' funding is what the day's funding payments come to.")
POSITIONS_VALID = _spec("positions", "rows_valid", "Every row fits the schema; none had to be rejected.", blocking=True)
POSITIONS_MARKED = _spec("positions", "marked", "Every open position has a mark that is not too old (warns only).")
POSITIONS_WITHIN = _spec(
    "positions", "within_limits", "Size, drawdown and distance to liquidation are as the settings allow (warns only)."
)
POSITIONS_HAVE_FILLS = _spec("positions", "have_fills", "No holding of the order store is without a fill.")
POSITIONS_EQUAL = _spec("positions", "equal_the_venues", "The venue holds what our fills make, where it can be asked.")
ORDERS_SPECS = (ORDERS_VALID, ORDERS_WHOLE, ORDERS_LEGAL, ORDERS_FILLED)
FILLS_SPECS = (FILLS_VALID, FILLS_WHOLE, FILLS_STORED, FILLS_CLAIMED)
PAYMENTS_SPECS = (PAYMENTS_VALID, PAYMENTS_STORED, PAYMENTS_SETTLED)
PNL_SPECS = (PNL_ADDS_UP, PNL_MARKED, PNL_MARKED_AT_END, PNL_COUNTED, PNL_FROM_FILLS, PNL_FROM_FUNDING)
POSITIONS_SPECS = (POSITIONS_VALID, POSITIONS_MARKED, POSITIONS_WITHIN, POSITIONS_HAVE_FILLS, POSITIONS_EQUAL)


def _result(
    spec: dg.AssetCheckSpec, wrong: Sequence[str], description: str, *, warns: bool = False
) -> dg.AssetCheckResult:
    """Passed where nothing is `wrong`; the first of what is are named."""
    return dg.AssetCheckResult(
        passed=not wrong,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={"count": len(wrong), "examples": list(wrong[:SHOWN])},
    )


def orders_checks(made: ExportedOrders) -> list[dg.AssetCheckResult]:
    """The verdicts on a day of orders."""
    rejected = [f"{made.rejected} rows"] if made.rejected else []
    held = made.rows + made.rejected
    differ = [] if held == made.stored else [f"{held} made into rows, {made.stored} in the store"]
    return [
        _result(ORDERS_VALID, rejected, f"{made.rejected} rows rejected"),
        _result(ORDERS_WHOLE, differ, f"{held} orders, {made.stored} in the order store"),
        _result(ORDERS_LEGAL, made.contradicted, f"{len(made.contradicted)} orders contradicted", warns=True),
        _result(ORDERS_FILLED, made.unfilled, f"{len(made.unfilled)} orders lack trades", warns=True),
    ]


def fills_checks(made: ExportedFills) -> list[dg.AssetCheckResult]:
    """The verdicts on a day of fills."""
    rejected = [f"{made.rejected} rows"] if made.rejected else []
    kept = [f"{made.kept} fills"] if made.kept else []
    unclaimed = [f"{made.unclaimed} fills"] if made.unclaimed else []
    return [
        _result(FILLS_VALID, rejected, f"{made.rejected} rows rejected"),
        _result(FILLS_WHOLE, made.unsized, f"{len(made.unsized)} instruments of unknown contract size"),
        _result(FILLS_STORED, kept, f"{made.kept} fills in the lake alone: they stay"),
        _result(FILLS_CLAIMED, unclaimed, f"{made.unclaimed} of {made.rows} fills of no order of ours", warns=True),
    ]


def payments_checks(made: ExportedPayments) -> list[dg.AssetCheckResult]:
    """The verdicts on a day of funding payments."""
    rejected = [f"{made.rejected} rows"] if made.rejected else []
    kept = [f"{made.kept} payments"] if made.kept else []
    return [
        _result(PAYMENTS_VALID, rejected, f"{made.rejected} rows rejected"),
        _result(PAYMENTS_STORED, kept, f"{made.kept} payments in the lake alone: they stay"),
        _result(PAYMENTS_SETTLED, made.foreign, f"{len(made.foreign)} symbols paid in another currency"),
    ]


def profit_checks(made: DayProfit, mark_within_s: float) -> list[dg.AssetCheckResult]:
    """The verdicts on a day's profit; a mark may be of `mark_within_s` before the day's end, or before now."""
    early = made.marked_early(mark_within_s)
    rejected = [f"{made.rejected} rows"] if made.rejected else []
    paid = {settle for settle in {*made.funding, *made.funding_read} if made.unexplained_funding(settle)}
    differ = [] if made.fills == made.fills_read else [f"{made.fills} counted, {made.fills_read} in fills"]
    return [
        _result(PNL_ADDS_UP, rejected, f"{made.rejected} rows do not add up"),
        _result(PNL_MARKED, made.unmarked, f"{len(made.unmarked)} symbols without a mark of the day", warns=True),
        _result(
            PNL_MARKED_AT_END,
            early,
            f"{len(early)} symbols marked more than {mark_within_s:g} s before the day's end, or before now",
            warns=True,
        ),
        _result(PNL_COUNTED, made.uncounted, f"fees in {len(made.uncounted)} currencies are in no net", warns=True),
        _result(PNL_FROM_FILLS, differ, f"{made.fills} fills counted, {made.fills_read} in the day of fills"),
        _result(PNL_FROM_FUNDING, sorted(paid), f"funding differs in {len(paid)} currencies"),
    ]


def position_checks(made: Watched, venue: str) -> list[dg.AssetCheckResult]:
    """The verdicts on the positions of a venue."""
    rows = made.of_venue(venue)
    unmarked = [f"{one.account} {one.symbol}" for one in rows if one.quantity and (one.mark is None or one.mark_stale)]
    unmarked += [f"{name}: its contract size is not known" for name in made.left_out if name.startswith(f"{venue} ")]
    rejected = [f"{made.rejected} rows"] if made.rejected else []
    differ = [line for line in made.mismatches if line.startswith(f"{venue}/")]
    asked = [name for name in made.compared if name.startswith(f"{venue}/")]
    untold = "".join(f"; not told: {why}" for why in made.untold if why.startswith(f"{venue}/"))
    beyond = [one.message for one in made.alarming if one.kind in BEYOND_LIMITS and one.venue in ("", venue)]
    without = [name for name in made.fill_less if name.startswith(f"{venue} ")]
    return [
        _result(POSITIONS_VALID, rejected, f"{made.rejected} rows rejected"),
        _result(POSITIONS_MARKED, unmarked, f"{len(unmarked)} of {len(rows)} positions without a mark", warns=True),
        _result(POSITIONS_WITHIN, beyond, f"{len(beyond)} limits passed", warns=True),
        _result(POSITIONS_HAVE_FILLS, without, f"{len(without)} holdings without a fill"),
        _result(
            POSITIONS_EQUAL, differ, f"{len(differ)} differences; asked: {', '.join(asked) or 'no account'}{untold}"
        ),
    ]
