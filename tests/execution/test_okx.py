"""What OKX tells of positions in a mode that it is not traded in, and of kinds of contracts."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from decimal import Decimal as D
from typing import Any

import pytest

from xetrade_core.clock import SystemClock
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.okx import OkxExecution
from xetrade_core.venues.clients import ClientOptions


def row(instrument: str, kind: str, side: str, amount: str) -> dict[str, str]:
    return {
        "instId": instrument, "instType": kind, "posSide": side, "pos": amount, "avgPx": "50000", "liqPx": "",
    }  # fmt: skip


class Ccxt:
    """ccxt with a reply in it."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self._rows = rows

    async def private_get_account_positions(self) -> Any:
        return {"data": self._rows}

    def safe_symbol(self, name: str) -> str:
        return {"BTC-USDT-SWAP": "BTC/USDT:USDT", "BTC-USD-261225": "BTC/USD:BTC-261225"}.get(name, name)


async def test_positions_of_every_kind_have_their_signs_in_either_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        row("BTC-USDT-SWAP", "SWAP", "long", "3"), row("BTC-USDT-SWAP", "SWAP", "short", "5"),
        row("BTC-USD-261225", "FUTURES", "net", "-2"), row("BTC-USDT", "MARGIN", "net", "1"),
    ]  # fmt: skip
    keys = Credentials("okx-test-key", "okx-test-secret", "okx-test-passphrase")
    client = open_execution("okx", "main", keys, ClientOptions(), SystemClock(), random.Random(1))
    assert isinstance(client, OkxExecution)

    async def once(what: str, ask: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        return await ask(Ccxt(rows))

    monkeypatch.setattr(client, "once", once)
    try:
        assert [(one.symbol, one.amount) for one in await client.positions()] == [
            ("BTC/USDT:USDT", D(3)), ("BTC/USDT:USDT", D(-5)), ("BTC/USD:BTC-261225", D(-2)),
        ]  # fmt: skip
    finally:
        await client.close()
