"""Acceptance cards 20 to 31, execution side: what each shows, and the facts of the venue that it stands on.

They are played against the simulated venues in `tests/execution`: `test_cards.py` (20 to 22, 25 to 28, 30 and what is
not known), `test_cards_limits.py` (24, 31, and a clock that is off) and `test_streams.py` (20 and 29, doubled and
reordered events too); 23 by `tests/trading` as well. What is held here is that no venue of the registry lacks a fact
that its card needs, so that a card fails for what the venue does and not for what was never said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from xetrade_core.model.instruments import MarketType
from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import Capability, ErrorKind, Uniqueness, Venue, VenueStatus, error_codes

LIVE = [each for each in venues() if each.status is VenueStatus.LIVE]
SAFE_ID = "x0123456789abcdefghijklmnopqrst"  # a letter, then letters and digits, 31 in all: fits every venue


@dataclass(frozen=True)
class Needing:
    """A card: `shows` what, wherever `concerns` holds, out of the facts that `needs` asks for."""

    number: int
    shows: str
    needs: Callable[[Venue], bool]
    concerns: Callable[[Venue], bool] = lambda venue: True


def offers(capability: Capability) -> Callable[[Venue], bool]:
    """Whether the venue has it, natively or put together."""
    return lambda venue: capability in venue.capabilities


def knows(*kinds: ErrorKind) -> Callable[[Venue], bool]:
    """Whether the venue's codes of all these kinds are known."""
    return lambda venue: set(kinds) <= set(venue.errors.values())


def _named(venue: Venue) -> bool:
    return venue.client_ids is not None


def _enforced(venue: Venue) -> bool:
    """Whether the venue itself refuses a second order of a client id, at least while the first is open."""
    return venue.client_ids is not None and venue.client_ids.unique in (Uniqueness.ALWAYS, Uniqueness.OPEN_ORDERS)


def _tells_duplicates(venue: Venue) -> bool:
    """By a code of its own, or as the facts say (Binance spot: in the words of -2010)."""
    told = any(fact.topic == "client ids" and "duplicate is refused as" in fact.text for fact in venue.facts)
    return told or knows(ErrorKind.DUPLICATE_CLIENT_ID)(venue)


def _derivatives(venue: Venue) -> bool:
    return bool({MarketType.SWAP, MarketType.FUTURE} & set(venue.market_types))


CARDS = (
    Needing(20, "a limit order rests, and is seen on the order stream and over REST under its client id", _named),
    Needing(21, "an order is found by its client id, open and closed, or in its history by it", _named),
    Needing(22, "a second order of the same client id is refused and known as that", _tells_duplicates, _enforced),
    Needing(23, "silence, a 5xx, a cut or garbled reply: unknown, resolved by asking, never by sending again", _named),
    Needing(
        24,
        "a refusal is told apart by raw code: no funds, bad price or amount; and the order was not taken",
        knows(ErrorKind.INSUFFICIENT_FUNDS, ErrorKind.ORDER_REJECTED),
    ),
    Needing(25, "cancelled by id; cancelling what is gone says so", knows(ErrorKind.UNKNOWN_ORDER)),
    Needing(26, "all orders are cancelled, in one call or one by one", offers(Capability.CANCEL_ALL)),
    Needing(27, "post-only never takes", offers(Capability.POST_ONLY)),
    Needing(28, "reduce-only never opens", offers(Capability.REDUCE_ONLY), _derivatives),
    Needing(29, "each fill comes once, over a reconnect too, and gives the position", offers(Capability.TRADE_STREAM)),
    Needing(30, "a wrong key is told apart from a refusal", knows(ErrorKind.AUTHENTICATION)),
    Needing(31, "a rate limit stops orders, and cancels pass", lambda venue: venue.rest.budget.limit > 0),
)
PAIRS = [
    pytest.param(venue, card, id=f"{venue.id}-card-{card.number}")
    for card in CARDS
    for venue in LIVE
    if card.concerns(venue)
]


@pytest.mark.parametrize(("venue", "card"), PAIRS)
def test_the_facts_that_an_execution_card_needs_are_stated(venue: Venue, card: Needing) -> None:
    assert card.needs(venue), f"card {card.number} shows: {card.shows}"


@pytest.mark.parametrize("venue", LIVE, ids=lambda each: each.id)
def test_the_common_client_id_fits_the_venue(venue: Venue) -> None:
    assert venue.client_ids is not None
    assert re.fullmatch(venue.client_ids.pattern, SAFE_ID)
    assert not re.fullmatch(venue.client_ids.pattern, "x" * 65)


@pytest.mark.parametrize("venue", LIVE, ids=lambda each: each.id)
def test_every_error_code_is_one_word_and_what_it_means_is_known(venue: Venue) -> None:
    assert venue.errors
    assert all(code == code.strip() and " " not in code for code in venue.errors)


def test_a_code_that_means_two_things_is_refused() -> None:
    with pytest.raises(ValueError, match="code 7 is rate_limited and clock"):
        error_codes({ErrorKind.RATE_LIMITED: "6 7", ErrorKind.CLOCK: "7"})
