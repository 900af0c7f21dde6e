"""What outlives a venue's bad moments: repeated reads (never orders), stale answers, another venue, a deadline."""

from __future__ import annotations

import asyncio
import inspect
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import ConfigError, NotSupported, RateLimited, UnknownSymbol, VenueRefused, VenueUnavailable
from xetrade_core.model.funding import FundingQuote, FundingRate
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.quotes import BookSnapshot, MarkQuote, Quote
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.breaker import BreakerRules, CircuitOpen
from xetrade_core.venues.breaker_board import BreakerBoard, Scope
from xetrade_core.venues.budget import Priority
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.reads import Read, ReadEndpoint, Repeating, repeat
from xetrade_core.venues.resilient import FallbackMarketData, LastAnswers, ReadRules, ResilientMarketData
from xetrade_core.venues.transport import current_asking

DOWN = VenueUnavailable("503")
ONCE = Repeating(attempts=1)


class Scripted:
    """A venue that answers with what is in its script, and notes how it was asked."""

    def __init__(self, venue: str, clock: ManualClock, *script: Exception | None) -> None:
        self.venue = venue
        self._clock = clock
        self.script = list(script)
        self.asked: list[tuple[str, Priority]] = []

    def _next(self, what: str) -> None:
        self.asked.append((what, current_asking().priority))
        outcome = self.script.pop(0) if self.script else None
        if outcome is not None:
            raise outcome

    async def instruments(self, *, fresh: bool = False) -> tuple[Instrument, ...]:
        self._next("instruments")
        return ()

    async def book(self, symbol: str, depth: int) -> BookSnapshot:
        self._next("book")
        return BookSnapshot(self.venue, symbol, ((1.0, 2.0),), ((1.5, 2.0),), self._clock.wall_ns())

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        self._next("quotes")
        return {one: Quote(self.venue, one, 1.0, 2.0, 1.5, 2.0, self._clock.wall_ns()) for one in symbols}

    async def marks(self, symbols: Sequence[str]) -> dict[str, MarkQuote]:
        self._next("marks")
        return {one: MarkQuote(self.venue, one, 1.0, None, self._clock.wall_ns()) for one in symbols}

    async def funding(self, symbol: str) -> FundingQuote:
        self._next("funding")
        return FundingQuote(self.venue, symbol, self._clock.wall_ns(), 0.0001)

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        self._next("funding_page")
        return ()

    async def server_time_ns(self) -> int:
        self._next("time")
        return 5

    async def close(self) -> None:
        self.asked.append(("close", Priority.START))


def resilient(
    *script: Exception | None, venue: str = "okx", rules: ReadRules | None = None, failures: int = 5
) -> tuple[ResilientMarketData, Scripted, ManualClock]:
    clock = ManualClock(10**18)
    source = Scripted(venue, clock, *script)
    board = BreakerBoard(Scope(venue, "host"), clock, BreakerRules(failures=failures))
    return ResilientMarketData(source, board, rules or ReadRules(), clock, random.Random(1)), source, clock


# --- repeating --------------------------------------------------------------------------------------------------------


async def test_a_read_is_tried_again_with_capped_full_jitter_and_answers_in_the_end() -> None:
    data, source, clock = resilient(DOWN, DOWN)
    assert (await data.book("BTC/USDT", 5)).venue == "okx"
    assert len(source.asked) == 3
    assert 0 < clock.monotonic_ns() < (0.2 + 0.4) * NS_PER_S


async def test_a_read_that_keeps_failing_raises_the_last_error_after_its_attempts() -> None:
    data, source, _ = resilient(*[VenueUnavailable(f"failure {n}") for n in range(9)])
    with pytest.raises(VenueUnavailable, match="failure 2"):
        await data.book("BTC/USDT", 5)
    assert len(source.asked) == 3


