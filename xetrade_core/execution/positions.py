"""From a venue's rows of positions, where it states their amount with its sign, to what is told of them."""

from __future__ import annotations

from collections.abc import Iterable

from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.raw import Row, needed_number, number
from xetrade_core.model.accounts import VenuePosition
from xetrade_core.model.orders import ZERO


def signed_positions(
    execution: CcxtExecution, rows: Iterable[tuple[str, Row]], *, amount: str, entry: str, liquidation: str
) -> tuple[VenuePosition, ...]:
    """Each (symbol, row) that is not flat, as of now; the rest names the venue's fields. Raises ValueError."""
    received_ns = execution.clock.wall_ns()
    return tuple(
        VenuePosition(
            venue=execution.rules.id,
            account=execution.account,
            symbol=symbol,
            amount=held,
            entry_price=number(row, entry) or None,
            received_ns=received_ns,
            liquidation_price=number(row, liquidation) or None,
        )
        for symbol, row in rows
        if (held := needed_number(row, amount)) != ZERO
    )
