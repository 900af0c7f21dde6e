"""What KuCoin's two clients do that no other does: refusals told apart by words, trades found in two places."""

from __future__ import annotations

import asyncio
import itertools
import json
from decimal import Decimal as D

import pytest

from tests.execution.conftest import Open
from tests.execution.test_cards import CARDS, Card, Subject, hour_ago
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.kucoin import KucoinExecution
from xetrade_core.execution.kucoin_client import KucoinClient
from xetrade_core.execution.streams import StreamOver
from xetrade_core.execution.streams.kucoin import KucoinStream
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import OrderReport, ReportStatus, Side
from xetrade_core.trading.execution import ErrorReply, OrderRef
from xetrade_core.trading.outcome import Outcome, classify
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import ErrorKind

DAY_MS = 86_400_000
SPOT = next(card for card in CARDS if card.venue == "kucoin")
SWAP = next(card for card in CARDS if card.venue == "kucoinfutures")


async def test_a_bad_parameter_of_futures_is_a_refusal_and_no_word_about_an_order(opened: Open, sim: Sim) -> None:
    """Both have the code 100001."""
    subject = Subject(SWAP, opened, sim)
    wanted = subject.intent()
    assert wanted.price is not None
    with pytest.raises(ErrorReply) as caught:
        await subject.client.place(subject.intent(price=wanted.price + D("0.05")))
    assert (caught.value.code, subject.kind(caught.value)) == ("100001", ErrorKind.BAD_REQUEST)
    assert classify(known_venue(SWAP.venue), caught.value).outcome is Outcome.REFUSED
    assert await subject.client.find(OrderRef(SWAP.symbol, None, "1")) is None


async def test_a_refusal_of_spot_is_known_by_its_words_where_its_code_says_nothing(opened: Open, sim: Sim) -> None:
    subject = Subject(SPOT, opened, sim)
    with pytest.raises(ErrorReply) as caught:
        await subject.client.cancel(OrderRef(SPOT.symbol, "nobody", None))
    assert (caught.value.code, caught.value.status) == ("order_not_exist_or_not_allow_to_cancel", 200)
    with pytest.raises(ErrorReply) as caught:
        await subject.client.place(subject.intent(price=D("50000.01")))
    assert (caught.value.code, subject.kind(caught.value)) == ("400100", ErrorKind.BAD_REQUEST)


async def test_the_reply_to_a_cancel_of_spot_says_what_had_traded(opened: Open, sim: Sim) -> None:
    subject = Subject(SPOT, opened, sim)
    wanted = subject.intent()
    placed = await subject.client.place(wanted)
    sim.fill(SPOT.venue, placed.venue_order_id or "", "0.005")
    canceled = await subject.client.cancel(subject.ref(wanted))
    assert (canceled.status, canceled.filled) == (ReportStatus.CANCELED, D("0.005"))


async def test_an_order_of_futures_is_asked_for_by_the_venues_name_which_lasts_longer(opened: Open, sim: Sim) -> None:
    subject = Subject(SWAP, opened, sim)
    placed = await subject.client.place(subject.intent())
    found = await subject.client.find(OrderRef(SWAP.symbol, "forgotten", placed.venue_order_id))
    assert found is not None
    assert (found.client_id, found.status) == (placed.client_id, ReportStatus.OPEN)
    await subject.client.cancel_all(None)


