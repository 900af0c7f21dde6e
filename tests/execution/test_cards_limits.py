"""What stops an order, on every venue: no money, a wrong number, a used budget, a venue that turns away, a wrong clock.

Each is told for what it is, nothing is on the venue, and cancels pass where orders must wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.execution.conftest import Open, unhurried
from tests.execution.test_cards import CARDS, Card, D, Subject
from tests.support.sim import Sim
from tests.venues.conftest import client_of
from xetrade_core.errors import InvalidOrder
from xetrade_core.model.orders import Intent, ReportStatus
from xetrade_core.trading.outcome import Classified, Outcome, classify
from xetrade_core.trading.requests import OrderRequest, Pricing, fit
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import ErrorKind

BINANCE = Card("binance", "BTC/USDT", D("0.01234"), "BTC", "/api/v3/order", D(1))
VENUES = list({card.venue: card for card in (*reversed(CARDS), BINANCE)}.values())


@pytest.fixture(params=VENUES, ids=lambda card: card.venue)
async def subject(request: pytest.FixtureRequest, opened: Open, sim: Sim) -> AsyncIterator[Subject]:
    subject = Subject(request.param, opened, sim)
    await subject.client.balances()  # markets and clock are known, so that the next request is the order
    yield subject
    sim.clear()
    await subject.flat()


async def outcome(subject: Subject, client: Any, wanted: Intent) -> Classified:
    """What came of a placement, which the venue has not taken."""
    answer = (await asyncio.gather(client.place(wanted), return_exceptions=True))[0]
    found = classify(known_venue(subject.card.venue), answer)
    if found.outcome is not Outcome.TAKEN:
        assert subject.at_venue(wanted) == []
    return found


async def test_what_the_account_cannot_pay_is_refused_as_that(subject: Subject) -> None:
    venue, amount = subject.card.venue, subject.card.amount * 50_000
    if venue in ("binancecoinm", "okx"):  # where no order may be as large as that
        amount = subject.card.amount
        subject.sim.begin(kind="order_refused", venue=venue, variant="insufficient_funds")
    found = await outcome(subject, subject.client, subject.intent(amount=amount))
    said = ErrorKind.ORDER_REJECTED if venue == "binance" else ErrorKind.INSUFFICIENT_FUNDS  # there in words alone
    assert (found.outcome, known_venue(venue).errors.get(found.code or "")) == (Outcome.REFUSED, said), found


def card_of(venue: str, symbol: str = "") -> Card:
    return next(card for card in CARDS if card.venue == venue and symbol in ("", card.symbol))


MARKET = None
"""As the share of the best bid that is the price."""
TOO_MUCH = [
    (BINANCE, "0.97", D(200), "-1013"),  # in value
    (BINANCE, "0.97", D(9001), "-1013"),
    (BINANCE, MARKET, D(1001), "-1013"),
    (card_of("binanceusdm"), MARKET, D(1001), "-4005"),
    (card_of("binancecoinm"), MARKET, D(1001), "-4005"),
    (card_of("okx"), "0.97", D(20), "51203"),  # in value
    (card_of("okx"), MARKET, D(13), "51201"),  # in value
    (card_of("okx"), MARKET, D(20), "51202"),
    (card_of("okx", "BTC/USDT:USDT"), "0.97", D(40_000), "51203"),  # in value
    (card_of("okx", "BTC/USDT:USDT"), MARKET, D(50_001), "51202"),
    (card_of("kucoinfutures"), "0.97", D(1_000_001), "100001"),
    (card_of("kucoinfutures"), MARKET, D(400_001), "100001"),
    (card_of("bybit"), "0.97", D(9001), "170382"),
    (card_of("bybit"), MARKET, D(4501), "170381"),
    (card_of("bybit", "BTC/USDT:USDT"), "0.97", D(1_190_001), "10001"),
    (card_of("bybit", "BTC/USDT:USDT"), MARKET, D(500_001), "10001"),
]


@pytest.mark.parametrize(
    ("card", "share", "amount", "code"), TOO_MUCH, ids=lambda value: getattr(value, "symbol", None)
)
async def test_more_than_the_venue_lists_is_refused_by_us_and_by_the_venue_with_its_own_code(
    opened: Open, sim: Sim, card: Card, share: str | None, amount: Decimal, code: str
) -> None:
    subject = Subject(card, opened, sim)
    wanted = subject.intent(share, amount=amount)
    await subject.client.balances()
    found = await outcome(subject, subject.client, wanted)
    assert (found.outcome, found.code) == (Outcome.REFUSED, code), found
    async with client_of(sim, card.venue) as client:
        [instrument] = [row for row in await client.instruments() if row.symbol == card.symbol]
    asked = OrderRequest(
        venue=card.venue, account="main", symbol=card.symbol, side=wanted.side, amount=amount, type=wanted.type,
        price=wanted.price,
    )  # fmt: skip
    mark = D(str(sim.truth(card.venue, card.symbol, depth=1)["bids"][0][0]))
    with pytest.raises(InvalidOrder, match=r"(quantity|notional) [\d.]+ is not valid: at most [\d]+ [A-Zc]"):
        fit(asked, instrument, Pricing(mark, D(1)))


@pytest.mark.parametrize("field", ["price", "amount"])
async def test_a_number_off_the_venues_grid_is_refused(subject: Subject, field: str) -> None:
    wanted = subject.intent()
    off = D("0.000000000001") if field == "amount" else D(subject.card.tick) / 1000
    value = wanted.amount if field == "amount" else wanted.price
    assert value is not None
    found = await outcome(subject, subject.client, subject.intent(**{field: value + off}))
    assert found.outcome is Outcome.REFUSED, found


async def test_when_the_budget_is_used_orders_stop_and_cancels_pass(subject: Subject) -> None:
    client: Any = subject.opened(subject.card.venue)
    rests = subject.intent()
    assert (await client.place(rests)).status is ReportStatus.OPEN
    calls = getattr(client, "_calls", client)
    budget = calls._client.transport.budget
    calls._wait_ns = 0
    budget.observe(budget.limit)
    found = await outcome(subject, client, subject.intent())
    assert found.outcome is Outcome.UNSENT, found
    await client.cancel(subject.ref(rests))
    [there] = subject.at_venue(rests)
    assert there["state"] == "canceled"


async def test_a_venue_that_turns_away_has_not_taken_it_and_says_until_when(subject: Subject) -> None:
    client: Any = subject.opened(subject.card.venue)
    await client.balances()
    path = subject.card.order_path
    subject.sim.begin(kind="rate_limit", venue=subject.card.venue, status=429, retry_after_s=7, count=1, path=path)
    found = await outcome(subject, client, subject.intent())
    assert found.outcome is Outcome.UNSENT, found
    assert found.retry_after_s == pytest.approx(7, abs=1)


async def test_a_clock_that_is_off_is_measured_again_and_never_widened(subject: Subject) -> None:
    venue = subject.card.venue
    subject.sim.begin(kind="clock", venue=venue, offset_s=-40, for_=60)
    client: Any = unhurried(subject.opened(venue))
    assert (await client.place(subject.intent())).status is ReportStatus.OPEN
    subject.sim.clear()
    found = await outcome(subject, client, subject.intent())
    if found.outcome is not Outcome.TAKEN:  # some take what was signed a while ago
        assert (found.outcome, known_venue(venue).errors[found.code or ""]) == (Outcome.UNSENT, ErrorKind.CLOCK), found
    assert (await client.place(subject.intent())).status is ReportStatus.OPEN
