"""What an account held before the first trade that the store knows of, position by position and currency by currency.

It is the venue's own statement, less what trades explain, taken once and kept in the log with who took it: so positions
that are older than the venue's history still compare, and a later difference is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import select

from xetrade_core.model.order_events import ControlKind
from xetrade_core.trading import records
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.schema import EVENTS


@dataclass(slots=True)
class Openings:
    """Of positions by symbol, and of balances by currency. `taken`: all of the account was looked at once, so that
    what has no opening had nothing."""

    positions: dict[str, Decimal] = field(default_factory=dict)
    balances: dict[str, Decimal] = field(default_factory=dict)
    taken: bool = False


def openings(reader: OrderReader, venue: str, account: str) -> Openings:
    """The newest of each. Raises StoreUnavailable."""
    found = Openings()
    query = select(EVENTS.c.body).where(EVENTS.c.client_id.is_(None), EVENTS.c.kind == ControlKind.OPENING.value)
    with reader.reading() as connection:
        for body in connection.execute(query.order_by(EVENTS.c.seq)).scalars():
            event = records.read_control(body)
            if (event.venue, event.account) != (venue, account):
                continue
            if event.amount is None:
                found.taken = True
            elif event.symbol is not None:
                found.positions[event.symbol] = event.amount
            elif event.currency is not None:
                found.balances[event.currency] = event.amount
    return found
