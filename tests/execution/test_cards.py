"""What every private client must do on its simulated venue: the same cards for contracts and for Bybit's spot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.execution.conftest import Open, key_of, unhurried
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_S
from xetrade_core.execution.clients import AccountClient
from xetrade_core.execution.dead_man import dead_man_of
from xetrade_core.execution.permissions import KeyPermissions, WithdrawalAllowed
from xetrade_core.model.accounts import VenuePosition
from xetrade_core.model.orders import Intent, Liquidity, OrderType, ReportStatus, Side, TimeInForce
from xetrade_core.positions.margin import Leg, liquidation_price
from xetrade_core.positions.payout import Payout
from xetrade_core.simvenue.desk.margin import MAINTENANCE
from xetrade_core.telemetry import redact_text
from xetrade_core.trading.execution import ErrorReply, NotSent, OrderRef
from xetrade_core.trading.outcome import Outcome, classify
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import Capability, ErrorKind, Support, Uniqueness

NAMES = iter(range(10**6))
D = Decimal


@dataclass(frozen=True)
class Card:
    """A market, an amount that is easily had there, and what its fees are paid in."""

    venue: str
    symbol: str
    amount: Decimal
    fee: str
    order_path: str
    size: Decimal
    tick: str = "0.1"

    @property
    def contract(self) -> bool:
        return ":" in self.symbol

    def offers(self, capability: Capability) -> bool:
        """Whether the venue itself has it."""
        return known_venue(self.venue).capabilities.get(capability) is Support.NATIVE


CARDS = [
    Card("binanceusdm", "BTC/USDT:USDT", D("0.012"), "USDT", "/fapi/v1/order", D(1)),
    Card("binancecoinm", "BTC/USD:BTC", D(12), "BTC", "/dapi/v1/order", D(100)),
    Card("okx", "BTC/USDT", D("0.01234"), "BTC", "/trade/order", D(1)),
    Card("okx", "BTC/USDT:USDT", D("1.2"), "USDT", "/trade/order", D("0.01")),
    Card("kucoin", "BTC/USDT", D("0.01234"), "USDT", "/hf/orders/sync", D(1)),
    Card("kucoinfutures", "BTC/USDT:USDT", D(12), "USDT", "/api/v1/orders", D("0.001")),
    Card("kucoinfutures", "BTC/USD:BTC", D(120), "BTC", "/api/v1/orders", D(1)),
    Card("bybit", "BTC/USDT", D("0.01234"), "BTC", "/order/create", D(1)),
    Card("bybit", "BTC/USDT:USDT", D("0.012"), "USDT", "/order/create", D(1)),
    Card("bybit", "BTC/USD:BTC", D(120), "BTC", "/order/create", D(1)),
    Card("deribit", "BTC/USDC", D("0.01234"), "BTC", "/private/buy", D(1)),
    Card("deribit", "BTC/USDC:USDC", D("0.012"), "USDC", "/private/buy", D(1), "0.5"),
    Card("deribit", "BTC/USD:BTC", D(120), "BTC", "/private/buy", D(1), "0.5"),
    Card("max", "BTC/TWD", D("0.01234"), "BTC", "/wallet/spot/order", D(1)),
    Card("derive", "BTC/USDC:USDC", D("0.012"), "USDC", "/private/order", D(1)),
]


class Subject:
    """A client, and what the simulation knows of its venue."""

    def __init__(self, card: Card, opened: Open, sim: Sim) -> None:
        self.card, self.sim, self.opened = card, sim, opened
        self.client: AccountClient = unhurried(opened(card.venue))

    def intent(self, share: str | None = "0.97", **changes: Any) -> Intent:
        """A buy at a share of the best bid (None: at the market), of the card's amount."""
        price = None
        if share is not None:
            best = self.sim.truth(self.card.venue, self.card.symbol, depth=1)["bids"][0][0]
            price = D(str(best)) * D(share) // D(self.card.tick) * D(self.card.tick)
        found = {
            "client_id": f"card{next(NAMES)}",
            "venue": self.card.venue,
            "account": "main",
            "symbol": self.card.symbol,
            "side": Side.BUY,
            "type": OrderType.LIMIT if price else OrderType.MARKET,
            "amount": self.card.amount,
            "created_ns": time.time_ns(),
            "reserve_price": price or D(100_000),
            "price": price,
        }
        return Intent(**found | changes)

    def ref(self, one: Intent) -> OrderRef:
        return OrderRef(one.symbol, one.client_id, None)

    def at_venue(self, one: Intent) -> list[dict[str, Any]]:
        """The orders of that name that the venue really has."""
        return [row for row in self.sim.account(self.card.venue)["orders"] if row["client_id"] == one.client_id]

    def kind(self, error: ErrorReply) -> ErrorKind | None:
        return known_venue(self.card.venue).errors.get(error.code or "")

    @property
    def amends(self) -> bool:
        """Whether the venue changes an order in place."""
        return known_venue(self.card.venue).capabilities.get(Capability.AMEND) is Support.NATIVE

    async def held(self) -> Decimal:
        return sum((one.amount for one in await self.client.positions() if one.symbol == self.card.symbol), D(0))

    def liquidation(self, position: VenuePosition) -> Decimal | None:
        """Where our own formula says that a position is liquidated, with all that the account has of its currency."""
        payout = Payout.of_symbol(position.symbol, self.card.size)
        assert position.entry_price is not None
        leg = Leg(position.amount, position.entry_price, MAINTENANCE)
        wallet = D(self.sim.account(self.card.venue)["balances"][payout.settle]["total"])
        return liquidation_price(payout, [leg], wallet)

    async def ends_untraded(self, wanted: Intent) -> None:
        """The venue refuses it, or takes it and ends it at once, as each does it."""
        answer = (await asyncio.gather(self.client.place(wanted), return_exceptions=True))[0]
        if isinstance(answer, ErrorReply):
            assert self.kind(answer) in (ErrorKind.ORDER_REJECTED, ErrorKind.NOTHING_TO_TAKE)
        else:
            assert not isinstance(answer, BaseException)
            assert (answer.status, answer.filled) == (ReportStatus.EXPIRED, D(0))

    async def flat(self) -> None:
        for one in await self.client.open_orders(self.card.symbol):
            await self.client.cancel(OrderRef(one.symbol, one.client_id, None))
        held = await self.held() if self.card.contract else D(0)
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            await self.client.place(self.intent(None, side=side, amount=abs(held), reduce_only=True))