@pytest.mark.parametrize("error", [VenueRefused("400"), UnknownSymbol("X", "okx"), NotSupported("none")])
async def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    data, source, _ = resilient(error)
    with pytest.raises(type(error)):
        await data.book("BTC/USDT", 5)
    assert len(source.asked) == 1


async def test_a_limit_is_waited_for_if_it_ends_before_the_deadline_and_raised_at_once_if_not() -> None:
    data, source, clock = resilient(RateLimited("429", 4.0))
    await data.book("BTC/USDT", 5)
    assert 4 * NS_PER_S < clock.monotonic_ns() < 5 * NS_PER_S
    data, source, clock = resilient(RateLimited("429", 40.0))
    with pytest.raises(RateLimited):
        await data.book("BTC/USDT", 5)
    assert (len(source.asked), clock.monotonic_ns()) == (1, 0)


async def test_a_venue_that_says_nothing_is_given_up_at_the_deadline() -> None:
    data, source, _ = resilient(rules=ReadRules(repeating=Repeating(deadline_s=0.05)))

    async def silent(symbol: str, depth: int) -> BookSnapshot:
        await asyncio.sleep(30)
        raise AssertionError

    source.book = silent  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable, match=r"okx order book of BTC/USDT: no answer within 0\.05 s"):
        await data.book("BTC/USDT", 5)


async def test_history_waits_behind_everything_else() -> None:
    data, source, _ = resilient()
    await data.funding_page("BTC/USDT:USDT", 0, 1)
    await data.book("BTC/USDT", 5)
    await data.instruments()
    assert source.asked == [
        ("funding_page", Priority.BACKFILL),
        ("book", Priority.START),
        ("instruments", Priority.START),
    ]


async def test_history_waits_for_minutes_for_its_turn_where_a_person_would_be_told_to_come_back() -> None:
    data, source, clock = resilient(RateLimited("budget", 90.0))
    assert await data.funding_page("BTC/USDT:USDT", 0, 1) == ()
    assert 90 * NS_PER_S < clock.monotonic_ns() < 91 * NS_PER_S
    source.script = [RateLimited("budget", 90.0)]
    with pytest.raises(RateLimited):
        await data.funding("BTC/USDT:USDT")


# --- never an order ---------------------------------------------------------------------------------------------------


def test_an_order_cannot_be_made_a_read() -> None:
    async def place() -> None:
        raise AssertionError("never called")

    endpoint: Any = "order"
    with pytest.raises(TypeError, match="order call is no read: it may not be repeated"):
        Read(endpoint, "order of BTC/USDT", place)


