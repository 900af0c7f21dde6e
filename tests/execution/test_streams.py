"""Private streams against the simulated venues: what happens is told, and what a gap swallowed is asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.execution.conftest import Open, key_of
from tests.execution.test_cards import CARDS, Card, D, Subject
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_S, ManualClock, SystemClock
from xetrade_core.errors import NotSupported, VenueUnavailable
from xetrade_core.execution.streams import PrivateStream, Statement, StreamOver, open_stream, streamed_venues
from xetrade_core.execution.streams.binance import BinanceUsdmStream
from xetrade_core.execution.streams.stream import StreamState
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.model.accounts import Balance
from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import Fill, Order, OrderReport, OrderState, ReportStatus, Side
from xetrade_core.trading.evidence import record_report
from xetrade_core.trading.execution import NotListed, OrderRef, TradingAccount
from xetrade_core.trading.journal import GroupCommit
from xetrade_core.trading.requests import OrderRequest
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues.registry import venue as known_venue

STREAMED = [Card("binance", "BTC/USDT", D("0.01234"), "BTC", "/api/v3/order", D(1)), *CARDS]
ONE_EACH = list({card.venue: card for card in STREAMED}.values())


class Following(Subject):
    """A client whose stream is followed; `said` is what was told."""

    def __init__(self, card: Card, opened: Open, sim: Sim) -> None:
        super().__init__(card, opened, sim)
        self.said: list[Statement] = []
        self.believed: list[OrderRef] = []
        self.stream = self.follow(self.client)

    def follow(self, client: Any) -> PrivateStream:
        async def tell(said: Statement) -> None:
            self.said.append(said)

        async def working() -> list[OrderRef]:
            return self.believed

        return open_stream(
            self.card.venue,
            "main",
            client,
            tell,
            working,
            SystemClock(),
            random.Random(1),
            ws_url=self.sim.url(self.card.venue).ws,
        )

    def statuses(self, client_id: str) -> list[ReportStatus]:
        return [one.status for one in self.said if isinstance(one, OrderReport) and one.client_id == client_id]

    def fills(self, order_id: str | None) -> list[Fill]:
        return [one for one in self.said if isinstance(one, Fill) and one.venue_order_id == order_id]

    async def until(self, holds: Callable[[], bool], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.01)


@pytest.fixture(params=STREAMED, ids=lambda card: f"{card.venue}-{card.symbol}")
async def following(request: pytest.FixtureRequest, opened: Open, sim: Sim) -> AsyncIterator[Following]:
    following = Following(request.param, opened, sim)
    async with following.stream:
        await following.stream.live(10)
        yield following
        sim.clear()
    await following.flat()


async def test_an_order_is_told_as_it_opens_and_ends(following: Following) -> None:
    wanted = following.intent()
    placed = await following.client.place(wanted)
    await following.client.cancel(following.ref(wanted))
    await following.until(lambda: ReportStatus.CANCELED in following.statuses(wanted.client_id))
    assert following.statuses(wanted.client_id)[0] is ReportStatus.OPEN
    reports = [one for one in following.said if isinstance(one, OrderReport) and one.client_id == wanted.client_id]
    assert {(one.venue_order_id, one.amount, one.price, one.symbol) for one in reports} == {
        (placed.venue_order_id, wanted.amount, wanted.price, wanted.symbol)
    }


async def test_a_trade_is_told_once_more_exactly_as_it_is_listed(following: Following) -> None:
    wanted = following.intent(None)
    placed = await following.client.place(wanted)
    await following.until(lambda: ReportStatus.FILLED in following.statuses(wanted.client_id))
    await following.until(
        lambda: sum(one.amount for one in following.fills(placed.venue_order_id)) == wanted.amount
    )  # KuCoin's stream names a trade, and it is asked for
    told = following.fills(placed.venue_order_id)
    listed = await following.client.fills_since(wanted.symbol, told[0].exchange_ns or 0)

    def facts(fills: Any) -> list[Any]:
        mine = [one for one in fills if one.venue_order_id == placed.venue_order_id]
        return [(one.identity, one.side, one.price, one.amount, one.fee, one.fee_currency) for one in mine]

    assert facts(told) == facts(listed) != []
    assert sum(one.amount for one in told) == wanted.amount
    assert {one.side for one in told} == {Side.BUY}


async def test_a_balance_that_a_trade_moves_is_told_as_it_is_listed(following: Following) -> None:
    card = following.card
    before = {one.currency: one.total for one in following.said if isinstance(one, Balance)}
    following.said.clear()
    await following.client.place(following.intent(None))

    def moved() -> dict[str, Balance]:
        told = {one.currency: one for one in following.said if isinstance(one, Balance)}
        return {name: one for name, one in told.items() if one.total != before.get(name)}

    await following.until(lambda: card.fee in moved())
    [listed] = [one for one in await following.client.balances() if one.currency == card.fee]
    told = moved()[card.fee]
    assert (told.venue, told.account, told.total) == (card.venue, "main", listed.total)
    if told.free is None:
        assert card.venue in ("binanceusdm", "binancecoinm", "derive")


@pytest.mark.parametrize("following", ONE_EACH, indirect=True, ids=lambda card: card.venue)
async def test_events_that_come_twice_or_in_another_order_add_up_to_the_same(
    following: Following, sim: Sim, tmp_path: Path
) -> None:
    """As the order store takes them: each trade once, and nothing that the table of states forbids."""
    card = following.card
    store = OrderStore(tmp_path / "orders.db")
    for kind in ("event_doubled", "event_reordered"):
        wanted, before = following.intent(), len(sim.injected(kind))
        for event in (EventKind.INTENDED, EventKind.SUBMITTED):
            first = OrderEvent(kind=event, at_ns=1, intent=wanted if event is EventKind.INTENDED else None)
            store.do(lambda work, first=first, name=wanted.client_id: work.append(name, first))  # type: ignore[misc]
        fault = sim.begin(kind=kind, venue=card.venue, for_=60)
        placed = await following.client.place(wanted)
        part = (wanted.amount * D("0.25")).quantize(D(1) if wanted.amount >= 10 else D("0.001"))
        for amount in (str(part), str(part), None):
            sim.fill(card.venue, placed.venue_order_id or "", amount)
        await following.until(lambda made=placed, all=wanted: _traded(following, made.venue_order_id) == all.amount)  # type: ignore[misc]
        await following.until(lambda all=wanted: ReportStatus.FILLED in following.statuses(all.client_id))  # type: ignore[misc]
        sim.clear(fault)
        order = _in_store(store, following.said, wanted.client_id, placed.venue_order_id)
        assert (order.state, order.filled, order.illegal) == (OrderState.FILLED, wanted.amount, ())
        assert order.fills_amount == wanted.amount
        assert len(sim.injected(kind)) > before
    store.close()


def _in_store(store: OrderStore, told: list[Statement], name: str, order_id: str | None) -> Order:
    """The order, once the store has heard what a stream told of it."""
    for said in told:
        if isinstance(said, Fill) and said.venue_order_id == order_id:
            store.do(lambda work, said=said: work.add_fill(said, 2, Source.STREAM))  # type: ignore[misc]
        elif isinstance(said, OrderReport) and said.client_id == name:
            store.do(lambda work, said=said: record_report(work, name, said, Source.STREAM, 2))  # type: ignore[misc]
    return store.order(name)


def _traded(following: Following, order_id: str | None) -> Any:
    return sum({one.trade_id: one.amount for one in following.fills(order_id)}.values())


async def test_what_happens_while_the_stream_is_down_is_asked_for(following: Following, sim: Sim) -> None:
    rests, fills = following.intent(), following.intent()
    placed = {one.client_id: await following.client.place(one) for one in (rests, fills)}
    following.believed = [following.ref(rests), following.ref(fills)]
    await following.until(lambda: len(following.statuses(fills.client_id)) > 0)
    following.said.clear()
    connects = following.stream.connects
    lost = sim.begin(venue=following.card.venue, kind="event_lost", for_=60)
    sim.fill(following.card.venue, placed[fills.client_id].venue_order_id or "")
    sim.inject(venue=following.card.venue, kind="disconnect", variant="abort")
    await following.until(lambda: following.stream.connects > connects)
    sim.clear(lost)
    await following.stream.live(10)
    assert following.statuses(fills.client_id) == [ReportStatus.FILLED]
    assert following.statuses(rests.client_id) == [ReportStatus.OPEN]
    caught_up = following.fills(placed[fills.client_id].venue_order_id)
    assert sum(one.amount for one in caught_up) == fills.amount


async def test_a_stream_of_a_wrong_key_says_why_and_not_with_what(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    canary = key_of(following.card.venue, "CANARY-key", "CANARY-secret-5ecre7")
    wrong = following.opened(following.card.venue, credentials=canary)
    async with following.follow(wrong) as stream:
        with pytest.raises(VenueUnavailable, match=f"main on {following.card.venue} is not live") as caught:
            await stream.live(0.6)
    said = str(caught.value) + str(stream.problem) + caplog.text
    assert canary.secret not in said
    assert canary.api_key not in said
    assert stream.connects == 0


async def test_a_listen_key_that_has_run_out_ends_the_connection(opened: Open) -> None:
    client: Any = opened("binanceusdm")
    with pytest.raises(StreamOver):
        BinanceUsdmStream(client).read(b'{"e":"listenKeyExpired","E":1}')


async def test_a_frame_that_cannot_be_read_is_a_gap(following: Following) -> None:
    connects = following.stream.connects
    await following.stream._hear(0, b"{}")
    topic = getattr(following.stream._words, "orders", "order")  # KuCoin's, or Bybit's
    event = "order_update" if following.card.venue == "max" else "ORDER_TRADE_UPDATE"
    with pytest.raises(VenueUnavailable, match="cannot be read"):
        await following.stream._hear(
            0,
            b'{"topic":"%s","type":"message","data":[{}],"e":"%s","event":{"e":"executionReport"},'
            b'"arg":{"channel":"orders"},"o":[{}],'
            b'"method":"subscription","params":{"channel":"user.orders.any.any.raw","data":{}}}'
            % (topic.encode(), event.encode()),
        )
    assert (following.stream.unreadable, following.stream.connects) == (1, connects)


async def test_a_full_queue_ends_the_connection_and_what_did_not_fit_is_asked_for(opened: Open, sim: Sim) -> None:
    subject = Following(CARDS[0], opened, sim)
    stream, hold = subject.stream, asyncio.Event()
    stream._options = FeedOptions(held_frames_limit=1)
    tell = stream._tell

    async def slowly(said: Statement) -> object:
        if not isinstance(said, Balance):
            await hold.wait()
        return await tell(said)

    stream._tell = slowly
    async with stream:
        await stream.live(10)
        intent = subject.intent()
        placed = await subject.client.place(intent)
        subject.believed.append(OrderRef(intent.symbol, intent.client_id, placed.venue_order_id))
        for amount in ("0.003", "0.004", "0.005"):
            sim.fill(subject.card.venue, placed.venue_order_id or "", amount)
        await asyncio.sleep(0.2)
        assert (stream.connects, len(subject.fills(placed.venue_order_id))) == (1, 0)
        hold.set()
        await subject.until(lambda: len({one.trade_id for one in subject.fills(placed.venue_order_id)}) == 3)
        assert stream.connects == 2 or stream.state is StreamState.CATCHING_UP
    await subject.flat()


class Silent:
    """A venue where nothing is open and nothing trades; `asked` is since when trades were asked for."""

    def __init__(self, clock: ManualClock, *, takes_s: float = 0, behind_s: int = 0) -> None:
        self.asked, self.behind_ns = list[int](), behind_s * NS_PER_S
        self._clock, self._takes_s = clock, takes_s

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[()]:
        self.asked.append(since_ns)
        self._clock.advance(self._takes_s)
        return ()

    async def open_orders(self, symbol: str | None) -> tuple[()]:
        return ()

    async def balances(self) -> tuple[()]:
        return ()

    def stream(self, *symbols: str) -> PrivateStream:
        async def nothing(*_: object) -> list[Any]:
            return []

        words: Any = SimpleNamespace(addresses=BinanceUsdmStream.addresses)
        venue: Any = self
        return PrivateStream(
            words, venue, nothing, nothing, self._clock, random.Random(1), name="main", symbols=symbols
        )


async def test_what_trades_while_a_gap_is_asked_for_is_in_the_next_gap() -> None:
    clock = ManualClock(wall_ns=10**18)
    venue = Silent(clock, takes_s=60)
    stream, began_ns = venue.stream("A/B", "C/D"), clock.wall_ns()
    for _ in range(2):
        await stream._catch_up()
    assert max(venue.asked[2:]) <= began_ns < clock.wall_ns()


async def test_a_gap_is_asked_for_by_the_time_of_a_venue_whose_clock_is_behind() -> None:
    clock = ManualClock(wall_ns=10**18)
    venue = Silent(clock, behind_s=300)
    stream = venue.stream("A/B")
    await stream._catch_up()
    lost_ns = clock.wall_ns()
    clock.advance(20)
    await stream._catch_up()
    assert venue.asked[1] <= lost_ns - venue.behind_ns


@pytest.mark.parametrize(
    "card", [CARDS[0], next(card for card in CARDS if card.venue == "max")], ids=lambda card: card.venue
)
async def test_what_the_venue_lists_no_more_holds_up_no_stream(card: Card, opened: Open, sim: Sim) -> None:
    """An option that has expired, a delisted coin: traded once, and its trades are asked for with those of others."""
    subject = Following(card, opened, sim)
    gone = "GONE" + card.symbol.removeprefix("BTC")
    subject.stream._symbols.add(gone)
    subject.believed.append(OrderRef(gone, "gone-1", None))
    async with subject.stream:
        await subject.stream.live(10)
    with pytest.raises(NotListed, match="GONE"):
        await subject.client.fills_since(gone, 0)


@pytest.mark.parametrize(("lives_s", "waits_s"), [(1, [0.5, 1.0, 2.0, 4.0]), (60, [0.5, 0.5, 0.5, 0.5])])
async def test_connections_that_end_at_once_are_made_ever_more_seldom(lives_s: float, waits_s: list[float]) -> None:
    """Each asks for open orders, trades and balances: a storm of them would leave orders nothing of the budget."""
    clock, waited = ManualClock(), list[float]()
    stream = Silent(clock).stream()

    async def ends() -> None:
        stream.connects, stream._live_ns = stream.connects + 1, clock.monotonic_ns()
        clock.advance(lives_s)
        if len(waited) == len(waits_s):
            stream._closing.set()
        raise StreamOver("the venue ends it")

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    drawn: Any = SimpleNamespace(uniform=lambda least, most: most)
    stream._rng, stream._connection, clock.sleep = drawn, ends, sleep  # type: ignore[method-assign]
    await stream._run()
    assert waited == waits_s


async def test_an_order_without_the_venues_id_is_asked_for_beside_open_ones_that_nobody_has_named() -> None:
    asked: list[OrderRef] = []

    class Venue:
        async def open_orders(self, symbol: str | None) -> list[OrderReport]:
            return [OrderReport(symbol="A/B", status=ReportStatus.OPEN, venue_order_id="by hand")]

        async def find(self, ref: OrderRef) -> None:
            asked.append(ref)

        async def fills_since(self, symbol: str, since_ns: int) -> tuple[()]:
            return ()

        async def balances(self) -> tuple[()]:
            return ()

    doubtful = OrderRef("A/B", "ours", None)

    async def working() -> list[OrderRef]:
        return [doubtful]

    async def tell(said: Statement) -> None:
        return

    words: Any = SimpleNamespace(addresses=BinanceUsdmStream.addresses)
    venue: Any = Venue()
    await PrivateStream(words, venue, tell, working, ManualClock(), random.Random(1), name="main")._catch_up()
    assert asked == [doubtful]


async def test_a_venue_without_a_stream_is_named(opened: Open) -> None:
    client = opened("binance")
    assert set(streamed_venues()) >= {"binance", "binanceusdm", "binancecoinm", "bybit"}
    with pytest.raises(NotSupported, match="no private stream"):
        open_stream("bitmart", "main", client, None, None, SystemClock(), random.Random(1))  # type: ignore[arg-type]


async def test_an_order_is_filled_in_the_store_without_anybody_asking(opened: Open, sim: Sim, tmp_path: Path) -> None:
    card, clock = CARDS[0], SystemClock()
    subject, rng = Subject(card, opened, sim), random.Random(1)
    client: Any = subject.client
    instruments = {one.symbol: one for one in await client._client.instruments()}
    store = OrderStore(str(tmp_path / "orders.db"), clock=clock)
    account = TradingAccount(known_venue(card.venue), "main", subject.client, instruments)
    async with OrderService(store, GroupCommit(store), [account], clock=clock, rng=rng) as orders:

        async def working() -> list[OrderRef]:
            return [OrderRef.of(one) for one in await orders.open_orders(venue=card.venue, account="main")]

        async def tell(said: Statement) -> None:
            if not isinstance(said, Balance):
                await orders.observe(card.venue, "main", said)

        where = sim.url(card.venue).ws
        async with open_stream(card.venue, "main", subject.client, tell, working, clock, rng, ws_url=where) as stream:
            await stream.live(10)
            wanted = subject.intent()
            request = OrderRequest(
                venue=card.venue,
                account="main",
                symbol=card.symbol,
                side=Side.BUY,
                type=wanted.type,
                amount=wanted.amount,
                price=wanted.price,
            )
            placed = await orders.place(request, key="streamed")
            assert placed.state is OrderState.OPEN
            sim.fill(card.venue, placed.venue_order_id or "", "0.005")
            sim.fill(card.venue, placed.venue_order_id or "", "0.007")
            async with asyncio.timeout(10):
                while (order := await orders.status(placed.client_id)).state is not OrderState.FILLED:
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(10):
                while (order := await orders.status(placed.client_id)).fills_amount < wanted.amount:
                    await asyncio.sleep(0.01)
            assert (order.filled, order.illegal) == (wanted.amount, ())
    await subject.flat()
    store.close()