def hour_ago() -> int:
    return time.time_ns() - 3600 * NS_PER_S


@pytest.fixture(params=CARDS, ids=lambda card: f"{card.venue}-{card.symbol}")
async def subject(request: pytest.FixtureRequest, opened: Open, sim: Sim) -> AsyncIterator[Subject]:
    subject = Subject(request.param, opened, sim)
    yield subject
    sim.clear()
    await subject.flat()


@pytest.fixture
def contract(subject: Subject) -> Subject:
    if not subject.card.contract:
        pytest.skip("spot has no positions")
    return subject


async def test_an_order_arrives_to_the_digit_and_is_found_listed_and_canceled_by_its_name(subject: Subject) -> None:
    client, wanted = subject.client, subject.intent()
    placed = await client.place(wanted)
    assert (placed.status, placed.client_id) == (ReportStatus.OPEN, wanted.client_id)
    (row,) = subject.at_venue(wanted)
    assert (D(row["amount"]), D(row["price"])) == (wanted.amount, wanted.price)
    found = await client.find(subject.ref(wanted))
    assert found is not None
    assert (found.status, found.amount, found.price, found.filled) == (
        ReportStatus.OPEN,
        wanted.amount,
        wanted.price,
        D(0),
    )
    assert found.venue_order_id == placed.venue_order_id == str(row["order_id"])
    for symbol in (subject.card.symbol, None):
        assert (wanted.client_id, subject.card.symbol) in [
            (one.client_id, one.symbol) for one in await client.open_orders(symbol)
        ]
    canceled = await client.cancel(subject.ref(wanted))
    named = (canceled.venue_order_id, canceled.client_id)  # KuCoin says the name that it was told alone
    assert named in ((placed.venue_order_id, wanted.client_id), (placed.venue_order_id, None), (None, wanted.client_id))
    ended = await client.find(subject.ref(wanted))
    assert ended is not None
    assert ended.status is ReportStatus.CANCELED
    assert wanted.client_id not in [one.client_id for one in await client.open_orders(subject.card.symbol)]