async def test_a_trade_that_both_lists_of_futures_tell_is_one(opened: Open, sim: Sim) -> None:
    subject = Subject(SWAP, opened, sim)
    placed = await subject.client.place(subject.intent(None))
    try:
        fills = await subject.client.fills_since(SWAP.symbol, hour_ago())
        mine = [one for one in fills if one.venue_order_id == placed.venue_order_id]
        assert sum(one.amount for one in mine) == SWAP.amount
        assert len({one.trade_id for one in mine}) == len(mine)
        rows = await subject.client.trades(SWAP.symbol, hour_ago() // NS_PER_MS)  # type: ignore[attr-defined]
        assert len(rows) == 2 * len(fills)
    finally:
        await subject.client.place(subject.intent(None, side=Side.SELL, reduce_only=True))


@pytest.mark.parametrize("days", [0.5, 7, 7.5, 30])
async def test_weeks_follow_on_each_other_without_a_hole_or_an_overlap(opened: Open, sim: Sim, days: float) -> None:
    client = opened("kucoin")
    assert isinstance(client, KucoinClient)
    since = client.venue_ms() - round(days * DAY_MS)
    spans = [(int(str(one["startAt"])), int(str(one["endAt"]))) for one in client.weeks(since, 180 * DAY_MS)]
    assert spans[0][0] == since
    assert spans[-1][1] >= client.venue_ms() - 1
    assert all(end - start == 7 * DAY_MS - 1 for start, end in spans)
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize("card", [SPOT, SWAP], ids=lambda card: card.venue)
async def test_a_venue_whose_clock_has_moved_is_signed_for_by_its_new_time(opened: Open, sim: Sim, card: Card) -> None:
    """Its window is five seconds."""
    subject = Subject(card, opened, sim)
    await subject.client.balances()
    sim.begin(venue=card.venue, kind="clock", offset_s=-60.0)
    answer = (await asyncio.gather(subject.client.place(subject.intent()), return_exceptions=True))[0]
    assert isinstance(answer, ErrorReply)
    assert (answer.code, subject.kind(answer)) == ("400002", ErrorKind.CLOCK)
    assert classify(known_venue(card.venue), answer).outcome is Outcome.UNSENT
    assert (await subject.client.place(subject.intent())).status is ReportStatus.OPEN
    await subject.client.cancel_all(None)


async def stream_of(opened: Open) -> KucoinStream:
    client = opened("kucoin")
    assert isinstance(client, KucoinExecution)
    stream = KucoinStream(client)
    await stream.prepare()
    return stream


def message(topic: str, **row: object) -> bytes:
    return json.dumps({"type": "message", "topic": topic, "data": row}).encode()


async def test_balances_of_accounts_that_are_not_traded_from_are_not_told(opened: Open) -> None:
    stream = await stream_of(opened)
    told = {"currency": "WAX", "total": "7", "available": "5"}
    [one] = stream.read(message("/account/balance", relationEvent="trade.setted", **told))
    assert isinstance(one, Balance)
    assert (one.currency, one.total, one.free) == ("WAXP", 7, 5)
    assert stream.read(message("/account/balance", relationEvent="main.transfer", **told)) == ()


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"type": "received", "status": "new"}, ReportStatus.OPEN),
        ({"type": "open", "status": "open"}, ReportStatus.OPEN),
        ({"type": "update", "status": "open"}, ReportStatus.OPEN),
        ({"type": "update", "status": "done"}, ReportStatus.CANCELED),
        ({"type": "update", "status": "done", "filledSize": "2"}, ReportStatus.FILLED),
        ({"type": "filled", "status": "done", "filledSize": "2"}, ReportStatus.FILLED),
        ({"type": "canceled", "status": "done"}, ReportStatus.CANCELED),
    ],
)
async def test_what_a_message_says_of_an_order(opened: Open, told: dict[str, str], status: ReportStatus) -> None:
    stream = await stream_of(opened)
    row = {"symbol": "BTC-USDT", "orderId": "1", "clientOid": "mine", "originSize": "2", "filledSize": "1"}
    [report] = stream.read(message("/spotMarket/tradeOrdersV2", **{**row, "price": "9", "ts": 5, **told}))
    assert isinstance(report, OrderReport)
    assert (report.status, report.amount, report.exchange_ns, report.symbol) == (status, 2, 5, "BTC/USDT")


async def test_an_error_ends_the_connection_and_an_unknown_message_is_unreadable(opened: Open) -> None:
    stream = await stream_of(opened)
    with pytest.raises(StreamOver, match="token is expired"):
        stream.read(b'{"type":"error","code":401,"data":"token is expired"}')
    with pytest.raises(ValueError, match="none that KuCoin documents"):
        stream.read(message("/spotMarket/tradeOrdersV2", symbol="BTC-USDT", orderId="1", type="seized", ts=5))
