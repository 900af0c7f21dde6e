"""The private side of a simulated venue, free of wires: accounts, keys, orders, positions, and a ledger that adds up.

A `Desk` takes orders against the same matching engine that the market's own activity runs through. A dialect
authenticates a call, turns it into a `Ticket`, and renders what the desk answers and tells; it decides nothing itself.
"""

from xetrade_core.simvenue.desk.accounts import Account, AccountConfig, ApiKey
from xetrade_core.simvenue.desk.desk import Desk, DeskRules
from xetrade_core.simvenue.desk.words import (
    Cause,
    DeskEvent,
    DeskFill,
    DeskOrder,
    DeskRefusal,
    LedgerChanged,
    OrderChanged,
    PositionChanged,
    PositionSide,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)

__all__ = [
    "Account",
    "AccountConfig",
    "ApiKey",
    "Cause",
    "Desk",
    "DeskEvent",
    "DeskFill",
    "DeskOrder",
    "DeskRefusal",
    "DeskRules",
    "LedgerChanged",
    "OrderChanged",
    "PositionChanged",
    "PositionSide",
    "RefusalKind",
    "State",
    "Ticket",
    "TimeInForce",
]