async def test_what_the_venue_does_not_know_is_not_found_and_cannot_be_canceled(subject: Subject) -> None:
    nobody = OrderRef(subject.card.symbol, "neverplaced", None)
    assert await subject.client.find(nobody) is None
    calls = [subject.client.cancel(nobody)]
    if subject.amends:
        calls.append(subject.client.amend(nobody, subject.intent()))
    for call in calls:
        with pytest.raises(ErrorReply) as caught:
            await call
        assert subject.kind(caught.value) is ErrorKind.UNKNOWN_ORDER


async def test_a_market_order_is_filled_and_its_trades_tell_fee_and_liquidity(subject: Subject) -> None:
    client, wanted = subject.client, subject.intent(None)
    placed = await client.place(wanted)
    assert (placed.status, placed.filled, placed.price) == (ReportStatus.FILLED, wanted.amount, None)
    fills = [
        one
        for one in await client.fills_since(wanted.symbol, hour_ago())
        if one.venue_order_id == placed.venue_order_id
    ]
    truth = subject.sim.account(subject.card.venue)["fills"]
    mine = [row for row in truth if str(row["order_id"]) == placed.venue_order_id]
    assert [(one.amount, one.price, one.fee) for one in fills] == [
        (D(row["amount"]), D(row["price"]), D(row["fee"])) for row in mine
    ]
    told = {(one.side, one.fee_currency, one.liquidity) for one in fills}
    assert told == {(Side.BUY, subject.card.fee, Liquidity.TAKER)}


