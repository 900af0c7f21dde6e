"""What is Derive's own: signed orders, wallets as accounts, labels that name nothing, and a switch of the wallet."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.execution.conftest import Open, key_of
from tests.execution.test_cards import CARDS, D, Subject, hour_ago
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import ConfigError
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.derive_rows import permissions_of
from xetrade_core.execution.derive_signing import nonce_of
from xetrade_core.execution.fundings import fundings_since
from xetrade_core.execution.streams import open_stream
from xetrade_core.model.orders import Intent, OrderType, ReportStatus, Side
from xetrade_core.trading.execution import ErrorReply, NotSent, OrderRef, by_either_clock

CARD = next(card for card in CARDS if card.venue == "derive")
WALLET, PRIVATE = "0x" + "1" * 40, "ab" * 32


@pytest.fixture
async def subject(opened: Open, sim: Sim) -> Subject:
    return Subject(CARD, opened, sim)


def intent(client_id: str, created_ns: int) -> Intent:
    return Intent(
        client_id=client_id,
        venue="derive",
        account="main",
        symbol=CARD.symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        amount=D(1),
        created_ns=created_ns,
        reserve_price=D(1),
        price=D(1),
    )


@settings(max_examples=30)
@given(st.text(min_size=1), st.text(min_size=1), st.integers(10**18, 2 * 10**18))
def test_an_intent_has_one_nonce_for_ever_and_shares_it_with_no_other_of_its_moment(
    one: str, other: str, created_ns: int
) -> None:
    nonce = nonce_of(intent(one, created_ns))
    assert nonce == nonce_of(intent(one, created_ns))
    assert created_ns - 86_400 * NS_PER_S < nonce <= created_ns
    assert (nonce == nonce_of(intent(other, created_ns))) is (one == other)


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        (Credentials("CANARY", PRIVATE, subaccount=1), "__API_KEY: for derive it is the address of the wallet"),
        (Credentials(WALLET, "CANARY", subaccount=1), "__SECRET: for derive it is the private key of a session key"),
        (Credentials(WALLET, "0x" + "0" * 64, subaccount=1), "__SECRET: for derive it is the private key"),
        (Credentials(WALLET, "f" * 64, subaccount=1), "__SECRET: for derive it is the private key"),
        (Credentials(WALLET, PRIVATE), "set XETRADE_ACCOUNTS__MAIN__SUBACCOUNT to its number"),
    ],
)
async def test_a_key_of_another_shape_is_one_clear_line(opened: Open, credentials: Credentials, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        opened("derive", credentials=credentials)
    assert "CANARY" not in str(caught.value)
    assert PRIVATE not in str(caught.value)


async def test_an_exit_of_spot_is_an_order_like_any_other_as_there_is_no_position(subject: Subject) -> None:
    client: Any = subject.client
    leaves = replace(intent("out", 1), reduce_only=True)
    assert client.order_params(leaves)["reduce_only"] is True
    assert "reduce_only" not in client.order_params(replace(leaves, symbol="BTC/USDC"))


async def test_an_order_that_cannot_be_priced_is_certainly_not_sent(subject: Subject, sim: Sim) -> None:
    wanted = subject.intent(None)
    await subject.client.balances()
    sim.begin(venue="derive", kind="rest_error", path="get_ticker", status=500)
    with pytest.raises(NotSent, match="it is signed with a price"):
        await subject.client.place(wanted)
    assert subject.at_venue(wanted) == []


async def test_orders_that_come_at_once_ask_once_what_a_fee_may_be(subject: Subject, sim: Sim) -> None:
    before = len(sim.injected("rest_delay"))
    sim.begin(venue="derive", kind="rest_delay", path="get_ticker", delay_s=0.01, for_=60)
    placed = await asyncio.gather(*(subject.client.place(subject.intent()) for _ in range(5)))
    assert len({one.venue_order_id for one in placed}) == 5
    assert len(sim.injected("rest_delay")) == before + 1
    await subject.client.cancel_all(CARD.symbol)
    assert await subject.client.open_orders(None) == ()


async def test_a_clock_that_has_gone_wrong_costs_one_call(subject: Subject, sim: Sim) -> None:
    await subject.client.balances()
    sim.begin(venue="derive", kind="clock", offset_s=300)
    with pytest.raises(ErrorReply, match="14014"):
        await subject.client.balances()
    placed = await subject.client.place(subject.intent())
    assert placed.status is ReportStatus.OPEN
    await subject.client.cancel_all(CARD.symbol)


async def test_an_order_is_found_by_its_label_although_the_venues_clock_is_minutes_behind_ours(
    subject: Subject, sim: Sim
) -> None:
    sim.begin(venue="derive", kind="clock", offset_s=-300)
    client = subject.opened(CARD.venue)
    wanted = subject.intent(None)
    placed = await client.place(wanted)
    ref = OrderRef(wanted.symbol, wanted.client_id, None, wanted.created_ns)
    found = await client.find(ref)
    assert found is not None
    assert (found.venue_order_id, found.status) == (placed.venue_order_id, ReportStatus.FILLED)
    since_ns = by_either_clock(client, wanted.created_ns)
    assert placed.venue_order_id in {one.venue_order_id for one in await client.fills_since(wanted.symbol, since_ns)}
    sim.clear()
    await subject.flat()


async def test_an_order_is_found_by_its_label_among_ended_ones_no_older_than_it(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xetrade_core.execution.derive.PAGE", 1)
    wanted = subject.intent()
    placed = await subject.client.place(wanted)
    await subject.client.cancel(OrderRef(wanted.symbol, wanted.client_id, placed.venue_order_id))
    await subject.client.place(subject.intent(None))
    found = await subject.client.find(OrderRef(wanted.symbol, wanted.client_id, None, wanted.created_ns))
    assert found is not None
    assert (found.venue_order_id, found.status) == (placed.venue_order_id, ReportStatus.CANCELED)
    later = time.time_ns() + 3600 * NS_PER_S
    assert await subject.client.find(OrderRef(wanted.symbol, wanted.client_id, None, later)) is None

    async def unknown(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(subject.client, "unless_unknown", unknown)  # the call by the venue's id has forgotten it
    assert await subject.client.find(OrderRef(wanted.symbol, None, placed.venue_order_id)) == found
    await subject.flat()


async def test_parts_of_a_funding_that_are_booked_at_one_moment_are_one_payment(subject: Subject, sim: Sim) -> None:
    client: Any = subject.client
    await client.place(subject.intent(None))
    for rate in ("0.001", "-0.0005"):
        sim.pay_funding("derive", CARD.symbol, rate)
        await asyncio.sleep(0.02)
    truth = [D(row["amount"]) for row in sim.account("derive")["journal"] if row["kind"] == "funding"]
    paid = await fundings_since(client, CARD.symbol, hour_ago())
    assert sum(one.amount for one in paid) == sum(truth) != 0
    assert len({one.payment_id for one in paid}) == len(paid) >= 2
    assert {one.currency for one in paid} == {"USDC"}
    await subject.flat()


@pytest.mark.parametrize(
    ("scopes", "trade", "withdraw"),
    [
        (["trade:all"], True, False),
        (["trade:orderbook:perp"], True, False),
        (["trade"], True, False),
        (["trade:rfq:all"], False, False),
        (["trade:all", "transfer:existing_subaccount"], True, False),
        (["trade:all", "transfer:all"], True, True),
        (["trade:all", "withdraw"], True, True),
        (["admin"], True, True),
        ([], False, False),
    ],
)
def test_a_session_key_that_can_take_money_out_is_told_by_its_scopes(
    scopes: list[str], trade: bool, withdraw: bool
) -> None:
    found = permissions_of({"protocol_scopes": scopes, "ip_whitelist": []})
    assert (found.trade, found.withdraw, found.ip_restricted) == (trade, withdraw, False)


async def test_a_lost_stream_that_was_guarded_cancels_what_rests_and_one_that_ended_leaves_it(
    subject: Subject, sim: Sim
) -> None:
    async def nothing(*_: object) -> list[Any]:
        return []

    def guarded() -> Any:
        where = sim.url("derive").ws
        return open_stream(
            "derive",
            "main",
            subject.client,
            nothing,
            nothing,
            SystemClock(),
            random.Random(1),
            ws_url=where,
            guard_s=60,
        )

    placed = await subject.client.place(subject.intent())
    named = OrderRef(CARD.symbol, None, placed.venue_order_id)
    async with guarded() as stream:
        await stream.live(10)
    left = await subject.client.find(named)
    assert left is not None
    assert left.status is ReportStatus.OPEN
    async with guarded() as stream:
        await stream.live(10)
        sim.inject(venue="derive", kind="disconnect", variant="abort")
        async with asyncio.timeout(5):
            while (found := await subject.client.find(named)) is not None and found.status is ReportStatus.OPEN:
                await asyncio.sleep(0.05)
            while stream.connects < 2:  # what it has not noticed yet it could not take back
                await asyncio.sleep(0.01)
        await stream.live(10)
    assert found is not None
    assert (found.status, found.reason) == (ReportStatus.CANCELED, "cancel_on_disconnect")


async def test_the_wallets_own_key_is_one_that_can_withdraw(opened: Open) -> None:
    client: Any = opened("derive", credentials=key_of("derive", "sim-main-key", "sim-main-secret"))
    await client.balances()
    client._signer = client._credentials.api_key
    assert (await client.permissions()).withdraw is True
