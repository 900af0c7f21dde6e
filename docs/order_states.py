"""The part of docs/orders.md that is made from the table of transitions: the drawing, the states, the rows."""

from __future__ import annotations

from collections import defaultdict

from xetrade_core.model.order_events import EventKind
from xetrade_core.model.orders import OrderState
from xetrade_core.trading.transitions import SURPRISES, TABLE

BEGIN, END = "<!-- made from the table of transitions by `make docs`: begin -->", "<!-- end -->"

#: what a state means, and what it asks of an operator
MEANING: dict[OrderState, tuple[str, str]] = {
    OrderState.INTENT: (
        "committed here, certainly not on the venue: it waits for a venue that is down",
        "nothing; it ends by itself at its own expiry",
    ),
    OrderState.DENIED: (
        "our own risk check refused it; never sent",
        "nothing; the reason names limit, asked, allowed",
    ),
    OrderState.SUBMITTING: (
        "may be on the wire",
        "nothing; within a minute it is acknowledged, or UNKNOWN",
    ),
    OrderState.UNKNOWN: (
        "sent, and no answer tells whether it was taken; risk stays reserved",
        "nothing; the venue is asked until it tells. Do not place it again under another key",
    ),
    OrderState.NEEDS_OPERATOR: (
        "the venue could not be asked in time, or denies what it had acknowledged; risk stays reserved",
        "look it up on the venue. If it is there, a refresh, the stream or a reconciliation brings it "
        "back; if not, dismiss it with a reason",
    ),
    OrderState.OPEN: (
        "acknowledged, rests on the venue",
        "nothing",
    ),
    OrderState.PARTIALLY_FILLED: (
        "rests, partly filled",
        "nothing",
    ),
    OrderState.PENDING_CANCEL: (
        "a cancel may be on the wire",
        "nothing; the cancel is repeated until the venue tells the end",
    ),
    OrderState.FILLED: (
        "done",
        "nothing",
    ),
    OrderState.CANCELED: (
        "done; a late fill still counts",
        "nothing",
    ),
    OrderState.EXPIRED: (
        "done: by the venue, or never sent before its own expiry",
        "nothing",
    ),
    OrderState.REJECTED: (
        "definitely not taken; what contradicts that makes it UNKNOWN and raises an alarm",
        "nothing",
    ),
}


def _name(state: OrderState | None) -> str:
    return "[*]" if state is None else state.value.upper()


def drawing() -> str:
    """The state machine as a Mermaid diagram; rows that change no state are left out."""
    edges: dict[tuple[OrderState | None, OrderState], list[EventKind]] = defaultdict(list)
    for state, row in TABLE.items():
        for kind, after in row.items():
            if after is not state:
                edges[(state, after)].append(kind)
    lines = ["```mermaid", "stateDiagram-v2"]
    for (state, after), kinds in edges.items():
        words = ", ".join(kind.value.replace("_", " ") for kind in kinds)
        lines.append(f"    {_name(state)} --> {_name(after)}: {words}")
    return "\n".join([*lines, "```"])


def states() -> str:
    """What each state means and asks of an operator."""
    lines = ["| state | means | risk | asks of an operator |", "|---|---|---|---|"]
    for state in OrderState:
        means, asks = MEANING[state]
        lines.append(f"| {_name(state)} | {means} | {'reserved' if state.working else 'free'} | {asks} |")
    return "\n".join(lines)


def rows() -> str:
    """The whole table, by state; what changes nothing is in italics, what alarms has a star."""
    lines = ["| in state | what happens |", "|---|---|"]
    for state, row in TABLE.items():
        words = []
        for kind, after in row.items():
            star = "\\*" if state is not None and (state, kind) in SURPRISES else ""
            word = kind.value.replace("_", " ")
            words.append(f"*{word}*" if after is state else f"{word}{star} → {_name(after)}")
        lines.append(f"| {'(none)' if state is None else _name(state)} | {'; '.join(words)} |")
    return "\n".join(lines)


def block() -> str:
    """Everything between the two marks."""
    return "\n\n".join([BEGIN, drawing(), states(), rows(), END])


def page(text: str) -> str:
    """The page with the part between the marks made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + block() + rest.partition(END)[2]