async def test_trades_come_page_by_page_and_none_twice(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xetrade_core.execution.binance_futures.PAGE", 2)
    monkeypatch.setattr("xetrade_core.execution.bybit.PAGE", 2)
    monkeypatch.setattr("xetrade_core.execution.deribit.PAGE", 2)
    monkeypatch.setattr("xetrade_core.execution.kucoin.PAGE", 2)
    monkeypatch.setattr("xetrade_core.execution.max.PAGE", 2)
    monkeypatch.setattr("xetrade_core.execution.kucoinfutures.PAGE", 2)
    monkeypatch.setattr("xetrade_core.execution.derive.PAGE", 2)
    before = len(await subject.client.fills_since(subject.card.symbol, hour_ago()))
    for _ in range(3):
        await subject.client.place(subject.intent(None))
    ids = [one.trade_id for one in await subject.client.fills_since(subject.card.symbol, hour_ago())]
    assert len(ids) == len(set(ids)) >= before + 3


@pytest.mark.parametrize("style", [TimeInForce.IOC, TimeInForce.FOK])
async def test_what_must_trade_at_once_never_rests(subject: Subject, style: TimeInForce) -> None:
    if style not in known_venue(subject.card.venue).times_in_force:
        with pytest.raises(NotSent):
            await subject.client.place(subject.intent(time_in_force=style))
        return
    await subject.ends_untraded(subject.intent(time_in_force=style))
    assert await subject.client.open_orders(subject.card.symbol) == ()


async def test_post_only_rests_or_does_not_trade(subject: Subject) -> None:
    assert (await subject.client.place(subject.intent(post_only=True))).status is ReportStatus.OPEN
    await subject.ends_untraded(subject.intent("1.01", post_only=True))


async def test_a_second_order_of_the_same_name_is_refused_where_names_are_unique(subject: Subject) -> None:
    card, wanted = subject.card, subject.intent()
    await subject.client.place(wanted)
    rule = known_venue(card.venue).client_ids
    assert rule is not None
    if rule.unique is Uniqueness.NEVER and ErrorKind.DUPLICATE_CLIENT_ID not in known_venue(card.venue).errors.values():
        await subject.client.place(wanted)
        assert len(subject.at_venue(wanted)) == 2  # so that nothing may be sent twice there
        return
    with pytest.raises(ErrorReply) as caught:
        await subject.client.place(wanted)
    assert subject.kind(caught.value) is ErrorKind.DUPLICATE_CLIENT_ID
    assert len(subject.at_venue(wanted)) == 1


async def test_an_order_is_changed_in_place(subject: Subject) -> None:
    wanted = subject.intent()
    placed = await subject.client.place(wanted)
    changed = subject.intent("0.96", client_id=wanted.client_id, amount=wanted.amount * 2)
    if not subject.amends:
        with pytest.raises(NotSent, match="in place"):
            await subject.client.amend(subject.ref(wanted), changed)
        return
    amended = await subject.client.amend(subject.ref(wanted), changed)
    told = (changed.amount, changed.price)
    if subject.card.venue in ("okx", "bybit"):  # they acknowledge, and may refuse it after that
        told = (None, None)
    assert (amended.venue_order_id, amended.amount, amended.price) == (placed.venue_order_id, *told)
    found = await subject.client.find(subject.ref(wanted))
    assert found is not None
    assert (found.amount, found.price, found.status) == (changed.amount, changed.price, ReportStatus.OPEN)


async def test_cancel_all_of_the_account_leaves_nothing_open(subject: Subject) -> None:
    for _ in range(2):
        await subject.client.place(subject.intent())
    await subject.client.cancel_all(None)
    assert await subject.client.open_orders(None) == ()


async def test_balances_are_what_the_venue_holds(subject: Subject) -> None:
    held = {one.currency: one.total for one in await subject.client.balances() if one.total}
    truth = subject.sim.account(subject.card.venue)["balances"]
    assert held == {name: D(row["total"]) for name, row in truth.items() if D(row["total"])}


async def test_where_a_position_is_liquidated_is_what_the_venue_says(contract: Subject) -> None:
    """Of the long or of the short there is such a price, and our own formula has it too."""
    card, found = contract.card, []
    for side, amount in ((Side.BUY, card.amount), (Side.SELL, card.amount * 2), (Side.BUY, card.amount)):
        await contract.client.place(contract.intent(None, side=side, amount=amount))
        mine = [one for one in await contract.client.positions() if one.symbol == card.symbol]
        found += [position.liquidation_price for position in mine]
        for position in mine:
            ours = contract.liquidation(position)
            assert (position.liquidation_price, ours) == (None, None) or (
                position.liquidation_price == pytest.approx(ours, rel=D("1e-7"))
            )
    assert [price is None for price in found] in ([True, False], [False, True])


async def test_positions_are_signed_and_reduce_only_is_held_to_them(contract: Subject) -> None:
    with pytest.raises(ErrorReply) as caught:
        await contract.client.place(contract.intent(None, side=Side.SELL, reduce_only=True))
    assert contract.kind(caught.value) is ErrorKind.ORDER_REJECTED
    placed = await contract.client.place(contract.intent(None))
    (position,) = [one for one in await contract.client.positions() if one.symbol == contract.card.symbol]
    assert (position.amount, placed.filled) == (contract.card.amount, contract.card.amount)
    assert position.entry_price == pytest.approx(D(60_000), rel=D("0.2"))
    await contract.client.place(contract.intent(None, side=Side.SELL, amount=contract.card.amount * 2))
    assert await contract.held() == -contract.card.amount
    await contract.client.place(contract.intent(None, reduce_only=True))
    assert await contract.held() == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rest_dropped"},
        {"kind": "rest_error", "status": 500, "variant": "after"},
        {"kind": "rest_garbled"},
        {"kind": "rest_empty"},
        {"kind": "rest_no_id"},
    ],
    ids=lambda fault: str(fault["kind"]),
)
async def test_an_order_whose_answer_is_lost_is_not_known_and_is_found(subject: Subject, fault: dict[str, Any]) -> None:
    client, wanted = subject.client, subject.intent()
    await client.balances()  # markets and clock are known, so that the next request is the order
    subject.sim.begin(venue=subject.card.venue, count=1, path=subject.card.order_path, **fault)
    answer = (await asyncio.gather(client.place(wanted), return_exceptions=True))[0]
    assert classify(known_venue(subject.card.venue), answer).outcome is Outcome.AMBIGUOUS
    found = await client.find(subject.ref(wanted))
    assert found is not None
    assert found.status is ReportStatus.OPEN
    assert len(subject.at_venue(wanted)) == 1


