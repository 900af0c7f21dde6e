"""What happens to an order, and what an operator says to the trading desk: the entries of the event store.

Events are facts and only appended; an order is what they sum up to (trading/projection.py).
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from xetrade_core.model.orders import Fill, Intent


class EventKind(StrEnum):
    """What an event says. The values are stored."""

    INTENDED = "intended"
    INTENDED_AGAIN = "intended_again"  # asked for anew after it was denied or ran out, having never reached the venue
    DENIED = "denied"  # by our own risk check
    SUBMITTED = "submitted"  # about to be given to the wire
    UNSENT = "unsent"  # certainly not taken, and may be sent later: no connection, our budget or theirs
    AMBIGUOUS = "ambiguous"  # no answer tells whether it was taken
    ACCEPTED = "accepted"  # the venue has it, open
    PARTLY_FILLED = "partly_filled"
    FILL = "fill"  # one trade; moves an order as PARTLY_FILLED or FILLED does
    FILLED = "filled"
    REJECTED = "rejected"  # definitely not taken
    ABSENT = "absent"  # several spaced, successful queries found it nowhere on the venue
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_REFUSED = "cancel_refused"  # the venue refused, and the order still rests
    CANCEL_REFUSED_PARTLY = "cancel_refused_partly"  # the same, partly filled
    CANCELED = "canceled"
    EXPIRED = "expired"
    AMEND_REQUESTED = "amend_requested"
    AMENDED = "amended"
    REOPENED = "reopened"  # the venue has a filled order at a larger amount: somebody else changed it before it filled
    AMEND_REFUSED = "amend_refused"
    GIVEN_UP = "given_up"  # the venue could not be asked in time
    DISMISSED = "dismissed"  # an operator says that it is not on the venue


class Source(StrEnum):
    """Who says so."""

    SERVICE = "service"
    REPLY = "reply"  # the venue, to our request
    QUERY = "query"  # the venue, asked about the order
    STREAM = "stream"  # the venue, unasked
    RECONCILIATION = "reconciliation"
    OPERATOR = "operator"


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry. `at_ns` is the recorder's clock; which other fields are set depends on `kind`.

    `filled` is cumulative, as the venue states it. `amount`, `price` and `reserve_price` are those of an amendment,
    `successor` the order that replaces this one. `legal` is False where the table of transitions forbids it: such an
    event is kept and changes nothing.
    """

    kind: EventKind
    at_ns: int
    source: Source = Source.SERVICE
    legal: bool = True
    intent: Intent | None = None
    fill: Fill | None = None
    venue_order_id: str | None = None
    filled: Decimal | None = None
    amount: Decimal | None = None
    price: Decimal | None = None
    reserve_price: Decimal | None = None
    successor: str | None = None
    exchange_ns: int | None = None
    code: str | None = None
    reason: str | None = None


class TradingState(StrEnum):
    """What new orders may do. Cancels always pass."""

    ACTIVE = "active"
    REDUCING = "reducing"  # only reduce-only orders
    HALTED = "halted"  # none


class ControlKind(StrEnum):
    """What an operator (or a safeguard) tells the desk."""

    TRADING_STATE = "trading_state"
    ARMED = "armed"
    DISARMED = "disarmed"
    OPENING = "opening"  # what an account held beyond the trades that are known


class ControlEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the event store that concerns no order.

    TRADING_STATE sets `state` of a scope: all (venue None), a venue, or one symbol of it. ARMED allows live orders on
    `venue` for `account` up to `notional_cap` (accounting currency) until `expires_ns`; DISARMED ends that.
    OPENING says what `account` held of a position (`symbol`) or a `currency` beyond what its trades explain; without
    an amount, that all of it was looked at. `by` says who, `reason` why.
    """

    kind: ControlKind
    at_ns: int
    by: str
    reason: str = ""
    venue: str | None = None
    symbol: str | None = None
    account: str | None = None
    state: TradingState | None = None
    notional_cap: Decimal | None = None
    expires_ns: int | None = None
    amount: Decimal | None = None
    currency: str | None = None
