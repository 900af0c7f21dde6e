"""The states of a cross-venue order and how they follow each other, as data.

A saga is what its entries sum up to (saga.py); an entry that the table does not have is a bug, and refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class CrossState(StrEnum):
    """Where a saga stands. The values are stored."""

    PLANNED = "planned"  # checked and committed; nothing was sent
    FIRST_SENT = "first_sent"  # the less liquid leg may be on its venue
    HEDGING = "hedging"  # it filled, and the other leg is traded against it
    UNWINDING = "unwinding"  # past a bound: the first leg is traded back
    FROZEN = "frozen"  # nobody knows what became of an order; nothing more is sent until that is known
    DONE = "done"  # all that filled is hedged
    UNWOUND = "unwound"  # nothing is left, but some of it was traded back
    RESIDUAL = "residual"  # ended with something unhedged: it stands in the ledger
    FAILED = "failed"  # nothing was traded

    @property
    def over(self) -> bool:
        """Whether the saga sends nothing any more."""
        return self in _OVER


_OVER = frozenset({CrossState.DONE, CrossState.UNWOUND, CrossState.RESIDUAL, CrossState.FAILED})


class CrossKind(StrEnum):
    """What an entry of a saga says. The values are stored."""

    PLANNED = "planned"
    EXPIRED = "expired"  # its time was over before anything was sent
    FIRST_BEGUN = "first_begun"  # an order of the first leg is about to be placed
    FIRST_OVER = "first_over"  # and has ended, filled in part or whole
    FIRST_EMPTY = "first_empty"  # and has ended without a trade
    HEDGE_BEGUN = "hedge_begun"
    HEDGE_OVER = "hedge_over"
    UNWIND_DECIDED = "unwind_decided"  # past a bound, or the rest cannot be hedged
    UNWIND_BEGUN = "unwind_begun"
    UNWIND_OVER = "unwind_over"
    FROZEN = "frozen"  # an order's outcome is not known
    RESOLVED = "resolved"  # and now it is
    LATE_FILL = "late_fill"  # an order that had ended was found to have traded more
    HEDGED = "hedged"
    UNWOUND = "unwound"
    LEFT = "left"  # what is left can neither be hedged nor traded back
    SETTLED = "settled"  # a person has closed it otherwise, or keeps it: it leaves the ledger


BACK = None
"""As a target: the state that was frozen."""

_PLANNED, _FIRST, _HEDGING, _UNWINDING = (
    CrossState.PLANNED, CrossState.FIRST_SENT, CrossState.HEDGING, CrossState.UNWINDING,
)  # fmt: skip
_ENDED: dict[CrossKind, CrossState | None] = {CrossKind.LATE_FILL: CrossState.RESIDUAL}

TRANSITIONS: Mapping[CrossState | None, Mapping[CrossKind, CrossState | None]] = MappingProxyType(
    {
        None: {CrossKind.PLANNED: _PLANNED},
        _PLANNED: {CrossKind.EXPIRED: CrossState.FAILED, CrossKind.FIRST_BEGUN: _FIRST},
        _FIRST: {
            CrossKind.FROZEN: CrossState.FROZEN,
            CrossKind.FIRST_OVER: _HEDGING,
            CrossKind.FIRST_EMPTY: CrossState.FAILED,
        },
        _HEDGING: {
            CrossKind.HEDGE_BEGUN: _HEDGING,
            CrossKind.HEDGE_OVER: _HEDGING,
            CrossKind.FROZEN: CrossState.FROZEN,
            CrossKind.LATE_FILL: _HEDGING,
            CrossKind.UNWIND_DECIDED: _UNWINDING,
            CrossKind.HEDGED: CrossState.DONE,
            CrossKind.LEFT: CrossState.RESIDUAL,
        },
        _UNWINDING: {
            CrossKind.UNWIND_BEGUN: _UNWINDING,
            CrossKind.UNWIND_OVER: _UNWINDING,
            CrossKind.FROZEN: CrossState.FROZEN,
            CrossKind.LATE_FILL: _UNWINDING,
            CrossKind.HEDGED: CrossState.DONE,
            CrossKind.UNWOUND: CrossState.UNWOUND,
            CrossKind.LEFT: CrossState.RESIDUAL,
        },
        CrossState.FROZEN: {CrossKind.RESOLVED: BACK, CrossKind.LATE_FILL: CrossState.FROZEN},
        CrossState.DONE: _ENDED,
        CrossState.UNWOUND: _ENDED,
        CrossState.RESIDUAL: _ENDED | {CrossKind.SETTLED: CrossState.RESIDUAL},
        CrossState.FAILED: _ENDED,
    }
)