async def test_an_order_that_arrives_late_is_not_known_at_first(subject: Subject) -> None:
    client, wanted = subject.client, subject.intent()
    await client.balances()
    subject.sim.begin(venue=subject.card.venue, kind="rest_late", delay_s=0.3, path=subject.card.order_path)
    answer = (await asyncio.gather(client.place(wanted), return_exceptions=True))[0]
    assert classify(known_venue(subject.card.venue), answer).outcome is Outcome.AMBIGUOUS
    assert await client.find(subject.ref(wanted)) is None
    await asyncio.sleep(0.5)
    assert await client.find(subject.ref(wanted)) is not None


async def test_an_order_that_fills_while_it_is_canceled_is_told_as_filled(subject: Subject) -> None:
    client, wanted = subject.client, subject.intent()
    await client.place(wanted)
    subject.sim.begin(venue=subject.card.venue, kind="fill_on_cancel")
    with pytest.raises(ErrorReply) as caught:
        await client.cancel(subject.ref(wanted))
    assert subject.kind(caught.value) is ErrorKind.UNKNOWN_ORDER
    found = await client.find(subject.ref(wanted))
    assert found is not None
    assert (found.status, found.filled) == (ReportStatus.FILLED, wanted.amount)


async def test_a_wrong_secret_is_refused_and_a_key_that_can_withdraw_is_told_apart(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    venue = subject.card.venue
    canary = key_of(venue, "sim-main-key", "CANARY-secret-5ecre7", "CANARY-pass-5ecre7")
    wrong = subject.opened(venue, credentials=canary)
    with pytest.raises(ErrorReply) as caught:
        await wrong.place(subject.intent())
    assert subject.kind(caught.value) is ErrorKind.AUTHENTICATION
    said = repr(caught.value) + str(caught.value) + repr(wrong) + caplog.text
    for secret in filter(None, (canary.secret, canary.passphrase)):
        bare = secret.removeprefix("0x")
        assert bare not in said + redact_text(f"signed by {secret} or {bare}")
    (await subject.client.permissions()).require_safe(venue, "main")
    if not subject.card.offers(Capability.KEY_PERMISSIONS):
        assert await subject.client.permissions() == KeyPermissions()
        return
    rich = subject.opened(venue, "rich", key_of(venue, "rich-key", "rich-secret", "rich-pass"))
    with pytest.raises(WithdrawalAllowed):
        (await rich.permissions()).require_safe(venue, "rich")


async def test_a_countdown_that_is_not_renewed_cancels_the_orders_of_its_symbol(contract: Subject) -> None:
    switch = dead_man_of(contract.client)
    if switch is None or not switch.by_symbol:
        pytest.skip("the venue counts down no orders of one symbol")
    client: Any = contract.client
    wanted = contract.intent()
    await client.place(wanted)
    await client.count_down(wanted.symbol, 0.2)
    await client.count_down(wanted.symbol, 0)
    await asyncio.sleep(0.4)
    assert len(await client.open_orders(wanted.symbol)) == 1
    await client.count_down(wanted.symbol, 0.2)
    await asyncio.sleep(0.4)
    found = await client.find(contract.ref(wanted))
    assert found.status is ReportStatus.EXPIRED
