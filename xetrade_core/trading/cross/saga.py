"""A saga as a value: the sum of its entries and nothing else.

What was filled where is counted in base currency, exactly: what the first leg filled is hedged, traded back, or
unhedged, at any moment.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from xetrade_core.model.orders import ZERO, OrderState, Side
from xetrade_core.trading.cross.legs import Leg
from xetrade_core.trading.cross.request import CrossRequest
from xetrade_core.trading.cross.states import TRANSITIONS, CrossKind, CrossState


class Role(StrEnum):
    """What an order of a saga is for."""

    FIRST = "first"
    HEDGE = "hedge"
    UNWIND = "unwind"  # on the venue of the first leg, the other way


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was decided before anything was sent. `amount` and `limit` are those of the first order.

    `expected` is what the saga would have brought at the books of then (quote currency, fees apart); `why_first` says
    why that leg goes first, `not_checked` what could not be looked at.
    """

    request: CrossRequest
    first: Leg
    hedge: Leg
    amount: Decimal
    limit: Decimal
    expected: Decimal
    deadline_ns: int
    why_first: str
    not_checked: tuple[str, ...] = ()


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order of a saga: the `index`-th of its role. `filled` is None until it has ended.

    `ended` is the order's state then; None where there is no such order, as it could not be made. `value` is what was
    paid or got for it (quote currency), at its limit where the venue had not told the trades yet. `unsent`: its venue
    could not be reached. `missed`: its venue refused it only because nobody would have traded with it at once, or says
    that it never arrived.
    """

    role: Role
    index: int
    client_id: str
    amount: Decimal
    price: Decimal
    reduce_only: bool = False
    filled: Decimal | None = None
    value: Decimal = ZERO
    ended: OrderState | None = None
    unsent: bool = False
    missed: bool = False
    reason: str | None = None

    @property
    def refused(self) -> bool:
        """Whether it was refused for good, by its venue or by risk: another one like it would be too."""
        ended = self.ended in (None, OrderState.REJECTED, OrderState.DENIED)
        return ended and not self.missed and not self.filled


class CrossEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry. Which fields are set depends on `kind`: the plan, an order that begins, what it came to, why.

    `filled` is the order's total in its venue's unit, `value` in quote currency. `residual` (base currency, signed as
    the position that is left) changes what the ledger of residuals has of this saga by so much.
    """

    kind: CrossKind
    at_ns: int
    plan: Plan | None = None
    attempt: Attempt | None = None
    client_id: str | None = None
    filled: Decimal | None = None
    value: Decimal = ZERO
    ended: OrderState | None = None
    unsent: bool = False
    missed: bool = False
    reason: str | None = None
    residual: Decimal | None = None


class Saga(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a cross-venue order stands. `version` counts its entries; `stage` is what was frozen, while it is."""

    key: str
    state: CrossState
    version: int
    plan: Plan
    created_ns: int
    updated_ns: int
    attempts: tuple[Attempt, ...] = ()
    stage: CrossState | None = None
    reason: str | None = None
    booked: Decimal = ZERO

    @property
    def open_attempt(self) -> Attempt | None:
        """The order that was begun and has not ended; there is at most one."""
        return next((one for one in self.attempts if one.filled is None), None)

    def of(self, role: Role) -> tuple[Attempt, ...]:
        """The orders of a role, oldest first."""
        return tuple(one for one in self.attempts if one.role is role)

    def leg(self, role: Role) -> Leg:
        """Where orders of that role are traded; an unwind goes the other way there."""
        return self.plan.hedge if role is Role.HEDGE else self.plan.first

    def side(self, role: Role) -> Side:
        """Which way orders of that role go."""
        first = self.plan.first.side
        return first if role is Role.FIRST else Side.SELL if first is Side.BUY else Side.BUY

    def base(self, role: Role) -> Decimal:
        """What orders of that role have filled, in base currency."""
        filled = sum((one.filled or ZERO for one in self.of(role)), ZERO)
        return self.leg(role).base(filled)

    def value(self, role: Role) -> Decimal:
        """What orders of that role were worth, in quote currency."""
        return sum((one.value for one in self.of(role)), ZERO)

    @property
    def unhedged(self) -> Decimal:
        """What the first leg filled and nothing has closed (base currency); below zero if too much was closed."""
        return self.base(Role.FIRST) - self.base(Role.HEDGE) - self.base(Role.UNWIND)

    @property
    def position(self) -> Decimal:
        """The unhedged quantity as a position: long above zero, short below."""
        return self.unhedged * self.plan.first.side.sign


def apply(saga: Saga | None, event: CrossEvent, key: str = "") -> Saga:
    """The saga after one more entry. ValueError: the table has no such transition, or the entry lacks its facts."""
    state = None if saga is None else saga.state
    allowed = TRANSITIONS[state]
    if event.kind not in allowed:
        raise ValueError(f"cross order {key}: {event.kind.value} cannot follow {state.value if state else 'nothing'}")
    target = allowed[event.kind]
    if saga is None:
        if event.plan is None or target is None:
            raise ValueError("a saga begins with its plan")
        return Saga(key=key, state=target, version=1, plan=event.plan, created_ns=event.at_ns, updated_ns=event.at_ns)
    after = msgspec.structs.replace(
        saga,
        state=target or saga.stage or saga.state,
        version=saga.version + 1,
        updated_ns=event.at_ns,
        attempts=_attempts(saga, event),
        stage=_stage(saga, target),
        reason=saga.reason if event.reason is None else event.reason,
        booked=saga.booked + (event.residual or ZERO),
    )
    if target in (CrossState.DONE, CrossState.UNWOUND) and after.unhedged:
        raise ValueError(
            f"cross order {saga.key}: {after.unhedged.normalize():f} is unhedged, so that it cannot be {target.value}"
        )
    return after


def _stage(saga: Saga, target: CrossState | None) -> CrossState | None:
    """What comes back when it is not frozen any more."""
    if target is not CrossState.FROZEN:
        return None
    return saga.stage if saga.state is CrossState.FROZEN else saga.state


def _attempts(saga: Saga, event: CrossEvent) -> tuple[Attempt, ...]:
    if event.attempt is not None:
        if saga.open_attempt is not None:
            raise ValueError(f"cross order {saga.key}: an order was begun before the last one had ended")
        return (*saga.attempts, event.attempt)
    if event.client_id is None or event.filled is None:
        return saga.attempts
    return tuple(
        msgspec.structs.replace(
            one,
            filled=event.filled,
            value=event.value,
            ended=event.ended,
            unsent=event.unsent,
            missed=event.missed,
            reason=event.reason,
        )
        if one.client_id == event.client_id
        else one
        for one in saga.attempts
    )
