"""Funding payments as each venue tells them: every page, the venue's sign, the currency that it settles in."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.execution.conftest import Open
from tests.execution.test_cards import CARDS, Card, D, Subject
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution import bybit, fundings, okx
from xetrade_core.execution.fundings import fundings_since

PAGED = [card for card in CARDS if card.contract and card.venue in ("okx", "bybit", "binanceusdm", "binancecoinm")]


@pytest.mark.parametrize("card", PAGED, ids=lambda card: f"{card.venue}-{card.symbol}")
async def test_every_payment_is_told_whatever_the_page(
    card: Card, opened: Open, sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(card, opened, sim)
    client: Any = subject.client
    await client.place(subject.intent(None))
    began_ns = time.time_ns()
    for rate in ("0.001", "-0.0005", "0.0001", "0.0002", "-0.0003"):
        sim.pay_funding(card.venue, card.symbol, rate)
        await asyncio.sleep(0.015)  # never two in one millisecond
    for module in (bybit, fundings, okx):
        monkeypatch.setattr(module, "PAGE", 2)
    found = await fundings_since(client, card.symbol, began_ns - 1000 * NS_PER_MS)
    booked = [one for one in sim.account(card.venue)["journal"] if one["kind"] == "funding"]
    mine = [D(one["amount"]) for one in booked if one["symbol"] == card.symbol][-5:]
    assert [one.amount for one in found] == mine
    assert [one.amount > 0 for one in found] == [False, True, False, False, True], "a long pays a positive rate"
    assert {(one.symbol, one.currency) for one in found} == {(card.symbol, card.fee)}
    assert await fundings_since(client, card.symbol, found[2].at_ns) == found[2:]
    await subject.flat()
