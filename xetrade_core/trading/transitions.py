"""Which state follows which: the state machine of an order, as data.

A pair that is not in `TABLE` is illegal: it is recorded, alarmed and never applied. A pair that leads to its own state
is legal and changes nothing but amounts: evidence comes twice, late and out of order, and that is no fault.
docs/orders.md draws this table and is checked against it.

Four rules are built in. UNKNOWN leaves only on the venue's evidence; time alone makes it NEEDS_OPERATOR, which still
reserves risk. A fill after CANCELED or REJECTED is legal. What contradicts a rejection makes the order UNKNOWN, so that
the venue is asked, rather than believing one message or the other. And a filled order that the venue, asked, has at a
larger amount (somebody changed it there) can still trade: it reserves risk again.
"""

from __future__ import annotations

from collections.abc import Mapping

from xetrade_core.model.order_events import EventKind as K
from xetrade_core.model.orders import OrderState as S

#: the venue tells where the order stands, whatever we thought before
_EVIDENCE = {
    K.ACCEPTED: S.OPEN,
    K.PARTLY_FILLED: S.PARTIALLY_FILLED,
    K.FILLED: S.FILLED,
    K.CANCELED: S.CANCELED,
    K.EXPIRED: S.EXPIRED,
}

TABLE: Mapping[S | None, Mapping[K, S]] = {
    None: {K.INTENDED: S.INTENT},
    S.INTENT: {
        K.DENIED: S.DENIED,
        K.SUBMITTED: S.SUBMITTING,
        K.CANCEL_REQUESTED: S.CANCELED,  # never sent, so there is nothing to cancel on the venue
        K.EXPIRED: S.EXPIRED,
    },
    S.SUBMITTING: {
        **_EVIDENCE,
        K.REJECTED: S.REJECTED,
        K.UNSENT: S.INTENT,
        K.AMBIGUOUS: S.UNKNOWN,
        K.CANCEL_REQUESTED: S.SUBMITTING,  # kept until the creation is acknowledged
    },
    S.UNKNOWN: {
        **_EVIDENCE,
        K.REJECTED: S.REJECTED,
        K.ABSENT: S.REJECTED,
        K.SUBMITTED: S.SUBMITTING,  # sent again, only where the venue refuses a second one of the same id
        K.AMBIGUOUS: S.UNKNOWN,
        K.CANCEL_REQUESTED: S.UNKNOWN,
        K.GIVEN_UP: S.NEEDS_OPERATOR,
    },
    S.NEEDS_OPERATOR: {
        **_EVIDENCE,
        K.REJECTED: S.REJECTED,
        K.AMBIGUOUS: S.NEEDS_OPERATOR,
        K.ABSENT: S.NEEDS_OPERATOR,
        K.CANCEL_REQUESTED: S.NEEDS_OPERATOR,
        K.CANCEL_REFUSED: S.NEEDS_OPERATOR,
        K.CANCEL_REFUSED_PARTLY: S.NEEDS_OPERATOR,
        K.DISMISSED: S.CANCELED,
    },
    S.OPEN: {
        **_EVIDENCE,
        K.REJECTED: S.REJECTED,  # some venues acknowledge first and reject then
        K.AMBIGUOUS: S.OPEN,  # the stream was faster than a reply that never came
        K.ABSENT: S.NEEDS_OPERATOR,  # acknowledged, and now the venue knows nothing of it
        K.CANCEL_REQUESTED: S.PENDING_CANCEL,
        K.CANCEL_REFUSED: S.OPEN,
        K.AMEND_REQUESTED: S.OPEN,
        K.AMENDED: S.OPEN,
        K.AMEND_REFUSED: S.OPEN,
    },
    S.PARTIALLY_FILLED: {
        **_EVIDENCE,
        K.ACCEPTED: S.PARTIALLY_FILLED,
        K.AMBIGUOUS: S.PARTIALLY_FILLED,
        K.ABSENT: S.NEEDS_OPERATOR,
        K.CANCEL_REQUESTED: S.PENDING_CANCEL,
        K.CANCEL_REFUSED_PARTLY: S.PARTIALLY_FILLED,
        K.AMEND_REQUESTED: S.PARTIALLY_FILLED,
        K.AMENDED: S.PARTIALLY_FILLED,
        K.AMEND_REFUSED: S.PARTIALLY_FILLED,
    },
    S.PENDING_CANCEL: {
        **_EVIDENCE,
        K.ACCEPTED: S.PENDING_CANCEL,
        K.PARTLY_FILLED: S.PENDING_CANCEL,
        K.REJECTED: S.REJECTED,
        K.AMBIGUOUS: S.PENDING_CANCEL,
        K.ABSENT: S.NEEDS_OPERATOR,
        K.CANCEL_REQUESTED: S.PENDING_CANCEL,
        K.CANCEL_REFUSED: S.OPEN,
        K.CANCEL_REFUSED_PARTLY: S.PARTIALLY_FILLED,
        K.AMENDED: S.PENDING_CANCEL,
        K.AMEND_REFUSED: S.PENDING_CANCEL,
    },
    S.FILLED: {
        K.ACCEPTED: S.FILLED,
        K.PARTLY_FILLED: S.FILLED,
        K.FILLED: S.FILLED,
        K.AMBIGUOUS: S.FILLED,
        K.AMENDED: S.FILLED,
        K.REOPENED: S.PARTIALLY_FILLED,
        K.AMEND_REFUSED: S.FILLED,
    },
    S.CANCELED: {
        K.ACCEPTED: S.CANCELED,
        K.PARTLY_FILLED: S.CANCELED,
        K.FILLED: S.FILLED,
        K.CANCELED: S.CANCELED,
        K.EXPIRED: S.CANCELED,  # venues differ in their word for the same end
        K.AMBIGUOUS: S.CANCELED,
        K.AMENDED: S.CANCELED,
        K.AMEND_REFUSED: S.CANCELED,
    },
    S.EXPIRED: {
        K.INTENDED_AGAIN: S.INTENT,
        K.ACCEPTED: S.EXPIRED,
        K.PARTLY_FILLED: S.EXPIRED,
        K.FILLED: S.FILLED,
        K.CANCELED: S.EXPIRED,
        K.EXPIRED: S.EXPIRED,
        K.AMBIGUOUS: S.EXPIRED,
        K.AMENDED: S.EXPIRED,
        K.AMEND_REFUSED: S.EXPIRED,
    },
    S.REJECTED: {
        K.ACCEPTED: S.UNKNOWN,
        K.PARTLY_FILLED: S.UNKNOWN,
        K.FILLED: S.FILLED,
        K.REJECTED: S.REJECTED,
        K.AMBIGUOUS: S.REJECTED,
    },
    S.DENIED: {K.INTENDED_AGAIN: S.INTENT},
}

#: applied, but a person must hear of it: what was held for impossible has happened
SURPRISES: frozenset[tuple[S, K]] = frozenset(
    {
        (S.REJECTED, K.ACCEPTED),
        (S.REJECTED, K.PARTLY_FILLED),
        (S.REJECTED, K.FILLED),
        (S.FILLED, K.REOPENED),
    }
)


def next_state(state: S | None, kind: K) -> S | None:
    """The state that `kind` leads to from `state` (None: there is no order yet); None if that is illegal."""
    return TABLE[state].get(kind)
