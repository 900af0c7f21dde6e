"""Where positions stood, kept: each look at them is a few rows of the running hour of its venue."""

from __future__ import annotations

from collections.abc import Sequence

from xetrade_core.accounting.days import day_table
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import PLACES, POSITIONS
from xetrade_core.lake.venue_hours import append_venue_hour
from xetrade_core.monitor.view import PositionView
from xetrade_core.positions.numbers import of_quanta, quanta


def keep_snapshot(store: ObjectStore, venue: str, at_ns: int, views: Sequence[PositionView]) -> int:
    """Add the positions of a venue as they stood at `at_ns`; how many rows the schema refused. Raises LakeError."""
    rows = day_table(POSITIONS.schema, [_record(at_ns, one) for one in views if one.venue == venue])
    return append_venue_hour(store, POSITIONS, venue, at_ns, rows).rejected


def _record(at_ns: int, one: PositionView) -> dict[str, object]:
    money = (
        "quantity", "entry", "mark", "notional", "unrealized", "realized", "fees", "funding", "net", "liquidation",
        "liquidation_distance",
    )  # fmt: skip
    values = {name: getattr(one, name) for name in money}
    age_ns = None if one.mark_age_s is None else round(one.mark_age_s * NS_PER_S)
    return {
        "timestamp": at_ns,
        "exchange": one.venue,
        "account": one.account,
        "symbol": one.symbol,
        "strategy": one.strategy or None,
        "side": one.side,
        "mark_kind": None if one.mark_kind is None else one.mark_kind.value,
        "mark_timestamp": None if age_ns is None else at_ns - age_ns,
        "settle": one.settle,
        **{name: None if value is None else of_quanta(quanta(value, PLACES), PLACES) for name, value in values.items()},
    }
