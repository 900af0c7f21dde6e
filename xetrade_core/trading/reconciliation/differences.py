"""Differences between the order store and a venue, and what was done about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Subject(StrEnum):
    """What differs."""

    ORDER = "order"
    FILL = "fill"
    POSITION = "position"
    BALANCE = "balance"


class Kind(StrEnum):
    """In which way."""

    MISSING_HERE = "missing here"
    MISSING_THERE = "missing there"
    STATE = "state"
    QUANTITY = "quantity"
    FEE = "fee"
    POSITION = "position"
    BALANCE = "balance"


class Outcome(StrEnum):
    """What was done about it."""

    FOUND = "found"  # a dry run: nothing was done
    REPAIRED = "repaired"  # the venue's own words were recorded
    EXTERNAL = "external"  # somebody else's; trades are recorded as such
    OPENING = "opening"  # what was there before the first trade that we know of
    ACCEPTED = "accepted"  # a person took it as the new opening
    HALTED = "halted"  # nothing explains it: the instrument trades no more
    REPORTED = "reported"  # nothing explains it, and it is of no instrument


_DONE = frozenset({Outcome.REPAIRED, Outcome.EXTERNAL, Outcome.OPENING, Outcome.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `symbol` is None for a balance; `name` is the order's, the trade's or the currency's.

    `here` and `there` say in words what each side has, `note` what it means or what to do.
    """

    subject: Subject
    kind: Kind
    outcome: Outcome
    venue: str
    account: str
    symbol: str | None
    name: str
    here: str
    there: str
    note: str = ""

    @property
    def explained(self) -> bool:
        """Whether nobody has to look at it."""
        return self.outcome in _DONE

    def row(self) -> dict[str, str]:
        """For tables and JSON."""
        return {
            "venue": self.venue,
            "account": self.account,
            "what": self.subject.value,
            "differs": self.kind.value,
            "pair": self.symbol or "",
            "name": self.name,
            "here": self.here,
            "there": self.there,
            "done": self.outcome.value,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What came of reconciling one account. `orders`, `fills`, `positions` and `balances` count what was compared;
    `in_flight` what was younger than the grace window; `problems` what could not be asked."""

    venue: str
    account: str
    at_ns: int
    orders: int
    fills: int
    positions: int
    balances: int
    in_flight: int
    differences: tuple[Difference, ...]
    problems: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether everything could be asked and every difference is explained."""
        return not self.problems and all(one.explained for one in self.differences)

    def row(self) -> dict[str, object]:
        """For tables and JSON."""
        outcomes = [one.outcome for one in self.differences]
        return {
            "venue": self.venue,
            "account": self.account,
            "orders": self.orders,
            "fills": self.fills,
            "positions": self.positions,
            "balances": self.balances,
            "in_flight": self.in_flight,
            "repaired": outcomes.count(Outcome.REPAIRED),
            "external": outcomes.count(Outcome.EXTERNAL),
            "unexplained": sum(not one.explained for one in self.differences),
            "problems": "; ".join(self.problems),
        }
