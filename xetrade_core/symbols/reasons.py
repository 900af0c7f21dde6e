"""How sure a mapping is, and why: named reasons and one rule that makes a number of them.

A reason either supports a mapping or puts it in doubt, with a weight that says how far one would trust it alone.
Supports are independent witnesses, so they join as `1 - product(1 - support)`; each doubt then takes its share of what
is left: `confidence = (1 - product(1 - support)) * product(1 - doubt)`. More support never lowers it, more doubt never
raises it, and without support it is 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import prod

DIGITS = 4


class Reason(StrEnum):
    """Why a venue's id is, or may not be, a universal symbol."""

    EXACT_LISTING = "exact listing"
    RULE = "parsed by rule"
    PRICE_AGREES = "price agrees"
    GUESS = "guess"
    ALIAS = "alias"
    MULTIPLIER = "multiplier"
    OTHER_SPELLING = "other spelling"
    AMBIGUOUS_TYPE = "ambiguous market type"
    AMBIGUOUS_SPLIT = "ambiguous pair"
    SHARED_SYMBOL = "shared symbol"
    RULE_DISAGREES = "rule disagrees"
    NOT_LISTED = "not listed"
    PRICE_DISAGREES = "price disagrees"


@dataclass(frozen=True, slots=True)
class Weight:
    """`support` or `doubt`, 0 to 1, the other one 0; `meaning` in words."""

    support: float
    doubt: float
    meaning: str


WEIGHTS: dict[Reason, Weight] = {
    Reason.EXACT_LISTING: Weight(0.99, 0, "the venue itself lists this id with these currencies"),
    Reason.RULE: Weight(0.95, 0, "the id has the form that the venue documents"),
    Reason.PRICE_AGREES: Weight(0.9, 0, "its price is that of the same exposure on other venues"),
    Reason.GUESS: Weight(0.5, 0, "the currencies were found by names that are common elsewhere"),
    Reason.ALIAS: Weight(0, 0.01, "the venue has another name for one of the currencies"),
    Reason.MULTIPLIER: Weight(0, 0.01, "one of it is many of the currency behind it"),
    Reason.OTHER_SPELLING: Weight(0, 0.05, "the text is not the venue's own spelling"),
    Reason.AMBIGUOUS_TYPE: Weight(0, 0.2, "the id is of several kinds of market, and none was asked for"),
    Reason.AMBIGUOUS_SPLIT: Weight(0, 0.1, "the pair can end in more than one currency"),
    Reason.SHARED_SYMBOL: Weight(0, 0.2, "another id of the venue has the same symbol"),
    Reason.RULE_DISAGREES: Weight(0, 0.02, "the listing and the venue's naming rule differ; the listing counts"),
    Reason.NOT_LISTED: Weight(0, 0.5, "the venue's list of the day does not have it"),
    Reason.PRICE_DISAGREES: Weight(0, 0.7, "its price is far from that of the same exposure on other venues"),
}


def confidence(reasons: Iterable[Reason]) -> float:
    """0 to 1, rounded to four digits; each reason counts once."""
    return _confidence(frozenset(reasons))


@lru_cache(maxsize=4096)
def _confidence(reasons: frozenset[Reason]) -> float:
    weights = [WEIGHTS[reason] for reason in sorted(reasons)]
    return round((1 - prod(1 - one.support for one in weights)) * prod(1 - one.doubt for one in weights), DIGITS)