def test_the_type_checker_refuses_to_repeat_an_order(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "import random\n"
        "from xetrade_core.clock import Clock\n"
        "from xetrade_core.venues.reads import Read, ReadEndpoint, Repeating, repeat\n"
        "async def place() -> int: ...\n"
        "async def use(clock: Clock, rng: random.Random) -> None:\n"
        "    await repeat(Read(ReadEndpoint.BOOK, 'book', place), Repeating(), clock, rng)\n"
        "    await repeat(Read('order', 'order', place), Repeating(), clock, rng)\n"
        "    await repeat(place, Repeating(), clock, rng)\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent", str(snippet)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    errors = [line for line in found.splitlines() if "snippet.py:" in line and "error" in line]
    assert [line.split(":")[1] for line in errors if "empty-body" not in line] == ["7", "8"], found


def test_market_data_offers_reads_only() -> None:
    offered = {name for name, _ in inspect.getmembers(MarketData, inspect.isfunction) if not name.startswith("_")}
    assert offered == {
        "instruments", "book", "quotes", "marks", "funding", "fundings", "funding_page", "server_time_ns", "close",
    }  # fmt: skip


async def test_repeat_takes_no_longer_than_it_may() -> None:
    clock, tries = ManualClock(), 0

    async def ask() -> None:
        nonlocal tries
        tries += 1
        clock.advance(3)
        raise DOWN

    rules = Repeating(attempts=100, deadline_s=10, backoff=Backoff(base_s=0.001, cap_s=0.001))
    with pytest.raises(VenueUnavailable):
        await repeat(Read(ReadEndpoint.BOOK, "book", ask), rules, clock, random.Random(1))
    assert tries == 4


# --- breakers ---------------------------------------------------------------------------------------------------------


async def test_a_venue_that_keeps_failing_is_left_alone_and_asked_again_later() -> None:
    data, source, clock = resilient(*[DOWN] * 5, rules=ReadRules(repeating=ONCE))
    for _ in range(5):
        with pytest.raises(VenueUnavailable):
            await data.book("BTC/USDT", 5)
    with pytest.raises(CircuitOpen, match=r"okx order book of BTC/USDT: book calls fail, .*the last error: 503"):
        await data.book("BTC/USDT", 5)
    assert len(source.asked) == 5
    assert await data.quotes(["BTC/USDT"]), "another class of endpoints goes on"
    clock.advance(5)
    assert (await data.book("BTC/USDT", 5)).bids


@pytest.mark.parametrize("error", [VenueRefused("400"), RateLimited("429", 0.0), UnknownSymbol("X", "okx")])
async def test_what_is_no_failure_of_the_venue_opens_nothing(error: Exception) -> None:
    data, source, _ = resilient(*[error] * 20, rules=ReadRules(repeating=ONCE), failures=1)
    for _ in range(20):
        with pytest.raises(type(error)):
            await data.book("BTC/USDT", 5)
    assert len(source.asked) == 20


# --- stale answers ----------------------------------------------------------------------------------------------------


async def test_while_a_venue_is_down_its_last_answers_stand_in_up_to_the_stated_age_and_say_so() -> None:
    rules = ReadRules(repeating=ONCE, max_stale_s=60)
    data, source, clock = resilient(rules=rules, failures=100)
    fresh = await data.book("BTC/USDT", 5)
    await data.quotes(["BTC/USDT", "ETH/USDT"])
    await data.marks(["BTC/USDT:USDT"])
    await data.funding("BTC/USDT:USDT")
    assert fresh.stale_s is None
    clock.advance(20)
    source.script = [DOWN] * 99
    with capture_logs() as logs:
        book = await data.book("BTC/USDT", 5)
        quotes = await data.quotes(["ETH/USDT"])
        marks = await data.marks(["BTC/USDT:USDT"])
        funding = await data.funding("BTC/USDT:USDT")
    assert (book.stale_s, quotes["ETH/USDT"].stale_s, funding.stale_s) == (20, 20, 20)
    assert marks["BTC/USDT:USDT"].stale_s == 20
    assert (book.bids, book.received_ns) == (fresh.bids, fresh.received_ns)
    assert [row["event"] for row in logs].count("stale answer") == 4
    clock.advance(41)
    with pytest.raises(VenueUnavailable, match="503"):
        await data.book("BTC/USDT", 5)


async def test_there_is_no_stale_answer_where_none_was_allowed_none_fits_or_the_venue_refused() -> None:
    data, source, _ = resilient(rules=ReadRules(repeating=ONCE), failures=100)
    await data.book("BTC/USDT", 5)
    source.script = [DOWN]
    with pytest.raises(VenueUnavailable):
        await data.book("BTC/USDT", 5)
    data, source, _ = resilient(rules=ReadRules(repeating=ONCE, max_stale_s=60), failures=100)
    await data.book("BTC/USDT", 5)
    await data.quotes(["BTC/USDT"])
    source.script = [DOWN, DOWN, VenueRefused("400")]
    with pytest.raises(VenueUnavailable):
        await data.book("BTC/USDT", 50)
    with pytest.raises(VenueUnavailable):
        await data.quotes(["BTC/USDT", "ETH/USDT"])
    with pytest.raises(VenueRefused):
        await data.book("BTC/USDT", 5)
    source.script = [DOWN, DOWN]
    with pytest.raises(VenueUnavailable):
        await data.server_time_ns()
    with pytest.raises(VenueUnavailable):
        await data.funding_page("BTC/USDT:USDT", 0, 1)


def test_no_more_answers_are_kept_than_may_be() -> None:
    answers = LastAnswers(ManualClock())
    for n in range(10_050):
        answers.keep(ReadEndpoint.QUOTES, str(n), Quote("okx", str(n), 1.0, 1.0, 2.0, 1.0, 0))
    assert answers.stale(ReadEndpoint.QUOTES, "49", Quote, 1) is None
    assert answers.stale(ReadEndpoint.QUOTES, "50", Quote, 1) is not None


# --- another venue ----------------------------------------------------------------------------------------------------


async def test_where_the_caller_allows_it_another_venue_answers_and_says_that_it_did() -> None:
    first, source, _ = resilient(*[DOWN] * 9, venue="okx", rules=ReadRules(repeating=ONCE))
    lacks, _, _ = resilient(*[UnknownSymbol("BTC/USDT", "max")] * 3, venue="max")
    third, _, _ = resilient(venue="binance")
    data = FallbackMarketData(first, lacks, third)
    with capture_logs() as logs:
        book = await data.book("BTC/USDT", 5)
    assert (data.venue, book.venue) == ("okx", "binance")
    assert {row["event"] for row in logs} >= {"fallback has no answer", "fallback answered"}
    assert (await data.quotes(["BTC/USDT"]))["BTC/USDT"].venue == "binance"
    assert (await data.funding("BTC/USDT:USDT")).venue == "binance"
    source.script = []
    assert (await data.book("BTC/USDT", 5)).venue == "okx"


async def test_a_stale_answer_of_the_venue_itself_goes_before_another_venue() -> None:
    first, source, clock = resilient(venue="okx", rules=ReadRules(repeating=ONCE, max_stale_s=60), failures=100)
    second, _, _ = resilient(venue="binance")
    data = FallbackMarketData(first, second)
    await data.book("BTC/USDT", 5)
    source.script = [DOWN] * 9
    clock.advance(30)
    assert ((book := await data.book("BTC/USDT", 5)).venue, book.stale_s) == ("okx", 30)
    clock.advance(31)
    assert ((book := await data.book("BTC/USDT", 5)).venue, book.stale_s) == ("binance", None)


async def test_no_other_venue_answers_for_what_is_of_the_venue_itself_or_was_refused() -> None:
    first, source, _ = resilient(DOWN, DOWN, DOWN, VenueRefused("400"), venue="okx", rules=ReadRules(repeating=ONCE))
    second, other, _ = resilient(venue="binance")
    data = FallbackMarketData(first, second)
    for ask in (data.instruments, data.server_time_ns, lambda: data.funding_page("BTC/USDT:USDT", 0, 1)):
        with pytest.raises(VenueUnavailable):
            await ask()
    with pytest.raises(VenueRefused):
        await data.book("BTC/USDT", 5)
    assert other.asked == []
    await data.close()
    assert (source.asked[-1][0], other.asked) == ("close", [("close", Priority.START)])


async def test_if_nobody_answers_the_first_venues_error_is_raised() -> None:
    first, _, _ = resilient(DOWN, venue="okx", rules=ReadRules(repeating=ONCE))
    second, _, _ = resilient(VenueUnavailable("no"), venue="binance", rules=ReadRules(repeating=ONCE))
    with pytest.raises(VenueUnavailable, match="503"):
        await FallbackMarketData(first, second).book("BTC/USDT", 5)


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_stale_s = -1 is not valid"):
        ReadRules(max_stale_s=-1)
    with pytest.raises(ConfigError, match="attempts = 0 is not valid: at least 1"):
        Repeating(attempts=0)
    with pytest.raises(ConfigError, match="deadline_s"):
        Repeating(deadline_s=0)
