"""What a venue closed of an account when a dated future ended, by its own record. No order does that, so no list of
trades has it.

Of Deribit alone: its transaction log says of a delivery the side, the amount, the price and the fee, by the name of the
contract, which it lists no more by then. What others tell, and why that is not enough: docs/positions.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deribit_log import log_of
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number
from xetrade_core.model.orders import DELIVERY, Fill, Side
from xetrade_core.symbols.expiries import expiry_ns
from xetrade_core.symbols.naming.deribit import DeribitNaming
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.trading.holdings import NS_PER_DAY

#: venues whose record of a delivery is read
TELLING = frozenset({"deribit"})
_SIDES = {"close buy": Side.BUY, "close sell": Side.SELL}


def ended_ns(symbol: str) -> int | None:
    """The start of the day on which a dated future ends; None for everything else, options among it."""
    parts = SymbolParts.parse(symbol, "any venue")
    return None if parts.expiry is None or parts.strike is not None else expiry_ns(parts.expiry)


async def deliveries_of(execution: CcxtExecution, symbol: str) -> tuple[Fill, ...]:
    """The delivery of a dated future to the account, where it has had one: of its last day, and the day after it.

    Raises ExecutionError.
    """
    day_ns = ended_ns(symbol)
    if day_ns is None or execution.rules.id not in TELLING:
        return ()
    what = f"delivery of {symbol}"
    rows = await log_of(execution, what, symbol, day_ns, day_ns + 2 * NS_PER_DAY, listed=False)
    with execution.reading(what):
        return tuple(_delivered(execution, rows, symbol))


def _delivered(execution: CcxtExecution, rows: Iterable[Row], symbol: str) -> Iterable[Fill]:
    name = DeribitNaming().write(SymbolParts.parse(symbol, execution.rules.id))
    for row in rows:
        if row.get("instrument_name") != name or row.get("type") != "delivery":
            continue
        said = needed(row, "side")
        if said not in _SIDES:
            raise ValueError(f"side {said!r} of a delivery is none that Deribit documents")
        yield Fill(
            venue=execution.rules.id,
            account=execution.account,
            symbol=symbol,
            trade_id=f"{DELIVERY}{needed(row, 'id')}",
            side=_SIDES[said],
            price=needed_number(row, "price"),
            amount=needed_number(row, "amount"),
            received_ns=execution.clock.wall_ns(),
            exchange_ns=millis(row, "timestamp"),
            fee=number(row, "commission"),
            fee_currency=needed(row, "currency"),
        )
