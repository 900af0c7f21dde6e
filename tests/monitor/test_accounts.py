"""What venues say of accounts: asked now and then, kept while the venue is away."""

from __future__ import annotations

from decimal import Decimal as D

from tests.monitor.conftest import Trade
from xetrade_core.clock import ManualClock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.accounts import VenuePosition
from xetrade_core.monitor.accounts import AccountSource, Stated, by_symbol
from xetrade_core.monitor.comparing import Comparison
from xetrade_core.monitor.ledger import FillLedger, Selection
from xetrade_core.trading.store import OrderStore

SWAP = "BTC/USDT:USDT"
MAIN = ("binanceusdm", "main")


class Telling:
    """A client that tells its positions, or that it cannot."""

    def __init__(self) -> None:
        self.asked, self.amount, self.away = 0, D(1), False

    async def positions(self) -> tuple[VenuePosition, ...]:
        self.asked += 1
        if self.away:
            raise VenueUnavailable("binanceusdm is away")
        return (VenuePosition(*MAIN, SWAP, self.amount, D(100), 0, D(90)),)


async def test_an_account_is_asked_when_it_is_due_and_what_it_said_stands_while_it_is_away() -> None:
    client, clock = Telling(), ManualClock()
    source = AccountSource({MAIN: client}, clock, every_s=5)  # type: ignore[dict-item]
    assert source.of(*MAIN, SWAP) is None
    for _ in range(3):
        await source.refresh({MAIN, ("okx", "unknown")}, 1)
    assert client.asked == 1
    assert source.of(*MAIN, SWAP) == Stated(D(1), D(90))
    assert source.of(*MAIN, "ETH/USDT:USDT") == Stated(D(0), None)
    clock.advance(5)
    client.away = True
    await source.refresh({MAIN}, 1)
    assert source.of(*MAIN, SWAP) == Stated(D(1), D(90))
    failure = source.failure(MAIN)
    assert failure is not None
    assert (failure.venue, failure.reason) == ("binanceusdm", "binanceusdm is away")
    clock.advance(5)
    client.away = False
    await source.refresh({MAIN}, 1)
    assert source.failure(MAIN) is None


def test_the_distance_is_in_percent_of_the_mark_on_the_side_on_which_it_hurts() -> None:
    assert Stated(D(2), D(90)).distance(D(100)) == 10
    assert Stated(D(-2), D(115)).distance(D(100)) == 15
    assert Stated(D(2), D(110)).distance(D(100)) == -10
    assert Stated(D(2), D(90)).distance(None) is None


def test_both_sides_of_hedge_mode_are_liquidated_together() -> None:
    rows = [VenuePosition(*MAIN, SWAP, D(amount), D(100), 0, price) for amount, price in (("3", None), ("-1", D(70)))]
    assert by_symbol(rows) == {SWAP: Stated(D(2), D(70))}


async def test_a_difference_to_the_venue_counts_when_it_is_found_twice_alike(store: OrderStore, trade: Trade) -> None:
    """A fill that lies between a statement and our own look is none."""
    trade(("1", "100"), venue="binanceusdm", symbol=SWAP)
    ledger, client = FillLedger(store), Telling()
    source = AccountSource({MAIN: client}, ManualClock(), every_s=0)  # type: ignore[dict-item]
    comparison = Comparison(ledger, source)

    async def look(amount: str) -> tuple[str, ...]:
        client.amount = D(amount)
        await source.refresh({MAIN}, 1)
        ledger.refresh()
        comparison.look()
        comparison.look()  # the same statement is no second one
        return comparison.mismatches

    assert await look("1") == ()
    assert await look("2") == ()
    assert await look("3") == ()
    assert await look("3") == (f"binanceusdm/main {SWAP}: 1 here, 3 at the venue",)
    trade(("2", "100"), venue="binanceusdm", symbol=SWAP, at_ns=2_000)
    assert await look("3") == ()
    assert await look("0") == ()
    assert await look("0") == (f"binanceusdm/main {SWAP}: 3 here, 0 at the venue",)


async def test_what_a_selection_leaves_out_is_no_difference(store: OrderStore, trade: Trade) -> None:
    trade(("1", "100"), venue="binanceusdm", symbol=SWAP)
    ledger = FillLedger(store, Selection(strategy="maker"))
    source = AccountSource({MAIN: Telling()}, ManualClock(), every_s=0)  # type: ignore[dict-item]
    comparison = Comparison(ledger, source)
    ledger.refresh()
    for _ in range(3):
        source.answers[MAIN] = source.answers.get(MAIN, 0) + 1
        comparison.look()
    assert comparison.mismatches == ()
