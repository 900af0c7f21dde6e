"""Orders out of the order store into the lake, a venue and day of their intent at a time.

An order's row says how it stands when the day is made; made again while nothing happened, the day is the same to the
byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from xetrade_core.lake.layout import NS_PER_DAY, day_start
from xetrade_core.lake.order_days import read_orders, write_orders
from xetrade_core.lake.store import ObjectStore
from xetrade_core.trading.reader import OrderReader


@dataclass(frozen=True, slots=True)
class ExportedOrders:
    """What was brought into the lake. `rows` is what the file then has, `stored` what the order store has.

    `unsettled` orders can still change, `contradicted` ones had something said of them that was not applied,
    `unfilled` ones lack trades of what was filled.
    """

    venue: str
    day_ns: int
    rows: int
    rejected: int
    changed: bool
    stored: int
    unsettled: int
    contradicted: tuple[str, ...]
    unfilled: tuple[str, ...]
    states: dict[str, int]


def export_orders(reader: OrderReader, store: ObjectStore, venue: str, day_ns: int) -> ExportedOrders:
    """The orders of a venue that were intended on the day. Raises StoreUnavailable, LakeError."""
    start_ns = day_start(day_ns)
    orders = reader.made(venue, start_ns, start_ns + NS_PER_DAY)
    written = write_orders(store, venue, start_ns, orders)
    states: dict[str, int] = {}
    for order in orders:
        states[order.state.value] = states.get(order.state.value, 0) + 1
    return ExportedOrders(
        venue=venue,
        day_ns=start_ns,
        rows=len(read_orders(store, venue, start_ns)),
        rejected=written.rejected,
        changed=written.changed,
        stored=len(orders),
        unsettled=sum(order.unsettled for order in orders),
        contradicted=tuple(order.client_id for order in orders if order.illegal),
        unfilled=tuple(order.client_id for order in orders if order.fills_missing),
        states=states,
    )
