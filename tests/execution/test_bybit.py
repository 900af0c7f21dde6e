"""What is Bybit's own: executions that nobody ordered."""

from __future__ import annotations

import json

import pytest

from tests.execution.conftest import Open
from tests.execution.test_cards import CARDS, Subject, hour_ago
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.bybit import BybitExecution
from xetrade_core.execution.bybit_rows import TRADED
from xetrade_core.execution.streams.bybit import BybitStream
from xetrade_core.model.orders import Fill
from xetrade_core.trading.execution import NoReply

SWAP = next(card for card in CARDS if card.venue == "bybit" and card.symbol == "BTC/USDT:USDT")
KINDS = ("Trade", "AdlTrade", "BustTrade", "BlockTrade", "Funding", "SessionSettlePnL")


async def test_what_the_venue_liquidates_is_a_trade_of_the_account_and_a_funding_is_none(
    opened: Open, sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(SWAP, opened, sim)
    client = subject.client
    assert isinstance(client, BybitExecution)
    await client.place(subject.intent(None))
    since_ms = hour_ago() // NS_PER_MS
    row = (await client.trades(SWAP.symbol, since_ms))[-1]["info"]
    told = [{**row, "execType": kind, "execId": kind, "category": "linear"} for kind in KINDS]

    async def listed(*_: object, **__: object) -> list[object]:
        return [(SWAP.symbol, one) for one in told]

    other = {**told[0], "side": "Sell", "orderId": "of the account too"}
    told.append(other)  # a trade of the account with itself
    monkeypatch.setattr(client, "_all_pages", listed)
    assert len(await client.fills_since(SWAP.symbol, hour_ago())) == len(TRADED) + 1
    assert {one.trade_id for one in await client.fills_since(SWAP.symbol, hour_ago())} == TRADED
    stream = BybitStream(client)
    await stream.prepare()
    heard = stream.read(json.dumps({"topic": "execution", "data": told}).encode())
    assert {one.trade_id for one in heard if isinstance(one, Fill)} == TRADED
    monkeypatch.undo()
    await subject.flat()


async def test_a_wallet_that_is_not_in_the_reply_is_a_reply_that_says_nothing(opened: Open) -> None:
    client = opened("bybit")
    assert isinstance(client, BybitExecution)
    with pytest.raises(NoReply, match="the balances that bybit answered cannot be read"), client.reading("balances"):
        tuple(client.held({"list": []}, 1))
